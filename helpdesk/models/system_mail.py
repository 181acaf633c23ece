"""Mail of the helpdesk itself to the people who work here: invitations and links to set a password."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Moment, Now


class SystemMail(Model):
    """One mail that must leave, written in the transaction that made it. States: queued, sent, failed.

    `body` is emptied once the mail has left, because it may hold a link that opens an account.
    """

    __tablename__ = "system_mails"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state"),
        Index("ix_system_mails_due", "not_before", "id", postgresql_where=text("state = 'queued'")),
    )

    id: Mapped[Id]
    to: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued", server_default="queued")
    not_before: Mapped[Now]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str | None]
    created_at: Mapped[Now]
    finished_at: Mapped[Moment | None]
