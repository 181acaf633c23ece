"""Kills processes of the stack at random, by SIGKILL, until told to stop."""

import contextlib
import random
import threading
from typing import Any

import psutil

from tests.fault.intents import Intents
from tests.fault.stack import Stack

# How often each kind is chosen. The engines and the parents take others with them, so they are shot at less.
TARGETS = {
    "listen": 22,
    "intake": 22,
    "outbox": 22,
    "web-worker": 12,
    "parser": 4,
    "cron": 4,
    "chores": 3,
    "valkey": 4,
    "backend": 2,
    "postgres": 1.5,
    "postgres-all": 1,
    "web": 1.5,
    "crew": 1.5,
    "parent": 0.7,
}


class Nemesis(threading.Thread):
    """Kills one process every `pause` seconds on average, and once it has killed `enough`, three times as slowly.

    `stop` ends it after its present shot.
    """

    def __init__(self, stack: Stack, intents: Intents, rng: random.Random, pause: float, enough: int) -> None:
        super().__init__(name="nemesis", daemon=True)
        self.stack = stack
        self.intents = intents
        self.rng = rng
        self.pause = pause
        self.enough = enough
        self.stop = threading.Event()

    def run(self) -> None:
        """Shoot, wait, and start a killed parent again."""
        while not self.stop.wait(self.rng.uniform(0.4, 1.6) * self._pause()):
            self.shoot()
            self.stack.keep()

    def _pause(self) -> float:
        return self.pause if len(self.intents.kills) < self.enough else self.pause * 3

    def shoot(self) -> None:
        """Kill one process, or a family, of one kind, if there is any now."""
        kind = self.rng.choices(list(TARGETS), list(TARGETS.values()))[0]
        # Chosen before looking who lives: else whatever starts first would be shot again and again.
        family: list[Any] = self.stack.victims().get(kind, [])
        if not family:
            return
        chosen = family if kind == "postgres-all" else [self.rng.choice(family)]
        killed = 0
        for process in chosen:
            with contextlib.suppress(psutil.Error):
                process.kill()  # psutil looks at the start time first: a pid that is somebody else's by now is safe
                killed += 1
        if killed:
            self.intents.kill(kind)
