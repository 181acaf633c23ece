"""Time out of office: entered by oneself or by who looks after one's queues, begun and ended by the timetable."""

from datetime import UTC, datetime

from sqlalchemy import or_, select

from helpdesk.clock import SQL_NOW
from helpdesk.db import db, transaction
from helpdesk.models.absence import Absence, be_out, end, planned, stand_ins
from helpdesk.models.availability import OUT_OF_OFFICE, Availability, Cause, change
from helpdesk.models.event import record_change
from helpdesk.models.notice import tell_people
from helpdesk.models.user import User

AT_ONCE = 200


def keep() -> int:
    """Put into effect the absences that have begun, and close those that are over. A chore; twice is once.

    Whoever goes out of office is offline from then on, so what needs them goes back or to whoever stands in. Coming
    back is theirs to say, as on any other morning.
    """
    over = Absence.until_at <= SQL_NOW
    begun = Absence.began_at.is_(None) & (Absence.from_at <= SQL_NOW)
    due = select(Absence.id).where(Absence.ended_at.is_(None), or_(over, begun)).order_by(Absence.id).limit(AT_ONCE)
    with transaction() as session:
        ids = list(session.scalars(due))
    return sum(_keep(absence_id) for absence_id in ids)


def enter(
    by: User, user: User, from_at: datetime, until_at: datetime | None, words: str, stand_in: User | None
) -> Absence:
    """Plan an absence of `user`, instead of the one planned before, and put it into effect where its time has come.

    Where somebody else enters it, the person is told, and it is written down. Whether `by` may is the caller's to
    check. Raises what `be_out` raises.
    """
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))  # as in `_keep`
    before = _as_entered(planned(user))
    absence = be_out(user, from_at, until_at, words, stand_in)
    if absence.from_at <= db.session.execute(select(SQL_NOW)).scalar_one():
        begin(absence)
    if by.id != user.id:
        record_change(by.id, "person", user.id, user.name, {"absence": [before, _as_entered(absence)]})
        until = until_at.isoformat() if until_at else None
        tell_people([user.id], "absence.entered", name=by.name, from_at=from_at.isoformat(), until_at=until)
    return absence


def leave_off(by: User, user: User) -> bool:
    """End the absence of `user`, running or planned, now; told and written down as by `enter`. False for none."""
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    before = _as_entered(planned(user))
    if not end(user):
        return False
    if by.id != user.id:
        record_change(by.id, "person", user.id, user.name, {"absence": [before, None]})
        tell_people([user.id], "absence.ended", name=by.name)
    return True


def _as_entered(absence: Absence | None) -> dict[str, str | int | None] | None:
    """An absence as the history keeps it."""
    if absence is None:
        return None
    until = absence.until_at.astimezone(UTC).isoformat() if absence.until_at else None
    return {"from": absence.from_at.astimezone(UTC).isoformat(), "until": until, "stand_in_id": absence.stand_in_id}


def begin(absence: Absence) -> None:
    """Put an absence into effect, in the present transaction; the row is locked by the caller."""
    now = db.session.execute(select(SQL_NOW)).scalar_one()
    absence.began_at = now
    user = db.session.get_one(User, absence.user_id)
    if user.active:
        change(user, Availability.OFFLINE, OUT_OF_OFFICE, cause=Cause.OUT_OF_OFFICE)


def stand_in_of(user_id: int) -> User | None:
    """Who stands in for somebody now: the first in the chain who is not out of office; None where there is nobody."""
    found = stand_ins([user_id]).get(user_id)
    return db.session.get(User, found) if found is not None else None


def _keep(absence_id: int) -> int:
    with transaction() as session:
        # The person before the absence, as everywhere: a claim of theirs at this moment comes before it or after it.
        whose = select(Absence.user_id).where(Absence.id == absence_id).scalar_subquery()
        session.execute(select(User.id).where(User.id == whose).with_for_update(key_share=True))
        query = select(Absence).where(Absence.id == absence_id, Absence.ended_at.is_(None))
        absence = session.scalar(query.with_for_update(skip_locked=True).execution_options(populate_existing=True))
        if absence is None:
            return 0
        now = session.execute(select(SQL_NOW)).scalar_one()
        if absence.until_at is not None and absence.until_at <= now:
            absence.ended_at = now
        elif absence.began_at is None and absence.from_at <= now:
            begin(absence)
        else:
            return 0
        return 1
