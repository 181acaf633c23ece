"""Messages: what was said in a conversation, by customers, operators and the system, and the files with it."""

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.conversation import Conversation
from helpdesk.models.customer import Customer
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket


class MessageKind(StrEnum):
    """Who says it and who may see it: notes, system lines and what a customer did elsewhere are for operators only."""

    INBOUND = "inbound"
    REPLY = "reply"
    NOTE = "note"
    SYSTEM = "system"
    EVENT = "event"


class DeliveryState(StrEnum):
    """What is known of an outgoing message, from worst known to best; the rank serves storage, API and screen."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    FAILED = "failed"
    BOUNCED = "bounced"


ARRIVED = frozenset({DeliveryState.DELIVERED, DeliveryState.READ})


class Message(Model):
    """One thing said in a conversation, on a ticket or on none. `seq` rises within the conversation."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("kind IN ('inbound', 'reply', 'note', 'system', 'event')", name="kind"),
        UniqueConstraint("conversation_id", "seq"),
        Index("ix_messages_ticket_id_id", "ticket_id", "id"),
        Index("ix_messages_header_hash", "header_hash"),
        Index("ix_messages_general", "conversation_id", "id", postgresql_where=text("ticket_id IS NULL")),
        Index("ix_messages_unhandled", "ticket_id", "id", postgresql_where=text("unhandled")),
        Index("ix_messages_handling", "handling_id", "id", postgresql_where=text("handling_id IS NOT NULL")),
    )

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    seq: Mapped[int]
    kind: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    at: Mapped[Now]
    subject: Mapped[str] = mapped_column(default="", server_default="")
    text: Mapped[str] = mapped_column(default="", server_default="")
    visible_text: Mapped[str] = mapped_column(default="", server_default="")
    html: Mapped[str | None]
    html_version: Mapped[int | None]
    nature: Mapped[str] = mapped_column(default="human", server_default="human")
    sender: Mapped[str] = mapped_column(default="", server_default="")
    sender_name: Mapped[str] = mapped_column(default="", server_default="")
    recipients: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    header_id: Mapped[str | None]
    header_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    references: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    delivery: Mapped[str | None]
    delivery_note: Mapped[str | None]
    unhandled: Mapped[bool] = mapped_column(default=False, server_default="false")
    handling_id: Mapped[int | None] = mapped_column(ForeignKey("handlings.id"))
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))

    conversation: Mapped[Conversation] = relationship()
    ticket: Mapped["Ticket | None"] = relationship()
    user: Mapped[User | None] = relationship()
    customer: Mapped[Customer | None] = relationship()
    attachments: Mapped[list["Attachment"]] = relationship(
        back_populates="message", order_by="Attachment.id", foreign_keys="Attachment.message_id"
    )

    @property
    def is_internal(self) -> bool:
        """Whether only operators may ever see it."""
        return self.kind in {MessageKind.NOTE, MessageKind.SYSTEM, MessageKind.EVENT}


class Blob(Model):
    """A stored file's content, named by the SHA-256 of its bytes; many attachments may share it."""

    __tablename__ = "blobs"
    __table_args__ = (Index("ix_blobs_created_at", "created_at"),)

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    created_at: Mapped[Now]


class Attachment(Model):
    """A file that goes with a message or waits in a draft. Its `token` is what outsiders may see.

    `preview_sha256` is a copy of a picture that we painted ourselves and may show; `preview_state` is none (not a
    picture), due, made or failed.
    """

    __tablename__ = "attachments"
    __table_args__ = (Index("ix_attachments_preview_due", "id", postgresql_where=text("preview_state = 'due'")),)

    id: Mapped[Id]
    token: Mapped[str] = mapped_column(unique=True, default=lambda: secrets.token_urlsafe(32))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), index=True)
    name: Mapped[str]
    type: Mapped[str]
    size: Mapped[int]
    inline: Mapped[bool] = mapped_column(default=False, server_default="false")
    content_id: Mapped[str | None]
    preview_sha256: Mapped[str | None] = mapped_column(ForeignKey("blobs.sha256"), index=True)
    preview_state: Mapped[str] = mapped_column(default="none", server_default="none")

    message: Mapped[Message | None] = relationship(back_populates="attachments")


class Draft(Model):
    """What an operator is writing on a ticket, or in the form of a new one (`opening`: mail, hand).

    `version` rises with each change and `writer` names the window that made the last one: whoever writes upon an older
    version pushes what stood there into `former` ([{mode, body, at}], newest last), so that nothing goes unseen.
    `blocks` is a message that is being put together: [{kind: text|picture|link|video|file, ...}].
    `fields` are the other fields of its form (of a reply the message that it `answers` by name); `caret` is where the
    author stood in the text.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        UniqueConstraint("user_id", "ticket_id"),
        CheckConstraint("(ticket_id IS NULL) = (opening <> '')", name="place"),
        Index("uq_drafts_opening", "user_id", "opening", unique=True, postgresql_where=text("ticket_id IS NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), index=True)
    opening: Mapped[str] = mapped_column(default="", server_default="")
    mode: Mapped[str] = mapped_column(default="reply", server_default="reply")
    body: Mapped[str] = mapped_column(default="", server_default="")
    recipients: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    blocks: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    former: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    seen_message_id: Mapped[int | None]
    caret: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    writer: Mapped[str] = mapped_column(default="", server_default="")
    updated_at: Mapped[Moment | None]

    attachments: Mapped[list[Attachment]] = relationship(order_by="Attachment.id")
