"""The read side of spam: what was filed away, and who floods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, or_, select

from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.models import Customer, State, Ticket, User
from helpdesk.models.ticket.ruled import BY_HAND
from helpdesk.permissions import queue_ids
from helpdesk.queries.lists import rows

PAGE = 50
MOST_COUNTED = 1000
RECENT = timedelta(days=1)


@dataclass(frozen=True)
class SpamPage:
    """A page of rows with the columns of all lists and `spam_cause`; `next_before` continues below its last one."""

    rows: Sequence[Row[Any]]
    next_before: int | None


def list_spam(user: User, queue_id: int | None = None, cause: str = "", before: int | None = None) -> SpamPage:
    """Spam in the queues that `user` sees, the newest first."""
    query = rows().add_columns(Ticket.spam_cause)
    query = query.where(Ticket.state == State.SPAM, Ticket.queue_id.in_(queue_ids(user)))
    if queue_id is not None:
        query = query.where(Ticket.queue_id == queue_id)
    if cause == BY_HAND:
        query = query.where(or_(Ticket.spam_cause == cause, Ticket.spam_cause.is_(None)))
    elif cause:
        query = query.where(Ticket.spam_cause == cause)
    if before is not None:
        query = query.where(Ticket.id < before)
    found = db.session.execute(query.order_by(Ticket.id.desc()).limit(PAGE + 1)).all()
    return SpamPage(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)


def floods(user: User) -> list[tuple[str, int]]:
    """Who flooded us in the last day, and with how much that was set aside; the loudest five."""
    recent = (
        select(Ticket.customer_id)
        .where(Ticket.state == State.SPAM, Ticket.spam_cause == "flood", Ticket.finished_at > SQL_NOW - RECENT)
        .where(Ticket.queue_id.in_(queue_ids(user)))
        .limit(MOST_COUNTED)
        .subquery()
    )
    count = func.count()
    query = select(Customer.name, count).join(recent, recent.c.customer_id == Customer.id).group_by(Customer.id)
    return [(name, number) for name, number in db.session.execute(query.order_by(count.desc()).limit(5))]
