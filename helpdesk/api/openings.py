"""Tickets that a program begins: a mail to a customer, or a call or visit that is written down."""

from typing import Annotated, Literal

from flask_babel import gettext as _
from pydantic import Field

from helpdesk import addresses, permissions
from helpdesk.api import shapes
from helpdesk.api.customers import IdentityIn
from helpdesk.api.framework import Caller
from helpdesk.api.messages import Body, Recipients
from helpdesk.api.schemas import Id, Words, mail_address
from helpdesk.api.shapes import TicketOut
from helpdesk.api.tickets import Sorted, noun, sort_ticket
from helpdesk.errors import Refused
from helpdesk.models import Customer, Reply, Right, Scope
from helpdesk.models.ticket.described import MOST_TITLE
from helpdesk.opening import Entry, customer_for, write_down, write_first
from helpdesk.queries.customers import get_customer


class TicketIn(Sorted):
    """A new ticket. Name the customer by `customer_id`, or by `identity` (made where nobody has that address)."""

    queue_id: Id
    title: Annotated[Words, Field(min_length=1, max_length=MOST_TITLE)]
    text: Annotated[Body, Field(description="The mail, or what was said.")]
    way: Annotated[
        Literal["mail", "call", "visit"],
        Field(description="`mail` writes to the customer; a call or visit is only written down."),
    ]
    direction: Annotated[Literal["in", "out"], Field(description="Of a call or visit: who came to whom.")] = "in"
    customer_id: Id | None = None
    identity: IdentityIn | None = None
    name: Annotated[Words, Field(max_length=200, description="Of a customer who is made now.")] = ""
    to: Annotated[Recipients | None, Field(description="Of a mail; nothing: the customer's first address.")] = None
    cc: Recipients | None = None
    own: Annotated[bool, Field(description="A call or visit: the user takes the ticket.")] = False
    waits: Annotated[bool, Field(description="A mail: the ticket waits for the customer.")] = False


@noun.post("/tickets", scope=Scope.TICKETS_WRITE, answer=TicketOut, status=201, body=TicketIn)
def create(caller: Caller, body: TicketIn) -> TicketOut:
    """Begin a ticket: write to a customer first, or write down a call or a visit.

    What customers send comes in through channels, which give each message its place; for systems there is the HTTP
    channel.
    """
    into_line = body.way != "mail" and not body.own  # whoever sees a queue may let somebody stand in it
    queue = permissions.get_queue(caller.user, body.queue_id, Right.SEE if into_line else Right.WORK)
    customer = _customer(body)
    if body.way != "mail":
        entry = Entry(body.way, body.direction, body.title, body.text)
        ticket = write_down(caller.user, queue, customer, entry, body.own)
        sort_ticket(caller, ticket, body)
        return shapes.shape(ticket)
    mails = [one.value for one in customer.identities if one.namespace == addresses.EMAIL]
    to = list(dict.fromkeys(body.to or [])) or mails[:1]
    if not to:
        raise Refused(_("No address of the customer is known, so nothing can be sent."))
    cc = [address for address in dict.fromkeys(body.cc or []) if address not in to]
    reply = Reply(body.text, to, cc, body.title)
    ticket = write_first(caller.user, queue, customer, reply, waits=body.waits)
    sort_ticket(caller, ticket, body)
    return shapes.shape(ticket)


def _customer(body: TicketIn) -> Customer:
    if (body.customer_id is None) == (body.identity is None):
        raise Refused(_("Name the customer either by customer_id or by identity."))
    if body.customer_id is not None:
        return get_customer(body.customer_id)
    assert body.identity is not None
    value = body.identity.value
    if body.identity.namespace == addresses.EMAIL:
        try:
            value = mail_address(value)
        except ValueError as error:
            raise Refused(_("“%(address)s” is not a mail address.", address=value)) from error
    return customer_for(body.identity.namespace, value, body.name)
