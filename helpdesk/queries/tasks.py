"""Tasks as pages show them: one's own by their time, and those about a ticket or a customer."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import joinedload

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models.task import Task, open_tasks
from helpdesk.models.user import User

MOST = 200
MOST_BESIDE = 20
SHOWN = (joinedload(Task.ticket), joinedload(Task.customer), joinedload(Task.user), joinedload(Task.made_by))


def end_of_today(user: User) -> datetime:
    """Midnight at the end of today, where `user` is."""
    local = clock.now().astimezone(ZoneInfo(user.time_zone))
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def due_today(user: User) -> list[Task]:
    """What `user` has to do today or should have done before, the oldest first."""
    query = open_tasks(user).where(Task.due_at < end_of_today(user)).options(*SHOWN)
    return list(db.session.scalars(query.limit(MOST)))


def due_later(user: User) -> list[Task]:
    """What `user` has to do after today."""
    query = open_tasks(user).where(Task.due_at >= end_of_today(user)).options(*SHOWN)
    return list(db.session.scalars(query.limit(MOST)))


def done(user: User) -> list[Task]:
    """What `user` did last, the latest first."""
    query = select(Task).where(Task.user_id == user.id, Task.done_at.is_not(None)).options(*SHOWN)
    return list(db.session.scalars(query.order_by(Task.done_at.desc(), Task.id.desc()).limit(MOST)))


def of_ticket(ticket_id: int) -> list[Task]:
    """What anybody still has to do about a ticket; whoever sees the ticket may see it."""
    query = select(Task).where(Task.ticket_id == ticket_id, Task.done_at.is_(None)).options(*SHOWN)
    return list(db.session.scalars(query.order_by(Task.due_at, Task.id).limit(MOST_BESIDE)))


def of_customer(user: User, customer_id: int) -> list[Task]:
    """What `user` has to do, or gave others to do, about a customer."""
    query = select(Task).where(Task.customer_id == customer_id, Task.done_at.is_(None), theirs(user)).options(*SHOWN)
    return list(db.session.scalars(query.order_by(Task.due_at, Task.id).limit(MOST_BESIDE)))


def get_task(user: User, task_id: int, lock: bool = False) -> Task:
    """A task of one's own, or one that one gave to somebody. Raises NotFound for all others."""
    query = select(Task).where(Task.id == task_id, theirs(user))
    if lock:
        query = query.with_for_update(of=Task)
    task = db.session.scalar(query)
    if task is None:
        raise NotFound(_("There is no such task."))
    return task


def theirs(user: User) -> ColumnElement[bool]:
    """The condition of the tasks that `user` may see and change wherever they stand."""
    return or_(Task.user_id == user.id, Task.made_by_id == user.id)
