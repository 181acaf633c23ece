"""Header blocks of mails that break the rules: repair and caps on bytes, before anything interprets them.

The standard library ends a header block at its first malformed line and needs minutes for one long field, so
blocks are read here. Decoding of encoded words (RFC 2047) and of parameters (RFC 2231) is our own as well:
the library knows the declared codec only.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from queues.channels.email import charset, limits

_FIELD = re.compile(rb"([A-Za-z][\w.+/-]{0,99})[ \t]*:(?!//)[ \t]*(.*)", re.DOTALL)
_KNOWN_FIELD = re.compile(
    rb"(?:received|return-path|from|to|subject|date|message-id|mime-version|content-type|delivered-to"
    rb"|x-[\w-]+|dkim-signature|sender|reply-to|cc)[ \t]*:",
    re.IGNORECASE,
)
_MBOX_LINE = re.compile(rb">?From +[^\s:][^\n]*\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_BOUNDARY_VALUE = re.compile(rb'boundary\s*=\s*"?([^\s";]+)', re.IGNORECASE)

# Kept even beyond the caps on number and total: without them the mail makes no sense.
_NEEDED = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references return-path auto-submitted"
    b" precedence list-id list-post list-unsubscribe mime-version content-type content-transfer-encoding"
    b" content-disposition content-id x-auto-response-suppress x-failed-recipients delivered-to".split()
)
_NEEDED_OCCURRENCES = 3


@dataclass(slots=True)
class Headers:
    """The fields of one block: lower-case names with their raw, unfolded values, in order."""

    fields: dict[str, list[bytes]] = field(default_factory=dict)
    problems: set[str] = field(default_factory=set)

    def get(self, name: str) -> bytes:
        """The first value of a field, b"" when it is missing."""
        values = self.fields.get(name)
        return values[0] if values else b""

    def get_all(self, name: str) -> list[bytes]:
        """All values of a field, in order."""
        return self.fields.get(name, [])

    def text(self, name: str, hint: str | None = None) -> str:
        """The first value, decoded to one line of text; "" when it is missing."""
        value = self.get(name)
        return decode_value(value, hint) if value else ""

    def __contains__(self, name: str) -> bool:
        return name in self.fields


def normalise_raw(raw: bytes) -> bytes:
    """A mail as it should look to a header reader: no BOM, mbox line, leading blanks; line ends with "\\n"."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and len(raw) >= 4:
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    raw = raw.lstrip(b"\r\n \t") if raw[:1] in (b"\r", b"\n", b" ", b"\t") else raw
    mbox = _MBOX_LINE.match(raw)
    if mbox:
        raw = raw[mbox.end() :].lstrip(b"\r\n")
    return raw


def read_message_headers(raw: bytes) -> tuple[Headers, int]:
    """Read the header block of a whole mail that :func:`normalise_raw` has seen.

    Returns the headers and the offset of the body. Junk before the first field is dropped; a mail without
    any field is all body.
    """
    start, repaired = 0, False
    for _attempt in range(3):
        headers, body = read_headers(raw, start)
        if headers.fields:
            if repaired:
                headers.problems.add("headers-repaired")
            return headers, body
        following = raw[body:].lstrip(b"\r\n")[:200] if body < len(raw) else b""
        if not _KNOWN_FIELD.match(following):
            break
        start, repaired = raw.find(following, body), True
    headers = Headers()
    headers.problems.add("no-headers")
    return headers, 0


def read_headers(raw: bytes, start: int = 0, end: int | None = None) -> tuple[Headers, int]:
    """Read one header block of ``raw[start:end]``; returns it and the offset of the body behind it."""
    stop = len(raw) if end is None else end
    if raw[start : start + 1] == b"\n" or raw[start : start + 2] == b"\r\n":
        return Headers(), start + (1 if raw[start : start + 1] == b"\n" else 2)
    blank = _BLANK_LINE.search(raw, start, stop)
    block_end = blank.start() if blank else stop
    body = blank.end() if blank else stop
    reader = _BlockReader(terminated=blank is not None)
    scanned_end = min(block_end, start + limits.HEADERS_SCANNED)
    if scanned_end < block_end:
        reader.headers.problems.add("headers-cut")
    offset = reader.read(raw[start:scanned_end])
    if offset is not None:
        body = start + offset
    return reader.headers, body


