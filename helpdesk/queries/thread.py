"""What a ticket's page shows beside the ticket itself; a constant number of queries, whatever the length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select, text, true, union_all
from sqlalchemy.orm import joinedload, selectinload

from helpdesk.db import db
from helpdesk.models import (
    Channel,
    Customer,
    Event,
    InboundEvent,
    InboundState,
    Message,
    MessageKind,
    OutboxItem,
    Ticket,
    TicketPerson,
    User,
)
from helpdesk.models.event import NOT_SAID
from helpdesk.models.ticket.accompanied import ON_BEHALF

FIRST = 30  # fills any screen; what is above comes before anybody gets there
PAGE = 60
MOST_IN_WINDOW = 300
MOST_EVENTS = 60
MOST_LINES = 200

# What matters to whoever reads the conversation; all else stands in the history.
THREAD_FACTS = (
    "ticket.opened",
    "ticket.imported",
    "ticket.claimed",
    "ticket.released",
    "ticket.handed_over",
    "ticket.moved",
    "ticket.state",
    "ticket.state_kept",
    "ticket.rule",
    "ticket.linked",
    "ticket.merged",
    "ticket.unmerged",
    "ticket.split",
    "ticket.unsplit",
    "ticket.people",
    "ticket.participant",
    "message.copy",
    "message.elsewhere",
    "message.reply_undone",
)


@dataclass(frozen=True)
class Page:
    """Some messages of a ticket in the order they were said. `older` and `newer` say whether more stand before the
    first and after the last, within the bounds that were asked for."""

    messages: list[Message]
    older: bool = False
    newer: bool = False


def messages(
    ticket: Ticket,
    before: int | None = None,
    after: int | None = None,
    from_start: bool = False,
    limit: int = PAGE,
) -> Page:
    """Messages with ids between `after` and `before`, neither included: the last `limit`, or the first ones.

    The last ticket of a conversation also shows what was written beside all tickets.
    """
    bounds = [
        Message.id < before if before is not None else true(),
        Message.id > after if after is not None else true(),
    ]
    newer = exists().where(
        Ticket.conversation_id == ticket.conversation_id, Ticket.id > ticket.id, Ticket.merged_into_id.is_(None)
    )
    general = (Message.ticket_id.is_(None), Message.conversation_id == ticket.conversation_id, ~newer)
    order = Message.id.asc() if from_start else Message.id.desc()
    parts = [
        select(Message.id).where(*which, *bounds).order_by(order).limit(limit + 1)
        for which in ((Message.ticket_id.in_(ticket.family),), general)
    ]
    shown = union_all(*(select(part.subquery().c.id) for part in parts)).subquery()
    query = (
        select(Message)
        .join(shown, shown.c.id == Message.id)
        .options(joinedload(Message.user), joinedload(Message.customer), selectinload(Message.attachments))
        .order_by(order)
        .limit(limit + 1)
    )
    found = list(db.session.scalars(query))
    more = len(found) > limit
    found = found[:limit]
    return Page(found, newer=more) if from_start else Page(found[::-1], older=more)


def window(ticket: Ticket, first_id: int | None = None) -> Page:
    """The end of the conversation: from message `first_id` on, as long as that is not too much, else the last page."""
    if first_id is not None:
        page = messages(ticket, after=first_id - 1, limit=MOST_IN_WINDOW)
        if not page.older:
            return Page(page.messages, older=bool(messages(ticket, before=first_id, limit=1).messages))
    return messages(ticket, limit=FIRST)


def around(ticket: Ticket, message_id: int, before: int | None = None) -> Page:
    """Messages before and after this one, which is among them; only such before message `before`."""
    back = messages(ticket, before=message_id + 1, limit=PAGE // 3)
    on = messages(ticket, before=before, after=message_id, from_start=True)
    return Page(back.messages + on.messages, back.older, on.newer)


def first_unanswered_id(ticket: Ticket) -> int | None:
    """The customer's first message that nobody has answered yet; None where everything is answered."""
    if ticket.first_unanswered_at is None:
        return None
    query = select(Message.id).where(
        Message.ticket_id.in_(ticket.family),
        Message.kind == MessageKind.INBOUND,
        Message.at >= ticket.first_unanswered_at,
    )
    return db.session.scalar(query.order_by(Message.id).limit(1))


