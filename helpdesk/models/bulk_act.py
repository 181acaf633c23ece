"""One act on many tickets at once, with what became of each, so that it can be looked at and undone."""

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Moment, Now


class BulkAct(Model):
    """What somebody did to chosen tickets. `settings` are the act's own choices.

    `results` has a row a ticket: {"id", "number", "done" (bool), "reason" (why not, "" when done), "before" (what undo
    puts back)}. `key` makes a double click one act.
    """

    __tablename__ = "bulk_acts"
    __table_args__ = (UniqueConstraint("user_id", "key"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str]
    act: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    results: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    made_at: Mapped[Now]
    undone_at: Mapped[Moment | None]
