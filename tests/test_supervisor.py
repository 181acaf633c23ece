"""The parent, for real: engines and toy children are started, killed, refused and found again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from helpdesk import keeper as keeping
from helpdesk.processes import account_named, identity
from tests.tools import parents
from tests.tools.parents import PATIENCE, TOYS, Copy, alive, eventually

folder, start = parents.folder, parents.start  # fixtures

pytestmark = pytest.mark.fault  # starts and kills whole helpdesks

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_start_says_where_and_how_to_sign_in_and_stop_leaves_nothing(start):
    copy = start().ready()
    assert f"http://127.0.0.1:{copy.port}" in copy.text
    assert "Sign in as dora" in copy.text
    assert "steady   | привет from steady" in copy.text
    pids = copy.pids()
    assert set(pids) == {"postgres", "valkey", "web", "steady"}
    assert copy.stop() == 0
    assert alive(pids.values()) == []
    assert not (copy.data / "pg18" / "postmaster.pid").exists()
    assert not (copy.data / "run" / "pids.json").exists()


def test_children_know_the_engines_and_not_the_callers_postgres(start, folder):
    copy = start(PGHOST="elsewhere.example").ready()
    environment = psutil.Process(copy.pids()["steady"]).environ()
    assert environment["DATABASE_URL"].endswith(f"host={folder}/d/sock")
    assert environment["REDIS_URL"].startswith("unix://")
    assert "PGHOST" not in environment


def test_a_killed_child_comes_back_and_the_others_stay(start):
    copy = start().ready()
    before = copy.pids()
    os.kill(before["steady"], signal.SIGKILL)
    after = eventually(lambda: copy.pids() if copy.pids().get("steady", 0) != before["steady"] else None, "steady")
    assert {**after, "steady": 0} == {**before, "steady": 0}
    assert "was ended by SIGKILL; starting again in 0.5 s" in copy.text


@pytest.mark.parametrize("engine", ["postgres", "valkey"])
def test_a_killed_engine_comes_back_and_web_stays(start, engine):
    copy = start().ready()
    before = copy.pids()
    os.kill(before[engine], signal.SIGKILL)
    eventually(lambda: copy.pids().get(engine, before[engine]) != before[engine], f"a new {engine}")
    assert copy.pids()["web"] == before["web"]
    if engine == "postgres":
        serves = lambda: "ready" in (copy.data / "pg18/postmaster.pid").read_text()  # noqa: E731
        eventually(lambda: (copy.data / "pg18/postmaster.pid").exists() and serves(), "PostgreSQL serving")
    assert copy.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux")
def test_children_end_when_the_parent_is_killed(start):
    copy = start().ready()
    pids = copy.pids()
    copy.process.kill()
    copy.process.wait()
    eventually(lambda: not alive(pids.values()), "all children gone")
    again = start().ready()
    assert again.stop() == 0


def test_start_after_everything_was_killed_and_pid_files_lie(start):
    copy = start().ready()
    pids = copy.pids()
    cluster = copy.data / "pg18"
    for pid in [copy.process.pid, *pids.values()]:
        os.kill(pid, signal.SIGKILL)
    copy.process.wait()
    eventually(lambda: not alive(pids.values()), "all gone")
    owner = cluster.stat()
    switch = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    innocent = subprocess.Popen(["sleep", "300"], **switch)  # PostgreSQL would take it for its predecessor
    try:
        stale = cluster / "postmaster.pid"
        stale.write_text(f"{innocent.pid}\n{cluster}\n")
        again = start().ready()
        assert innocent.poll() is None
        assert again.stop() == 0
    finally:
        innocent.kill()
        innocent.wait()


def test_leftovers_with_their_descendants_are_ended_but_not_strangers(start, folder):
    run = folder / "d" / "run"
    run.mkdir(parents=True)
    leftover = subprocess.Popen([sys.executable, str(TOYS), "family"], stdout=subprocess.PIPE, text=True)
    below = int(leftover.stdout.readline().rsplit(" ", 1)[1])
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        entries = [
            {"name": "listen", "pid": leftover.pid, "created": identity(leftover.pid)},
            {"name": "cron", "pid": stranger.pid, "created": identity(stranger.pid) - 1000},
        ]
        (run / "pids.json").write_text(json.dumps(entries))
        copy = start().ready()
        assert leftover.wait(PATIENCE) == -signal.SIGTERM
        eventually(lambda: not alive([below]), "its child gone")
        assert stranger.poll() is None
        assert "left behind by an earlier run" in copy.text
    finally:
        stranger.kill()
        stranger.wait()
        leftover.stdout.close()


@pytest.mark.parametrize("text", ["", "[{", '[{"name": 1}]', '"x"'])
def test_a_damaged_pid_list_stops_nobody(folder, text):
    (folder / "pids.json").write_text(text)
    with keeping.Keeper(folder / "pids.json") as keeper:
        assert keeper.sweep() == []


def test_a_second_copy_in_the_same_folder_is_refused_by_name(start):
    first = start().ready()
    second = start()
    assert second.process.wait(PATIENCE) == 1
    second.reader.join(PATIENCE)
    assert second.text.count("\n") == 0
    assert f"already running in {first.data} (process {first.process.pid})" in second.text


def test_two_copies_with_own_folders_and_ports_do_not_meet(start):
    one, two = start("one").ready(), start("two").ready()
    assert one.stop() == 0
    assert len(alive(two.pids().values())) == 4
    assert two.stop() == 0


def test_a_taken_port_is_one_sentence(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        copy = start(port=port)
        assert copy.process.wait(PATIENCE) == 1
        copy.reader.join(PATIENCE)
    assert len(copy.lines) == 1
    assert f"Port {port} on 127.0.0.1 is already in use." in copy.text


def test_a_folder_that_cannot_be_written_is_one_sentence(start, folder):
    (folder / "file").write_text("not a folder")
    copy = start("file/data")
    assert copy.process.wait(PATIENCE) == 1
    copy.reader.join(PATIENCE)
    assert len(copy.lines) == 1
    assert f"The data folder {folder}/file/data cannot be written" in copy.text


def test_a_wrong_setting_is_one_sentence(start):
    copy = start(WEB_WORKERS="many")
    assert copy.process.wait(PATIENCE) == 1
    copy.reader.join(PATIENCE)
    assert len(copy.lines) == 1
    assert "WEB_WORKERS" in copy.text


def test_a_failing_step_ends_the_start_with_its_last_words(start):
    copy = start(TOY_STEPS="newer")
    assert copy.process.wait(PATIENCE) == 1
    copy.reader.join(PATIENCE)
    assert copy.lines[-1] == "The database is of a newer version than this program."
    assert not (copy.data / "pg18" / "postmaster.pid").exists()
    assert "ready" not in copy.text


def test_programs_may_end_in_peace_before_the_engines_go(start):
    copy = start(TOYS="slow")
    copy.says("slow is here")
    copy.ready()
    copy.process.send_signal(signal.SIGINT)
    copy.process.send_signal(signal.SIGTERM)
    assert copy.stop() == 0
    assert "slow leaves, +PONG" in copy.text


def test_who_ignores_the_signal_is_killed_with_its_children(start):
    copy = start(TOYS="stubborn")
    below = int(copy.says("stubborn is here").rsplit(" ", 1)[1])
    copy.ready()
    assert copy.stop() == 0
    assert "does not end by itself and is killed" in copy.text
    eventually(lambda: not alive([below]), "its child gone")


def members(copy: Copy) -> dict[str, int]:
    """The members of the toy crew and their pids, both known."""
    return copy.crew() if len(copy.crew()) == 2 else {}


def test_a_crew_is_forked_named_and_ends_with_its_keeper(start):
    copy = start(TOYS="crew").ready()
    before = eventually(lambda: members(copy), "both members")
    copy.says(f"one      | member {before['one']}")
    os.kill(before["one"], signal.SIGKILL)
    after = eventually(lambda: members(copy) if members(copy).get("one", 0) not in (0, before["one"]) else 0, "one")
    assert after["two"] == before["two"]
    assert psutil.Process(after["one"]).ppid() == copy.pids()["crew"]
    assert copy.stop() == 0
    assert alive(after.values()) == []
    assert "crew     | crew leaves" in copy.lines


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux")
@pytest.mark.parametrize("victim", ["crew", "parent"])
def test_members_of_a_killed_crew_or_of_a_killed_parent_end(start, victim):
    copy = start(TOYS="crew").ready()
    before = eventually(lambda: members(copy), "both members")
    os.kill(copy.pids()["crew"] if victim == "crew" else copy.process.pid, signal.SIGKILL)
    eventually(lambda: not alive(before.values()), "members gone")
    if victim == "crew":
        eventually(lambda: members(copy) and members(copy) != before, "new members")
    copy.stop()


def test_a_crashing_program_waits_longer_each_time(start):
    copy = start(TOYS="crash").ready()
    copy.says("ended with exit code 1; starting again in 2 s")
    pauses = [line.rsplit("again in ", 1)[1] for line in copy.lines if "starting again" in line]
    assert pauses[:3] == ["0.5 s", "1 s", "2 s"]
    assert copy.stop() == 0


def test_a_stop_during_the_start_is_heard(start):
    copy = start(TOY_STEPS="steady")  # a step that never ends
    eventually(lambda: (copy.data / "pg18" / "postmaster.pid").exists(), "PostgreSQL")
    assert copy.stop() == 0
    assert not (copy.data / "pg18" / "postmaster.pid").exists()


@pytest.fixture
def python_for_all():
    """A Python that `nobody` may run too: ours, or the system's of the same version (ours may be in /root)."""
    paths = os.pathsep.join([str(TOYS.parent.parent.parent), *(p for p in sys.path if "site-packages" in p)])
    same_version = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    for python in (sys.executable, same_version or "/bin/false"):
        trial = [python, "-c", "import encodings.idna, wsgi, psutil, pydantic"]
        environment = {"PYTHONPATH": paths, "PATH": os.environ["PATH"]}
        try:
            subprocess.run(trial, env=environment, cwd="/", user="nobody", capture_output=True, check=True)
        except (PermissionError, subprocess.CalledProcessError):
            continue
        return {"python": python, "PYTHONPATH": paths}
    return pytest.skip("no Python of this version that an ordinary user may run")


