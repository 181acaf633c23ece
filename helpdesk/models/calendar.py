"""Calendars: when a team works. Every edit makes a new version, and all versions are kept.

A promise names the calendar and the version that it was computed by, so that any due time can be computed again.
"""

from datetime import date
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.business_time import Hours
from helpdesk.db import Id, Model, Now, db, remembered


class Calendar(Model):
    """A named calendar; what it says stands in its present version."""

    __tablename__ = "calendars"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[Now]


class CalendarVersion(Model):
    """What a calendar said from a moment on.

    `week` holds seven lists, Monday first, of [start, end] in minutes since local midnight; an end beyond 1440 lies on
    the next day. `days` maps an ISO date to {"name": text, "hours": [[start, end], ...]}; no hours mean closed.
    """

    __tablename__ = "calendar_versions"

    calendar_id: Mapped[int] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    time_zone: Mapped[str]
    week: Mapped[list[Any]] = mapped_column(JSONB)
    days: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    made_at: Mapped[Now]

    def hours(self) -> Hours:
        """This version as the value that `helpdesk.business_time` computes with."""
        week = tuple(tuple((int(start), int(end)) for start, end in day) for day in self.week)
        days = tuple(
            (date.fromisoformat(day), tuple((int(start), int(end)) for start, end in said["hours"]))
            for day, said in sorted(self.days.items())
        )
        return Hours(self.time_zone, week, days)


def hours_of(calendar_id: int | None, version: int | None) -> Hours | None:
    """The hours that a promise was computed by; None is round the clock. Asked once in a transaction."""
    if calendar_id is None or version is None:
        return None

    def read() -> Hours:
        return db.session.get_one(CalendarVersion, (calendar_id, version)).hours()

    return remembered(f"hours:{calendar_id}:{version}", read)
