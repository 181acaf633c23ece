"""Files and text out of winmail.dat (MS-OXTNEF), by an unmaintained library that is trusted with nothing."""

import logging
import struct
from dataclasses import dataclass, field
from typing import Any

from queues.channels.email import charset, limits

_SIGNATURE = b"\x78\x9f\x3e\x22"
_MAX_OBJECTS = 5000

# it reports every oddity of a hostile file
logging.getLogger("tnefparse").setLevel(logging.CRITICAL)


class TnefError(Exception):
    """The bytes are no TNEF, or the library failed on them."""


@dataclass(frozen=True, slots=True)
class TnefContent:
    """Files as (declared name, content); the texts are None when the container has none."""

    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    text: str | None = None
    html: str | None = None


def unpack(data: bytes) -> TnefContent:
    """Unpack a TNEF stream. Raises TnefError and nothing else."""
    _check_shape(data)
    try:
        from tnefparse import TNEF

        container = TNEF(data, do_checksum=False)
        files = tuple(
            (_file_name(attachment, container.codepage), bytes(attachment.data))
            for attachment in container.attachments[: limits.ATTACHMENTS]
            if attachment.data
        )
        content = TnefContent(files, _body(container.body), _body(container.htmlbody))
    except Exception as error:  # an old library raises anything on hostile bytes
        raise TnefError(f"winmail.dat: {type(error).__name__}") from error
    if not (content.files or content.text or content.html):
        raise TnefError("winmail.dat: nothing in it")
    return content


def _check_shape(data: bytes) -> None:
    """Refuse what would keep the library busy: it copies the rest of the stream for every object."""
    if data[:4] != _SIGNATURE:
        raise TnefError("winmail.dat: not TNEF")
    if len(data) > limits.TNEF_BYTES:
        raise TnefError("winmail.dat: too large")
    offset, objects = 6, 0
    while offset + 12 < len(data):
        objects += 1
        if objects > _MAX_OBJECTS or objects * (len(data) - offset) > 2_000_000_000:
            raise TnefError("winmail.dat: too many objects")
        (length,) = struct.unpack_from("<I", data, offset + 5)
        offset += length + 11


def _file_name(attachment: Any, codepage: str | None) -> str:
    try:
        return _as_text(attachment.long_filename())
    except UnicodeDecodeError:
        # the library takes every short name for UTF-8; they are in the sender's code page
        return _as_text(attachment._name, codepage)


def _as_text(value: object, codepage: str | None = None) -> str:
    if isinstance(value, bytes):
        value = charset.decode(value.rstrip(b"\x00"), codepage)[0]
    return str(value or "").rstrip("\x00")


def _body(value: object) -> str | None:
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return _as_text(value) or None
