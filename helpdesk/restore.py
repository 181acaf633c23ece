"""Making an installation out of a backup: all of it or nothing.

Hashes first, then room, then the files beside their final place, then the database in one transaction that begins by
putting the present one away and ends by pausing all sending. Files and keys take their places last. Cut off anywhere,
either the former installation is still whole, or the helpdesk refuses to start and the restore can be repeated.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from helpdesk import archive
from helpdesk.archive import Contents
from helpdesk.cli import known_revisions
from helpdesk.config import settings
from helpdesk.errors import StartError
from helpdesk.files import Store
from helpdesk.postgres_tools import Server, last_line

SPARE = 64 * 1024 * 1024
GROWTH = 6  # a dump grows by about this much when its indexes are built
PAUSE_SETTING, STORE_SETTING = "outbox_paused", "file_store_id"

_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'a program'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' GROUP BY 1
"""


@dataclass(frozen=True)
class Restored:
    """What came of it: the archive's contents, and where former files and keys were put, if there were any."""

    contents: Contents
    put_aside: list[Path]


def restore(server: Server, path: Path, replace: bool, quiet: bool, say: Callable[[str], None]) -> Restored:
    """Make this installation what the backup says. `quiet` leaves all channels switched off, to look at a copy.

    Raises StartError in one sentence; then nothing has changed. The caller brings the schema forward.
    """
    contents = archive.verify(path)
    manifest = contents.manifest
    say(f"{path} is whole: {manifest['tickets']} tickets, {contents.files} files, of {manifest['moment']}.")
    if manifest["revision"] not in known_revisions():
        raise StartError(f"The backup is of a newer version ({manifest['helpdesk']}). Install that version first.")
    data = settings().data
    _refuse_full_disk(data, contents)
    with server.connect(autocommit=True) as connection:
        _refuse_company(connection)
        if not replace and not _is_empty(connection, data):
            raise StartError(
                "There is a helpdesk with tickets or people here already. Give --replace to lose it, "
                "or another HELPDESK_DATA (and DATABASE_URL) for the copy."
            )
    store_id = secrets.token_hex(16)
    fresh_files, fresh_keys = _unpack(path, data, store_id)
    try:
        _restore_database(server, path, _last_words(server, manifest, store_id, quiet))
    except BaseException:
        shutil.rmtree(fresh_files, ignore_errors=True)
        fresh_keys.unlink(missing_ok=True)
        raise
    aside = _take_places(data, fresh_files, fresh_keys if contents.has_keys else None)
    return Restored(contents, aside)


def _refuse_full_disk(data: Path, contents: Contents) -> None:
    need, free = contents.file_bytes + contents.dump_bytes * GROWTH + SPARE, shutil.disk_usage(data).free
    if free < need:
        raise StartError(
            f"Not enough room in {data}: the restore may need {need / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free."
        )


def _refuse_company(connection: "psycopg.Connection[Any]") -> None:
    others = ", ".join(f"{name} ({count})" for name, count in connection.execute(_OTHERS).fetchall())
    if others:
        raise StartError(f"Others are connected with the database: {others}. Stop the helpdesk everywhere first.")


def _is_empty(connection: "psycopg.Connection[Any]", data: Path) -> bool:
    """Whether nobody has worked here: no people, tickets or input; a fresh start with its empty tables is none."""
    if Store(data / "files").has_files():
        return False
    for table in ("users", "tickets", "inbound_events"):
        there = connection.execute("SELECT to_regclass(%s)", (f"public.{table}",)).fetchone()
        if there and there[0] is not None:
            query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier("public", table))
            row = connection.execute(query).fetchone()
            if row and row[0]:
                return False
    return True


