"""Event streams of a real web server: what changed arrives, what is foreign never does, who signs out is cut off."""

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpdesk import live
from helpdesk.auth import cookie_name
from helpdesk.db import db
from helpdesk.models.session import Stage, UserSession, end_sessions

pytestmark = pytest.mark.fault  # starts and stops web servers

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 15.0


class Browser:
    """One open stream, read by a thread: `said` holds (event, data), `ended` is set when the server closed it."""

    def __init__(self, port: int, cookie: str, *topics: str) -> None:
        self.said: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.ended = threading.Event()
        self.text = ""
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request(
            "GET",
            "/live?" + "&".join(f"topic={topic}" for topic in topics),
            headers={"Cookie": f"{cookie_name()}={cookie}", "Accept": "text/event-stream"},
        )
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        name = ""
        with contextlib.suppress(OSError, http.client.HTTPException):
            while line := self.answer.readline().decode():
                self.text += line
                if line.startswith("event: "):
                    name = line.removeprefix("event: ").strip()
                elif line.startswith("data: "):
                    self.said.put((name, json.loads(line.removeprefix("data: "))))
        self.ended.set()

    def hear(self, name: str) -> Any:
        """The data of the next event of this name."""
        while True:
            said, data = self.said.get(timeout=PATIENCE)
            if said == name:
                return data

    def wait_for_check(self) -> None:
        """Wait until the server has looked at the rights once more."""
        checks, until = self.text.count(": here"), time.monotonic() + PATIENCE
        while self.text.count(": here") < checks + 1:
            assert time.monotonic() < until
            time.sleep(0.05)

    def rest(self) -> list[tuple[str, Any]]:
        """What came and was not heard yet."""
        return [self.said.get_nowait() for _ in range(self.said.qsize())]


@contextlib.contextmanager
def web(**environment: str) -> Iterator[SimpleNamespace]:
    """A real web server with one process: `port`, `process`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app"],
        cwd=ROOT,
        env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": "1", **environment},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield SimpleNamespace(port=port, process=process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def desk(make_committed: Any, committed: Any) -> Any:
    """The cast with one ticket each in Support and Billing, and cookies of ann's two sessions."""
    cast = make_committed.cast()
    cast.ticket, cast.foreign = make_committed.ticket(cast.support), make_committed.ticket(cast.billing)
    cast.session, cast.cookie = UserSession.begin(cast.ann, Stage.FULL)
    cast.other_session, cast.other_cookie = UserSession.begin(cast.ann, Stage.FULL)
    committed.commit()
    cast.topics = [f"queue:{cast.support.id}", f"ticket:{cast.ticket.id}", f"user:{cast.ann.id}"]
    cast.foreign_topics = [f"queue:{cast.billing.id}", f"ticket:{cast.foreign.id}", f"user:{cast.carl.id}"]
    return cast


@pytest.fixture
def server(desk: Any) -> Iterator[SimpleNamespace]:
    """A web server that is gone before the tables are emptied."""
    with web() as running:
        yield running


def test_changes_arrive_and_foreign_ones_never(desk: Any, committed: Any, server: Any) -> None:
    browser = Browser(server.port, desk.cookie, *desk.topics, *desk.foreign_topics)
    assert set(browser.hear("versions")) == set(desk.topics)
    desk.foreign.claim(desk.carl)
    committed.commit()
    desk.ticket.claim(desk.ann)
    committed.commit()
    told = {browser.hear("change")["topic"] for _ in range(3)}
    assert told == set(desk.topics)
    time.sleep(0.3)
    assert not any(topic in browser.text for topic in desk.foreign_topics)


def test_a_signed_out_session_is_cut_off_and_the_others_go_on(desk: Any, committed: Any, server: Any) -> None:
    browser = Browser(server.port, desk.cookie, *desk.topics)
    other = Browser(server.port, desk.other_cookie, *desk.topics)
    browser.hear("versions")
    other.hear("versions")
    end_sessions(desk.ann, but=desk.other_session)
    committed.commit()
    assert browser.ended.wait(PATIENCE)
    desk.ticket.claim(desk.ann)
    committed.commit()
    assert other.hear("change")["topic"] in desk.topics
    assert not other.ended.is_set()


def test_a_lost_right_silences_its_topics(desk: Any, committed: Any, server: Any) -> None:
    browser = Browser(server.port, desk.cookie, *desk.topics)
    assert len(browser.hear("versions")) == 3
    desk.front.users.remove(desk.ann)
    committed.commit()
    browser.wait_for_check()
    browser.rest()
    desk.ticket.retitle(desk.sue, "Другое")
    committed.commit()
    live.publish({f"user:{desk.ann.id}": None})
    assert browser.hear("change")["topic"] == f"user:{desk.ann.id}"
    assert browser.rest() == []


def test_a_fourth_stream_of_a_session_ends_the_oldest(desk: Any, server: Any) -> None:
    browsers = []
    for _ in range(4):
        browsers.append(Browser(server.port, desk.cookie, *desk.topics))
        browsers[-1].hear("versions")
    assert browsers[0].ended.wait(PATIENCE)
    assert [browser.ended.is_set() for browser in browsers] == [True, False, False, False]


def test_streams_end_when_the_server_is_told_to_stop(desk: Any) -> None:
    with web() as server:
        browser = Browser(server.port, desk.cookie, *desk.topics)
        browser.hear("versions")
        server.process.send_signal(signal.SIGTERM)
        assert browser.ended.wait(PATIENCE)
        assert browser.text.count("retry: ") == 2
        assert server.process.wait(PATIENCE) == 0


def test_versions_come_from_postgresql_while_redis_is_away(desk: Any, committed: Any) -> None:
    with web(REDIS_URL="unix:///tmp/nobody-is-here.sock") as server:
        browser = Browser(server.port, desk.cookie, *desk.topics, *desk.foreign_topics)
        before = browser.hear("versions")
        assert set(before) == set(desk.topics)
        desk.ticket.claim(desk.ann)
        committed.commit()
        after = browser.hear("versions")
        while any(after[topic] == before[topic] for topic in desk.topics):  # a commit may fall between two statements
            after = browser.hear("versions")


def test_streams_hold_no_database_connection(desk: Any, committed: Any, server: Any) -> None:
    browsers = []
    for user in (desk.ann, desk.bob, desk.sue, desk.dora, desk.carl):
        for _ in range(6):
            _row, cookie = UserSession.begin(user, Stage.FULL)
            committed.commit()
            browsers.append(Browser(server.port, cookie, f"queue:{desk.support.id}"))
    for browser in browsers:
        browser.hear("versions")
    pool = db.engine.pool
    assert pool is not None
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle'"
    busy = [committed.connection().exec_driver_sql(query).scalar_one() for _ in range(20)]
    committed.rollback()
    assert min(busy) <= 2
    desk.ticket.retitle(desk.sue, "Другое")
    committed.commit()
    for browser in browsers[:-6]:
        assert browser.hear("change")["topic"] == f"queue:{desk.support.id}"
