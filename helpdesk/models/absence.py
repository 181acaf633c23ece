"""Out of office: somebody is not here for a time, says so to their colleagues, and may name who stands in for them."""

from collections.abc import Iterable
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, and_, or_, select, text
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from helpdesk import clock, live
from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.errors import Refused
from helpdesk.models.user import User

MOST_WORDS = 500
MOST_CHAIN = 10  # stand-ins of stand-ins that are followed


class Absence(Model):
    """A time out of office, planned, running or over; of each person at most one is not over.

    `began_at` is when the timetable put it into effect. `ended_at` is set when it is over, was ended or replaced.
    """

    __tablename__ = "absences"
    __table_args__ = (
        CheckConstraint("until_at IS NULL OR until_at > from_at", name="order"),
        CheckConstraint("stand_in_id IS DISTINCT FROM user_id", name="stand_in"),
        Index("uq_absences_open", "user_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    from_at: Mapped[Moment]
    until_at: Mapped[Moment | None]
    words: Mapped[str] = mapped_column(default="", server_default="")
    stand_in_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    began_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    stand_in: Mapped[User | None] = relationship(foreign_keys=[stand_in_id])


def is_running() -> ColumnElement[bool]:
    """The condition of an absence that holds at this moment."""
    runs = or_(Absence.until_at.is_(None), Absence.until_at > SQL_NOW)
    return and_(Absence.ended_at.is_(None), Absence.from_at <= SQL_NOW, runs)


def planned(user: User) -> Absence | None:
    """The absence of `user` that runs or is still to come."""
    query = select(Absence).where(Absence.user_id == user.id, Absence.ended_at.is_(None))
    return db.session.scalar(query.where(or_(Absence.until_at.is_(None), Absence.until_at > SQL_NOW)))


def running(user_ids: Iterable[int]) -> dict[int, Absence]:
    """The absences of these people that hold now, by their ids: one query, however many they are."""
    ids = list(user_ids)
    if not ids:
        return {}
    query = select(Absence).where(Absence.user_id.in_(ids), is_running()).options(joinedload(Absence.stand_in))
    found = db.session.scalars(query)
    return {absence.user_id: absence for absence in found}


def be_out(
    user: User, from_at: datetime, until_at: datetime | None, words: str = "", stand_in: User | None = None
) -> Absence:
    """Plan an absence of `user`, instead of the one they had planned. Raises Refused where it cannot be."""
    words = " ".join(words.split())
    if len(words) > MOST_WORDS:
        raise Refused(_("The text for colleagues has at most 500 characters."))
    if until_at is not None and until_at <= max(from_at, clock.now()):
        raise Refused(_("The absence ends before it begins. Choose a later end."))
    if stand_in is not None and (stand_in.id == user.id or not stand_in.active or stand_in.system):
        raise Refused(_("Choose a colleague who works here to stand in for you."))
    end(user)
    absence = Absence(
        user_id=user.id,
        from_at=from_at,
        until_at=until_at,
        words=words,
        stand_in_id=stand_in.id if stand_in else None,
    )
    db.session.add(absence)
    db.session.flush()
    return absence


def end(user: User) -> bool:
    """End the absence of `user`, running or planned, now. False when there was none."""
    query = select(Absence).where(Absence.user_id == user.id, Absence.ended_at.is_(None)).with_for_update()
    absence = db.session.scalar(query)
    if absence is None:
        return False
    absence.ended_at = clock.now()
    db.session.flush()
    live.touch(f"presence:{user.id}")
    return True


def stand_ins(user_ids: Iterable[int]) -> dict[int, int]:
    """Who stands in for those of these people who are out, by their ids: the first in the chain who is here.

    A chain that comes back to itself, or ends with somebody who is out, has nobody. One query a link of the chain.
    """
    out: dict[int, Absence] = {}
    wanted = set(user_ids)
    for _link in range(MOST_CHAIN):
        found = running(wanted - out.keys())
        out |= found
        wanted = {one.stand_in_id for one in found.values() if one.stand_in_id is not None} - out.keys()
        if not wanted:
            break
    asked = set(user_ids)
    ends = {user_id: _end_of_chain(user_id, out) for user_id in asked & out.keys()}
    here = {one for one in ends.values() if one is not None}
    active = set(db.session.scalars(select(User.id).where(User.id.in_(here), User.active))) if here else set()
    return {user_id: last for user_id, last in ends.items() if last in active and last is not None}


def _end_of_chain(user_id: int, out: dict[int, Absence]) -> int | None:
    seen = {user_id}
    here: int | None = user_id
    while here is not None and here in out:
        here = out[here].stand_in_id
        if here in seen:
            return None
        if here is not None:
            seen.add(here)
    return here
