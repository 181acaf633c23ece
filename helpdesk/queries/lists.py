"""Lists of tickets, by keyset, never counting a table.

A list is a line of tickets in an order that an index has. What narrows it (`narrowed`: conditions of
`helpdesk.queries.search_filters`) is looked for in stretches of that line, each longer than the one before, so that a
condition that hardly any ticket meets costs a bounded way and not the archive. Such a page may hold few rows, or none,
and still have a place to go on from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Row, Select, literal, select, tuple_

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Channel, Customer, Queue, Ticket, User
from helpdesk.models.saved_view import Order
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import visible
from helpdesk.queries.line import ORDER, waiting

PAGE = 50
STRETCHES = (500, 4000, 16_000)

Narrowed = Sequence[ColumnElement[bool]]


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
    Ticket.unread,
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


@dataclass(frozen=True)
class Line:
    """Tickets in an order: what stands in it, and the columns that order it (all of COLUMNS, the id last).

    `backwards` is for the newest first.
    """

    conditions: tuple[ColumnElement[bool], ...]
    order: tuple[Any, ...]
    backwards: bool = False

    def sorted(self, query: Select[Any]) -> Select[Any]:
        """The query in the order of the line."""
        return query.where(*self.conditions).order_by(
            *(column.desc() for column in self.order) if self.backwards else self.order
        )

    def behind(self, place: tuple[Any, ...]) -> ColumnElement[bool]:
        """What stands behind a place."""
        here, there = tuple_(*self.order), tuple_(*(literal(value) for value in place))
        return here < there if self.backwards else here > there

    def up_to(self, place: tuple[Any, ...]) -> ColumnElement[bool]:
        """What stands before a place, or at it."""
        here, there = tuple_(*self.order), tuple_(*(literal(value) for value in place))
        return here >= there if self.backwards else here <= there

    def place(self, row: Row[Any]) -> tuple[Any, ...]:
        """Where a row with COLUMNS stands."""
        return tuple(row._mapping[column.key] for column in self.order)


def of_queue(queue: Queue, view: View, after: str | None = None, limit: int = PAGE, narrowed: Narrowed = ()) -> Page:
    """One page of a queue's list; the caller has checked that the user may see the queue."""
    here, active = Ticket.queue_id == queue.id, Ticket.kind == Kind.ACTIVE
    match view:
        case View.WAITING:
            line = Line((here, waiting()), ORDER)
        case View.IN_WORK:
            line = Line((here, active, Ticket.owner_id.is_not(None)), (Ticket.line_at, Ticket.id))
        case View.DUE:
            line = Line((here, active, Ticket.due_at.is_not(None)), (Ticket.due_at, Ticket.id))
        case _:
            kind = Kind.PAUSED if view == View.PAUSED else Kind.FINISHED
            line = Line((here, Ticket.kind == kind), (Ticket.id,), backwards=True)
    return read(line, after, limit, narrowed)


def owned_by(user: User, limit: int = PAGE, after: str | None = None, narrowed: Narrowed = ()) -> Page:
    """The open tickets of an operator, active before paused, the longest wait first."""
    conditions = (Ticket.owner_id == user.id, Ticket.kind.in_([Kind.ACTIVE, Kind.PAUSED]))
    return read(Line(conditions, (Ticket.kind, Ticket.line_at, Ticket.id)), after, limit, narrowed)


def seen_by(user: User, order: Order, after: str | None = None, limit: int = PAGE, narrowed: Narrowed = ()) -> Page:
    """What `user` may see of all queues: the active tickets by wait or by due time, or all of them, newest first."""
    active = Ticket.kind == Kind.ACTIVE
    match order:
        case Order.NEWEST:
            line = Line((), (Ticket.id,), backwards=True)
        case Order.DUE:
            line = Line((active, Ticket.due_at.is_not(None)), (Ticket.due_at, Ticket.id))
        case _:
            line = Line((active,), (Ticket.line_at, Ticket.id))
    return read(line, after, limit, (visible(user), *narrowed))


def read(line: Line, after: str | None, limit: int, narrowed: Narrowed = ()) -> Page:
    """A page of a line, narrowed or whole. Raises Refused for a place that no page ever gave."""
    place = _read_place(after, line.order) if after is not None else None
    if not narrowed:
        found, end = _between(line, place, None, limit), None
    else:
        found, end = _search(line, place, limit, narrowed)
    if len(found) > limit:
        return Page(found[:limit], _write_place(line.place(found[limit - 1])))
    return Page(found, _write_place(end) if end is not None else None)


def _search(
    line: Line, place: tuple[Any, ...] | None, limit: int, narrowed: Narrowed
) -> tuple[list[Row[Any]], tuple[Any, ...] | None]:
    """Rows that meet the conditions, up to one more than `limit`, and how far the line was read (None: to its end)."""
    found: list[Row[Any]] = []
    for length in STRETCHES:
        ahead = line.sorted(select(*line.order)).offset(length - 1).limit(1)
        if place is not None:
            ahead = ahead.where(line.behind(place))
        end = db.session.execute(ahead).first()
        found += _between(line, place, tuple(end) if end else None, limit - len(found), narrowed)
        if end is None or len(found) > limit:
            return found, None
        place = tuple(end)
    return found, place


def _between(
    line: Line,
    place: tuple[Any, ...] | None,
    end: tuple[Any, ...] | None,
    limit: int,
    narrowed: Narrowed = (),
) -> list[Row[Any]]:
    query = line.sorted(rows()).where(*narrowed).limit(limit + 1)
    if place is not None:
        query = query.where(line.behind(place))
    if end is not None:
        query = query.where(line.up_to(end))
    return list(db.session.execute(query).all())


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _write_place(place: tuple[Any, ...]) -> str:
    """A place as a URL carries it: whole numbers (moments in microseconds since 1970) and words, joined by dashes."""
    return "-".join(str((value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value) for value in place)


def _read_place(after: str, order: tuple[Any, ...]) -> tuple[Any, ...]:
    parts = after.split("-")
    if len(parts) == len(order):
        try:
            return tuple(_read_value(part, column) for part, column in zip(parts, order, strict=True))
        except (ValueError, OverflowError):
            pass  # told below, as any other address that is not ours
    raise Refused(_("The address of this page is not complete. Open the list again."))


def _read_value(part: str, column: Any) -> Any:
    kind = column.type.python_type
    if kind is str:
        return Kind(part).value
    if not (part.isascii() and part.isdigit() and len(part) < 19):
        raise ValueError(part)
    return EPOCH + int(part) * MICROSECOND if kind is datetime else int(part)
