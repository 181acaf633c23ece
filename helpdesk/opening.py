"""Tickets that an operator begins: a mail to somebody, or a call or visit that is written down by hand.

Each is a new conversation with a new ticket. Rights in the queue are the caller's to check.
"""

from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import addresses, clock
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.indexing import index_message
from helpdesk.models import Channel, Conversation, Customer, MessageKind, Queue, Reply, Ticket, User
from helpdesk.models.channel import DESK, is_own_address
from helpdesk.models.customer import phone_region, tidy_name
from helpdesk.models.ticket.described import MOST_TITLE
from helpdesk.models.ticket.states import Kind
from helpdesk.models.writing import begin_conversation, first_channel, join, say
from helpdesk.permissions import visible

WAYS = ("call", "visit")
DIRECTIONS = ("in", "out")


@dataclass(frozen=True)
class Entry:
    """What is written down by hand: `way` is call or visit; `direction` in (they came to us) or out."""

    way: str
    direction: str
    title: str
    text: str


def write_first(by: User, queue: Queue, customer: Customer, reply: Reply, waits: bool = False) -> Ticket:
    """Write to a customer who has not written: a conversation, a ticket of the author's own and the mail, together.

    `reply` holds subject, recipients, words and files. The ticket is open, or waits for the customer (`waits`). Raises
    Refused where the queue has no mailbox, without a subject, to a blocked customer and to ourselves.
    """
    channel = first_channel(queue)
    if channel is None:
        raise Refused(_("%(queue)s has no mailbox that mail can be sent from.", queue=queue.name))
    title = _title(reply.subject or "")
    customer = _reachable(customer)
    conversation = _begin(queue, channel, customer, title)
    ticket = Ticket.open(conversation, queue, title, clock.now(), by=by)
    ticket.claim(by)
    for address in reply.to:
        join(conversation, address, customer.name, "from")
    ticket.reply(by, Reply(reply.body, reply.to, reply.cc, title, files=reply.files))
    if waits:
        ticket.pause(by)
    return ticket


def write_down(by: User, queue: Queue, customer: Customer, entry: Entry, own: bool) -> Ticket:
    """Keep what was said on the phone or at the counter as a ticket: one's own, or in line like any other.

    Who came to us waits from now on; whom we called waits for nothing. Raises Refused for an empty entry.
    """
    if entry.way not in WAYS or entry.direction not in DIRECTIONS:
        raise Refused(_("Say whether it was a call or a visit, and who came to whom."))
    if not entry.text.strip():
        raise Refused(_("Write down what was said."))
    title = _title(entry.title)
    customer = _reachable(customer)
    conversation = _begin(queue, desk_channel(queue), customer, title)
    for identity in [one for one in customer.identities if one.namespace == addresses.EMAIL][:1]:
        join(conversation, identity.value, customer.name, "from")
    ticket = Ticket.open(conversation, queue, title, clock.now(), by=by)
    message = say(conversation, MessageKind.INBOUND, None, entry.text, title, ticket)
    message.customer = customer
    message.facts = {"by_hand": entry.way, "direction": entry.direction, "entered_by": by.id}
    message.sender_name = customer.name
    db.session.flush()
    index_message(message)
    if entry.direction == "in":
        ticket.hear(message, "human", message.at)
    if own:
        ticket.claim(by)
    return ticket


def desk_channel(queue: Queue) -> Channel:
    """The channel of the queue's project for entries by hand, made when it is first needed."""
    mine = select(Channel).where(Channel.project_id == queue.project_id, Channel.kind == DESK)
    found = db.session.scalar(mine)
    if found is not None:
        return found
    name = _("By hand, %(project)s", project=queue.project.name)
    made = insert(Channel).values(project_id=queue.project_id, queue_id=queue.id, kind=DESK, name=name)
    db.session.execute(made.on_conflict_do_nothing())
    return db.session.scalars(mine).one()


def active_tickets(user: User, customer: Customer) -> list[Ticket]:
    """The customer's tickets that somebody works on or that wait, as far as `user` may see them, newest first."""
    query = select(Ticket).where(Ticket.customer_id == customer.id, Ticket.kind != Kind.FINISHED, visible(user))
    return list(db.session.scalars(query.order_by(Ticket.id.desc()).limit(5)))


def customer_for(namespace: str, value: str, name: str = "") -> Customer:
    """The customer with this mail address or phone number, made now where nobody has it.

    Raises Refused for what is no address, and for one of our own.
    """
    if namespace == addresses.PHONE:
        if addresses.normalise_phone(value, phone_region()) is None:
            raise Refused(_("This is not a phone number. Write it with its country code, such as +380 44 123 45 67."))
    elif is_own_address(value):
        raise Refused(_("%(address)s is one of our own addresses.", address=value))
    return Customer.for_identity(namespace, value, tidy_name(name))


def _begin(queue: Queue, channel: Channel, customer: Customer, subject: str) -> Conversation:
    conversation = begin_conversation(queue.project_id, channel, customer, subject, "desk:{id}")
    db.session.flush()
    return conversation


def _title(subject: str) -> str:
    title = " ".join(subject.split())
    if not title or len(title) > MOST_TITLE:
        raise Refused(_("A title has between 1 and 500 characters."))
    return title


def _reachable(customer: Customer) -> Customer:
    customer = customer.as_merged()
    if customer.blocked:
        raise Refused(_("%(name)s is blocked. Unblock them on their page first.", name=customer.name))
    return customer
