"""Managed lists that sort tickets: request types, reasons and components. Categories are a list of their own table.

An item is never deleted, because tickets, rules and reports name it; it is switched off and stays on old tickets.
"""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Now

MOST_ITEMS = 500  # in one list
MOST_CHOSEN = 20  # reasons or components of one ticket
LONGEST_NAME = 100


class ListName(StrEnum):
    """Which list: a ticket has one type and one category, and any number of reasons and components."""

    TYPE = "request_type"
    REASON = "reason"
    COMPONENT = "component"
    CATEGORY = "category"


class ListItem(Model):
    """One request type, reason or component. `queue_ids` are the queues that offer it; none means all."""

    __tablename__ = "list_items"
    __table_args__ = (
        CheckConstraint("list_name IN ('request_type', 'reason', 'component')", name="list_name"),
        Index("uq_list_items_list_name", "list_name", text("lower(name)"), unique=True),
    )

    id: Mapped[Id]
    list_name: Mapped[str]
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    queue_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}")
    created_at: Mapped[Now]
