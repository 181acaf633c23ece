"""Who is here: each operator is available, away for a reason, or offline, and every change of it is kept.

The present state stands on the user's row, because a claim looks at it under that row's lock. The changes are
append-only rows, so that reports and whoever checks the past can say who was here at any moment.
"""

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum

from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ForeignKey, Index, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk import live
from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Now, db
from helpdesk.errors import Refused
from helpdesk.models.project import read_setting
from helpdesk.models.user import User

# Setting: minutes without any open page after which somebody counts as gone.
IDLE_MINUTES = "idle_minutes"
DEFAULT_IDLE_MINUTES = 10
# Setting: the reasons to be away that are offered; any other words are taken as well.
AWAY_REASONS = "away_reasons"
DEFAULT_REASONS = ("Break", "Lunch", "Training", "Meeting")
MOST_REASON = 100

# A sign of life is written down at most this often.
PRESENCE_STEP = timedelta(minutes=1)
# Whoever said that they are away is believed for half a shift without a sign of them.
AWAY_FORGOTTEN = timedelta(hours=4)

# The reason of those who went without a word; the next thing that they do brings them back.
LEFT = "left"
# The reason of those whose time out of office began; they come back by saying so or by signing in.
OUT_OF_OFFICE = "out of office"


class Availability(StrEnum):
    """Whether tickets can be expected of somebody."""

    AVAILABLE = "available"
    AWAY = "away"
    OFFLINE = "offline"


class Cause(StrEnum):
    """What made somebody's state change."""

    BY_HAND = "by hand"
    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    LEFT = "left"
    BACK = "back"
    DEACTIVATED = "deactivated"
    OUT_OF_OFFICE = "out of office"


class AvailabilityChange(Model):
    """One change: whose, when, to what, why, and by whom. Never changed, never deleted."""

    __tablename__ = "availability_changes"
    __table_args__ = (
        CheckConstraint("state IN ('available', 'away', 'offline')", name="state"),
        Index("ix_availability_changes_user_id_id", "user_id", "id"),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    at: Mapped[Now]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="", server_default="")
    cause: Mapped[str] = mapped_column(default="", server_default="")
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


def change(user: User, state: Availability, reason: str = "", by: User | None = None, cause: str = "") -> bool:
    """Set what `user` is from now on; `by` is the person who did it, None the system. False when they were that.

    Holds the user's row, so a change and a claim come one after the other. `reason` has at most 100 characters.
    """
    reason = " ".join(reason.split())
    if len(reason) > MOST_REASON:
        raise Refused(_("A reason has at most 100 characters."))
    if state == Availability.AVAILABLE:
        reason = ""
    if not user.active and state != Availability.OFFLINE:
        raise Refused(_("%(name)s does not work here any more.", name=user.name))
    db.session.flush()
    # Read anew with the lock: a state that somebody else set meanwhile would else count as unchanged here.
    db.session.refresh(user, ["availability", "availability_reason"], with_for_update={"key_share": True})
    before = user.availability
    if (before, user.availability_reason) == (state, reason):
        return False
    row = AvailabilityChange(user_id=user.id, state=state, reason=reason, cause=cause, by_id=by.id if by else None)
    db.session.add(row)
    db.session.flush()
    user.availability, user.availability_reason = state, reason
    if before != state:
        user.availability_since = row.at
    if state == Availability.AVAILABLE:
        user.present_at = row.at
    live.touch(f"presence:{user.id}")
    return True


def note_presence(user_ids: Collection[int]) -> None:
    """Write down that these people have a page open, at most once a minute each. Commits; waits for nobody."""
    stale = or_(User.present_at.is_(None), User.present_at < SQL_NOW - PRESENCE_STEP)
    found = select(User.id).where(User.id.in_(list(user_ids)), stale)
    if db.session.scalar(found.limit(1)) is None:
        return
    free = found.with_for_update(key_share=True, skip_locked=True).cte("free")
    statement = update(User).where(User.id.in_(select(free.c.id))).values(present_at=SQL_NOW)
    db.session.execute(statement.execution_options(synchronize_session=False))
    db.session.commit()


def away_reasons() -> list[str]:
    """The reasons that are offered, as stored; `helpdesk.words.away_reason` says them in the reader's language."""
    return list(read_setting(AWAY_REASONS, list(DEFAULT_REASONS)))
