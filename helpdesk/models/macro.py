"""Macros: several changes of a ticket under one name, of a person, a group or everybody."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.user import Group, User


class Macro(Model):
    """What is to be done (`helpdesk.macros.Actions`): plain data, nothing of it is ever executed.

    With `user_id` it is one person's own, with `group_id` a group's, with neither everybody's.
    """

    __tablename__ = "macros"
    __table_args__ = (CheckConstraint("user_id IS NULL OR group_id IS NULL", name="whose"),)

    id: Mapped[Id]
    name: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), index=True)
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    actions: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    created_at: Mapped[Now]
    changed_at: Mapped[Moment | None]

    group: Mapped[Group | None] = relationship()
    user: Mapped[User | None] = relationship()