def lines(ticket: Ticket, since: datetime | None = None, until: datetime | None = None) -> list[Event]:
    """What happened on the ticket between two moments (the second not included), oldest first; of much, the latest."""
    bounds = [Event.at >= since if since else true(), Event.at < until if until else true()]
    told = or_(Event.kind != "ticket.people", ~Event.payload.has_key("message_id"))  # else a message says so
    of_ticket = (Event.ticket_id == ticket.id, text(NOT_SAID), Event.kind.in_(THREAD_FACTS), told)
    query = select(Event).where(*of_ticket, *bounds).order_by(Event.at.desc(), Event.id.desc()).limit(MOST_LINES)
    return list(db.session.scalars(query))[::-1]


def said_at(message_id: int) -> datetime | None:
    """When a message was said."""
    return db.session.scalar(select(Message.at).where(Message.id == message_id))


def answered_by(shown: Iterable[Message]) -> dict[int, Message]:
    """The messages that those among `shown` answer by name, by their ids; one query, and none where none does."""
    ids = {message.answers_id for message in shown if message.answers_id is not None}
    if not ids:
        return {}
    query = select(Message).where(Message.id.in_(ids)).options(joinedload(Message.user), joinedload(Message.customer))
    return {message.id: message for message in db.session.scalars(query)}


def copies_of(shown: Sequence[Message]) -> dict[int, list[str]]:
    """To which addresses of ours beside the conversation's own the mails among `shown` came, by message id.

    One query, and where there are copies another: the mail that was read first may be the one that came elsewhere.
    """
    ids = [message.id for message in shown if message.kind == "inbound"]
    copies = (InboundEvent.state == InboundState.DROPPED, InboundEvent.message_id.in_(ids))
    came = list(db.session.execute(select(InboundEvent.message_id, InboundEvent.channel_id).where(*copies)).tuples())
    if not came:
        return {}
    with_copies = {message_id for message_id, _channel in came}
    first = [message.facts.get("event_id") for message in shown if message.id in with_copies]
    came += db.session.execute(
        select(InboundEvent.message_id, InboundEvent.channel_id).where(InboundEvent.id.in_(first))
    ).tuples()
    query = select(Channel).where(Channel.id.in_({channel_id for _message, channel_id in came})).order_by(Channel.id)
    places = {channel.id: channel.address or channel.name for channel in db.session.scalars(query)}
    own = shown[0].conversation.channel_id
    return {
        message_id: [name for id_, name in places.items() if id_ != own and (message_id, id_) in came]
        for message_id in with_copies
        if message_id is not None
    }


def outbox_of(shown: Sequence[Message]) -> dict[int, OutboxItem]:
    """The outbox items of the replies among `shown`, by message id."""
    ids = [message.id for message in shown if message.kind == "reply"]
    if not ids:
        return {}
    items = db.session.scalars(select(OutboxItem).where(OutboxItem.message_id.in_(ids)))
    return {item.message_id: item for item in items}


def events(ticket: Ticket, limit: int = MOST_EVENTS, before: int | None = None) -> list[Event]:
    """The latest facts of the ticket, newest first."""
    query = select(Event).where(Event.ticket_id == ticket.id).order_by(Event.id.desc()).limit(limit)
    return list(db.session.scalars(query if before is None else query.where(Event.id < before)))


def people(ticket: Ticket) -> list[User]:
    """The operators who take part in the ticket beside its owner."""
    query = select(User).join(TicketPerson, TicketPerson.user_id == User.id)
    return list(db.session.scalars(query.where(TicketPerson.ticket_id == ticket.id).order_by(User.name)))


def last_inbound(ticket: Ticket) -> Message | None:
    """The latest message on the ticket that a person wrote, else the latest of any kind; none of a stranger's.

    Whoever found a reply address is no participant, and who forwarded what the customer had written speaks for them:
    answers do not go there by default.
    """
    query = select(Message).where(
        Message.ticket_id == ticket.id,
        Message.kind == "inbound",
        ~Message.facts.has_key("non_participant"),
        ~Message.facts.has_key(ON_BEHALF),
    )
    human = query.where(Message.nature == "human").order_by(Message.id.desc()).limit(1)
    return db.session.scalar(human) or db.session.scalar(query.order_by(Message.id.desc()).limit(1))


def customer_of(ticket: Ticket) -> Customer:
    """The ticket's customer with what the card shows."""
    options = (selectinload(Customer.identities), joinedload(Customer.organisation))
    return db.session.scalars(select(Customer).where(Customer.id == ticket.customer_id).options(*options)).one()