def _unpack(path: Path, data: Path, store_id: str) -> tuple[Path, Path]:
    """Files and keys beside their final places, synced; what an earlier try left there is taken away."""
    files, keys = data / "files.restoring", data / "keyring.restoring"
    shutil.rmtree(files, ignore_errors=True)
    keys.unlink(missing_ok=True)
    store = Store(files)
    store.write_id(store_id)
    for name, content, _size in archive.parts_of(path):
        if name == archive.KEYRING:
            _write_private(keys, content.read())
        elif name.startswith(archive.FILES):
            store.write_stream(name.removeprefix(archive.FILES), content)
    return files, keys


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _last_words(server: Server, manifest: dict[str, Any], store_id: str, quiet: bool) -> bytes:
    """The last statements of the transaction: whoever sees the restored tables also sees that nothing may leave."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    pause = {"since": now, "why": "restored", "backup_at": manifest["moment"]}
    put = sql.SQL(
        "INSERT INTO settings (key, value) VALUES ({}, {}) ON CONFLICT (key) DO UPDATE SET value = excluded.value;\n"
    )
    words = [
        sql.SQL("SET search_path = public;\n"),
        put.format(PAUSE_SETTING, Jsonb(pause)),
        put.format(STORE_SETTING, Jsonb(store_id)),
        sql.SQL("DELETE FROM user_sessions;\n"),
        sql.SQL("DELETE FROM password_links;\n"),
        sql.SQL(
            "UPDATE inbound_events SET lease_until = NULL, envelope = envelope || '{\"old\": true}'"
            " WHERE state = 'waiting';\n"
        ),
    ]
    if quiet:
        words.append(sql.SQL("UPDATE channels SET enabled = false;\n"))
    with server.connect() as connection:
        return sql.Composed(words).as_bytes(connection) + b"COMMIT;\n"


def _restore_database(server: Server, path: Path, last_words: bytes) -> None:
    """One transaction: away with what is there, in with the dump, and the last words. Raises StartError."""
    command, environment = server.tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull)
    read, read_environment = server.tool("pg_restore", "--no-owner", "--no-privileges", "--file=-")
    read = [read[0], *read[2:]]  # without a database pg_restore writes a script
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as read_words:
        reader = subprocess.Popen(
            read, env=read_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=read_words
        )
        writer = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=words)
        assert reader.stdin is not None and reader.stdout is not None and writer.stdin is not None
        feeder = threading.Thread(target=_feed, args=(path, reader.stdin), daemon=True)
        feeder.start()
        try:
            writer.stdin.write(b"BEGIN;\nDROP SCHEMA IF EXISTS public CASCADE;\nCREATE SCHEMA public;\n")
            shutil.copyfileobj(reader.stdout, writer.stdin, archive.PIECE)
            feeder.join()
            if reader.wait() == 0:
                writer.stdin.write(last_words)
            writer.stdin.close()  # without the last words the transaction ends here, and nothing has happened
        except BrokenPipeError:
            reader.kill()  # psql gave up and says why
        finally:
            reader.stdout.close()
            reader.wait()
            code = writer.wait()
        words.seek(0)
        read_words.seek(0)
        if code != 0 or reader.returncode != 0:
            said = last_line(words.read() or read_words.read())
            raise StartError(f"The database could not be restored, and nothing was changed: {said}")


def _feed(path: Path, target: IO[bytes]) -> None:
    """Give pg_restore the dump; it says itself when that ends too early."""
    try:
        for name, content, _size in archive.parts_of(path):
            if name == archive.DUMP:
                shutil.copyfileobj(content, target, archive.PIECE)
                break
    except BrokenPipeError:
        return
    finally:
        with suppress(BrokenPipeError):
            target.close()


def _take_places(data: Path, files: Path, keys: Path | None) -> list[Path]:
    """Move what was there aside and what was unpacked into its place; returns where the former things are."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    places = [(files, data / "files")]
    if keys is not None:
        (data / "keys").mkdir(mode=0o700, exist_ok=True)
        places.append((keys, data / "keys" / "keyring.json"))
    aside = []
    for fresh, place in places:
        if place.exists():
            former = place.with_name(f"{place.name}.before-{stamp}")
            place.rename(former)
            aside.append(former)
        fresh.rename(place)
    return aside