class _BlockReader:
    """Collects the fields of one block line by line, under the caps."""

    def __init__(self, *, terminated: bool) -> None:
        self.headers = Headers()
        self._terminated = terminated
        self._name = b""
        self._lines: list[bytes] = []
        self._count = 0
        self._total = 0

    def read(self, block: bytes) -> int | None:
        """Read a block; returns the offset of the body when the block turns out to end inside."""
        offset = 0
        odd_at: int | None = None
        for line in _lines(block):
            length = len(line)
            bare = line.rstrip(b"\r\n")
            if bare[:1] in (b" ", b"\t"):
                if not bare.strip() and self._ends_at(block, offset + length):
                    self._flush()
                    return offset + length
                self._append(bare)
            elif match := _FIELD.match(bare):
                self._flush()
                odd_at = None
                self._name, self._lines = match.group(1).lower(), [match.group(2)]
            elif bare:
                if self._is_boundary(bare):
                    self._flush()
                    return offset
                self.headers.problems.add("headers-repaired")
                if odd_at is None:
                    odd_at, kept = offset, len(self._lines)
                self._append(b" " + bare)
            offset += length
        if odd_at is not None and not self._terminated and self._name:
            # nothing ever ended this block: what follows the last field is a body without its blank line
            del self._lines[kept:]
            self._flush()
            return odd_at
        self._flush()
        return None

    def _append(self, line: bytes) -> None:
        if self._name:
            self._lines.append(line)
        else:
            self.headers.problems.add("headers-repaired")

    @staticmethod
    def _ends_at(block: bytes, offset: int) -> bool:
        """Whether a line of blanks alone is the missing blank line: no field and no continuation follows it."""
        following = block[offset : offset + 200]
        return bool(following) and following[:1] not in b" \t" and not _FIELD.match(following)

    def _is_boundary(self, line: bytes) -> bool:
        if not line.startswith(b"--"):
            return False
        values = [*self.headers.get_all("content-type"), b" ".join(self._lines[:20])]
        boundaries = [found.group(1) for value in values for found in _BOUNDARY_VALUE.finditer(value)]
        return line.rstrip()[2:] in boundaries

    def _flush(self) -> None:
        if not self._name:
            return
        name, lines = self._name, self._lines
        self._name, self._lines = b"", []
        value = (lines[0] if len(lines) == 1 else b"".join(lines)).strip()
        fields = self.headers.fields
        key = name.decode("ascii")
        if len(value) > limits.HEADER_FIELD:
            self.headers.problems.add("headers-cut")
            value = _shorten(key, value)
        self._count += 1
        self._total += len(name) + len(value)
        over = self._count > limits.HEADER_COUNT or self._total > limits.HEADERS_TOTAL
        if over:
            self.headers.problems.add("headers-cut")
            if name not in _NEEDED or len(fields.get(key, ())) >= _NEEDED_OCCURRENCES:
                return
        fields.setdefault(key, []).append(value)


def _shorten(name: str, value: bytes) -> bytes:
    if name == "references":
        # the newest ids stand last and the thread's first id first
        return value[:2048] + b" " + value[2048 - limits.HEADER_FIELD :]
    return value[: limits.HEADER_FIELD]


