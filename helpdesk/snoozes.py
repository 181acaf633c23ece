"""Until when a ticket may wait, as people say it: this evening, tomorrow morning, on the next working day."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l

from helpdesk import clock
from helpdesk.business_time import Hours
from helpdesk.db import db
from helpdesk.models import Calendar, Ticket, User
from helpdesk.models.calendar import hours_of

SNOOZES = {"1h": timedelta(hours=1), "3h": timedelta(hours=3), "1d": timedelta(days=1), "7d": timedelta(days=7)}
MORNING, EVENING = time(9), time(18)
MOST_DAYS = 30  # how far a next working day is looked for


@dataclass(frozen=True)
class Offer:
    """A moment to wait until: how forms name it, how people do, and when it is."""

    key: str
    label: Any
    at: datetime


def offers(user: User, ticket: Ticket) -> list[Offer]:
    """What `user` may choose now for the ticket, the soonest first; days begin at nine in the user's own zone."""
    return _offers(clock.now(), ZoneInfo(user.time_zone), _hours(ticket))


def moment_of(key: str, user: User, ticket: Ticket) -> datetime | None:
    """The moment that a choice means now; None for what is no choice."""
    if key in SNOOZES:
        return clock.now() + SNOOZES[key]
    return next((offer.at for offer in offers(user, ticket) if offer.key == key), None)


def _offers(now: datetime, zone: ZoneInfo, hours: Hours | None) -> list[Offer]:
    today = now.astimezone(zone).date()

    def at(days: int, hour: time) -> datetime:
        return datetime.combine(today + timedelta(days=days), hour, zone)

    found = [
        Offer("1h", _l("In one hour"), now + SNOOZES["1h"]),
        Offer("3h", _l("In three hours"), now + SNOOZES["3h"]),
    ]
    if at(0, EVENING) > now:
        found.append(Offer("evening", _l("This evening"), at(0, EVENING)))
    found.append(Offer("tomorrow", _l("Tomorrow morning"), at(1, MORNING)))
    to_monday = 7 - today.weekday()
    if to_monday > 1:
        found.append(Offer("monday", _l("On Monday morning"), at(to_monday, MORNING)))
    if hours is not None and not hours.of(today + timedelta(days=1)):
        working = next((days for days in range(2, MOST_DAYS) if hours.of(today + timedelta(days=days))), None)
        if working is not None and working != to_monday:
            found.append(Offer("working", _l("On the next working day"), at(working, MORNING)))
    return sorted(found, key=lambda offer: offer.at)


def _hours(ticket: Ticket) -> Hours | None:
    """The calendar by which the ticket's queue works, if it has one."""
    calendar_id = ticket.queue.calendar_id or ticket.queue.project.calendar_id
    calendar = db.session.get(Calendar, calendar_id) if calendar_id is not None else None
    return hours_of(calendar.id, calendar.version) if calendar is not None else None
