"""The file that a backup is: a plain tar, which can be looked into without anything of ours.

    manifest.json    what this is: versions, schema revision, moment, counts
    keyring.json     the keys of the installation (left out on request)
    database.dump    pg_dump in its custom format
    files/<sha256>   stored files, each under the hash of its content
    end.json         sizes and hashes of all that; an archive without it is not whole

It is written under another name, synced, and renamed: a file with the right name is a whole backup.
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from helpdesk.errors import StartError

FORMAT = 1
PIECE = 1024 * 1024
MANIFEST, KEYRING, DUMP, FILES, END = "manifest.json", "keyring.json", "database.dump", "files/", "end.json"


@dataclass
class Written:
    """What a backup came to: its file, size in bytes, stored files, and those that the store itself has lost."""

    path: Path
    size: int = 0
    files: int = 0
    missing: list[str] = field(default_factory=list)


class Writer:
    """Writes an archive part by part. `finish` makes it whole; without it nothing remains."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._parts: dict[str, dict[str, Any]] = {}
        self._names = hashlib.sha256()
        self.files = 0
        self.missing: list[str] = []

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small part."""
        self.add_stream(name, io.BytesIO(content))

    def add_stream(self, name: str, source: IO[bytes]) -> None:
        """Add a part whose size nobody knows before it has been read to its end."""
        self._parts[name] = self._write(name, source)

    def add_file(self, sha256: str, source: IO[bytes]) -> None:
        """Add a stored file. One whose content is not what its name says is kept out and counted as missing."""
        start = self._target.tell()
        if self._write(FILES + sha256, source)["sha256"] != sha256:
            self._target.seek(start)
            self._target.truncate()
            self.miss(sha256)
            return
        self.files += 1
        self._names.update(sha256.encode())

    def miss(self, sha256: str) -> None:
        """Note a stored file that is not there or is damaged in the installation itself."""
        self.missing.append(sha256)

    def finish(self) -> None:
        """Write what proves that all of it is there."""
        end = {"parts": self._parts, "files": self.files, "names": self._names.hexdigest(), "missing": self.missing}
        self._write(END, io.BytesIO(json.dumps(end).encode()))
        self._target.write(bytes(2 * tarfile.BLOCKSIZE))

    def _write(self, name: str, source: IO[bytes]) -> dict[str, Any]:
        """The header is written twice: first to keep its place, then with the size."""
        header_at, digest, size = self._target.tell(), hashlib.sha256(), 0
        self._target.write(bytes(tarfile.BLOCKSIZE))
        while piece := source.read(PIECE):
            digest.update(piece)
            size += len(piece)
            self._target.write(piece)
        self._target.write(bytes(-size % tarfile.BLOCKSIZE))
        end = self._target.tell()
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._target.seek(header_at)
        self._target.write(info.tobuf(tarfile.GNU_FORMAT))
        self._target.seek(end)
        return {"size": size, "sha256": digest.hexdigest()}


@contextmanager
def new_archive(path: Path) -> Iterator[Writer]:
    """A new archive at `path`, readable by its owner alone; there only when the block ended well.

    Raises StartError where it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(f"The backup cannot be written to {path}: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w+b") as target:
            writer = Writer(target)
            yield writer
            writer.finish()
            target.flush()
            os.fsync(target.fileno())
        fresh.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StartError(f"The backup could not be written to {path}: {error.strerror or error}.") from error
    finally:
        fresh.unlink(missing_ok=True)


@dataclass(frozen=True)
class Contents:
    """A backup that was read to its end and found whole; sizes in bytes."""

    manifest: dict[str, Any]
    has_keys: bool
    files: int
    file_bytes: int
    dump_bytes: int
    missing: list[str]


def parts_of(path: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, content and size of each part, in order; a content can be read until the next one is asked for.

    Raises StartError when the file cannot be read or is no archive.
    """
    with _readable(path), tarfile.open(path, "r:") as archive:
        while (info := archive.next()) is not None:
            content = archive.extractfile(info)
            if content is None:
                raise StartError(f"{path} is not a backup of the helpdesk: it holds {info.name!r}.")
            yield info.name, content, info.size
            archive.members = []  # type: ignore[attr-defined]  # else it remembers every file of a large archive


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise StartError(f"{path} is not a whole backup: {error}.") from error
    except OSError as error:
        raise StartError(f"The backup {path} cannot be read: {error.strerror or error}.") from error


def verify(path: Path, look: Callable[[str], None] = lambda _name: None) -> Contents:
    """Read a backup from beginning to end and compare every hash. `look` is called with the name of each part.

    Raises StartError with one sentence when anything is missing, damaged, or of a format that we do not know.
    """
    seen: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] = {}
    end: dict[str, Any] | None = None
    names, files, file_bytes = hashlib.sha256(), 0, 0
    for name, content, length in parts_of(path):
        look(name)
        if name in {MANIFEST, END}:
            with _readable(path):
                raw = content.read()
            digest = hashlib.sha256(raw).hexdigest()
            value = _read_json(path, name, raw)
            manifest, end = (value, end) if name == MANIFEST else (manifest, value)
        else:
            with _readable(path):
                digest = _hash(content)
        if name.startswith(FILES):
            if digest != name.removeprefix(FILES):
                raise StartError(f"{path} is damaged: {name} is not what its name says. Use another backup.")
            names.update(digest.encode())
            files += 1
            file_bytes += length
        elif name != END:
            seen[name] = {"size": length, "sha256": digest}
    if end is None:
        raise StartError(f"{path} is not a whole backup: its end is missing. Use another one.")
    if manifest.get("format") != FORMAT:
        raise StartError(f"{path} has a format ({manifest.get('format')}) that this version does not know.")
    if seen != end["parts"] or files != end["files"] or names.hexdigest() != end["names"]:
        raise StartError(f"{path} is damaged: what is in it is not what was put into it. Use another backup.")
    if DUMP not in seen:
        raise StartError(f"{path} is not a backup of the helpdesk: it holds no database.")
    return Contents(manifest, KEYRING in seen, files, file_bytes, seen[DUMP]["size"], list(end["missing"]))


def _read_json(path: Path, name: str, raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise StartError(f"{path} is damaged: {name} cannot be read. Use another backup.") from error
    if not isinstance(value, dict):
        raise StartError(f"{path} is damaged: {name} is not what it should be. Use another backup.")
    return value


def _hash(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := content.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()
