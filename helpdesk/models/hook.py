"""Doors for other systems: what was refused there, counted."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Model, Now


class HookRefusal(Model):
    """How often a channel's door refused requests for one reason, and the last of them; one row for each reason."""

    __tablename__ = "hook_refusals"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=1, server_default="1")
    words: Mapped[str] = mapped_column(default="", server_default="")
    address: Mapped[str] = mapped_column(default="", server_default="")
    at: Mapped[Now]
