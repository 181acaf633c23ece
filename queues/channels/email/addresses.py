"""Mailboxes out of address headers: split first, decode after, and never be fooled by a display name.

``From: boss@victim.com <evil@x>`` is evil@x. Whoever is shown is also whom a reply goes to and whose rights
count; when no address can be trusted there is none.
"""

import re
from dataclasses import dataclass, field

from queues.channels.email import limits
from queues.channels.email.charset import safe_line
from queues.channels.email.headers import Headers, decode_words, to_unicode
from queues.channels.email.parsed import Address

_TOKEN = re.compile(
    r"""(?P<word>=\?[^?\s]{1,60}\?[bBqQ]\?[^?]{0,8000}\?=)
      | (?P<quoted>"(?:[^"\\]|\\.){0,998}+")
      | (?P<angle><(?:[^<>"]|"(?:[^"\\<>]|\\.){0,998}+"){0,998}+>)
      | (?P<mark>[(),;:])
      | (?P<text>[^"<>(),;:=]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.){0,998}+)"', re.DOTALL)
_BARE_ADDRESS = re.compile(r"""[^\s<>()\[\],;:"']+@[^\s<>()\[\],;:"']+""")
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\]|\\.)+"@[^\s@"<>]+$')
_SOURCE_ROUTE = re.compile(r"^@[^:]*:")
# no honest From is longer; the caps on recipients do not help against one that is all quotes
_SENDER_BYTES = 8192
_LOCAL = re.compile(r"""[^\s@<>()\[\],;:"\\\x00-\x1f\x7f]+$""")
_DOMAIN = re.compile(r"(?:[\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\])$")


@dataclass(slots=True)
class _Mailbox:
    """The pieces of a mailbox while its header is read; quotes are still on."""

    pieces: list[str] = field(default_factory=list)
    angles: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def has_address(self) -> bool:
        return bool(self.angles) or any("@" in piece for piece in self.pieces)


def normalise(raw: str) -> str | None:
    """An address as it is stored and compared: blanks, ``mailto:`` and source route gone, domain in lower case.

    None when it is no address with a local part and a domain.
    """
    text = safe_line(raw).strip(" <>'\"") if not raw.lstrip().startswith('"') else safe_line(raw).strip()
    text = text.strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    text = _SOURCE_ROUTE.sub("", text)
    local, at, domain = text.rpartition("@")
    local, domain = local.strip(), domain.strip().rstrip(".")
    if not at or not local or len(text) > limits.ADDRESS_CHARS or not _DOMAIN.match(domain):
        return None
    if not (_LOCAL.match(local) or re.fullmatch(r'"(?:[^"\\]|\\.)+"', local)):
        return None
    return f"{local}@{domain.lower()}"


def parse_addresses(value: bytes, hint: str | None = None) -> list[Address]:
    """All mailboxes of a header with an address, groups flattened, at most ``limits.RECIPIENTS``."""
    return [Address(name, addr) for name, addr in _mailboxes(to_unicode(value, hint)) if addr]


def _mailboxes(text: str) -> list[tuple[str, str | None]]:
    """(name, address or None) of every mailbox; one that hides in an encoded word is found as well."""
    boxes = _split(text, comments=True) if "(" in text else _split(text, comments=False)
    found = [_finish(box) for box in boxes[: limits.RECIPIENTS]]
    if not any(addr for _name, addr in found) and "=?" in text:
        decoded = decode_words(text)
        if decoded != text:
            found = [_finish(box) for box in _split(decoded, comments="(" in decoded)[: limits.RECIPIENTS]]
    return found


def _split(text: str, *, comments: bool) -> list[_Mailbox]:
    boxes: list[_Mailbox] = []
    box = _Mailbox()
    depth = 0
    for match in _TOKEN.finditer(text):
        kind, piece = match.lastgroup, match.group()
        if comments and piece == "(" and kind == "mark":
            depth += 1
        elif depth:
            if piece == ")":
                depth -= 1
            box.comments.append(" " if piece in "()" else piece)
        elif kind == "angle":
            box.angles.append(piece)
        elif kind == "mark" and piece in ",;":
            if box.has_address() or piece == ";":
                boxes.append(box)
                box = _Mailbox()
                if len(boxes) > limits.RECIPIENTS:
                    return boxes
            elif box.pieces:
                # "Smith, John <j@x>" without quotes: no address yet, so the comma belongs to the name
                box.pieces.append(", ")
        elif piece == ":" and not box.has_address() and (";" in text[match.end() :] or match.end() == len(text)):
            box = _Mailbox()
        else:
            box.pieces.append(piece)
    if depth:
        return _split(text, comments=False)
    boxes.append(box)
    return [box for box in boxes if box.pieces or box.angles]


