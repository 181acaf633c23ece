"""The process behind `helpdesk listen`: holds the connections of all channels that it can lock.

Any number of these processes may run on any number of hosts: each channel is held by exactly one, and when that one
ends or dies another takes over within seconds. Each channel has a thread of its own, so that a slow mail server delays
nobody else. Everything a thread does may be cut off at any moment; `queues.channels` says why nothing is lost then.
"""

import random
import signal
import threading
import time
from types import FrameType
from typing import Any

import psycopg
import structlog
from flask import Flask, current_app

from helpdesk.config import settings
from helpdesk.errors import StartError
from queues.channels import adapter_for, adapters
from queues.channels.base import SourceTrouble, StoreAway
from queues.channels.email.lmtp import LmtpServer
from queues.doors import lmtp_server
from queues.held import HeldChannel, note_trouble, take_hold, wanted
from queues.locks import ChannelLocks

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
LAST_WORDS_SECONDS = 0.8
PAUSES = {"soon": (1.0, 60.0), "slow": (30.0, 900.0), "store": (1.0, 10.0)}
"""First and longest pause in seconds after a fault, by its kind: each doubles until something works again."""


class Runner(threading.Thread):
    """Receives on one held channel until it is told to stop."""

    def __init__(self, app: Flask, channel: HeldChannel, kind: str) -> None:
        super().__init__(name=f"channel-{channel.id}", daemon=True)
        self.app = app
        self.channel = channel
        self.adapter = adapter_for(kind)
        self.faults = 0

    def run(self) -> None:
        """Receive again and again, with pauses after faults."""
        with self.app.app_context():
            while not self.channel.stopping():
                began = time.monotonic()
                kind = self._receive()
                if kind and time.monotonic() - began > 60:
                    self.faults = 0  # it worked for a while
                if kind:
                    self.channel.stop.wait(self._pause(kind))
                else:
                    self.faults = 0

    def _receive(self) -> str | None:
        """One connection's life. Returns the kind of fault that ended it, a key of PAUSES, or None."""
        try:
            self.adapter.receive(self.channel)
        except StoreAway as error:
            log.warning("nothing can be stored", channel=self.channel.id, error=str(error))
            return "store"
        except SourceTrouble as error:
            return self._tell(str(error), "slow" if error.slow else None if error.again else "soon")
        except Exception as error:
            log.exception("receiving failed", channel=self.channel.id)
            return self._tell(f"{type(error).__name__}: {error}", "soon")
        return None

    def _tell(self, words: str, kind: str | None) -> str | None:
        log.warning("channel in trouble", channel=self.channel.id, error=words)
        try:
            self.channel.trouble(words)
        except StoreAway:
            return "store"
        return kind

    def _pause(self, kind: str) -> float:
        first, longest = PAUSES[kind]
        pause = min(longest, first * 2.0 ** min(self.faults, 20))
        self.faults += 1
        return pause * random.uniform(0.7, 1.3)  # noqa: S311 -- only spreads load


class Listener:
    """The channels of this process, and the look around every two seconds that keeps them right."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.locks = ChannelLocks()
        self.runners: dict[int, Runner] = {}
        self.refused: dict[int, int] = {}
        self.door: LmtpServer | None = None
        self.door_trouble = ""
        self.stop = threading.Event()

    def run(self) -> None:
        """Hold channels until `stop` is set."""
        try:
            while not self.stop.is_set():
                self.open_door()
                try:
                    self.look()
                except (StoreAway, psycopg.Error) as error:
                    log.warning("database away", error=str(error))
                self.stop.wait(LOOK_SECONDS)
        finally:
            self.end()

    def open_door(self) -> None:
        """Open the LMTP door where there is to be one; of several processes on a machine the first one has it."""
        if self.door is not None or not settings().lmtp_port:
            return
        door = lmtp_server(self.app)
        try:
            door.start()
        except OSError as error:
            if str(error) != self.door_trouble:
                log.warning("LMTP door not open", error=str(error))
                self.door_trouble = str(error)
            return
        self.door = door
        log.info("LMTP door open", host=settings().lmtp_host, port=settings().lmtp_port)

    def look(self) -> None:
        """Bring the runners in line with the channels: stop what changed, start what is free."""
        self._bury(self.locks.held())
        present = wanted(_listens)
        for channel_id, runner in self.runners.items():
            if present.get(channel_id) != runner.channel.version:
                runner.channel.stop.set()
        for channel_id in list(self.locks.held() - present.keys() - self.runners.keys()):
            self.locks.release(channel_id)
        for channel_id in present.keys() - self.runners.keys():
            if self.stop.is_set() or self.refused.get(channel_id) == present[channel_id]:
                continue
            if self.locks.take(channel_id):
                self._start(channel_id, present[channel_id])

    def _start(self, channel_id: int, version: int) -> None:
        try:
            channel = take_hold(channel_id)
        except StartError as error:  # its secrets cannot be opened; the other channels can
            log.error("channel cannot be held", channel=channel_id, error=str(error))
            self.refused[channel_id] = version
            note_trouble(channel_id, str(error))
            return
        if channel is not None:
            runner = Runner(self.app, channel, channel.kind)
            self.runners[channel_id] = runner
            log.info("channel held", channel=channel_id)
            runner.start()

    def _bury(self, held: set[int]) -> None:
        for channel_id, runner in list(self.runners.items()):
            if channel_id not in held:
                runner.channel.stop.set()
            if not runner.is_alive():
                del self.runners[channel_id]

    def end(self) -> None:
        """Stop all runners and let go of their channels; a runner that does not listen is left to die with us."""
        for runner in self.runners.values():
            runner.channel.stop.set()
        if self.door is not None:
            self.door.stop()
        until = time.monotonic() + LAST_WORDS_SECONDS
        for runner in self.runners.values():
            runner.join(max(0.0, until - time.monotonic()))
        self.locks.close()


def _listens(kind: str, channel_settings: dict[str, Any]) -> bool:
    return kind in adapters() and adapter_for(kind).listens(channel_settings)


def main() -> None:
    """Hold channels and the LMTP door until SIGTERM. Needs an application context."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's documented way
    listener = Listener(app)

    def end(_number: int, _frame: FrameType | None) -> None:
        listener.stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    listener.run()
