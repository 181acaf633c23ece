"""Working hours computed a second time, by other means: open stretches of each local day, laid end to end.

Nothing of the product is used here: two implementations that agree are worth more than one that agrees with itself.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MOST_DAYS = 800


class Oracle:
    """One version of a calendar as it is stored: `week` and `days` in minutes since local midnight."""

    def __init__(self, time_zone: str, week: list[Any], days: dict[str, Any]) -> None:
        self.zone, self.week, self.days = ZoneInfo(time_zone), week, days

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The moment at which `seconds` of open time have passed since `start`."""
        left = timedelta(seconds=seconds)
        for begins, ends in self._open_from(start):
            length = ends - begins
            if length >= left:
                return begins + left
            left -= length
        return None

    def _open_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open stretches in UTC from `start` on, none counted twice."""
        reached = start.astimezone(UTC)
        day = start.astimezone(self.zone).date() - timedelta(days=2)
        for _number in range(MOST_DAYS):
            for begins, ends in self._of(day):
                begins = max(begins, reached)
                if ends > begins:
                    yield begins, ends
                    reached = ends
            day += timedelta(days=1)

    def _of(self, day: date) -> list[tuple[datetime, datetime]]:
        said = self.days.get(day.isoformat())
        intervals = said["hours"] if said is not None else self.week[day.weekday()]
        return [self._stretch(day, first, last) for first, last in intervals]

    def _stretch(self, day: date, first: int, last: int) -> tuple[datetime, datetime]:
        """Where the wall clock shows the hour twice, a stretch begins at its first and ends after its last showing."""
        return self._moment(day, first, fold=0), self._moment(day, last, fold=1)

    def _moment(self, day: date, minute: int, fold: int) -> datetime:
        wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
        return wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds of open time between two moments."""
        total = timedelta()
        for begins, ends in self._open_from(start):
            if begins >= end:
                break
            total += min(ends, end) - begins
        return total.total_seconds()


class RoundTheClock:
    """No calendar: all time counts."""

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The moment `seconds` after `start`."""
        return start + timedelta(seconds=seconds)

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds between two moments."""
        return max((end - start).total_seconds(), 0)