def _finish(box: _Mailbox) -> tuple[str, str | None]:
    raw_name = "".join(box.pieces).strip()
    for angle in reversed(box.angles):
        addr = normalise(angle[1:-1])
        if addr:
            return _display_name(raw_name, box, addr), addr
    if _QUOTED_LOCAL.match(raw_name):
        return _display_name("", box, ""), normalise(raw_name)
    candidates = _BARE_ADDRESS.findall(_without_quoted(raw_name)) if "@" in raw_name else []
    if len(candidates) == 1:
        addr = normalise(candidates[0])
        rest = raw_name.replace(candidates[0], " ", 1)
        return _display_name(rest, box, addr or ""), addr
    if not candidates and raw_name.startswith('"') and "@" in raw_name:
        addr = normalise(raw_name.strip('" '))
        return _display_name("" if addr else raw_name, box, ""), addr
    return _display_name(raw_name, box, ""), None


def _without_quoted(text: str) -> str:
    return _QUOTED_STRING.sub(" ", text)


def _display_name(raw: str, box: _Mailbox, addr: str) -> str:
    if not raw.strip() and box.comments:
        raw = "".join(box.comments)
    name = _dequote(raw)
    name = safe_line(decode_words(name))
    name = " ".join(name.split())
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    name = name.strip(' "')
    return "" if name.lower() == addr.lower() else name[: limits.DISPLAY_NAME_CHARS]


def _dequote(text: str) -> str:
    if '"' not in text:
        return text
    return _QUOTED_STRING.sub(lambda found: re.sub(r"\\(.)", r"\1", found.group(1)), text)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail is from; ``problems`` are codes, worst case ``addr`` is None."""

    addr: str | None
    name: str
    problems: tuple[str, ...] = ()


def read_sender(headers: Headers, hint: str | None = None) -> Sender:
    """The one sender of a mail, from From, else Sender, else Return-Path."""
    problems: list[str] = []
    values = [value for value in headers.get_all("from") if value.strip()]
    if len(values) > 1:
        problems.append("several-from-headers")
    name = ""
    for value in values:
        sender = _one_sender(to_unicode(value[:_SENDER_BYTES], hint))
        name = name or sender.name
        if sender.addr:
            return Sender(sender.addr, sender.name, (*problems, *sender.problems))
    problems.append("sender-unreadable" if values else "sender-missing")
    for fallback in ("sender", "return-path"):
        boxes = parse_addresses(headers.get(fallback), hint)
        if boxes:
            return Sender(boxes[0].addr, name or boxes[0].name, (*problems, "sender-guessed"))
    return Sender(None, name, tuple(problems))


def _one_sender(text: str) -> Sender:
    boxes = _mailboxes(text)
    valid = [(name, addr) for name, addr in boxes if addr]
    if not valid:
        return Sender(None, boxes[0][0] if boxes else "")
    problems = []
    name, addr = valid[0]
    angles = [match.group() for match in _TOKEN.finditer(text) if match.lastgroup == "angle"]
    if len(valid) > 1:
        problems.append("several-senders")
        if len(angles) == 1 and (only := normalise(angles[0][1:-1])):
            # one "<address>" among bare words is what every mail client shows and answers to
            before = text.partition(angles[0])[0]
            name, addr = safe_line(decode_words(_dequote(before)))[: limits.DISPLAY_NAME_CHARS], only
    shown = _BARE_ADDRESS.findall(name)
    if any(normalise(found) not in (None, addr) and found.lower() != (addr or "").lower() for found in shown):
        problems.append("name-is-address")
    return Sender(addr, name, tuple(problems))
