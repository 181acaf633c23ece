"""Fields of one's own for tickets and customers, and the window into an outer system beside them."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Now

MOST_FIELDS = 300
MOST_OPTIONS = 300
LONGEST_LABEL = 100
LONGEST_HINT = 300


class About(StrEnum):
    """What a field belongs to."""

    TICKET = "ticket"
    CUSTOMER = "customer"


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    CHOICES = "choices"
    CHECKBOX = "checkbox"


class Field(Model):
    """One field. Its values stand in the column `fields` of the ticket or customer, under the field's id as text.

    `options` of a choice: [{"id": 1, "label": "...", "active": true}]; an option is switched off, never taken out.
    `queue_ids` are the queues whose tickets show it; none means all. The kind never changes.
    """

    __tablename__ = "fields"
    __table_args__ = (
        CheckConstraint("about IN ('ticket', 'customer')", name="about"),
        CheckConstraint("kind IN ('text', 'number', 'date', 'choice', 'choices', 'checkbox')", name="kind"),
    )

    id: Mapped[Id]
    about: Mapped[str]
    kind: Mapped[str]
    label: Mapped[str]
    hint: Mapped[str] = mapped_column(default="", server_default="")
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    required_on_close: Mapped[bool] = mapped_column(default=False, server_default="false")
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    queue_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}")
    options: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    created_at: Mapped[Now]


class CrmWay(StrEnum):
    """How the outer system is shown: in a frame, in a tab of its own, or as rows that we ask it for."""

    FRAME = "frame"
    TAB = "tab"
    DATA = "data"


class CrmPanel(Model):
    """The outer system of a project: its address, and the sealed secret that signs what we tell or ask it."""

    __tablename__ = "crm_panels"
    __table_args__ = (CheckConstraint("way IN ('frame', 'tab', 'data')", name="way"),)

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    way: Mapped[str]
    title: Mapped[str]
    url: Mapped[str]
    secret: Mapped[bytes]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    changed_at: Mapped[Now]
