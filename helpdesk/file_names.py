"""Names of files as strangers wrote them, made fit for a header and for the disks of those who save them."""

import re
import unicodedata
from urllib.parse import quote

LONGEST = 150  # bytes in UTF-8; file systems take 255

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')


def tidy(name: str) -> str:
    """The name on one line, without paths, invisible signs or what a disk does not take; never empty."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join(c if c.isprintable() else "" for c in name)
    name = _FORBIDDEN.sub("_", name).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shorten(name) or "file"


def _shorten(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, dot, ending = name, "", ""
    room = LONGEST - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + ending


def disposition(name: str) -> str:
    """The value of Content-Disposition (RFC 6266): always a download, the name in ASCII and in full (RFC 8187)."""
    name = tidy(name)
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9._ ()+-]", "_", bare)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
