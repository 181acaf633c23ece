"""The line of a queue, defined once: used by the claim, the pages and the fairness test."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, tuple_

from helpdesk.db import db
from helpdesk.models import Queue, Ticket
from helpdesk.models.ticket.states import Kind

# Class first (0 for all where the queue does not order by priority), then the queue's clock, then arrival.
ORDER = (Ticket.line_class, Ticket.line_at, Ticket.id)

MOST_COUNTED = 1000


def waiting() -> ColumnElement[bool]:
    """The condition of standing in line: active, and nobody's."""
    return and_(Ticket.kind == Kind.ACTIVE, Ticket.owner_id.is_(None))


def line(queue_id: int) -> Select[tuple[Ticket]]:
    """The tickets that stand in line, the next one first."""
    return select(Ticket).where(Ticket.queue_id == queue_id, waiting()).order_by(*ORDER)


def first_of_each(queue_ids: Select[Any]) -> Select[Any]:
    """The head of each queue's line: columns queue_id, ticket_id, line_class, line_at. One index probe a queue."""
    head = (
        select(Ticket.id.label("ticket_id"), Ticket.line_class, Ticket.line_at)
        .where(Ticket.queue_id == Queue.id, waiting())
        .order_by(*ORDER)
        .limit(1)
        .lateral("head")
    )
    return (
        select(Queue.id.label("queue_id"), head.c.ticket_id, head.c.line_class, head.c.line_at)
        .join(head, literal(True))
        .where(Queue.id.in_(queue_ids), Queue.active)
    )


def oldest_queue(queue_ids: Select[Any]) -> int | None:
    """Id of the queue whose head goes first of all, or None when every line is empty."""
    heads = first_of_each(queue_ids).subquery()
    return db.session.scalar(
        select(heads.c.queue_id).order_by(heads.c.line_class, heads.c.line_at, heads.c.ticket_id).limit(1)
    )


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
