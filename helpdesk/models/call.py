"""Phone calls: what is known of one, whichever system tells of it. Its conversation holds its ticket."""

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Moment


class Call(Model):
    """One call. `caller` and `callee` are in E.164 where they are phone numbers; `line` is the number or queue that
    was called, `agent` the extension that answered last. What is not known (yet) is empty."""

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint("phase IN ('ringing', 'answered', 'ended', 'abandoned')", name="phase"),
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
    )

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), unique=True)
    direction: Mapped[str]
    caller: Mapped[str] = mapped_column(default="", server_default="")
    callee: Mapped[str] = mapped_column(default="", server_default="")
    line: Mapped[str] = mapped_column(default="", server_default="")
    agent: Mapped[str] = mapped_column(default="", server_default="")
    phase: Mapped[str]
    started_at: Mapped[Moment | None]
    answered_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    duration_seconds: Mapped[int | None]
    recording: Mapped[str] = mapped_column(default="", server_default="")
