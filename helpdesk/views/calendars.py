"""Calendars for administrators: hours, holidays, and which of them counts where."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import exists, func, select
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from helpdesk import auth, clock
from helpdesk.auth import administrators_only, me
from helpdesk.business_time import next_opening, open_until
from helpdesk.calendar_changes import present, save_calendar, take_over, use_calendars
from helpdesk.calendar_text import parse_days, parse_hours, write_days, write_hours
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices, typed, whole
from helpdesk.holiday_sets import COUNTRIES, holidays_of
from helpdesk.models import Calendar, CalendarVersion, Project, Queue
from helpdesk.views.preferences import TIME_ZONES

pages = Blueprint("calendars", __name__)

COUNTRY_NAMES = {"UA": _l("Ukraine"), "RU": _l("Russia")}
WEEKDAYS = tuple(f"day{number}" for number in range(7))
MOST_YEARS = 5
COMING = 12
OFFICE = [[[540, 1080]]] * 5 + [[], []]
ALWAYS = [[[0, 1440]]] * 7


class CalendarForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Name, zone, hours of a week, special days. The fields of the week stand in the template, in the order of days."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    time_zone = SelectField(_l("Time zone"), choices=choices((zone, zone.replace("_", " ")) for zone in TIME_ZONES))
    days = TextAreaField(
        _l("Holidays and days with other hours"),
        [Length(max=100_000)],
        description=_l(
            "One day a line: the date, its hours if the team works, a name. 2026-12-31 9:00-15:00 Short day. "
            "Without hours the day is closed."
        ),
    )


@pages.get("/admin/calendars")
@administrators_only
def index() -> ResponseReturnValue:
    """All calendars, with what they say of this moment, and which counts where."""
    rows = db.session.execute(
        select(Calendar, CalendarVersion)
        .join(
            CalendarVersion,
            (CalendarVersion.calendar_id == Calendar.id) & (CalendarVersion.version == Calendar.version),
        )
        .order_by(func.sort_key(Calendar.name))
    ).tuples()
    now = clock.now()
    calendars = [
        {"id": row.id, "name": row.name, "zone": said.time_zone, "now": standing(said, now)} for row, said in rows
    ]
    return render_template(
        "admin/calendars.html",
        calendars=calendars,
        projects=db.session.scalars(select(Project).order_by(func.sort_key(Project.name))).all(),
        queues=db.session.scalars(select(Queue).where(Queue.active).order_by(func.sort_key(Queue.name))).all(),
    )


@pages.get("/admin/calendars/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new calendar: office hours, or round the clock with ?like=always."""
    week = ALWAYS if request.args.get("like") == "always" else OFFICE
    zone = db.session.scalar(select(Project.time_zone).order_by(Project.id).limit(1)) or "Europe/Kyiv"
    return _page(Calendar(name=""), CalendarForm(time_zone=zone), [write_hours(day) for day in week])


