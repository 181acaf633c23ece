"""Lists that people make for themselves or for a group: conditions in the words of the search, and an order."""

from enum import StrEnum

from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.errors import Forbidden, Refused
from helpdesk.models.user import Group, User

MOST_NAME = 80
MOST_CONDITIONS = 1000


class Order(StrEnum):
    """How a view is ordered: the longest wait first, the newest first, or what is due first."""

    WAIT = "wait"
    NEWEST = "newest"
    DUE = "due"


class SavedView(Model):
    """A list with a name. It is its author's own, or shared with one group; what it shows follows from who looks."""

    __tablename__ = "saved_views"
    __table_args__ = (
        CheckConstraint("ordering IN ('wait', 'newest', 'due')", name="ordering"),
        Index("uq_saved_views_name", "user_id", text("lower(name)"), unique=True),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id", ondelete="SET NULL"), index=True)
    name: Mapped[str]
    conditions: Mapped[str] = mapped_column(default="", server_default="")
    ordering: Mapped[str] = mapped_column(default=Order.WAIT, server_default="wait")
    created_at: Mapped[Now]
    changed_at: Mapped[Moment | None]

    author: Mapped[User] = relationship()
    group: Mapped[Group | None] = relationship()

    def may_be_changed_by(self, user: User) -> bool:
        """Its author may, and an administrator where it is shared."""
        return self.user_id == user.id or (user.is_administrator and self.group_id is not None)

    def check_may_change(self, user: User) -> None:
        """Raises Forbidden for whoever may only look at it."""
        if not self.may_be_changed_by(user):
            raise Forbidden(_("This view belongs to %(name)s. Save one of your own instead.", name=self.author.name))


def tidy_view_name(name: str) -> str:
    """The name of a view as it is stored. Raises Refused for none, or for one that is too long."""
    name = " ".join(name.split())
    if not name or len(name) > MOST_NAME:
        raise Refused(_("A view has a name of up to 80 characters."))
    return name
