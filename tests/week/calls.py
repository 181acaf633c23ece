"""The exchange of the week: it posts news of phone calls to a door, signed, some twice, late or out of order."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from flask import Flask

from helpdesk import signatures
from helpdesk.db import db
from tests.week.clockwork import Clockwork
from tests.week.customers import Intents
from tests.week.size import Size
from tests.week.world import World

TWICE, LATE, FORGED = 0.05, 0.05, 0.02
ANSWERED = 0.7


class Exchange:
    """A telephone exchange that tells us of its calls."""

    def __init__(
        self, app: Flask, world: World, size: Size, random: Random, clock: Clockwork, intents: Intents
    ) -> None:
        self.browser = app.test_client()
        self.app, self.world, self.size = app, world, size
        self.random, self.clock, self.intents = random, clock, intents

    def plan(self) -> None:
        """Spread the calls over the days, in working hours."""
        for number in range(self.size.calls):
            day, hour = self.random.randrange(self.size.days), self.random.uniform(7, 21)
            begins = self.size.begins + timedelta(days=day, hours=hour)
            self._plan(number, begins)

    def _plan(self, number: int, begins: datetime) -> None:
        call = f"call-{number}"
        rings = timedelta(seconds=self.random.uniform(3, 60))
        phases = [("ringing", begins)]
        if self.random.random() < ANSWERED:
            talk = timedelta(seconds=self.random.uniform(20, 600))
            phases += [("answered", begins + rings), ("ended", begins + rings + talk)]
        else:
            phases.append(("abandoned", begins + rings))
        self.intents.calls[call] = phases[-1][0]
        for phase, at in phases:
            told_at = at + timedelta(minutes=self.random.uniform(1, 20)) if self.random.random() < LATE else at
            event = self._event(number, call, phase, at)
            self.clock.at(told_at, lambda event=event: self._post(event, {200, 202}))
            if self.random.random() < TWICE:
                self.clock.at(told_at + timedelta(minutes=1), lambda event=event: self._post(event, {200}))

    def _event(self, number: int, call: str, phase: str, at: datetime) -> dict[str, Any]:
        return {
            "type": "call",
            "id": f"{call}-{phase}",
            "call": call,
            "phase": phase,
            "at": at.isoformat(),
            "from": f"+38044{2000000 + number % 400}",
            "to": "200",
        }

    def _post(self, event: dict[str, Any], wanted: set[int]) -> None:
        body = json.dumps(event).encode()
        at = int(self.clock.now.timestamp())
        if self.random.random() < FORGED:
            self._send(body, at, b"guessed", {401})
            self.intents.refused_posts += 1
        self._send(body, at, self.world.secret, wanted)
        self.intents.call_events += 1

    def _send(self, body: bytes, at: int, secret: bytes, wanted: set[int]) -> None:
        db.session.remove()
        headers = signatures.headers([secret], body, at) | {"Content-Type": "application/json"}
        with self.app.app_context():
            answer = self.browser.post(f"/hooks/{self.world.door}", data=body, headers=headers)
        if answer.status_code not in wanted:
            raise AssertionError(f"the door answered {answer.status_code} to {body[:200]!r}: {answer.data[:300]!r}")
