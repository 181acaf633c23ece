"""`helpdesk run` as it is: the whole program, started in a folder of its own, killed in every part, started again."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from http import HTTPStatus
from urllib.error import URLError

import psutil
import pytest

from helpdesk.embedded import Engines
from tests.tools import parents
from tests.tools.parents import Copy, alive, eventually

folder, start = parents.folder, parents.start  # fixtures

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

RUN = ("-m", "wsgi", "run")
CREW = {"intake", "outbox", "chores", "webhooks", "listen", "cron"}


def page(copy: Copy, path: str) -> tuple[int, str]:
    """Status and text of a page, after redirections; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{copy.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except (URLError, OSError) as error:
        return getattr(error, "code", 0), ""


def whole(copy: Copy) -> bool:
    """Whether every process is there and the web server and its database answer."""
    engines_and_web = {"postgres", "valkey", "web", "crew"}
    everybody = [*copy.pids().values(), *copy.crew().values()]
    return (
        set(copy.pids()) == engines_and_web
        and set(copy.crew()) == CREW
        and len(alive(everybody)) == len(everybody)
        and page(copy, "/ready")[0] == HTTPStatus.OK
    )


def test_the_first_start_shows_a_sign_in_page_and_how_to_sign_in_and_the_second_too(start):
    first = start(command=RUN).ready()
    status, text = page(first, "/")
    assert status == HTTPStatus.OK
    assert 'type="password"' in text
    eventually(lambda: whole(first), "the whole program")
    told = [line for line in first.lines if "Sign in as:" in line or "One-time password:" in line]
    assert len(told) == 2
    assert first.stop() == 0
    again = start(command=RUN).ready()
    assert page(again, "/")[0] == HTTPStatus.OK
    assert [line for line in again.lines if line in told] == told
    assert again.stop() == 0
    assert "starting again" not in again.text
    assert "Traceback" not in first.text + again.text


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_any_part_may_die_and_comes_back(start, sign):
    copy = start(command=RUN).ready()
    eventually(lambda: whole(copy), "the whole program")
    for name in ("web", "crew", "postgres", "valkey"):
        before = copy.pids()[name]
        os.kill(before, signal.SIGINT if (name, sign) == ("postgres", signal.SIGTERM) else sign)
        eventually(lambda was=before, of=name: copy.pids().get(of, was) != was, f"a new {name}")
        eventually(lambda: whole(copy), f"the whole program after {name}")
    for name in CREW:
        before = copy.crew()[name]
        os.kill(before, sign)
        eventually(lambda was=before, of=name: copy.crew().get(of, was) != was, f"a new {name}")
        eventually(lambda: whole(copy), f"the whole program after {name}")
    assert copy.stop() == 0


def test_everything_may_be_killed_at_once(start):
    copy = start(command=RUN).ready()
    eventually(lambda: whole(copy), "the whole program")
    parent = psutil.Process(copy.process.pid)
    victims = [parent, *parent.children(recursive=True)]
    for process in victims:
        process.kill()
    copy.process.wait()
    eventually(lambda: not alive([process.pid for process in victims]), "all gone")
    again = start(command=RUN).ready()
    eventually(lambda: whole(again), "the whole program")
    assert again.stop() == 0


def test_a_database_of_a_newer_version_is_refused_and_left_alone(start, folder):
    copy = start(command=RUN).ready()
    assert copy.stop() == 0
    engines = Engines(folder / "d")
    engines.start_postgres()
    try:
        at = ("-h", str(engines.home.sockets), "-U", "app", "-d", "helpdesk", "-XAtc")
        assert engines.run_tool("psql", *at, "UPDATE alembic_version SET version_num = '9999_future'").returncode == 0
    finally:
        engines.stop()
    refused = start(command=RUN)
    assert refused.process.wait(parents.PATIENCE) == 1
    refused.reader.join(parents.PATIENCE)
    assert "newer version" in refused.lines[-1]
    assert "Traceback" not in refused.text


def test_the_parent_needs_little_memory(start):
    copy = start(command=RUN).ready()
    assert psutil.Process(copy.process.pid).memory_full_info().uss < 60_000_000
    modules = subprocess.run(
        [sys.executable, "-c", "import sys, wsgi, helpdesk.supervisor, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"flask", "sqlalchemy", "rq", "redis"} & set(json.loads(modules.stdout))
    assert copy.stop() == 0
