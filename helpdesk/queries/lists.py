"""Lists of tickets: one query each, by keyset, never counting a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Row, Select, and_, literal, select, tuple_

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Channel, Customer, Queue, Ticket, User
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.line import ORDER, waiting

PAGE = 50


class View(StrEnum):
    """The lists of a queue."""

    WAITING = "waiting"
    IN_WORK = "in-work"
    PAUSED = "paused"
    FINISHED = "finished"
    DUE = "due"


COLUMNS = (
    Ticket.id,
    Ticket.number,
    Ticket.title,
    Ticket.state,
    Ticket.kind,
    Ticket.priority,
    Ticket.line_class,
    Ticket.line_at,
    Ticket.arrived_at,
    Ticket.first_unanswered_at,
    Ticket.pending_until,
    Ticket.due_at,
    Ticket.due_warn_at,
    Ticket.finished_at,
    Ticket.queue_id,
    Ticket.owner_id,
    User.name.label("owner_name"),
    Customer.name.label("customer_name"),
    Channel.kind.label("channel_kind"),
    Channel.name.label("channel_name"),
)


@dataclass(frozen=True)
class Page:
    """A page of rows with `COLUMNS`; `next_after` continues after its last row, None at the end."""

    rows: Sequence[Row[Any]]
    next_after: str | None


def rows() -> Select[Any]:
    """Tickets with the names that a row shows."""
    return (
        select(*COLUMNS)
        .join(Customer, Customer.id == Ticket.customer_id)
        .join(Channel, Channel.id == Ticket.channel_id)
        .outerjoin(User, User.id == Ticket.owner_id)
    )


def of_queue(queue: Queue, view: View, after: str | None = None, limit: int = PAGE) -> Page:
    """One page of a queue's list; the caller has checked that the user may see the queue."""
    query = rows().where(Ticket.queue_id == queue.id)
    match view:
        case View.WAITING:
            query = _after(query.where(waiting()).order_by(*ORDER), ORDER, after)
        case View.IN_WORK:
            order = (Ticket.line_at, Ticket.id)
            condition = and_(Ticket.kind == Kind.ACTIVE, Ticket.owner_id.is_not(None))
            query = _after(query.where(condition).order_by(*order), order, after)
        case View.DUE:
            by_due = (Ticket.due_at, Ticket.id)
            query = query.where(Ticket.kind == Kind.ACTIVE, Ticket.due_at.is_not(None))
            return _page(_after(query.order_by(*by_due), by_due, after), limit, by="due_at")
        case _:
            kind = Kind.PAUSED if view == View.PAUSED else Kind.FINISHED
            query = query.where(Ticket.kind == kind).order_by(Ticket.id.desc())
            if after is not None:
                query = query.where(Ticket.id < _numbers(after)[-1])
    return _page(query, limit)


def owned_by(user: User, limit: int = PAGE) -> Page:
    """The open tickets of an operator, active before paused, the longest wait first."""
    query = rows().where(Ticket.owner_id == user.id, Ticket.kind.in_([Kind.ACTIVE, Kind.PAUSED]))
    return _page(query.order_by(Ticket.kind, Ticket.line_at, Ticket.id), limit)


def _page(query: Select[Any], limit: int, by: str = "line_at") -> Page:
    found = db.session.execute(query.limit(limit + 1)).all()
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], _place(last, by) if last is not None else None)


def _place(row: Row[Any], by: str) -> str:
    moment = row._mapping[by]
    return f"{row.line_class}.{moment.timestamp():.6f}.{row.id}".replace(".", "-")


def _numbers(after: str) -> list[int]:
    try:
        parts = [int(part) for part in after.split("-")]
    except ValueError:
        parts = []
    if len(parts) != 4:
        raise Refused(_("The address of this page is not complete. Open the list again."))
    return parts


def _after(query: Select[Any], order: tuple[Any, ...], after: str | None) -> Select[Any]:
    if after is None:
        return query
    line_class, seconds, micros, ticket_id = _numbers(after)
    moment = datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=micros)
    place = (line_class, moment, ticket_id)[-len(order) :]
    return query.where(tuple_(*order) > tuple_(*(literal(value) for value in place)))
