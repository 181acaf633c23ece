"""Load while Redis is killed and wiped and workers are killed: every mail becomes exactly one message."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text

from helpdesk.config import settings
from helpdesk.embedded import Engines
from queues import intake, lanes, ledger
from queues.channels.base import Inbound
from tests.conftest import SCRATCH

ROOT = Path(__file__).resolve().parent.parent
MAILS = 150
PATIENCE = 180.0  # a batch whose worker was killed is done by another when its lease runs out

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


class Crew:
    """Processes of ours against a Valkey of this test alone, which may be killed."""

    def __init__(self, valkey: Engines) -> None:
        self.valkey = valkey
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start, or start again, one process."""
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "wsgi", *arguments],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": settings().redis_url},
            start_new_session=True,
        )

    def kill(self, name: str) -> None:
        """kill -9, with all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def kill_valkey(self) -> None:
        """kill -9 Valkey and start it again, empty."""
        assert self.valkey.valkey is not None
        self.valkey.valkey.kill()
        self.valkey.valkey.wait()
        self.valkey.start_valkey()

    def wipe_valkey(self) -> None:
        """FLUSHALL."""
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(settings().redis_url) as connection:
            connection.flushall()

    def end(self) -> None:
        for name in self.processes:
            self.kill(name)
        self.valkey.stop()


@pytest.fixture
def crew(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    valkey = Engines(SCRATCH / "lanes", fsync=False)
    monkeypatch.setattr(settings(), "redis_url", valkey.start_valkey())
    lanes.connection.cache_clear()
    found = Crew(valkey)
    try:
        yield found
    finally:
        found.end()
        lanes.connection.cache_clear()


def mail(number: int) -> Inbound:
    lines = [
        f"From: eve{number % 20}@customer.example",
        "To: support@desk.example",
        f"Subject: Mail {number}",
        f"Message-ID: <{number}@customer.example>",
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"Помогите {number}",
    ]
    return Inbound(f"key-{number}", "\r\n".join(lines).encode(), {})


def waiting(session: Any) -> int:
    session.rollback()
    query = "SELECT count(*) FROM inbound_events WHERE state = 'waiting'"
    return int(session.execute(text(query)).scalar_one())


def drained(session: Any) -> None:
    """Wait until nothing waits any more; fail when it goes on waiting."""
    until = time.monotonic() + PATIENCE
    while waiting(session):
        assert time.monotonic() < until, f"{waiting(session)} events still wait"
        time.sleep(0.1)


def check(session: Any) -> None:
    """Each mail is one event and one message, and the books say so."""
    query = "SELECT count(*), count(DISTINCT message_id) FROM inbound_events WHERE state = 'ticketed'"
    assert tuple(session.execute(text(query)).one()) == (MAILS, MAILS)
    inbound = "SELECT count(*), count(DISTINCT header_id) FROM messages WHERE kind = 'inbound'"
    assert tuple(session.execute(text(inbound)).one()) == (MAILS, MAILS)
    assert ledger.reconcile() == 0


@contextlib.contextmanager
def nemesis(act: Callable[[], None], every: float) -> Iterator[None]:
    """Do `act` again and again while the block runs."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("fault", ["wiped", "killed", "worker"])
def test_every_mail_becomes_one_message(make_committed: Any, committed: Any, crew: Crew, fault: str) -> None:
    channel_id = make_committed.channel(make_committed.queue(), address="support@desk.example").id
    committed.commit()
    crew.start("intake", "worker", "intake")
    crew.start("chores", "worker", "chores")
    crew.start("cron", "cron")

    def worker_dies() -> None:
        crew.kill("intake")
        crew.start("intake", "worker", "intake")

    acts = {"wiped": (crew.wipe_valkey, 0.5), "killed": (crew.kill_valkey, 1.5), "worker": (worker_dies, 3.0)}
    with nemesis(*acts[fault]):
        for number in range(MAILS):
            assert intake.accept(channel_id, mail(number))
            if random.random() < 0.1:
                assert not intake.accept(channel_id, mail(number))
            time.sleep(0.04)
    drained(committed)
    check(committed)


def test_mails_are_understood_without_any_redis(make_committed: Any, committed: Any, crew: Crew) -> None:
    channel_id = make_committed.channel(make_committed.queue(), address="support@desk.example").id
    committed.commit()
    crew.start("intake", "worker", "intake")
    crew.start("cron", "cron")
    crew.valkey.stop()
    for number in range(MAILS):
        assert intake.accept(channel_id, mail(number))
    drained(committed)
    check(committed)


def test_mails_are_understood_while_redis_takes_nothing_more(make_committed: Any, committed: Any, crew: Crew) -> None:
    channel_id = make_committed.channel(make_committed.queue(), address="support@desk.example").id
    committed.commit()
    crew.start("intake", "worker", "intake")
    crew.start("cron", "cron")
    with redis.Redis.from_url(settings().redis_url) as connection:
        connection.config_set("maxmemory", 1)
    assert lanes.ring("intake") is False
    for number in range(MAILS):
        assert intake.accept(channel_id, mail(number))
    drained(committed)
    check(committed)
