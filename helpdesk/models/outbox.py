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
