"""The local folder: where mail goes that has no outgoing server. One file a mail, written whole or not at all."""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask_babel import gettext as _

from helpdesk.config import settings
from queues.channels.base import DeliveryError, Outbound, Receipt, RecipientResult
from queues.channels.email import wire

_NAME = re.compile(r"\d{12}-[A-Za-z0-9._-]{1,80}\.eml")


@dataclass(frozen=True)
class LandedMail:
    """A mail in the local folder: its file's name, size in bytes, and when it landed (Unix time)."""

    name: str
    size: int
    at: float


def put(outbound: Outbound, before_last_byte: Callable[[], None]) -> Receipt:
    """Write a mail into the local folder, its envelope in two headers above it. Doing it again replaces the file.

    Raises DeliveryError when the folder cannot be written to.
    """
    recipients = [wire.one_line(address) for address in outbound.recipients]
    head = wire.EOL.join(
        [
            f"Return-Path: <{outbound.envelope_sender}>",
            f"X-Envelope-To: {f',{wire.EOL} '.join(recipients)}",
            "",
        ]
    )
    local_part = outbound.header_id.strip("<>").partition("@")[0]
    name = f"{outbound.item_id:012d}-{re.sub('[^A-Za-z0-9._-]', '_', local_part)[:80]}.eml"
    try:
        _write(settings().outgoing, name, head.encode() + outbound.rendered, before_last_byte)
    except OSError as error:
        raise DeliveryError(
            _(
                "The mail could not be written into %(folder)s: %(words)s.",
                folder=settings().outgoing,
                words=error.strerror,
            )
        ) from error
    return Receipt([RecipientResult(address, "sent", words=_("local folder")) for address in outbound.recipients], name)


def _write(folder: Path, name: str, content: bytes, before_last_byte: Callable[[], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    fresh = folder / f".{secrets.token_hex(8)}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        before_last_byte()
        fresh.rename(folder / name)
    finally:
        fresh.unlink(missing_ok=True)


def landed(before: str = "", most: int = 50) -> list[LandedMail]:
    """The newest mails of the local folder; `before` is the last name of the page above."""
    folder = settings().outgoing
    if not folder.is_dir():
        return []
    names = [entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name)]
    page = sorted((name for name in names if not before or name < before), reverse=True)[:most]
    sizes = [(name, (folder / name).stat()) for name in page]
    return [LandedMail(name, stat.st_size, stat.st_mtime) for name, stat in sizes]


def read(name: str, most: int = -1) -> bytes | None:
    """The bytes of a mail in the local folder, the first `most` of them; None when there is no such mail."""
    path = settings().outgoing / name
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(most)
