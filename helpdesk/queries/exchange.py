"""One person's whole exchange: what was said on all their tickets and beside them, as far as a user may see it."""

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, true, union_all
from sqlalchemy.orm import joinedload, selectinload

from helpdesk.db import db
from helpdesk.models import Channel, Conversation, Customer, Message, MessageKind, Right, Ticket, User
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import queue_ids, visible
from helpdesk.queries.people_list import SAID_AT
from helpdesk.queries.thread import MOST_IN_WINDOW, PAGE, Page

MOST_CHANNELS = 20


def messages(
    user: User, customer: Customer, channel_id: int | None = None, before: int | None = None, limit: int = PAGE
) -> Page:
    """The latest messages before the one with id `before`, in the order they were said; of one channel, or of all.

    Of each ticket and each conversation no more is read than a page could need.
    """
    earlier = Message.id < before if before is not None else true()
    return _read(user, customer, channel_id, earlier, limit)


def window(user: User, customer: Customer, channel_id: int | None = None, first_id: int | None = None) -> Page:
    """The end of the exchange: from message `first_id` on, as long as that is not too much, else the last page."""
    if first_id is not None:
        page = _read(user, customer, channel_id, Message.id >= first_id, MOST_IN_WINDOW)
        if not page.older:
            older = messages(user, customer, channel_id, before=first_id, limit=1)
            return Page(page.messages, older=bool(older.messages))
    return messages(user, customer, channel_id)


def _read(user: User, customer: Customer, channel_id: int | None, bound: ColumnElement[bool], limit: int) -> Page:
    parts = (_on_tickets, _beside_tickets, _without_tickets)
    ids = [part(user, customer, channel_id, bound, limit + 1) for part in parts]
    shown = union_all(*ids).subquery()
    query = (
        select(Message)
        .join(shown, shown.c.id == Message.id)
        .options(joinedload(Message.user), joinedload(Message.customer), selectinload(Message.attachments))
        .options(joinedload(Message.ticket), joinedload(Message.conversation).joinedload(Conversation.channel))
        .order_by(Message.id.desc())
        .limit(limit + 1)
    )
    found = list(db.session.scalars(query))
    return Page(found[:limit][::-1], older=len(found) > limit)


def _on_tickets(
    user: User, customer: Customer, channel_id: int | None, bound: ColumnElement[bool], limit: int
) -> Select[tuple[int]]:
    seen = select(Ticket.id).where(Ticket.customer_id == customer.id, visible(user))
    where = or_(visible(user), Ticket.shown_on_id.in_(seen.correlate(None)))  # what was merged, where it is shown
    theirs = select(Ticket.id).where(Ticket.customer_id == customer.id, where, _of(Ticket, channel_id))
    tickets = theirs.subquery("theirs")
    last = select(Message.id).where(Message.ticket_id == tickets.c.id, bound).order_by(Message.id.desc())
    latest = last.limit(limit).lateral("latest")
    return select(latest.c.id).select_from(tickets).join(latest, true())


def _beside_tickets(
    user: User, customer: Customer, channel_id: int | None, bound: ColumnElement[bool], limit: int
) -> Select[tuple[int]]:
    """What was said in their conversations on no ticket; whoever sees a ticket of the conversation sees it."""
    seen = exists().where(Ticket.conversation_id == Conversation.id, visible(user))
    return _general(customer, channel_id, bound, limit, seen)


def _without_tickets(
    user: User, customer: Customer, channel_id: int | None, bound: ColumnElement[bool], limit: int
) -> Select[tuple[int]]:
    """What other systems told of them before they ever wrote: all operators may know all customers."""
    unasked = ~exists().where(Ticket.conversation_id == Conversation.id)
    told = Message.kind == MessageKind.EVENT
    return _general(customer, channel_id, bound & told, limit, unasked)


def _general(
    customer: Customer, channel_id: int | None, bound: ColumnElement[bool], limit: int, which: ColumnElement[bool]
) -> Select[tuple[int]]:
    theirs = select(Conversation.id).where(
        Conversation.customer_id == customer.id, _of(Conversation, channel_id), which
    )
    found = theirs.subquery("conversation")
    last = select(Message.id).where(Message.conversation_id == found.c.id, Message.ticket_id.is_(None), bound)
    latest = last.order_by(Message.id.desc()).limit(limit).lateral("latest")
    return select(latest.c.id).select_from(found).join(latest, true())


def _of(model: type[Ticket] | type[Conversation], channel_id: int | None) -> ColumnElement[bool]:
    return model.channel_id == channel_id if channel_id is not None else true()


def channels_of(user: User, customer: Customer) -> list[Channel]:
    """The channels by which the customer has tickets that `user` may see, the one last used first."""
    used = (
        select(Ticket.channel_id, func.max(Ticket.id).label("last"))
        .where(Ticket.customer_id == customer.id, visible(user))
        .group_by(Ticket.channel_id)
        .subquery()
    )
    query = select(Channel).join(used, used.c.channel_id == Channel.id).order_by(used.c.last.desc())
    return list(db.session.scalars(query.limit(MOST_CHANNELS)))


def active_tickets(user: User, customer: Customer, channel_id: int | None = None) -> list[Ticket]:
    """The customer's active tickets on which `user` may work, the one that was last spoken on first; ten at most."""
    active = (Ticket.customer_id == customer.id, Ticket.kind == Kind.ACTIVE, _of(Ticket, channel_id))
    query = select(Ticket).where(*active, Ticket.queue_id.in_(queue_ids(user, Right.WORK)))
    return list(db.session.scalars(query.order_by(SAID_AT.desc(), Ticket.id.desc()).limit(10)))


def last_ticket(user: User, customer: Customer, channel_id: int | None = None) -> Ticket | None:
    """The customer's newest ticket that `user` may see."""
    query = select(Ticket).where(Ticket.customer_id == customer.id, visible(user), _of(Ticket, channel_id))
    return db.session.scalar(query.order_by(Ticket.id.desc()).limit(1))