@pages.post("/admin/calendars")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a calendar."""
    return _save(Calendar())


@pages.get("/admin/calendars/<int:calendar_id>")
@administrators_only
def show(calendar_id: int) -> ResponseReturnValue:
    """One calendar: its hours, its coming holidays, and what it says of this moment."""
    calendar = _calendar(calendar_id)
    said = present(calendar)
    form = CalendarForm(name=calendar.name, time_zone=said.time_zone, days=write_days(said.days))
    return _page(calendar, form, [write_hours(day) for day in said.week])


@pages.post("/admin/calendars/<int:calendar_id>")
@administrators_only
def save(calendar_id: int) -> ResponseReturnValue:
    """Change one calendar."""
    return _save(_calendar(calendar_id))


@pages.post("/admin/calendars/<int:calendar_id>/holidays")
@administrators_only
def add_holidays(calendar_id: int) -> ResponseReturnValue:
    """Take the public holidays of a country over, for some years."""
    calendar = _calendar(calendar_id)
    country, first, last = (request.form.get(name, "") for name in ("country", "first", "last"))
    this_year = clock.now().year
    begin, end = whole(first), whole(last)
    if country not in COUNTRIES or begin is None or end is None:
        raise Refused(_("Choose a country and the years."))
    years = list(range(begin, end + 1)) if end - begin < MOST_YEARS else []
    if not years or not (this_year - 1 <= years[0] and years[-1] <= this_year + 10):
        raise Refused(_("Choose one to %(count)s years, from last year on.", count=MOST_YEARS))
    added = take_over(me(), calendar, holidays_of(country, years, str(get_locale())))
    auth.told(_("%(count)s days were added. Edit them as you like.", count=added))
    return redirect(url_for("calendars.show", calendar_id=calendar.id), 303)


@pages.post("/admin/calendars/use")
@administrators_only
def use() -> ResponseReturnValue:
    """Say which calendar counts for each project and queue."""
    known = set(db.session.scalars(select(Calendar.id)))
    chosen: dict[str, dict[int, int | None]] = {"project": {}, "queue": {}}
    for name, value in request.form.items():
        what, _dash, number = name.partition("-")
        row_id, calendar_id = whole(number), whole(value)
        if what in chosen and row_id is not None and (not value or calendar_id in known):
            chosen[what][row_id] = calendar_id
    use_calendars(me(), chosen["project"], chosen["queue"])
    auth.told(_("Saved."))
    return redirect(url_for("calendars.index"), 303)


def standing(said: CalendarVersion, now: datetime) -> dict[str, Any]:
    """What a calendar says of this moment: whether it is open, and a sentence in its own zone."""
    hours = said.hours()
    zone = ZoneInfo(said.time_zone)
    if (until := open_until(now, hours)) is not None:
        if (until - now).days >= 7:
            return {"is_open": True, "text": _("open")}
        return {"is_open": True, "text": _("open until %(time)s", time=_local(until, zone))}
    opens = next_opening(now, hours)
    if opens is None:
        return {"is_open": False, "text": _("never opens")}
    return {"is_open": False, "text": _("opens %(time)s", time=_local(opens, zone))}


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return format_datetime(moment.astimezone(zone), "EEEE, d MMMM, H:mm", rebase=False)


def _save(calendar: Calendar) -> ResponseReturnValue:
    form, week = CalendarForm(), [request.form.get(name, "")[:200] for name in WEEKDAYS]
    if not form.validate_on_submit():
        return _page(calendar, form, week), 422
    try:
        said = {
            "time_zone": typed(form.time_zone),
            "week": [parse_hours(day) for day in week],
            "days": parse_days(typed(form.days)),
        }
        save_calendar(me(), calendar, typed(form.name).strip(), said)
    except Refused as error:
        return _page(calendar, form, week, error.message), 422
    auth.told(_("Saved."))
    return redirect(url_for("calendars.show", calendar_id=calendar.id), 303)


def _calendar(calendar_id: int) -> Calendar:
    calendar = db.session.get(Calendar, calendar_id)
    if calendar is None:
        raise NotFound(_("There is no such calendar."))
    return calendar


def _page(calendar: Calendar, form: CalendarForm, week: list[str], fault: str = "") -> str:
    said = present(calendar) if calendar.id else None
    now = clock.now()
    today = now.astimezone(ZoneInfo(said.time_zone)).date() if said else now.date()
    monday = date(2024, 1, 1)
    return render_template(
        "admin/calendar.html",
        calendar=calendar,
        form=form,
        week=[
            (name, format_date(monday.replace(day=number + 1), "EEEE"), text)
            for number, (name, text) in enumerate(zip(WEEKDAYS, week, strict=True))
        ],
        fault=fault,
        now=standing(said, now) if said else None,
        coming=_coming(said.days, today) if said else [],
        is_used=not calendar.id or _is_used(calendar.id),
        countries=COUNTRY_NAMES,
        years=range(today.year, today.year + MOST_YEARS),
    )


def _is_used(calendar_id: int) -> bool:
    of_project = exists().where(Project.calendar_id == calendar_id)
    of_queue = exists().where(Queue.calendar_id == calendar_id)
    return bool(db.session.scalar(select(of_project | of_queue)))


def _coming(days: dict[str, Any], today: date) -> list[dict[str, str]]:
    return [
        {
            "day": format_date(date.fromisoformat(day), "EEEE, d MMMM yyyy"),
            "name": said["name"],
            "hours": write_hours(said["hours"]),
        }
        for day, said in days.items()
        if day >= today.isoformat()
    ][:COMING]
