"""An independent reading of the history: every due time and every spent second of promises computed again.

Reads events and the kept versions of calendars, nothing of the tables of promises and nothing of the code that made
them. How open time is counted is given: minute by minute on the wall clock here, by stretches in the simulated week.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import text

MINUTE = timedelta(minutes=1)
LONGEST = 60 * 24 * 90  # minutes that are looked ahead


class Calendar(Protocol):
    """Counts open time."""

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The moment at which `seconds` of open time have passed since `start`."""

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds of open time between two moments."""


def check_history(session: Any) -> int:
    """Check all promises of the database; returns how many facts. Raises AssertionError with what is wrong."""
    session.flush()
    calendars: dict[tuple[int | None, int | None], Calendar] = {(None, None): MinuteByMinute(None)}
    for row in session.execute(text("SELECT * FROM calendar_versions")):
        calendars[row.calendar_id, row.version] = MinuteByMinute(row)
    promises = Promises(calendars)
    query = "SELECT id, ticket_id, kind, payload FROM events WHERE kind LIKE 'promise.%' ORDER BY ticket_id, id"
    promises.tell(session.execute(text(query)))
    assert promises.wrong == []
    return promises.kinds.total()


@dataclass
class Told:
    """What was last said of one promise."""

    seconds: int
    calendar: tuple[int | None, int | None]
    counted_from: datetime | None
    due_at: datetime | None
    spent: int
    over: bool = False
    breached_at: datetime | None = None


@dataclass
class Promises:
    """Compares what the history says with what an independent calendar says. `calendars` maps (id, version)."""

    calendars: Mapping[tuple[int | None, int | None], Calendar]
    wrong: list[str] = field(default_factory=list)
    compared: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    told: dict[tuple[int, str, str], Told] = field(default_factory=dict)

    def tell(self, events: Iterable[Any]) -> None:
        """Take in the facts of promises (rows with id, ticket_id, kind, payload) in the order of their ids."""
        for event in events:
            payload = event.payload
            key = (event.ticket_id, payload["promise"], payload["asked_at"])
            self.kinds[event.kind] += 1
            match event.kind:
                case "promise.made":
                    if key in self.told:
                        self._say(event, "was made twice")
                    self.told[key] = self._begun(payload)
                    self._due(event, self.told[key])
                case "promise.changed":
                    before = self.told[key]
                    if payload["why"] in {"target", "calendar"}:
                        self._spent(event, before, datetime.fromisoformat(payload["at"]))
                    self.told[key] = self._begun(payload)
                    self.told[key].breached_at = before.breached_at
                    self._due(event, self.told[key])
                case "promise.resumed":
                    told = self.told[key]
                    told.over = False
                    told.counted_from, told.spent = _moment(payload["counted_from"]), payload["spent"]
                    told.due_at = _moment(payload.get("due_at"))
                    self._due(event, told)
                case "promise.paused" | "promise.met" | "promise.cancelled":
                    self._ended(event, self.told[key])
                case "promise.breached":
                    self._breached(event, self.told[key])

    def unbroken_silence(self, now: datetime) -> None:
        """Whatever was due before `now` and was neither kept, paused nor called broken is a promise forgotten."""
        for (ticket_id, promise, _asked), told in self.told.items():
            if not told.over and told.due_at and told.due_at < now and told.breached_at is None:
                self.wrong.append(f"ticket {ticket_id}: the promise “{promise}” was due at {told.due_at} in silence")

    def _begun(self, payload: dict[str, Any]) -> Told:
        return Told(
            payload["seconds"],
            (payload.get("calendar_id"), payload.get("calendar_version")),
            _moment(payload.get("counted_from")),
            _moment(payload.get("due_at")),
            payload.get("spent", 0),
        )

    def _due(self, event: Any, told: Told) -> None:
        self.compared += 1
        left = told.seconds - told.spent
        if told.counted_from is None:
            ours = None
        elif left <= 0:
            ours = told.breached_at or told.counted_from
        else:
            ours = self.calendars[told.calendar].due(told.counted_from, left)
        if ours != told.due_at:
            self._say(event, f"is due at {told.due_at}, computed {ours}")

    def _ended(self, event: Any, told: Told) -> None:
        at = _moment(event.payload["at"])
        assert at is not None
        self._spent(event, told, at)
        if event.kind == "promise.met" and event.payload["late"] != (told.breached_at is not None):
            self._say(event, f"was kept at {at}, broken at {told.breached_at}, late: {event.payload['late']}")
        told.over = event.kind != "promise.paused"
        told.counted_from, told.due_at, told.spent = None, None, event.payload["spent"]

    def _spent(self, event: Any, told: Told, at: datetime) -> None:
        spent: float = told.spent
        if told.counted_from is not None:
            spent += self.calendars[told.calendar].between(told.counted_from, at)
        if int(spent) != event.payload["spent"]:
            self._say(event, f"took {event.payload['spent']} s, computed {spent}")

    def _breached(self, event: Any, told: Told) -> None:
        if told.breached_at is not None:
            self._say(event, "was broken twice")
        told.breached_at = _moment(event.payload["at"])
        if told.breached_at != told.due_at:
            self._say(event, f"is said to be broken at {told.breached_at}, due at {told.due_at}")

    def _say(self, event: Any, words: str) -> None:
        self.wrong.append(f"event {event.id}, ticket {event.ticket_id}: “{event.payload['promise']}” {words}")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class MinuteByMinute:
    """Counts on the wall clock minute by minute, with the odd seconds at both ends. `hours` None is always open."""

    def __init__(self, hours: Any) -> None:
        self.hours = hours

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The moment at which `seconds` of open time have passed since `start`."""
        left, moment = timedelta(seconds=seconds), start
        for _minute in range(LONGEST):
            border = moment.replace(second=0, microsecond=0) + MINUTE
            if self._is_open(moment):
                if border - moment >= left:
                    return moment + left
                left -= border - moment
            moment = border
        return None

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds of open time between two moments."""
        total, moment = timedelta(0), start
        while moment < end:
            border = min(moment.replace(second=0, microsecond=0) + MINUTE, end)
            if self._is_open(moment):
                total += border - moment
            moment = border
        return total.total_seconds()

    def _is_open(self, moment: datetime) -> bool:
        hours = self.hours
        if hours is None:
            return True
        local = moment.astimezone(ZoneInfo(hours.time_zone))
        minute = local.hour * 60 + local.minute
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            special = hours.days.get(day.isoformat())
            intervals = special["hours"] if special is not None else hours.week[day.weekday()]
            if any(start <= minute + back * 1440 < end for start, end in intervals):
                return True
        return False
