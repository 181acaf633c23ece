"""What was promised: targets that administrators set, and the promises on tickets that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, column, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now, db, forget, remembered
from helpdesk.models.project import Setting

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket


class PromiseKind(StrEnum):
    """What is promised."""

    FIRST = "first"
    NEXT = "next"
    SOLUTION = "solution"


class Target(Model):
    """Times to keep for the tickets that meet its conditions; a condition that is null asks nothing.

    `at_warning` and `at_breach` say what is done then: `raise` ("one" or "urgent"), `queue_id` (move there), `user_id`
    and `group_id` (tell them). A target is never deleted, because promises name it; it is switched off.
    """

    __tablename__ = "targets"
    __table_args__ = (
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        CheckConstraint("warn_percent BETWEEN 1 AND 100", name="warn_percent"),
    )

    id: Mapped[Id]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queues.id"))
    priority: Mapped[int | None]
    request_type: Mapped[str | None]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    first_seconds: Mapped[int | None]
    next_seconds: Mapped[int | None]
    solution_seconds: Mapped[int | None]
    real_time: Mapped[bool] = mapped_column(default=False, server_default="false")
    warn_percent: Mapped[int] = mapped_column(default=80, server_default="80")
    warn_seconds: Mapped[int | None]
    at_warning: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    at_breach: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    created_at: Mapped[Now]

    def seconds(self, kind: str) -> int | None:
        """How long this target allows for a kind of promise; None where it says nothing about it."""
        times = {
            PromiseKind.FIRST: self.first_seconds,
            PromiseKind.NEXT: self.next_seconds,
            PromiseKind.SOLUTION: self.solution_seconds,
        }
        return times[PromiseKind(kind)]

    def warn_after(self, seconds: int) -> int:
        """Seconds into a promise of `seconds` after which its people are warned."""
        if self.warn_seconds is not None:
            return max(seconds - self.warn_seconds, 0)
        return seconds * self.warn_percent // 100


_OPEN = "met_at IS NULL AND cancelled_at IS NULL"


class TicketPromise(Model):
    """One promise on one ticket.

    While it runs, `counted_from` is the moment since which time counts on top of `spent_seconds`, and
    `due_at` = that moment plus the seconds that are left, by the calendar. While paused there is no due time.
    `asked_at` is what it answers: the customer's message, or the ticket's arrival.
    """

    __tablename__ = "ticket_promises"
    __table_args__ = (
        CheckConstraint("kind IN ('first', 'next', 'solution')", name="kind"),
        Index("ix_ticket_promises_ticket_id", "ticket_id", "id"),
        Index("ix_ticket_promises_warn_at", "warn_at", postgresql_where=text(f"warned_at IS NULL AND {_OPEN}")),
        Index("ix_ticket_promises_due_at", "due_at", postgresql_where=text(f"breached_at IS NULL AND {_OPEN}")),
        Index("ix_ticket_promises_book_version", "book_version", postgresql_where=text(_OPEN)),
    )

    id: Mapped[Id]
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    kind: Mapped[str]
    target_id: Mapped[int] = mapped_column(ForeignKey("targets.id"))
    seconds: Mapped[int]
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    calendar_version: Mapped[int | None]
    asked_at: Mapped[Moment]
    started_at: Mapped[Moment]
    counted_from: Mapped[Moment | None]
    spent_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[Moment | None]
    warn_at: Mapped[Moment | None]
    paused_at: Mapped[Moment | None]
    met_at: Mapped[Moment | None]
    warned_at: Mapped[Moment | None]
    breached_at: Mapped[Moment | None]
    cancelled_at: Mapped[Moment | None]
    book_version: Mapped[int] = mapped_column(default=0, server_default="0")

    ticket: Mapped["Ticket"] = relationship()
    target: Mapped[Target] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether it is still to be kept."""
        return self.met_at is None and self.cancelled_at is None

    def is_late(self, now: datetime) -> bool:
        """Whether its time is over and it is not kept."""
        return self.is_open and (self.breached_at is not None or (self.due_at is not None and self.due_at <= now))


@dataclass(frozen=True)
class Book:
    """All targets in force, the most specific first, and the version of what they and the calendars say."""

    version: int
    targets: tuple[Target, ...]


_BOOK = "promises:book"
_NEXT_VERSION = text(
    """
    INSERT INTO settings (key, value) VALUES (:key, to_jsonb(2))
    ON CONFLICT (key) DO UPDATE SET value = to_jsonb(settings.value::bigint + 1)
    """
)


def book() -> Book:
    """The targets as the present transaction found them; asked once, however many tickets it changes."""
    return remembered(_BOOK, _read_book)


def change_book() -> None:
    """Say that targets or calendars changed: the timetable then counts all open promises anew."""
    db.session.flush()
    db.session.execute(_NEXT_VERSION, {"key": _BOOK})
    forget(_BOOK)


def book_version() -> int:
    """The present version of what targets and calendars say."""
    return db.session.scalar(_version()) or 1


def recount_for(customer_id: int) -> None:
    """Let the timetable count the open promises of one customer anew, because other targets may hold for them now."""
    theirs = text("SELECT id FROM tickets WHERE customer_id = :customer AND promised").bindparams(customer=customer_id)
    stale = update(TicketPromise).where(
        TicketPromise.ticket_id.in_(theirs.columns(column("id"))),
        TicketPromise.met_at.is_(None),
        TicketPromise.cancelled_at.is_(None),
    )
    db.session.execute(stale.values(book_version=0).execution_options(synchronize_session=False))


def _version() -> Select[tuple[int]]:
    return select(Setting.value).where(Setting.key == _BOOK)


def _read_book() -> Book:
    """One statement; where there are no targets nothing is counted, and the version says nothing."""
    rows = db.session.execute(select(Target, _version().scalar_subquery()).where(Target.active)).tuples().all()
    version = rows[0][1] if rows else None
    return Book(version or 1, tuple(by_rank(target for target, _version in rows)))


def by_rank(targets: Iterable[Target]) -> list[Target]:
    """The most specific first: an organisation outweighs all else, then the type, the priority, the queue; then age."""
    return sorted(targets, key=lambda target: (-rank(target), target.id))


def rank(target: Target) -> int:
    """How specific a target is, 0 (everything) to 15."""
    said = (target.organisation_id, target.request_type, target.priority, target.queue_id)
    return sum(weight for weight, value in zip((8, 4, 2, 1), said, strict=True) if value is not None)
