"""Rules on the way in, senders who are kept out of people's sight, and how much each sender writes.

What a rule may say is in `helpdesk.rules`; what comes of it is decided by `queues.routing`.
"""

from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Now
from helpdesk.models.channel import Channel
from helpdesk.models.project import Project
from helpdesk.models.user import User


class Rule(Model):
    """One rule of an ordered list: that of a channel, or without `channel_id` that of a project.

    `conditions` is a list and `actions` an object, both as `helpdesk.rules` types them. A rule is a draft until it is
    `active`. How often it fired is counted under `rule:<id>`.
    """

    __tablename__ = "rules"
    __table_args__ = (
        Index("ix_rules_project_id_position", "project_id", "position"),
        Index("ix_rules_channel_id", "channel_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=False, server_default="false")
    go_on: Mapped[bool] = mapped_column(default=False, server_default="false")
    conditions: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    actions: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    created_at: Mapped[Now]

    project: Mapped[Project] = relationship()
    channel: Mapped[Channel | None] = relationship()

    @property
    def list_key(self) -> str:
        """Names the list that it stands in: `channel-3` or `project-1`."""
        return f"project-{self.project_id}" if self.channel_id is None else f"channel-{self.channel_id}"


class BlockedSender(Model):
    """An address, or `@domain` with all of its addresses, whose new mail a project files as spam.

    How often it was met is counted under `blocked:<id>`.
    """

    __tablename__ = "blocked_senders"
    __table_args__ = (UniqueConstraint("project_id", "value"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    value: Mapped[str]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[Now]

    project: Mapped[Project] = relationship()
    by: Mapped[User | None] = relationship()


class SenderCount(Model):
    """How much an address wrote to a project since a moment; what tells a flood."""

    __tablename__ = "sender_counts"
    __table_args__ = (Index("ix_sender_counts_since", "since"),)

    project_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    address: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[Now]
    mails: Mapped[int] = mapped_column(default=1, server_default="1")
