"""Figures on screens, read from counters that the changing transactions keep; no table is counted."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, String, and_, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk.db import db, remembered
from helpdesk.models import Channel, Project, Queue, Tally, Ticket, User
from helpdesk.models.ticket.states import Priority
from helpdesk.permissions import queue_ids
from helpdesk.queries.line import waiting

LINE_CLASSES = (0, *Priority.ALL)


@dataclass(frozen=True)
class QueueFigures:
    """What the rail shows of one queue; `oldest_at` is the clock of whoever waits longest, None when nobody does.

    `project` and `mark` name its project, for those who work for several.
    """

    queue_id: int
    name: str
    waiting: int
    active: int
    oldest_at: datetime | None
    project: str
    mark: str


@dataclass(frozen=True)
class Ledger:
    """What became of all that a channel ever received."""

    received: int = 0
    waiting: int = 0
    ticketed: int = 0
    dropped: int = 0
    quarantined: int = 0

    @property
    def accounted(self) -> int:
        """The right side of the equation."""
        return self.waiting + self.ticketed + self.dropped + self.quarantined

    @property
    def balanced(self) -> bool:
        """Whether nothing is lost and nothing is counted twice."""
        return self.received == self.accounted


def count_of(scope: str, name: str) -> int:
    """The present value of one counter, e.g. `customer:7` and `tickets`."""
    query = select(func.coalesce(func.sum(Tally.delta), 0)).where(Tally.scope == scope, Tally.name == name)
    return int(db.session.scalar(query) or 0)


def queue_figures(user: User) -> list[QueueFigures]:
    """Figures of all active queues that `user` may see, in alphabetical order, by one query."""
    return remembered(f"queue_figures:{user.id}", lambda: _read_figures(user))


def _read_figures(user: User) -> list[QueueFigures]:
    return figures_of_queues(and_(Queue.active, Queue.id.in_(queue_ids(user))))


def figures_of_queues(condition: ColumnElement[bool]) -> list[QueueFigures]:
    """Figures of the queues that meet a condition, in alphabetical order, by one query."""
    return _figures(db.session.execute(_figures_query().where(condition)))


def figures_of(queue_ids: Collection[int]) -> list[QueueFigures]:
    """Figures of these queues; for whoever asks every second, so the query is put together once."""
    return _figures(db.session.execute(_figures_by_id(), {"ids": list(queue_ids)}))


def _figures(rows: Iterable[Row[Any]]) -> list[QueueFigures]:
    return [QueueFigures(row[0], row[1], int(row[2] or 0), int(row[3] or 0), *row[4:]) for row in rows]


@cache
def _figures_by_id() -> Select[Any]:
    return _figures_query().where(Queue.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))


@cache
def _figures_query() -> Select[Any]:
    sums = _sums("queue:", Queue.id)
    return (
        select(Queue.id, Queue.name, sums.c.waiting, sums.c.active, _oldest_waiting(), Project.name, Project.mark)
        .join(Project, Project.id == Queue.project_id)
        .join(sums, literal(True))
        .order_by(func.sort_key(Queue.name), Queue.id)
    )


def of_several_projects(figures: list[QueueFigures]) -> bool:
    """Whether these queues belong to more than one project, so that a queue's name alone may not say which it is."""
    return len({figure.project for figure in figures}) > 1


def ledgers(channel_ids: Select[Any] | list[int]) -> dict[int, Ledger]:
    """The ledger of each of these channels."""
    sums = _sums("channel:", Channel.id)
    names = ("received", "waiting", "ticketed", "dropped", "quarantined")
    query = (
        select(Channel.id, *(sums.c[name] for name in names))
        .join(sums, literal(True))
        .where(Channel.id.in_(channel_ids))
    )
    return {row[0]: Ledger(*(int(value or 0) for value in row[1:])) for row in db.session.execute(query)}


def _sums(prefix: str, id_column: Any) -> Any:
    """The present value of each counter of one scope, as columns of a lateral subquery."""

    def total(name: str) -> Any:
        return func.sum(Tally.delta).filter(Tally.name == name).label(name)

    names = ("waiting", "active", "received", "ticketed", "dropped", "quarantined")
    return (
        select(*(total(name) for name in names))
        .where(Tally.scope == literal(prefix) + cast(id_column, String))
        .lateral()
    )


def _oldest_waiting() -> Any:
    """The earliest clock in a queue's line: one index probe per class, whatever the length of the line."""
    heads = []
    for line_class in LINE_CLASSES:
        probe = (
            select(Ticket.line_at)
            .where(and_(Ticket.queue_id == Queue.id, Ticket.line_class == line_class, waiting()))
            .order_by(Ticket.line_at, Ticket.id)
            .limit(1)
        )
        heads.append(probe.correlate(Queue).scalar_subquery())
    return func.least(*heads).label("oldest_at")
