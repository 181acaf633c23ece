"""What administrators do with calendars and targets. After each change open promises are counted anew in batches."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk.db import db, forget
from helpdesk.errors import Refused
from helpdesk.models.calendar import Calendar, CalendarVersion
from helpdesk.models.event import record_change
from helpdesk.models.project import Project
from helpdesk.models.promise import Target, change_book
from helpdesk.models.queue import Queue
from helpdesk.models.user import User
from helpdesk.staff import apply


def save_calendar(by: User, calendar: Calendar, name: str, said: Mapping[str, Any]) -> None:
    """Name a calendar, new or not, and give it a new version where `time_zone`, `week` or `days` differ.

    Raises Refused when another calendar has the name.
    """
    taken = select(Calendar.id).where(func.lower(Calendar.name) == name.lower(), Calendar.id != (calendar.id or 0))
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a calendar with that name already."))
    is_new = calendar.id is None
    changes: dict[str, Any] = apply(calendar, {"name": name})
    db.session.add(calendar)
    db.session.flush()
    db.session.refresh(calendar, with_for_update={"key_share": True})
    before = None if is_new else present(calendar)
    if before is None or any(getattr(before, field) != value for field, value in said.items()):
        calendar.version = 1 if before is None else before.version + 1
        db.session.add(CalendarVersion(calendar_id=calendar.id, version=calendar.version, **said))
        changes["version"] = calendar.version
        _counted_anew()
    if changes:
        record_change(by.id, "calendar", calendar.id, name, changes)


def present(calendar: Calendar) -> CalendarVersion:
    """What the calendar says now."""
    return db.session.get_one(CalendarVersion, (calendar.id, calendar.version))


def take_over(by: User, calendar: Calendar, holidays: Mapping[date, str]) -> int:
    """Close the calendar on these days, by name; days that it speaks of already stay as they are. Returns how many."""
    now = present(calendar)
    added = {day.isoformat(): {"name": name, "hours": []} for day, name in holidays.items()}
    days = dict(sorted((added | now.days).items()))
    save_calendar(by, calendar, calendar.name, {"time_zone": now.time_zone, "week": now.week, "days": days})
    return len(days) - len(now.days)


def use_calendars(by: User, projects: Mapping[int, int | None], queues: Mapping[int, int | None]) -> None:
    """Say which calendar counts for each project (None: round the clock) and queue (None: its project's), by ids."""
    changed = _assign(by, db.session.scalars(select(Project).where(Project.id.in_(projects))), projects, "project")
    changed |= _assign(by, db.session.scalars(select(Queue).where(Queue.id.in_(queues))), queues, "queue")
    if changed:
        _counted_anew()


def _assign(by: User, rows: Iterable[Project | Queue], wanted: Mapping[int, int | None], what: str) -> bool:
    changed = False
    for row in rows:
        if changes := apply(row, {"calendar_id": wanted[row.id]}):
            record_change(by.id, what, row.id, row.name, changes)
            changed = True
    return changed


def save_target(by: User, target: Target, values: Mapping[str, Any]) -> None:
    """Set the columns of a target, new or not. Raises Refused when it promises nothing."""
    if not any(values[name] for name in ("first_seconds", "next_seconds", "solution_seconds")):
        raise Refused(_("Give at least one time: for the first answer, the next answer or the solution."))
    changes: dict[str, Any] = apply(target, values)
    db.session.add(target)
    db.session.flush()
    if changes:
        record_change(by.id, "target", target.id, str(target.id), changes)
        _counted_anew()


def remove_target(by: User, target: Target) -> None:
    """Switch a target off: what it promised on open tickets is counted by the next target, or given up."""
    target.active = False
    record_change(by.id, "target", target.id, str(target.id), {"active": [True, False]})
    _counted_anew()


def _counted_anew() -> None:
    forget("calendar versions")
    change_book()