def _lines(block: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(block):
        end = block.find(b"\n", start) + 1 or len(block)
        yield block[start:end]
        start = end


# --- values -----------------------------------------------------------------------------------------------

# An encoded word; the end of the field also ends it, because fields get cut.
_ENCODED_WORD = re.compile(
    r"=\?([\w.:+()/-]{0,60})(?:\*[\w-]{0,30})?\?([bBqQ])\?(.{0," + str(limits.ENCODED_WORD_LENGTH) + r"}?)(?:\?=|\??$)",
    re.DOTALL,
)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def to_unicode(value: bytes, hint: str | None = None) -> str:
    """A raw header value as text, encoded words untouched. ``hint`` is the character set of the mail's body."""
    return charset.decode(value, None if value.isascii() else hint)[0]


def decode_value(value: bytes, hint: str | None = None) -> str:
    """A raw header value as one line of decoded, safe text."""
    return charset.safe_line(decode_words(to_unicode(value, hint)))


def decode_words(text: str) -> str:
    """Decode encoded words. The bytes of adjacent words are joined first: characters get split between them."""
    if "=?" not in text:
        return text
    out: list[str] = []
    pending_set, pending = "", b""
    position = 0
    for count, word in enumerate(_ENCODED_WORD.finditer(text)):
        if count >= limits.ENCODED_WORDS:
            break
        gap = text[position : word.start()]
        name = word.group(1).lower()
        if gap.strip() or not position or name != pending_set:
            if pending:
                out.append(charset.decode(pending, pending_set)[0])
                pending = b""
            if gap.strip() or not position:
                out.append(gap)
        pending_set = name
        pending += _word_bytes(word.group(2), word.group(3))
        position = word.end()
    if pending:
        out.append(charset.decode(pending, pending_set)[0])
    out.append(text[position:])
    return "".join(out)


def _word_bytes(encoding: str, content: str) -> bytes:
    data = content.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    return lenient_base64(data)


def lenient_base64(data: bytes) -> bytes:
    """Decode base64 that may hold foreign characters, wrong padding, or a cut last group."""
    data = _NOT_BASE64.sub(b"", data)
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


# --- parameters -------------------------------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*(?:"|$)|[^;]*)', re.DOTALL)
_LOOSE_PARAMETER = re.compile(r'[\s;](charset|boundary|name|filename)\s*=\s*("[^"]*"|[^\s;]+)', re.IGNORECASE)
_SEGMENT = re.compile(r"^([^*]+)\*(\d{1,3})?(\*?)$")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def parse_parameters(value: bytes, hint: str | None = None) -> tuple[str, dict[str, str]]:
    """Split ``text/plain; charset=x; name="y"`` into the lower-case main value and its decoded parameters.

    Knows RFC 2231 (continuations, character sets), raw 8-bit values, encoded words inside quotes, values with
    blanks but no quotes, and parameters without a semicolon.
    """
    text = to_unicode(value, hint)
    main = text.partition(";")[0].strip()
    parameters: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(text):
        name = match.group(1).lower()
        content = _unquote(match.group(2))
        extended = _SEGMENT.match(name) if "*" in name else None
        if extended:
            # a lone "name*=" is segment 0 with a character set
            number = int(extended.group(2) or 0)
            encoded = bool(extended.group(3)) or extended.group(2) is None
            segments.setdefault(extended.group(1), {}).setdefault(number, (content, encoded))
        else:
            parameters.setdefault(name, decode_words(content))
    for match in _LOOSE_PARAMETER.finditer(text) if len(parameters) < 2 else ():
        name = match.group(1).lower()
        if name not in parameters and name not in segments:
            parameters[name] = decode_words(_unquote(match.group(2)))
            main = main.split(None, 1)[0] if main else main
    for name, parts in segments.items():
        parameters[name] = _join_segments(parts)
    return main.lower(), parameters


def _unquote(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        value = value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:]
        # only these two: a Windows path must keep its backslashes
        value = value.replace('\\"', '"').replace("\\\\", "\\")
    return value


def _join_segments(parts: dict[int, tuple[str, bool]]) -> str:
    declared = ""
    data = b""
    for index, number in enumerate(sorted(parts)):
        content, encoded = parts[number]
        if encoded and index == 0 and content.count("'") >= 2:
            declared, _language, content = content.split("'", 2)
        piece = content.encode("utf-8", "replace")
        data += _PERCENT.sub(lambda found: bytes([int(found.group(1), 16)]), piece) if encoded else piece
    return decode_words(charset.decode(data, declared or None)[0])
