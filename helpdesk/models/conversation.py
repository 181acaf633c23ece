"""Conversations: the lasting exchange that the customer sees."""

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, literal_column
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Now
from helpdesk.models.channel import Channel
from helpdesk.models.customer import Customer

if TYPE_CHECKING:
    from helpdesk.models.message import Message
    from helpdesk.models.user import User
    from helpdesk.models.writing import Reply


class Conversation(Model):
    """The lasting exchange with a customer; its `key` comes from the adapter (chat, mail thread, call)."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("channel_id", "key"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    key: Mapped[str]
    subject: Mapped[str] = mapped_column(default="", server_default="")
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[Now]

    channel: Mapped[Channel] = relationship()
    customer: Mapped[Customer] = relationship()
    participants: Mapped[list["Participant"]] = relationship(back_populates="conversation", order_by="Participant.id")

    def write(self, by: "User", reply: "Reply") -> "Message":
        """Write to the customer on no ticket, so that none is reopened. Whether `by` may is the caller's to check.

        Raises Conflict while a ticket of the conversation is active (`ticket_id`), Refused for what cannot be sent.
        """
        from helpdesk.models.beside import write_beside  # it knows tickets and messages, which know conversations

        return write_beside(self, by, reply)


class Participant(Model):
    """An address that takes part in a conversation; only participants may add to a thread by its subject or ids.

    Whoever an operator took out (`removed`) stays out, also when others write to them again.
    """

    __tablename__ = "participants"
    __table_args__ = (
        UniqueConstraint("conversation_id", "address"),
        Index(
            "ix_participants_address",
            func.lower(literal_column("address")).label("lowered"),
            postgresql_ops={"lowered": "text_pattern_ops"},
        ),
    )

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    address: Mapped[str]
    name: Mapped[str] = mapped_column(default="", server_default="")
    role: Mapped[str] = mapped_column(default="to", server_default="to")
    removed: Mapped[bool] = mapped_column(default=False, server_default="false")

    conversation: Mapped[Conversation] = relationship(back_populates="participants")
