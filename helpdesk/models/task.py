"""Tasks: what one person has to do by a time, about a ticket, a customer, or neither. Customers never see them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Select, and_, func, select, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import clock, live
from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.errors import Refused
from helpdesk.models.customer import Customer
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MOST_TITLE = 500
MOST_NOTE = 10_000
# Whoever is added to a ticket has a moment to finish what they are at.
STARTS_IN = timedelta(minutes=5)


class TaskKind(StrEnum):
    """Where a task came from: made by hand, or because its person was added to a ticket."""

    BY_HAND = "by hand"
    ADDED = "added"


class Task(Model):
    """One thing to do: whose, until when, about what. `reminded_at` says that its person was told it is due."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("kind IN ('by hand', 'added')", name="kind"),
        Index("ix_tasks_open", "user_id", "due_at", postgresql_where=text("done_at IS NULL")),
        Index("ix_tasks_done", "user_id", "done_at", postgresql_where=text("done_at IS NOT NULL")),
        Index("ix_tasks_unreminded", "due_at", postgresql_where=text("done_at IS NULL AND reminded_at IS NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")
    kind: Mapped[str] = mapped_column(default=TaskKind.BY_HAND, server_default="by hand")
    due_at: Mapped[Moment]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    done_at: Mapped[Moment | None]
    reminded_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    made_by: Mapped[User | None] = relationship(foreign_keys=[made_by_id])
    ticket: Mapped["Ticket | None"] = relationship()
    customer: Mapped[Customer | None] = relationship()

    def describe(self, title: str, note: str, due_at: datetime) -> None:
        """Say what is to be done and until when. Raises Refused for an empty title or one that is too long.

        Another time means another reminder.
        """
        title = " ".join(title.split())
        if not title or len(title) > MOST_TITLE:
            raise Refused(_("A task needs a title of up to 500 characters."))
        if len(note) > MOST_NOTE:
            raise Refused(_("The note of a task has at most 10,000 characters."))
        if due_at != self.due_at:
            self.reminded_at = None
        self.title, self.note, self.due_at = title, note.strip(), due_at
        self._tell()

    def finish(self) -> None:
        """It is done; twice is once."""
        if self.done_at is None:
            self.done_at = clock.now()
            self._tell()

    def reopen(self) -> None:
        """It is not done after all. Nobody is reminded of it again."""
        self.done_at = None
        self._tell()

    def remove(self) -> None:
        """It is not needed at all."""
        self._tell()
        db.session.delete(self)

    def _tell(self) -> None:
        live.touch(f"tasks:{self.user_id}", *([f"ticket:{self.ticket_id}"] if self.ticket_id else []))


def make_task(
    by: User | None,
    user: User,
    title: str,
    due_at: datetime,
    ticket: "Ticket | None" = None,
    customer: Customer | None = None,
    note: str = "",
    kind: TaskKind = TaskKind.BY_HAND,
) -> Task:
    """A new task for `user`, in the present transaction. Whether they may see the ticket is the caller's to check.

    Raises Refused for an empty title, and for somebody who does not work here any more.
    """
    if not user.active:
        raise Refused(_("%(name)s does not work here any more.", name=user.name))
    task = Task(
        user_id=user.id,
        due_at=due_at,
        kind=kind,
        ticket_id=ticket.id if ticket else None,
        customer_id=customer.id if customer else ticket.customer_id if ticket else None,
        made_by_id=by.id if by else None,
    )
    task.describe(title, note, due_at)
    db.session.add(task)
    return task


def is_due() -> ColumnElement[bool]:
    """The condition of a task whose time has come and that is not done."""
    return and_(Task.done_at.is_(None), Task.due_at <= SQL_NOW)


def open_tasks(user: User) -> Select[tuple[Task]]:
    """What `user` still has to do, the most urgent first."""
    return select(Task).where(Task.user_id == user.id, Task.done_at.is_(None)).order_by(Task.due_at, Task.id)


def count_due(user: User) -> int:
    """How many tasks of `user` are due now or overdue; a small index is read."""
    return db.session.scalar(select(func.count()).where(Task.user_id == user.id, is_due())) or 0
