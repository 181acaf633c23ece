"""What a supervisor looks at first: who waits in which queue, and who has how much in hand."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.models import Group, Membership, Queue, QueueRight, Right, Ticket, User
from helpdesk.models.availability import Availability
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import queue_ids
from helpdesk.queries.counters import QueueFigures, figures_of_queues

MOST_OVERDUE = 1000


@dataclass(frozen=True)
class QueueWatch:
    """One queue: its figures, tickets past their promised time (up to MOST_OVERDUE), and who is here to work in it."""

    figures: QueueFigures
    overdue: int
    here: int
    people: int


@dataclass(frozen=True)
class OwnerLoad:
    """The open tickets of one person in the queues that are looked after; `oldest_at` is the longest wait of them."""

    user_id: int
    name: str
    availability: str
    reason: str
    since: datetime
    active: int
    unanswered: int
    paused: int
    overdue: int
    oldest_at: datetime | None


def supervises(user: User) -> bool:
    """Whether there is a queue that `user` looks after."""
    return user.is_administrator or db.session.scalar(select(queue_ids(user, Right.SUPERVISE).exists())) or False


def looks_after(user: User, person: User) -> bool:
    """Whether `user` is `person`'s supervisor: they work, or have open tickets, in a queue that `user` looks after."""
    if user.is_administrator or (user.id == person.id and supervises(user)):
        return True
    mine = queue_ids(user, Right.SUPERVISE)
    works = (
        select(Membership.user_id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(Membership.user_id == person.id, QueueRight.right.in_([Right.WORK, Right.SUPERVISE]))
        .where(QueueRight.queue_id.in_(mine))
    )
    has = select(Ticket.id).where(
        Ticket.owner_id == person.id, Ticket.kind != Kind.FINISHED, Ticket.queue_id.in_(mine)
    )
    return db.session.scalar(select(or_(works.exists(), has.exists()))) or False


def watched_queues(user: User) -> list[QueueWatch]:
    """The active queues that `user` looks after, in alphabetical order; three queries whatever their number."""
    mine = queue_ids(user, Right.SUPERVISE)
    late = (
        select(Ticket.queue_id, Ticket.id)
        .where(Ticket.queue_id.in_(mine), Ticket.due_at < SQL_NOW, Ticket.kind != Kind.FINISHED)
        .limit(MOST_OVERDUE)
        .subquery()
    )
    overdue = dict(db.session.execute(select(late.c.queue_id, func.count()).group_by(late.c.queue_id)).tuples().all())
    staff = _staff(user)
    return [
        QueueWatch(figures, overdue.get(figures.queue_id, 0), *staff.get(figures.queue_id, (0, 0)))
        for figures in figures_of_queues(and_(Queue.active, Queue.id.in_(mine)))
    ]


def _staff(user: User) -> dict[int, tuple[int, int]]:
    """By queue: how many of its operators are available, and how many there are."""
    works = QueueRight.right.in_([Right.WORK, Right.SUPERVISE])
    query = (
        select(
            QueueRight.queue_id,
            func.count(User.id.distinct()).filter(User.availability == Availability.AVAILABLE),
            func.count(User.id.distinct()),
        )
        .join(Group, Group.id == QueueRight.group_id)
        .join(Membership, Membership.group_id == Group.id)
        .join(User, User.id == Membership.user_id)
        .where(works, User.active, ~User.system, QueueRight.queue_id.in_(queue_ids(user, Right.SUPERVISE)))
        .group_by(QueueRight.queue_id)
    )
    return {row[0]: (row[1], row[2]) for row in db.session.execute(query)}


def owners(user: User) -> list[OwnerLoad]:
    """Everybody who has open tickets in the queues that `user` looks after, or works there; the longest wait first."""
    mine = queue_ids(user, Right.SUPERVISE)
    load = (
        select(
            Ticket.owner_id,
            _count(Ticket.kind == Kind.ACTIVE).label("active"),
            _count(Ticket.kind == Kind.ACTIVE, Ticket.first_unanswered_at.is_not(None)).label("unanswered"),
            _count(Ticket.kind == Kind.PAUSED).label("paused"),
            _count(Ticket.due_at < SQL_NOW).label("overdue"),
            func.min(Ticket.line_at).filter(Ticket.kind == Kind.ACTIVE).label("oldest_at"),
        )
        .where(Ticket.owner_id.is_not(None), Ticket.kind.in_([Kind.ACTIVE, Kind.PAUSED]), Ticket.queue_id.in_(mine))
        .group_by(Ticket.owner_id)
        .subquery()
    )
    works = (
        select(Membership.user_id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(QueueRight.queue_id.in_(mine), QueueRight.right.in_([Right.WORK, Right.SUPERVISE]))
    )
    query = (
        select(User, load)
        .outerjoin(load, load.c.owner_id == User.id)
        .where(~User.system, or_(load.c.owner_id.is_not(None), and_(User.active, User.id.in_(works))))
        .order_by(load.c.oldest_at.nulls_last(), func.sort_key(User.name), User.id)
    )
    return [_load(row) for row in db.session.execute(query)]


def _load(row: Any) -> OwnerLoad:
    person: User = row.User
    return OwnerLoad(
        user_id=person.id,
        name=person.name,
        availability=person.availability,
        reason=person.availability_reason,
        since=person.availability_since,
        active=row.active or 0,
        unanswered=row.unanswered or 0,
        paused=row.paused or 0,
        overdue=row.overdue or 0,
        oldest_at=row.oldest_at,
    )


def _count(*conditions: Any) -> Any:
    return func.count().filter(*conditions)
