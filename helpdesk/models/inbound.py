"""What adapters received, raw, stored before anything is made of it; and the ledger that proves nothing is lost."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, inspect, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.models.channel import Channel

if TYPE_CHECKING:
    from helpdesk.models.message import Message


class InboundState(StrEnum):
    """Where an inbound event stands. Every event is in exactly one of these."""

    WAITING = "waiting"
    TICKETED = "ticketed"
    DROPPED = "dropped"
    QUARANTINED = "quarantined"


class InboundEvent(Model):
    """What a channel received, raw, with what became of it.

    `facts` is what rules look at (`queues.mail_facts`), so that a changed rule can be tried on it; they are kept as
    long as the raw input.

    `held` counts how often it was held back for an older one. A further copy of a mail is dropped and points at the
    message that the first became.
    """

    __tablename__ = "inbound_events"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'ticketed', 'dropped', 'quarantined')", name="state"),
        Index("ix_inbound_events_due", "id", postgresql_where=text("state = 'waiting'")),
        Index(
            "ix_inbound_events_quarantined",
            "channel_id",
            "id",
            postgresql_where=text("state = 'quarantined'"),
        ),
        Index("ix_inbound_events_channel_id_id", "channel_id", "id"),
        Index(
            "ix_inbound_events_copies",
            "message_id",
            postgresql_where=text("state = 'dropped' AND message_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    state: Mapped[str] = mapped_column(default=InboundState.WAITING, server_default="waiting")
    reason: Mapped[str | None]
    size: Mapped[int]
    envelope: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    held: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_until: Mapped[Moment | None]
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", use_alter=True))
    received_at: Mapped[Now]
    finished_at: Mapped[Moment | None]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    channel: Mapped[Channel] = relationship()
    message: Mapped["Message | None"] = relationship()
    raw: Mapped["RawInput | None"] = relationship(back_populates="event", cascade="all", passive_deletes=True)


class RawInput(Model):
    """The bytes of an inbound event, with their own retention."""

    __tablename__ = "raw_inputs"

    event_id: Mapped[int] = mapped_column(ForeignKey("inbound_events.id", ondelete="CASCADE"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)

    event: Mapped[InboundEvent] = relationship(back_populates="raw")


class DedupKey(Model):
    """Proof that an input was accepted before; outlives the raw input. `digest` is SHA-256 of the adapter's key."""

    __tablename__ = "dedup_keys"

    channel_id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    event_id: Mapped[int]


class MailCopies(Model):
    """One mail, however many of our addresses it came to: which inbound event speaks for it in each project.

    `digest` is of Message-ID, sender and words together; `events` maps a project's id to an event's. Whoever inserts
    the row holds it until the end of the transaction, so two workers never make two tickets of one mail.
    """

    __tablename__ = "mail_copies"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    events: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Tally(Model):
    """Append-only counter deltas, folded by housekeeping: `scope` as in `channel:3`, `name` as in `received`."""

    __tablename__ = "tallies"
    __table_args__ = (Index("ix_tallies_scope", "scope", "name"),)

    id: Mapped[Id]
    scope: Mapped[str]
    name: Mapped[str]
    delta: Mapped[int]

    @classmethod
    def add(cls, scope: str, name: str, delta: int) -> None:
        """Add to a counter in the present transaction; what is added between two flushes becomes one row."""
        unwritten: dict[tuple[str, str], Tally] = db.session().info.setdefault("tallies", {})
        row = unwritten.get((scope, name))
        if row is None or not inspect(row).pending:  # written meanwhile, or rolled back to a savepoint
            row = unwritten[scope, name] = cls(scope=scope, name=name, delta=0)
            db.session.add(row)
        row.delta += delta
