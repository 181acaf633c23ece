"""Simulated time: what happens next is the earliest of what was planned, and the one clock stands there."""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from helpdesk.db import db


class Clockwork:
    """A timetable of acts, and the clock of the database moved to each of them in turn.

    Between two acts the clock runs on as real time does, and it never goes back.
    """

    def __init__(self, begins: datetime) -> None:
        self.now = begins
        self._order = itertools.count()
        self._acts: list[tuple[datetime, int, Callable[[], None]]] = []
        self._offset = timedelta()
        self._set_to(begins)
        event.listen(db.engine, "checkout", self._apply)

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Plan an act; one that lies in the past comes next."""
        heapq.heappush(self._acts, (moment, next(self._order), act))

    def after(self, minutes: float, act: Callable[[], None]) -> None:
        """Plan an act in some minutes from now."""
        self.at(self.now + timedelta(minutes=minutes), act)

    def run(self, until: datetime) -> int:
        """Do all that is planned before `until`, and what that plans. Returns how many acts were done."""
        done = 0
        while self._acts and self._acts[0][0] < until:
            moment, _order, act = heapq.heappop(self._acts)
            self._set_to(max(moment, datetime.now(UTC) + self._offset))
            act()
            db.session.remove()
            done += 1
        return done

    def stop(self) -> None:
        """Let connections have the true time again."""
        event.remove(db.engine, "checkout", self._apply)
        db.session.remove()
        db.engine.dispose()

    def _set_to(self, moment: datetime) -> None:
        self.now = moment
        self._offset = moment - datetime.now(UTC)
        db.session.remove()  # the next use takes a connection anew

    def _apply(self, connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("offset") == self._offset:
            return
        offset = f"{self._offset.total_seconds():.6f} seconds"
        connection.execute("SELECT set_config('helpdesk.clock_offset', %s, false)", (offset,))
        connection.commit()
        record.info["offset"] = self._offset
