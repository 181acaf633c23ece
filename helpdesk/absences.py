"""Time out of office comes and goes: what the timetable does when it begins and when it is over."""

from sqlalchemy import or_, select

from helpdesk.clock import SQL_NOW
from helpdesk.db import db, transaction
from helpdesk.models.absence import Absence, stand_ins
from helpdesk.models.availability import OUT_OF_OFFICE, Availability, Cause, change
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
