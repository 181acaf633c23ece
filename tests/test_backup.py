"""Backup and restore: whole or not at all, the same afterwards, and nothing leaves twice."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk import archive, files
from helpdesk.backup import make_backup
from helpdesk.config import settings
from helpdesk.errors import StartError
from helpdesk.models import Message, OutboxItem, Reply, UserSession
from helpdesk.postgres_tools import Server, server_at_hand
from helpdesk.restore import restore
from tests.conftest import SCRATCH

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def furnished(committed: Any, make_committed: Any) -> Any:
    """People, a ticket with a file, a reply that waits, one that was sent."""
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support, cast.eve, channel=cast.mailbox)
    message = committed.scalars(sa.select(Message).where(Message.ticket_id == ticket.id)).one()
    files.attach(message, "договор.txt", "text/plain", "Договор № 7".encode())
    ticket.claim(cast.ann)
    sent, waiting = (ticket.reply(cast.ann, Reply(body=body)) for body in ("Отправлено", "Ждёт"))
    item = committed.scalars(sa.select(OutboxItem).where(OutboxItem.message_id == sent.id)).one()
    item.state = sent.delivery = "sent"
    UserSession.begin(cast.ann, "full")
    cast.mailbox.settings = {"imap_host": "imap.desk.example"}
    committed.commit()
    cast.ticket, cast.sent, cast.waiting = ticket, sent, waiting
    return cast


def run(data: Path, *arguments: str, url: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, on a data folder of its own."""
    environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "BASE_URL"}}
    environment |= {"HELPDESK_DATA": str(data)} | ({"DATABASE_URL": url} if url else {})
    done = subprocess.run(
        [sys.executable, "-m", "wsgi", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def other(app: Any) -> Any:
    """A second, empty database on the same server, and a data folder for it."""
    name = "helpdesk_other"
    url = sa.make_url(settings().database_url)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    data = SCRATCH / "other"
    data.mkdir()
    try:
        yield data, url.set(database=name).render_as_string(False)
    finally:
        shutil.rmtree(data)
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def ask(url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    finally:
        engine.dispose()


def test_a_restored_copy_is_the_same_and_sends_nothing(furnished: Any, other: Any, tmp_path: Path) -> None:
    data, url = other
    made = run(settings().data, "backup", str(tmp_path / "one.backup"), url=settings().database_url)
    assert "1 tickets" in made.stdout and "1 files" in made.stdout
    assert (tmp_path / "one.backup").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "one.backup") as archived:
        assert archived.getnames()[0] == "manifest.json" and archived.getnames()[-1] == "end.json"

    told = run(data, "restore", str(tmp_path / "one.backup"), url=url)
    assert "1 messages waited" in told.stdout
    assert ask(url, "SELECT count(*) FROM tickets") == [(1,)]
    states = dict(ask(url, "SELECT m.text, i.state FROM outbox_items i JOIN messages m ON m.id = i.message_id"))
    assert states == {"Отправлено": "sent", "Ждёт": "unknown"}
    assert ask(url, "SELECT count(*) FROM user_sessions") == [(0,)]
    assert ask(url, "SELECT rescan_since IS NOT NULL FROM channels WHERE kind = 'email'") == [(True,)]
    [(sha,)] = ask(url, "SELECT sha256 FROM blobs")
    assert files.Store(data / "files").open(sha).read().decode() == "Договор № 7"
    assert (data / "keys" / "keyring.json").read_bytes() == (settings().data / "keys" / "keyring.json").read_bytes()
    [(store_id,)] = ask(url, "SELECT value #>> '{}' FROM settings WHERE key = 'file_store_id'")
    assert store_id == files.Store(data / "files").read_id() != files.store().read_id()


@pytest.fixture
def backup_file(furnished: Any, tmp_path: Path) -> Path:
    with server_at_hand() as server:
        return make_backup(server, tmp_path / "one.backup", True, print).path


@pytest.fixture
def elsewhere(other: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """This process as if it were to work on the other database and folder."""
    data, url = other
    monkeypatch.setenv("HELPDESK_DATA", str(data))
    monkeypatch.setenv("DATABASE_URL", url)
    settings.cache_clear()
    yield SimpleNamespace(data=data, url=url)
    monkeypatch.undo()
    settings.cache_clear()


def put_back(path: Path, replace: bool = False, quiet: bool = False) -> Any:
    with server_at_hand(alone=True) as server:
        return restore(server, path, replace, quiet, print)


def test_a_copy_of_the_copy_is_the_same_again(backup_file: Path, elsewhere: Any, tmp_path: Path) -> None:
    put_back(backup_file)
    with server_at_hand() as server:
        second = make_backup(server, tmp_path / "two.backup", False, print).path
    with pytest.raises(StartError, match="--replace"):
        put_back(second)
    restored = put_back(second, replace=True, quiet=True)
    assert [path.name.split(".before")[0] for path in restored.put_aside] == ["files"]
    assert not restored.contents.has_keys
    assert ask(elsewhere.url, "SELECT enabled FROM channels WHERE kind = 'email'") == [(False,)]
    assert ask(elsewhere.url, "SELECT count(*) FROM tickets") == [(1,)]
    assert ask(elsewhere.url, "SELECT sort_key('Ёж') < sort_key('Жук'), helpdesk_now() IS NOT NULL") == [(True, True)]


def test_a_damaged_backup_changes_nothing(backup_file: Path, elsewhere: Any, tmp_path: Path) -> None:
    whole = backup_file.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "no tar": b"From: eve@customer.example\r\n" * 100,
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StartError):
            put_back(tmp_path / name)
    assert ask(elsewhere.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert list(elsewhere.data.glob("*restoring*")) == []


def test_a_restore_that_fails_half_way_changes_nothing(
    backup_file: Path, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpdesk import restore as module

    put_back(backup_file)
    before = ask(elsewhere.url, "SELECT value FROM settings WHERE key = 'file_store_id'")
    monkeypatch.setattr(module, "_last_words", lambda *_: b"SELECT 1 / 0;\nCOMMIT;\n")
    with pytest.raises(StartError, match="division by zero"):
        put_back(backup_file, replace=True)
    assert ask(elsewhere.url, "SELECT value FROM settings WHERE key = 'file_store_id'") == before
    assert ask(elsewhere.url, "SELECT count(*) FROM tickets") == [(1,)]


def test_a_backup_of_a_newer_version_is_refused(
    backup_file: Path, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpdesk import restore as module

    monkeypatch.setattr(module, "known_revisions", lambda: frozenset({"0001"}))
    with pytest.raises(StartError, match="newer version"):
        put_back(backup_file)


def test_an_existing_file_is_never_overwritten(furnished: Any, tmp_path: Path) -> None:
    (tmp_path / "one.backup").write_text("mine")
    with server_at_hand() as server, pytest.raises(StartError, match="exists already"):
        make_backup(server, tmp_path / "one.backup", True, print)
    assert (tmp_path / "one.backup").read_text() == "mine"


def test_a_failed_backup_leaves_nothing(furnished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "tool", lambda *_: (["/bin/false"], dict(os.environ)))
    with server_at_hand() as server, pytest.raises(StartError, match="could not be dumped"):
        make_backup(server, tmp_path / "one.backup", True, print)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_store_lost_is_named_and_the_rest_is_kept(furnished: Any, tmp_path: Path) -> None:
    [(sha,)] = ask(settings().database_url, "SELECT sha256 FROM blobs")
    files.store().remove(sha)
    with server_at_hand() as server:
        made = make_backup(server, tmp_path, True, print)
    assert made.missing == archive.verify(made.path).missing == [sha]


def test_nothing_is_swept_while_a_backup_is_made(furnished: Any) -> None:
    with files.store().kept():
        assert files.sweep(timedelta(days=-1)) == 0


def test_others_at_the_database_stop_a_restore(backup_file: Path, elsewhere: Any) -> None:
    engine = sa.create_engine(elsewhere.url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        with pytest.raises(StartError, match="Others are connected"):
            put_back(backup_file)
    engine.dispose()


@pytest.mark.fault  # starts engines of its own
def test_an_embedded_installation_that_does_not_run(backup_file: Path, tmp_path: Path) -> None:
    data = SCRATCH / "embedded"
    try:
        run(data, "restore", str(backup_file))
        made = run(data, "backup", str(tmp_path / "two.backup"))
        assert "1 tickets" in made.stdout
        assert archive.verify(tmp_path / "two.backup").manifest["tickets"] == 1
    finally:
        shutil.rmtree(data, ignore_errors=True)
