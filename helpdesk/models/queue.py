"""Queues: where tickets wait for people, and how each decides who is next."""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.project import Project
from helpdesk.models.user import User


class QueueClock(StrEnum):
    """Which of a ticket's clocks orders the queue."""

    FIRST_UNANSWERED = "first_unanswered"
    ARRIVED = "arrived"
    LAST_CUSTOMER = "last_customer"


class FollowUp(StrEnum):
    """What a customer's message to a finished ticket does."""

    NEW = "new"
    REOPEN = "reopen"
    REFUSE = "refuse"


class OwnerAway(StrEnum):
    """Where a ticket goes that needs its owner while they are not here."""

    QUEUE = "queue"
    OWNER = "owner"


class Queue(Model):
    """Where tickets wait for people. Its clock, rules and texts."""

    __tablename__ = "queues"
    __table_args__ = (
        CheckConstraint("clock IN ('first_unanswered', 'arrived', 'last_customer')", name="clock"),
        CheckConstraint("follow_up IN ('new', 'reopen', 'refuse')", name="follow_up"),
        CheckConstraint("owner_away IN ('queue', 'owner')", name="owner_away"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    clock: Mapped[str] = mapped_column(default=QueueClock.FIRST_UNANSWERED, server_default="first_unanswered")
    strict: Mapped[bool] = mapped_column(default=False, server_default="false")
    by_priority: Mapped[bool] = mapped_column(default=False, server_default="false")
    longest_pass_minutes: Mapped[int] = mapped_column(default=240, server_default="240")
    claim_limit: Mapped[int | None]
    follow_up: Mapped[str] = mapped_column(default=FollowUp.REOPEN, server_default="reopen")
    reopen_days: Mapped[int] = mapped_column(default=14, server_default="14")
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    reply_channel_id: Mapped[int | None] = mapped_column(ForeignKey("channels.id", use_alter=True, ondelete="SET NULL"))
    salutation: Mapped[str] = mapped_column(default="", server_default="")
    signature: Mapped[str] = mapped_column(default="", server_default="")
    acknowledge: Mapped[bool] = mapped_column(default=True, server_default="true")
    owner_away: Mapped[str] = mapped_column(default=OwnerAway.QUEUE, server_default="queue")
    owner_wait_minutes: Mapped[int] = mapped_column(default=15, server_default="15")
    shift_note: Mapped[str] = mapped_column(default="", server_default="")
    shift_note_at: Mapped[Moment | None]
    shift_note_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[Now]

    project: Mapped[Project] = relationship()
    shift_note_by: Mapped[User | None] = relationship()


class Category(Model):
    """A label from a managed list that sorts tickets by what they are about; see `helpdesk.models.lists`."""

    __tablename__ = "categories"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    queue_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}")


class CustomerText(Model):
    """A text that customers read (acknowledgement, refusal), per project and language."""

    __tablename__ = "customer_texts"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(default="", server_default="")
    body: Mapped[str]
