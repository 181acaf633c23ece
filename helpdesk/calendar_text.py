"""Working hours and holidays as people type them, and back. Pure.

A day's hours: "9:00-13:00, 14:00-18:00"; "22:00-6:00" runs over midnight; "0:00-24:00" is all day; empty is closed.
A special day is a line: "2026-12-31 9:00-15:00 Short day" or, closed, "2026-01-01 New Year".
"""

import re
from datetime import date
from itertools import pairwise
from typing import Any

from flask_babel import gettext as _

from helpdesk.business_time import DAY_MINUTES
from helpdesk.errors import Refused

MOST_INTERVALS = 6
MOST_DAYS = 1000
MOST_NAME = 100

_TIME = r"(\d{1,2})(?:[:.](\d{2}))?"
_INTERVAL = re.compile(rf"{_TIME}\s*[-–—]\s*{_TIME}")
_LINE = re.compile(r"(\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4})\s*(.*)")
_HOURS_FIRST = re.compile(r"((?:\d{1,2}[:.]\d{2}\s*[-–—]\s*\d{1,2}[:.]\d{2}\s*,?\s*)+)(.*)")

Intervals = list[list[int]]


def parse_hours(text: str) -> Intervals:
    """One day's hours, in order. Raises Refused with what is wrong."""
    found: Intervals = []
    for part in (piece.strip() for piece in text.split(",")):
        if part:
            found.append(_interval(part))
    found.sort()
    if len(found) > MOST_INTERVALS:
        raise Refused(_("A day has at most %(count)s intervals.", count=MOST_INTERVALS))
    if any(before[1] > after[0] for before, after in pairwise(found)):
        raise Refused(_("The hours “%(text)s” overlap.", text=text))
    return found


def _interval(part: str) -> list[int]:
    match = _INTERVAL.fullmatch(part)
    if match is None:
        raise Refused(_("“%(text)s” is not a time such as 9:00-18:00.", text=part[:60]))
    start, end = _minutes(match[1], match[2]), _minutes(match[3], match[4])
    if start >= DAY_MINUTES or end > DAY_MINUTES or int(match[2] or 0) > 59 or int(match[4] or 0) > 59:
        raise Refused(_("“%(text)s” is not a time of day.", text=part[:60]))
    return [start, end if end > start else end + DAY_MINUTES]


def _minutes(hours: str, minutes: str | None) -> int:
    return int(hours) * 60 + int(minutes or 0)


def write_hours(intervals: Intervals) -> str:
    """A day's hours as they are typed."""
    return ", ".join(f"{_clock(start)}–{_clock(end)}" for start, end in intervals)


def _clock(minutes: int) -> str:
    if minutes > DAY_MINUTES:
        minutes -= DAY_MINUTES
    return f"{minutes // 60}:{minutes % 60:02}"


def parse_days(text: str) -> dict[str, Any]:
    """Special days, one a line, as `CalendarVersion.days` keeps them. Raises Refused naming the line."""
    days: dict[str, Any] = {}
    for line in (line.strip() for line in text.splitlines()):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refused(_("The line “%(line)s” does not begin with a date like 2026-12-31.", line=line[:80]))
        day = _day(match[1])
        hours, name = _hours_and_name(match[2].strip())
        days[day.isoformat()] = {"name": name[:MOST_NAME], "hours": hours}
    if len(days) > MOST_DAYS:
        raise Refused(_("A calendar has at most %(count)s special days.", count=MOST_DAYS))
    return dict(sorted(days.items()))


def _day(text: str) -> date:
    try:
        if "-" in text:
            return date.fromisoformat(text)
        day, month, year = (int(part) for part in text.split("."))
        return date(year, month, day)
    except ValueError as error:
        raise Refused(_("“%(text)s” is not a date. Write it like 2026-12-31.", text=text)) from error


def _hours_and_name(text: str) -> tuple[Intervals, str]:
    match = _HOURS_FIRST.fullmatch(text)
    if match is None:
        return [], text
    return parse_hours(match[1].strip().rstrip(",")), text[match.end(1) :].strip()


def write_days(days: dict[str, Any]) -> str:
    """Special days as they are typed, one a line."""
    lines = (" ".join(filter(None, (day, write_hours(said["hours"]), said["name"]))) for day, said in days.items())
    return "\n".join(lines)
