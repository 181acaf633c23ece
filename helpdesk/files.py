"""The store of files: contents by their SHA-256 in `<data>/files`, rows in the database.

A file is on the disk, with its folder synced, before the row that names it is written; a crash between the two leaves
a file without a row, which `sweep` takes away later. The store carries an id that the database knows too, so that no
process ever works with (or sweeps) the files of another installation.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO, BinaryIO

import structlog
from flask_babel import gettext as _
from sqlalchemy import delete, exists, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from helpdesk import clock
from helpdesk.config import settings
from helpdesk.db import db, insert_all, transaction
from helpdesk.errors import NotFound, StartError
from helpdesk.models.message import Attachment, Blob, Message
from helpdesk.models.project import Setting

log = structlog.get_logger(__name__)

STORE_ID = "file_store_id"
READ_ID = select(Setting.value).where(Setting.key == STORE_ID)
SWEEP_BATCH = 500
WRITERS = 8
LARGEST_PICTURE = 20 * 1024 * 1024

_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


class Store:
    """A folder of contents: `<ab>/<cd>/<sha256>`, files 0600, folders 0750, whatever the umask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content with this hexadecimal SHA-256 is, or would be."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256[:80]!r}")
        return self.folder / sha256[:2] / sha256[2:4] / sha256

    def write(self, sha256: str, content: bytes) -> None:
        """Put the content in place, durably. A file that is there already is only marked as used just now."""
        path = self.path(sha256)
        with self._lock(fcntl.LOCK_SH):
            if path.exists() and path.stat().st_size == len(content):
                os.utime(path)
                return
            self._make_folder(path.parent)
            fresh = path.parent / f".{secrets.token_hex(8)}"
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            fresh.rename(path)
            _sync(path.parent)

    def write_stream(self, sha256: str, source: IO[bytes]) -> None:
        """Put a content of any size in place, durably; whoever calls has compared it with its name before."""
        path = self.path(sha256)
        self._make_folder(path.parent)
        fresh = path.parent / f".{secrets.token_hex(8)}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)

    def open(self, sha256: str) -> BinaryIO:
        """The content for reading. Raises FileNotFoundError."""
        return self.path(sha256).open("rb")

    def remove(self, sha256: str) -> None:
        """Take a content away, if it is there."""
        self.path(sha256).unlink(missing_ok=True)

    def remove_stale(self, older_than: float, is_known: Callable[[Sequence[str]], set[str]]) -> int:
        """Remove files last used before `older_than` (seconds since 1970) that `is_known` does not know."""
        removed = 0
        for shard in sorted(self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            stale = [path for path in shard.iterdir() if path.stat().st_mtime < older_than]
            known = is_known([path.name for path in stale])
            for path in stale:
                if path.name not in known:
                    removed += self._remove_if_stale(path, older_than)
        return removed

    def has_files(self) -> bool:
        """Whether any content was ever stored here."""
        return any(self.folder.glob("[0-9a-f][0-9a-f]"))

    def read_id(self) -> str | None:
        """The id of this store, or None where there is none yet."""
        path = self.folder / "store-id"
        return path.read_text().strip() if path.exists() else None

    def write_id(self, store_id: str) -> None:
        """Give the store its id. Raises FileExistsError when another process just did."""
        self._make_folder(self.folder)
        fresh = self.folder / f".{secrets.token_hex(8)}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(store_id + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self.folder / "store-id")
            _sync(self.folder)
        finally:
            fresh.unlink()

    def _remove_if_stale(self, path: Path, older_than: float) -> int:
        with self._lock(fcntl.LOCK_EX):  # nobody can mark it as used between the look and the act
            if not path.exists() or path.stat().st_mtime >= older_than:
                return 0
            path.unlink()
            return 1

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While the block runs, nothing is swept away: a copy is made of what a moment of the database names."""
        self._make_folder(self.folder)
        descriptor = os.open(self.folder / ".kept", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Whether things may be swept away while the block runs: not while a copy is made."""
        self._make_folder(self.folder)
        descriptor = os.open(self.folder / ".kept", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        self._make_folder(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.folder:
            self._make_folder(folder.parent)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o750)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def store() -> Store:
    """The store of this process, which belongs to this database. Raises StartError in one sentence when it does not."""
    found = Store(settings().data / "files")
    _bind(found)
    return found


def check_store() -> None:
    """Compare store and database at the start of a process. Raises StartError when they do not belong together.

    A database that is away is no reason not to start: the store is then looked at when it is first used.
    """
    try:
        store()
    except OperationalError as error:
        log.warning("the store of files could not be compared with the database", error=str(error.orig))


def _bind(found: Store) -> None:
    """Compare the ids of folder and database; the first process to come gives both the same one."""
    engine = db.engine.engine  # a connection of its own: the binding must outlive a rolled-back transaction
    with engine.begin() as connection:
        in_database = connection.scalar(READ_ID)
        if in_database is not None and in_database == found.read_id():
            return
        connection.execute(text("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE"))
        in_database, in_folder = connection.scalar(READ_ID), found.read_id()
        if in_database is None and not found.has_files():
            in_database = in_folder or secrets.token_hex(16)
            connection.execute(insert(Setting).values(key=STORE_ID, value=in_database))
        if in_database is not None and in_folder is None and connection.scalar(select(exists(Blob.sha256))) is False:
            found.write_id(in_database)
            return
        if in_database != in_folder:
            raise StartError(
                f"The folder {found.folder} does not hold the files of this database (store id "
                f"{in_folder or 'missing'}): point HELPDESK_DATA to the right folder, or restore files and database "
                "from the same backup."
            )


def put(content: bytes) -> Blob:
    """Store one content; its row joins the present transaction."""
    return put_many([content])[0]


def put_many(contents: Sequence[bytes]) -> list[Blob]:
    """Store contents and return their rows in the same order; equal contents share a row.

    Rows that exist are locked against the sweeper until the present transaction ends.
    """
    by_sha = {hashlib.sha256(content).hexdigest(): content for content in contents}
    present = _lock_rows(by_sha)
    missing = {sha: content for sha, content in by_sha.items() if sha not in present}
    folder = store()
    absent = [sha for sha in by_sha if sha in missing or not folder.path(sha).exists()]
    with ThreadPoolExecutor(WRITERS, "file-store") as writers:  # each waits for the disk, not for the others
        list(writers.map(lambda sha: folder.write(sha, by_sha[sha]), absent))
    if missing:
        rows = [{"sha256": sha, "size": len(missing[sha])} for sha in sorted(missing)]
        db.session.execute(insert_all(Blob, rows).on_conflict_do_nothing())
        present |= _lock_rows(missing)
    return [present[hashlib.sha256(content).hexdigest()] for content in contents]


def _lock_rows(shas: dict[str, bytes]) -> dict[str, Blob]:
    query = select(Blob).where(Blob.sha256.in_(shas)).order_by(Blob.sha256).with_for_update(read=True, key_share=True)
    return {blob.sha256: blob for blob in db.session.scalars(query)}


def open_blob(sha256: str) -> BinaryIO:
    """A stored content for reading. Raises NotFound when the file is gone, which the log then says."""
    try:
        return store().open(sha256)
    except FileNotFoundError as error:
        log.error("a stored file is missing", sha256=sha256)
        raise NotFound(_("The content of this file is no longer in the store. Tell your administrator.")) from error


def attach(
    message: Message | None,
    name: str,
    type: str,
    content: bytes | Blob,
    inline: bool = False,
    content_id: str | None = None,
) -> Attachment:
    """Make a stored content a file of `message` (None: of a draft, set by the caller), in the present transaction.

    `name` and `type` are what the sender claims and only ever shown; `content_id` is the one of RFC 2392.
    """
    blob = content if isinstance(content, Blob) else put(content)
    attachment = Attachment(
        message=message,
        sha256=blob.sha256,
        name=name,
        type=type,
        size=blob.size,
        inline=inline,
        content_id=content_id.strip("<> ") if content_id else None,
        preview_state="due" if is_picture(blob) else "none",
    )
    db.session.add(attachment)
    return attachment


def is_picture(blob: Blob) -> bool:
    """Whether the content begins as a PNG, JPEG, GIF or WebP does, and is small enough to be painted again."""
    if blob.size > LARGEST_PICTURE:
        return False
    with open_blob(blob.sha256) as file:
        start = file.read(16)
    return start.startswith(_PICTURE_STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def sweep(older_than: timedelta = timedelta(days=2)) -> int:
    """Remove contents that nothing has used for `older_than`, and files that never got a row; returns how many.

    Commits by itself, batch by batch. Rows in use by a running transaction are left alone; while a backup is made,
    everything is.
    """
    with store().sweeping() as may_sweep:
        if not may_sweep:
            return 0
        removed = 0
        while batch := _sweep_rows(older_than):
            removed += batch
        with transaction():
            cutoff = (clock.now() - older_than).timestamp()
        return removed + store().remove_stale(cutoff, _known)


def _known(names: Sequence[str]) -> set[str]:
    with transaction() as session:
        return set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(names))))


def _sweep_rows(older_than: timedelta) -> int:
    used = exists().where(or_(Attachment.sha256 == Blob.sha256, Attachment.preview_sha256 == Blob.sha256))
    with transaction() as session:
        unused = (
            select(Blob.sha256)
            .where(Blob.created_at < clock.now() - older_than, ~used)
            .order_by(Blob.created_at)
            .limit(SWEEP_BATCH)
            .with_for_update(skip_locked=True)
        )
        gone = list(session.scalars(unused))
        session.execute(delete(Blob).where(Blob.sha256.in_(gone)))
        # The row first: a foreign key stops it where somebody just began to use it. Then the file, while the row is
        # still locked: whoever stores the same content now waits, and writes it anew.
        for sha in gone:
            store().remove(sha)
    return len(gone)
