"""Webhooks: other systems that are told of events. A delivery is a row made with the event, in its transaction.

The rows are made by a trigger of the database (migration 0012), so that whoever writes an event, and however, tells
every webhook that asked for it; where there is no webhook it costs nothing worth measuring.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import clock
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.keyring import keyring
from helpdesk.models.event import FACTS, Event
from helpdesk.models.user import User

GIVE_UP_DAYS = 5
MOST_WORDS = 500


def offered_kinds() -> list[str]:
    """The kinds of events that webhooks may ask for: all that happen to tickets."""
    return sorted(kind for kind in FACTS if kind.startswith(("ticket.", "message.")))


class Webhook(Model):
    """An address that is told of events: of some `kinds` (none named: all), of one queue or project or of all.

    `failing_since` is the first failure after the last success; after `give_up_days` of it the webhook is switched off
    by itself, and `off_words` says so.
    """

    __tablename__ = "webhooks"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str]
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    kinds: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    give_up_days: Mapped[int] = mapped_column(default=GIVE_UP_DAYS, server_default=str(GIVE_UP_DAYS))
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    failing_since: Mapped[Moment | None]
    try_after: Mapped[Now]
    off_at: Mapped[Moment | None]
    off_words: Mapped[str] = mapped_column(default="", server_default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Now]

    created_by: Mapped[User | None] = relationship()

    @property
    def secret(self) -> str:
        """What requests are signed with, as its owner typed it into the receiver."""
        assert self.sealed_secret is not None
        return str(keyring().open_json(self.sealed_secret, self._seal_scope))

    def keep_secret(self, secret: str) -> None:
        """Encrypt and store the secret, replacing the former one."""
        self.sealed_secret = keyring().seal_json(secret, self._seal_scope)

    @property
    def _seal_scope(self) -> str:
        db.session.flush()  # a fresh row has no id before
        return f"webhook:{self.id}"

    def switch_on(self) -> None:
        """Tell of events again from now on; what waits from before is tried at once."""
        self.active, self.off_at, self.off_words = True, None, ""
        self.failures, self.failing_since, self.try_after = 0, None, clock.now()

    def switch_off(self, words: str = "") -> None:
        """Tell of nothing more. `words` say why, where it was not a person's wish."""
        self.active, self.off_at, self.off_words = False, clock.now(), words

    def note_success(self) -> None:
        """Record that the receiver took something."""
        self.failures, self.failing_since = 0, None

    def note_failure(self, pause: timedelta) -> bool:
        """Record that the receiver took nothing; nobody tries for `pause`. True when this is going on for too long."""
        now = clock.now()
        self.failures += 1
        self.failing_since = self.failing_since or now
        self.try_after = now + pause
        return now - self.failing_since >= timedelta(days=self.give_up_days)


class WebhookDelivery(Model):
    """One event for one webhook; `event_id` is null for a test. States: queued, sending (leased), sent, failed."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sending', 'sent', 'failed')", name="state"),
        UniqueConstraint("webhook_id", "event_id"),
        Index(
            "ix_webhook_deliveries_due",
            "not_before",
            "id",
            postgresql_where=text("state IN ('queued', 'sending')"),
        ),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    )

    id: Mapped[Id]
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(default="queued", server_default="queued")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    not_before: Mapped[Now]
    lease_until: Mapped[Moment | None]
    lease_token: Mapped[str | None]
    status: Mapped[int | None]
    words: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[Now]
    finished_at: Mapped[Moment | None]

    webhook: Mapped[Webhook] = relationship()
    event: Mapped[Event | None] = relationship()
