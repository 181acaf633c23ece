"""What is handled: operators say by hand that they have dealt with what a customer wrote.

A message of a person is unhandled from the moment it comes until somebody marks it, for the whole customer at once, or
the ticket it is on is finished; answering marks nothing. Automatic mail makes nothing unread. On the message stands
whether it is unhandled and by which act it was handled; the ticket keeps how many are unread, the first and the last of
them, in the transaction that changes them, so that no list counts anything.
"""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.user import User


class Cause(StrEnum):
    """Why messages count as handled: marked by hand, their ticket was finished, or everything was marked at once."""

    HAND = "hand"
    FINISHED = "finished"
    ALL = "all"


class RunState(StrEnum):
    """How far an act on everything is: such an act is done in batches, and taken back in batches."""

    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class Handling(Model):
    """One act of marking: who, when, how many messages, and whether it was undone.

    `state` and `place` belong to acts on everything alone: `place` is the last ticket that was done, or while it is
    being undone the last message.
    """

    __tablename__ = "handlings"
    __table_args__ = (
        CheckConstraint("cause IN ('hand', 'finished', 'all')", name="cause"),
        CheckConstraint("(cause = 'all') = (state IS NOT NULL)", name="run"),
        Index("ix_handlings_runs", "id", postgresql_where=text("state IS NOT NULL")),
        Index("ix_handlings_ticket_id", "ticket_id", "id", postgresql_where=text("ticket_id IS NOT NULL")),
    )

    id: Mapped[Id]
    at: Mapped[Now]
    by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    cause: Mapped[str]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    count: Mapped[int] = mapped_column(default=0, server_default="0")
    undone_at: Mapped[Moment | None]
    undone_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str | None]
    place: Mapped[int] = mapped_column(default=0, server_default="0")

    by: Mapped[User] = relationship(foreign_keys=[by_id])


class HandlingMessage(Model):
    """A message that an act on everything means, with its ticket at that moment; gone when the act is done.

    They are written by one statement as the act begins, so that it means what was there to be seen then and nothing
    else: a message that was being written at that instant has an id already, perhaps a lower one, but no row here.
    """

    __tablename__ = "handling_messages"

    handling_id: Mapped[int] = mapped_column(ForeignKey("handlings.id", ondelete="CASCADE"), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
