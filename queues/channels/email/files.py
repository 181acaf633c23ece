"""Names of attachments, made safe to show; they are never used as a path."""

import re
import unicodedata

from queues.channels.email import limits
from queues.channels.email.charset import safe_line

_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]")
_FORBIDDEN = re.compile(r'[<>:"|?*/]')
# a path that some programs send whole; a slash alone is part of a name such as "Invoice 12/34"
_PATH = re.compile(r"\\|^\s*/|\.\./|/\.\.|^[A-Za-z]:")

_EXTENSIONS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/rfc822-headers": ".txt",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/pjpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/svg+xml": ".svg",
    "image/heic": ".heic",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/x-zip-compressed": ".zip",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-mime": ".p7m",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
    "message/rfc822": ".eml",
    "message/global": ".eml",
}


def safe_name(declared: str) -> str:
    """A declared name, of a path its last component, without what deceives or breaks; "" when nothing is left.

    At most ``limits.FILE_NAME_BYTES`` bytes of UTF-8, the extension kept.
    """
    name = safe_line(declared)
    if _PATH.search(name):
        name = name.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    name = _UNSEEN.sub("", unicodedata.normalize("NFC", name[:2000]))
    name = " ".join(_FORBIDDEN.sub("_", name).split()).rstrip(". ")
    if not name.strip("._ "):
        return ""
    return _fit(name)


def _fit(name: str) -> str:
    if len(name.encode("utf-8", "replace")) <= limits.FILE_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode("utf-8", "replace")) > 20:
        stem, tail = name, b""
    else:
        tail = (dot + extension).encode("utf-8", "replace")
    room = limits.FILE_NAME_BYTES - len(tail)
    return stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + tail.decode("utf-8")


def generated_name(content_type: str, number: int) -> str:
    """A name for the file that has none, e.g. ``attachment-2.pdf``."""
    word = "image" if content_type.startswith("image/") else "attachment"
    return f"{word}-{number}{_EXTENSIONS.get(content_type, '')}"


def message_name(declared: str, subject: str) -> str:
    """The name of an attached mail: declared, else its subject, always with ``.eml``."""
    # a subject is no path: its slashes stay words apart
    name = safe_name(declared) or safe_name(re.sub(r"[/\\]", "_", subject)) or "message"
    return name if name.lower().endswith(".eml") else _fit(name + ".eml")
