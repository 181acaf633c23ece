"""The outbox: messages that must leave, each written in the transaction that made it."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.channel import Channel
from helpdesk.models.message import DeliveryState, Message


class OutboxItem(Model):
    """One message that must leave. `envelope` holds what the adapter needs; `rendered` the bytes, made once.

    `trying_since` is when the present round of tries began: it ends after days, and a person may begin another.
    States: queued -> sending (leased) -> sent | deferred | failed | unknown; cancelled by undo.
    `dot_at` is committed before the final dot: a lost lease without it is sent again, with it is unknown.
    """

    __tablename__ = "outbox_items"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'sending', 'deferred', 'sent', 'failed', 'unknown', 'cancelled')",
            name="state",
        ),
        UniqueConstraint("message_id"),
        Index(
            "ix_outbox_items_due",
            "not_before",
            "id",
            postgresql_where=text("state IN ('queued', 'deferred', 'sending')"),
        ),
        Index(
            "ix_outbox_items_conversation",
            "conversation_id",
            "seq",
            postgresql_where=text("state IN ('queued', 'deferred', 'sending')"),
        ),
        Index("ix_outbox_items_automatic", "created_at", postgresql_where=text("automatic")),
    )

    id: Mapped[Id]
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    seq: Mapped[int]
    state: Mapped[str] = mapped_column(default=DeliveryState.QUEUED, server_default="queued")
    automatic: Mapped[bool] = mapped_column(default=False, server_default="false")
    envelope: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    rendered: Mapped[bytes | None] = mapped_column(LargeBinary)
    not_before: Mapped[Now]
    trying_since: Mapped[Now]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_until: Mapped[Moment | None]
    lease_token: Mapped[str | None]
    dot_at: Mapped[Moment | None]
    last_error: Mapped[str | None]
    created_at: Mapped[Now]
    finished_at: Mapped[Moment | None]

    message: Mapped[Message] = relationship()
    channel: Mapped[Channel] = relationship()
    deliveries: Mapped[list["Delivery"]] = relationship(back_populates="item", order_by="Delivery.id")
    tries: Mapped[list["Attempt"]] = relationship(order_by="Attempt.id")


class Delivery(Model):
    """What is known of one recipient of an outbox item."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("item_id", "address"),)

    id: Mapped[Id]
    item_id: Mapped[int] = mapped_column(ForeignKey("outbox_items.id", ondelete="CASCADE"))
    address: Mapped[str]
    state: Mapped[str] = mapped_column(default=DeliveryState.QUEUED, server_default="queued")
    code: Mapped[str | None]
    words: Mapped[str | None]
    at: Mapped[Moment | None]

    item: Mapped[OutboxItem] = relationship(back_populates="deliveries")


class Attempt(Model):
    """One try to send an outbox item, and how it ended in the server's words."""

    __tablename__ = "attempts"

    id: Mapped[Id]
    item_id: Mapped[int] = mapped_column(ForeignKey("outbox_items.id", ondelete="CASCADE"), index=True)
    at: Mapped[Now]
    outcome: Mapped[str]
    words: Mapped[str] = mapped_column(default="", server_default="")


class Breaker(Model):
    """A server that cannot be reached, or a sign-in that is refused: until `open_until` nobody tries, then one does.

    `key` names server and account, see `queues.breakers`; the row goes with the first success.
    """

    __tablename__ = "breakers"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    open_until: Mapped[Now]
    words: Mapped[str] = mapped_column(default="", server_default="")


class AnswerCount(Model):
    """How many automatic answers an address got since a moment; what stops two robots from talking for ever."""

    __tablename__ = "answer_counts"

    address: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[Now]
    answers: Mapped[int] = mapped_column(default=1, server_default="1")
