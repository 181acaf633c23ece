"""Ready answers that operators put into what they write, and the variables in them."""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model
from helpdesk.models.user import Group


class CannedReplyGroup(Model):
    """A group whose members may use a ready answer."""

    __tablename__ = "canned_reply_groups"

    canned_reply_id: Mapped[int] = mapped_column(ForeignKey("canned_replies.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)


class CannedReply(Model):
    """A ready answer, in all queues or in one; for everybody, or for the members of its groups where it has any.

    `shortcut` is the word that puts it in by itself ("hello" for /hello), `language` that of its text or "".
    """

    __tablename__ = "canned_replies"

    id: Mapped[Id]
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    body: Mapped[str]
    language: Mapped[str] = mapped_column(default="", server_default="")
    keywords: Mapped[str] = mapped_column(default="", server_default="")
    shortcut: Mapped[str] = mapped_column(default="", server_default="")

    groups: Mapped[list[Group]] = relationship(secondary="canned_reply_groups", order_by=Group.id)


class TextVariable(Model):
    """A variable of the administrators' own for ready answers, `{name}`; its values differ by project and language."""

    __tablename__ = "text_variables"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str] = mapped_column(default="", server_default="")

    values: Mapped[list["TextVariableValue"]] = relationship(
        cascade="all, delete-orphan", order_by="TextVariableValue.id"
    )


class TextVariableValue(Model):
    """What stands for a variable: in one project or in all (none), in one language or in all ("")."""

    __tablename__ = "text_variable_values"
    __table_args__ = (UniqueConstraint("variable_id", "project_id", "language", postgresql_nulls_not_distinct=True),)

    id: Mapped[Id]
    variable_id: Mapped[int] = mapped_column(ForeignKey("text_variables.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    language: Mapped[str] = mapped_column(default="", server_default="")
    value: Mapped[str]