@AS_ROOT
def test_an_ordinary_user_runs_everything_as_itself(start, folder, python_for_all):
    nobody = account_named("nobody")
    os.chown(folder, nobody.uid, nobody.gid)
    copy = start(user="nobody", **python_for_all).ready()
    owners = {psutil.Process(pid).username() for pid in copy.pids().values()}
    assert owners == {"nobody"}
    assert copy.stop() == 0


@AS_ROOT
def test_root_in_the_folder_of_a_user_goes_on_as_that_user(start, folder, python_for_all):
    nobody = account_named("nobody")
    os.chown(folder, nobody.uid, nobody.gid)
    (folder / "d").mkdir()
    os.chown(folder / "d", nobody.uid, nobody.gid)
    copy = start(**python_for_all).ready()
    assert {psutil.Process(pid).username() for pid in copy.pids().values()} == {"nobody"}
    assert copy.stop() == 0
    assert {path.stat().st_uid for path in (folder / "d").rglob("*")} == {nobody.uid}


@AS_ROOT
def test_root_lends_the_engines_an_account(start):
    copy = start().ready()
    pids = copy.pids()
    assert psutil.Process(pids["postgres"]).uids().real != 0
    assert psutil.Process(pids["valkey"]).uids().real != 0
    assert copy.stop() == 0
