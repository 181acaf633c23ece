"""Tasks that are given to people, and reminding them when the time has come."""

from datetime import datetime

from sqlalchemy import select

from helpdesk import live
from helpdesk.clock import SQL_NOW
from helpdesk.db import db, transaction
from helpdesk.models.customer import Customer
from helpdesk.models.notice import tell_people
from helpdesk.models.task import Task, make_task
from helpdesk.models.ticket import Ticket
from helpdesk.models.user import User

AT_ONCE = 200


def give_task(
    by: User,
    user: User,
    title: str,
    due_at: datetime,
    ticket: Ticket | None = None,
    customer: Customer | None = None,
    note: str = "",
) -> Task:
    """Make a task for `user`; a colleague is told at once. Whether they may see the ticket is the caller's to check."""
    task = make_task(by, user, title, due_at, ticket, customer, note)
    db.session.flush()
    if user.id != by.id:
        due = due_at.isoformat()
        tell_people(
            [user.id], "task.given", task.ticket_id, task_id=task.id, name=by.name, title=task.title, due_at=due
        )
    return task


def remind_due() -> int:
    """Tell people of the tasks whose time has come; each once. A chore: cut off anywhere, it has told or it has not.

    The mark and the notice are one commit, and a task that another run holds is left to that one.
    """
    due = (
        select(Task)
        .join(User, User.id == Task.user_id)
        .where(Task.due_at <= SQL_NOW, Task.done_at.is_(None), Task.reminded_at.is_(None), User.active)
        .order_by(Task.due_at)
        .limit(AT_ONCE)
        .with_for_update(of=Task, skip_locked=True)
    )
    with transaction() as session:
        now = session.execute(select(SQL_NOW)).scalar_one()
        tasks = list(session.scalars(due))
        for task in tasks:
            task.reminded_at = now
            tell_people([task.user_id], "task.due", task.ticket_id, task_id=task.id, title=task.title)
            live.touch(f"tasks:{task.user_id}")
        return len(tasks)
