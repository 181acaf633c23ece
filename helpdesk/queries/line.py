"""The line of a queue, defined once: used by the claim, the pages and the fairness test."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, true, tuple_

from helpdesk.db import db
from helpdesk.models import Channel, Queue, Ticket
from helpdesk.models.ticket.states import Kind

# Class first (0 for all where the queue does not order by priority), then the queue's clock, then arrival.
ORDER = (Ticket.line_class, Ticket.line_at, Ticket.id)

MOST_COUNTED = 1000


def waiting() -> ColumnElement[bool]:
    """The condition of standing in line: active, and nobody's."""
    return and_(Ticket.kind == Kind.ACTIVE, Ticket.owner_id.is_(None))


def line(queue_id: int, without: Collection[str] = ()) -> Select[tuple[Ticket]]:
    """The tickets that stand in line, the next one first; `without` those of some kinds of channel."""
    return select(Ticket).where(Ticket.queue_id == queue_id, waiting(), _of_others(without)).order_by(*ORDER)


def first_of_each(queue_ids: Select[Any], without: Collection[str] = ()) -> Select[Any]:
    """The head of each queue's line: columns queue_id, ticket_id, line_class, line_at. One index probe a queue.

    `without` leaves out the tickets of some kinds of channel: then the head is the first of what is left.
    """
    head = (
        select(Ticket.id.label("ticket_id"), Ticket.line_class, Ticket.line_at)
        .where(Ticket.queue_id == Queue.id, waiting(), _of_others(without))
        .order_by(*ORDER)
        .limit(1)
        .lateral("head")
    )
    return (
        select(Queue.id.label("queue_id"), head.c.ticket_id, head.c.line_class, head.c.line_at)
        .join(head, literal(True))
        .where(Queue.id.in_(queue_ids), Queue.active)
    )


def oldest_queue(queue_ids: Select[Any], without: Collection[str] = ()) -> Select[tuple[int]]:
    """The id of the queue whose head goes before all others; no row when every line is empty."""
    return _oldest("queue_id", queue_ids, without)


def oldest_ticket(queue_ids: Select[Any], without: Collection[str] = ()) -> Select[tuple[int]]:
    """The id of the head that goes before all others; no row when every line is empty."""
    return _oldest("ticket_id", queue_ids, without)


def _oldest(column: str, queue_ids: Select[Any], without: Collection[str]) -> Select[tuple[int]]:
    heads = first_of_each(queue_ids, without).subquery()
    order = (heads.c.line_class, heads.c.line_at, heads.c.ticket_id)
    return select(heads.c[column]).order_by(*order).limit(1)


def _of_others(kinds: Collection[str]) -> ColumnElement[bool]:
    if not kinds:
        return true()
    return Ticket.channel_id.not_in(select(Channel.id).where(Channel.kind.in_(sorted(kinds))))


def position(ticket: Ticket) -> int | None:
    """How many stand before the ticket, plus one; None when it stands in no line. Counts up to 1000."""
    if ticket.kind != Kind.ACTIVE or ticket.owner_id is not None:
        return None
    place = tuple_(literal(ticket.line_class), literal(ticket.line_at), literal(ticket.id))
    ahead = (
        select(Ticket.id)
        .where(Ticket.queue_id == ticket.queue_id, waiting(), tuple_(*ORDER) < place)
        .limit(MOST_COUNTED)
        .subquery()
    )
    return (db.session.scalar(select(func.count()).select_from(ahead)) or 0) + 1
