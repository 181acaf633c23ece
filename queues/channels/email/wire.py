"""Header lines of outgoing mail, folded and encoded: what people typed cannot add a line, a header or a recipient.

Written out here because the standard library joins or splits addresses when it folds them (CVE-2025-1795) and encodes
Message-IDs that are longer than a line, which breaks threads.
"""

import re
from collections.abc import Iterable
from email.header import Header

from queues.channels.email.addresses import normalise

EOL = "\r\n"
_LINE_BREAKS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_GOOD_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_MOST_REFERENCES = 11


def one_line(text: str, most: int = 500) -> str:
    """Text for one header, at most `most` characters: no line break of any kind, no lone surrogate, single blanks."""
    clean = _LINE_BREAKS.sub(" ", text).encode("utf-8", "ignore").decode()
    return " ".join(clean.split())[:most].rstrip()


def wire_address(address: str) -> str | None:
    """An address as it goes over the wire, its domain in ASCII (RFC 5891); None when it is no mail address."""
    found = normalise(address)
    if found is None or _LINE_BREAKS.search(address) or "\ufffd" in found:
        return None
    local, _, domain = found.rpartition("@")
    if domain.isascii():
        return found
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return None


def text_header(name: str, text: str) -> str:
    """A header line with free text; anything but plain ASCII as encoded words (RFC 2047)."""
    clean = one_line(text)
    charset = "us-ascii" if clean.isascii() and "=?" not in clean else "utf-8"
    return f"{name}: {Header(clean, charset, 76, header_name=name).encode(linesep=EOL)}"


def address_header(name: str, people: Iterable[tuple[str, str]]) -> str:
    """A header line with mailboxes, one a line, from (display name, wire address) pairs."""
    return f"{name}: " + f",{EOL} ".join(_mailbox(display, address) for display, address in people)


def id_header(name: str, ids: Iterable[str]) -> str:
    """A header line with Message-IDs, one a line; what is none is left out."""
    return f"{name}: " + f"{EOL} ".join(good_ids(ids))


def good_ids(ids: Iterable[str]) -> list[str]:
    """The well-formed Message-IDs among `ids`, each once, in order."""
    return [found for found in dict.fromkeys(one.strip() for one in ids) if _GOOD_ID.fullmatch(found)]


def chain(references: Iterable[str], answered: str | None) -> list[str]:
    """References of an answer: those of the answered message and itself; of a long chain the first and the newest."""
    ids = good_ids([*references, *([answered] if answered else [])])
    return ids if len(ids) <= _MOST_REFERENCES else [ids[0], *ids[1 - _MOST_REFERENCES :]]


def _mailbox(display: str, address: str) -> str:
    name = one_line(display, 200)
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return f"{Header(name, 'utf-8', 70).encode(linesep=EOL)}{EOL} <{address}>"
    if _PLAIN_NAME.fullmatch(name):
        return f"{name} <{address}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'
