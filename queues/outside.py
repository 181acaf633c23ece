"""What doctor looks at without the database: settings, addresses, files and their rights, room on the disk."""

import ctypes
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from flask_babel import format_decimal
from flask_babel import gettext as _

from helpdesk.config import settings
from helpdesk.keyring import load_keyring
from queues.findings import Check, Finding, Level
from queues.status import DISK_WATERMARK

LITTLE_ROOM = 1_000_000_000  # bytes
TIME_ERROR = 5  # what adjtimex(2) answers where nothing keeps the clock


def disk() -> Iterator[Finding]:
    """Room for data."""
    usage = shutil.disk_usage(settings().data)
    free = format_decimal(round(usage.free / 1e9, 1))
    if usage.free < usage.total * (1 - DISK_WATERMARK) or usage.free < LITTLE_ROOM:
        level = Level.FAULT if usage.free < LITTLE_ROOM else Level.WARNING
        words = _("Only %(size)s GB are free for %(folder)s.", size=free, folder=str(settings().data))
        yield Finding("disk", level, words, _("Make room before mail can no longer be stored."))
    else:
        yield Finding("disk", Level.OK, _("%(size)s GB are free for data.", size=free))


def rights() -> Iterator[Finding]:
    """Files that only the helpdesk may read."""
    keys = settings().data / "keys"
    wrong = [path for path in (keys, *keys.glob("keyring.json*")) if path.exists() and _is_open(path)]
    for path in wrong:
        words = _("Others on this machine may read %(path)s.", path=str(path))
        yield Finding("files", Level.FAULT, words, _("Run `chmod go= %(path)s`.", path=str(path)))
    if not wrong:
        yield Finding("files", Level.OK, _("Nobody else may read the keys."))


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def keyring() -> Iterator[Finding]:
    """Whether the keys can be read."""
    path = settings().data / "keys" / "keyring.json"
    if not path.exists():
        words = _("There are no keys in %(path)s.", path=str(path))
        yield Finding(
            "files",
            Level.FAULT,
            words,
            _("Set HELPDESK_DATA to the helpdesk’s folder, or put them back from a backup."),
        )
        return
    try:
        load_keyring(path.parent)
    except (ValueError, KeyError) as error:
        words = _("The keys in %(path)s are damaged: %(words)s", path=str(path), words=repr(error)[:100])
        yield Finding("files", Level.FAULT, words, _("Put them back from a backup."))


def base_url() -> Iterator[Finding]:
    """Whether the address in mails is one that people can open."""
    url, config = urlsplit(settings().public_url), settings()
    host = url.hostname or ""
    if _is_local(host) and not _is_local(config.host):
        words = _("Links in mails lead to %(url)s, which only this machine can open.", url=settings().public_url)
        yield Finding("address", Level.WARNING, words, _("Set BASE_URL to the address that people open."))
    elif url.scheme == "http" and not _is_local(host):
        words = _("People reach the helpdesk without encryption (%(url)s).", url=settings().public_url)
        yield Finding(
            "address", Level.WARNING, words, _("Put a proxy with TLS in front, and set BASE_URL to https://…")
        )
    else:
        yield Finding("address", Level.OK, _("Links lead to %(url)s.", url=settings().public_url))
    if url.scheme == "https" and config.trusted_proxies == 0 and _is_local(config.host):
        words = _("BASE_URL is https, but no proxy is trusted: everybody seems to come from the same address.")
        yield Finding("address", Level.HINT, words, _("Set TRUSTED_PROXIES to the number of proxies in front."))


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host == socket.gethostname()


def time_keeping() -> Iterator[Finding]:
    """Whether anything keeps the clock of this machine right, as far as the kernel knows (adjtimex(2))."""
    if sys.platform != "linux":
        return
    answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    if answer == TIME_ERROR:
        yield Finding(
            "clock",
            Level.HINT,
            _("No program seems to keep the clock of this machine right."),
            _("Set the clock with NTP."),
        )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("disk", disk),
    ("files", rights),
    ("files", keyring),
    ("address", base_url),
    ("clock", time_keeping),
)
