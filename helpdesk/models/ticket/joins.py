"""What was merged and split: one row each, with all that an undo needs to put both tickets back as they were."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MERGE, SPLIT = "merge", "split"


class TicketJoin(Model):
    """One merge (`from` is a pointer to `to` from now on) or one split (`to` was split off `from`).

    `newest_id` is the newest message that either had then; what is later was said since. `kept` is what an undo puts
    back, see `helpdesk.models.ticket.merged` and `parted`.
    """

    __tablename__ = "ticket_joins"
    __table_args__ = (
        CheckConstraint("what IN ('merge', 'split')", name="what"),
        Index(
            "uq_ticket_joins_merged",
            "from_id",
            unique=True,
            postgresql_where=text("what = 'merge' AND undone_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    what: Mapped[str]
    from_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    to_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[Now]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    newest_id: Mapped[int] = mapped_column(default=0, server_default="0")
    kept: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    undone_at: Mapped[Moment | None]
    undone_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    from_ticket: Mapped["Ticket"] = relationship(foreign_keys=[from_id])
    to_ticket: Mapped["Ticket"] = relationship(foreign_keys=[to_id])
    by: Mapped[User | None] = relationship(foreign_keys=[by_id])
