"""A copy of the whole installation at one moment, made while people work.

One transaction sees the database as it was at that moment; pg_dump reads the same moment through its snapshot. Files
are on the disk before the row that names them is committed, and nothing is swept away meanwhile: so every file that the
copy names can be copied after it. What lives only in Redis is not needed.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from helpdesk import archive
from helpdesk.archive import Writer, Written
from helpdesk.config import settings
from helpdesk.errors import StartError
from helpdesk.files import Store
from helpdesk.postgres_tools import Server, last_line

SPARE = 64 * 1024 * 1024  # bytes that stay free beside the backup
BATCH = 2000
LAST_BACKUP = "last_backup"  # setting: {"at", "seconds", "bytes", "name"}

_FACTS = """
SELECT clock_timestamp() AS moment, current_setting('server_version') AS postgres,
  pg_database_size(current_database()) AS database_bytes,
  (SELECT version_num FROM alembic_version) AS revision,
  (SELECT value #>> '{}' FROM settings WHERE key = 'file_store_id') AS store_id,
  (SELECT count(*) FROM tickets) AS tickets, (SELECT count(*) FROM messages) AS messages,
  (SELECT count(*) FROM blobs) AS files, (SELECT coalesce(sum(size), 0)::bigint FROM blobs) AS file_bytes,
  (SELECT count(*) FROM inbound_events WHERE state = 'waiting') AS inbound_waiting,
  (SELECT count(*) FROM outbox_items WHERE state IN ('queued', 'deferred', 'sending')) AS outbox_leaving
"""


@dataclass(frozen=True)
class Facts:
    """What the installation was at the moment of its copy; sizes in bytes."""

    moment: datetime
    postgres: str
    database_bytes: int
    revision: str
    store_id: str | None
    tickets: int
    messages: int
    files: int
    file_bytes: int
    inbound_waiting: int
    outbox_leaving: int

    def manifest(self) -> dict[str, Any]:
        """The first part of the archive, which says what it is."""
        return {
            "format": archive.FORMAT,
            "helpdesk": version("helpdesk"),
            "base_url": settings().public_url,
            **{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "moment"},
            "moment": self.moment.isoformat(),
        }


def make_backup(server: Server, path: Path, with_keys: bool, say: Callable[[str], None]) -> Written:
    """Write a backup to `path`, a file that must not exist or a folder in which it gets a name with the date.

    Raises StartError in one sentence; then there is no file with that name.
    """
    path = _target(path)
    began = time.monotonic()
    store = Store(settings().data / "files")
    with store.kept(), _one_moment(server) as (connection, snapshot, facts):
        _refuse_foreign_store(store, facts)
        _refuse_full_disk(path.parent, facts)
        with archive.new_archive(path) as writer:
            _write(writer, server, connection, snapshot, facts, store, with_keys)
    written = Written(path, path.stat().st_size, writer.files, writer.missing)
    seconds = time.monotonic() - began
    _note(server, facts, written, seconds)
    say(
        f"{written.path}: {facts.tickets} tickets, {facts.messages} messages, {written.files} files, "
        f"{written.size / 1e6:.1f} MB in {seconds:.1f} s. "
        f"It shows the helpdesk as of {facts.moment:%Y-%m-%d %H:%M:%S %Z}."
    )
    say(
        "It holds the keys that open stored passwords: keep it as safe as a password."
        if with_keys
        else "It holds no keys: keep keys/keyring.json elsewhere, or stored passwords cannot be opened after a restore."
    )
    if written.missing:
        say(f"Missing in the store itself, and therefore in the backup: {len(written.missing)} files.")
    return written


def _write(
    writer: Writer,
    server: Server,
    connection: "psycopg.Connection[Any]",
    snapshot: str,
    facts: Facts,
    store: Store,
    with_keys: bool,
) -> None:
    writer.add_bytes(archive.MANIFEST, json.dumps(facts.manifest(), indent=1).encode())
    if with_keys:
        writer.add_bytes(archive.KEYRING, _keyring())
    with _dump(server, snapshot) as dump:
        writer.add_stream(archive.DUMP, dump)
    for sha256 in _names(connection):
        try:
            with store.open(sha256) as content:
                writer.add_file(sha256, content)
        except FileNotFoundError:
            writer.miss(sha256)


def _target(path: Path) -> Path:
    if path.is_dir():
        path = path / f"helpdesk-{time.strftime('%Y%m%d-%H%M%S')}.backup"
    if path.exists():
        raise StartError(f"{path} exists already. Give another name, or a folder.")
    if not path.parent.is_dir():
        raise StartError(f"There is no folder {path.parent}.")
    return path.absolute()


@contextmanager
def _one_moment(server: Server) -> Iterator[tuple["psycopg.Connection[Any]", str, Facts]]:
    """A transaction that sees one moment, the name of its snapshot, and what is to be said of it."""
    with server.connect(options="-c statement_timeout=0 -c idle_in_transaction_session_timeout=0") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            with connection.cursor(row_factory=class_row(Facts)) as cursor:
                facts = cursor.execute(_FACTS).fetchone()
        except psycopg.errors.UndefinedTable as error:
            words = f"There is no helpdesk in this database yet: nothing to back up. Data folder: {settings().data}."
            raise StartError(words) from error
        if row is None or facts is None:
            raise StartError("The database gave no answer.")
        yield connection, row[0], facts
        connection.rollback()


def _names(connection: "psycopg.Connection[Any]") -> Iterator[str]:
    with connection.cursor("blobs") as cursor:
        cursor.itersize = BATCH
        for (sha256,) in cursor.execute("SELECT sha256 FROM blobs ORDER BY sha256"):
            yield sha256


@contextmanager
def _dump(server: Server, snapshot: str) -> Iterator[IO[bytes]]:
    """What pg_dump writes. Raises StartError with its words when it fails, after all of it was read."""
    command, environment = server.tool(
        "pg_dump",
        "--format=custom",
        f"--snapshot={snapshot}",
        "--no-owner",
        "--no-privileges",
        "--lock-wait-timeout=60s",
    )
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words
        )
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.stdout.close()
            if process.wait() != 0:
                words.seek(0)
                raise StartError(f"The database could not be dumped: {last_line(words.read())}")


def _keyring() -> bytes:
    path = settings().data / "keys" / "keyring.json"
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(
            f"The keys in {path} cannot be read ({error.strerror}). Run this as the user of the helpdesk."
        ) from error


def _refuse_foreign_store(store: Store, facts: Facts) -> None:
    if facts.store_id is not None and facts.files and store.read_id() != facts.store_id:
        raise StartError(
            f"The folder {store.folder} does not hold the files of this database. "
            "Set HELPDESK_DATA to the folder of the helpdesk."
        )


def _refuse_full_disk(folder: Path, facts: Facts) -> None:
    """The dump is compressed and so smaller than the database; this is the most that it can need."""
    need, free = facts.database_bytes + facts.file_bytes + SPARE, shutil.disk_usage(folder).free
    if free < need:
        raise StartError(
            f"Not enough room in {folder}: the backup may need {need / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free."
        )


def _note(server: Server, facts: Facts, written: Written, seconds: float) -> None:
    """Let doctor and metrics know when the last backup was made."""
    value = {"at": facts.moment.isoformat(), "seconds": round(seconds, 1), "bytes": written.size}
    value["name"] = written.path.name
    with server.connect() as connection:
        connection.execute(
            "INSERT INTO settings (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (LAST_BACKUP, Jsonb(value)),
        )
