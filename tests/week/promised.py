"""Every promise, computed again from the facts of its ticket's history."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.week.oracle import Oracle, RoundTheClock

SECOND = timedelta(seconds=1)


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

    calendars: dict[tuple[int | None, int | None], Oracle | RoundTheClock]
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
                    if key in self.told and not self.told[key].over:
                        self._say(event, "was made twice")
                    self.told[key] = self._begun(payload)
                    self._due(event, self.told[key])
                case "promise.changed":
                    told = self._begun(payload)
                    told.breached_at = self.told[key].breached_at if key in self.told else None
                    self.told[key] = told
                    self._due(event, told)
                case "promise.resumed":
                    told = self.told[key]
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
        if told.counted_from is None:
            return
        self.compared += 1
        ours = self.calendars[told.calendar].due(told.counted_from, told.seconds - told.spent)
        if ours is None or told.due_at is None:
            if ours is not told.due_at:
                self._say(event, f"is due at {told.due_at}, computed {ours}")
        elif abs(ours - told.due_at) > SECOND:
            self._say(event, f"is due at {told.due_at}, computed {ours}")

    def _ended(self, event: Any, told: Told) -> None:
        at = _moment(event.payload["at"])
        assert at is not None
        spent = told.spent
        if told.counted_from is not None:
            spent += int(self.calendars[told.calendar].between(told.counted_from, at))
        if abs(spent - event.payload["spent"]) > 1:
            self._say(event, f"took {event.payload['spent']} s, computed {spent}")
        if event.kind == "promise.met" and told.due_at is not None and event.payload["late"] != (at > told.due_at):
            self._say(event, f"was kept at {at}, due at {told.due_at}, late: {event.payload['late']}")
        told.over = event.kind != "promise.paused"
        if event.kind == "promise.paused":
            told.counted_from, told.due_at, told.spent = None, None, event.payload["spent"]

    def _breached(self, event: Any, told: Told) -> None:
        told.breached_at = _moment(event.payload["at"])
        if told.due_at is not None and told.breached_at != told.due_at:
            self._say(event, f"is said to be broken at {told.breached_at}, due at {told.due_at}")

    def _say(self, event: Any, words: str) -> None:
        self.wrong.append(f"event {event.id}, ticket {event.ticket_id}: “{event.payload['promise']}” {words}")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
