"""The parts of a mail, found on bytes: no part is read that the caps of ``limits.py`` forbid.

The standard library's feed parser is not used here: it copies a 30 MB mail into hundreds of megabytes of
strings, recurses with the nesting, and has no caps. Attached mails are parts; what is inside them is theirs.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from queues.channels.email import limits
from queues.channels.email.headers import Headers, lenient_base64, parse_parameters, read_headers

_TYPE = re.compile(r"[\w!#$&^.+-]{1,63}/[\w!#$&^.+-]{1,63}$", re.ASCII)
_GUESSED_BOUNDARY = re.compile(rb"(?:^|\n)--([^\r\n]{1,200}?)[ \t]*\r?\nContent-", re.IGNORECASE)
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
# what a list server or a scanner adds below stands behind the padding or behind a full line
_BASE64_LEAD = re.compile(rb"(?:[A-Za-z0-9+/]{4})+(?:\r?\n(?:[A-Za-z0-9+/]{4})+)*(?:[A-Za-z0-9+/]{2,3}={1,2})?")
_SPACE = b" \t\r\n"
_SOFT_BREAK_BLANKS = re.compile(rb"=[ \t]+(?=\r?\n)")
_UU_BEGIN = re.compile(rb"(?:^|\n)begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n")
_REPORT_TYPES = frozenset(
    (
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
        "message/feedback-report",
    )
)


@dataclass(slots=True)
class Part:
    """A part that is no multipart: its headers, its still encoded bytes, and the multiparts around it.

    ``path`` are the subtypes of the surrounding multiparts, outermost first; ``group`` tells alternatives of
    one body from other bodies (0 = no alternative around it).
    """

    headers: Headers
    content_type: str
    parameters: dict[str, str]
    disposition: str
    disposition_parameters: dict[str, str]
    raw: bytes = field(repr=False)
    path: tuple[str, ...] = ()
    group: int = 0

    @property
    def is_report(self) -> bool:
        """Whether a program made this part for programs: delivery status, receipt, feedback."""
        return self.content_type in _REPORT_TYPES

    def declared_name(self) -> str:
        """The file name as the sender gave it, decoded, not yet made safe; "" when there is none."""
        return self.disposition_parameters.get("filename") or self.parameters.get("name") or ""

    def content_id(self) -> str | None:
        """The id without its angle brackets."""
        value = self.headers.text("content-id").strip(" <>")
        return value[:255] or None

    def decoded(self) -> tuple[bytes, bool]:
        """The content with its transfer encoding undone, and whether that went without damage."""
        encoding = self.headers.get("content-transfer-encoding")
        return decode_transfer(self.raw, encoding)


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of a buffer. Parts are spans until they are leaves: slices of slices would pile up in memory."""

    buffer: bytes = field(repr=False)
    start: int
    end: int


class Walker:
    """Walks one mail's parts; ``problems`` and ``report_type`` fill up on the way."""

    def __init__(self) -> None:
        self.problems: set[str] = set()
        self.report_type = ""
        self._parts = 0
        self._groups = 0

    def walk(self, headers: Headers, raw: bytes, body: int) -> Iterator[Part]:
        """All leaf parts of a mail, in order; its headers have been read and its body starts at ``body``."""
        yield from self._walk(headers, _Span(raw, body, len(raw)), (), 0, "text/plain")

    def _walk(self, headers: Headers, span: _Span, path: tuple[str, ...], group: int, default: str) -> Iterator[Part]:
        main, parameters = parse_parameters(headers.get("content-type"))
        content_type = _content_type(main, default)
        if not content_type.startswith("multipart/"):
            yield _leaf(headers, content_type, parameters, span, path, group)
            return
        subtype = content_type.partition("/")[2]
        if len(path) >= limits.MIME_DEPTH:
            self.problems.add("mime-depth")
            return
        if not path and subtype == "report":
            self.report_type = parameters.get("report-type", "").lower() or "report"
        pieces = self._split(headers, span, parameters.get("boundary", ""))
        if pieces is None:
            self.problems.add("mime-broken")
            yield _leaf(headers, "text/plain", parameters, span, path, group)
            return
        if subtype == "alternative" and not group:
            self._groups += 1
            group = self._groups
        child_default = "message/rfc822" if subtype == "digest" else "text/plain"
        for piece in pieces:
            self._parts += 1
            if self._parts > limits.MIME_PARTS:
                self.problems.add("mime-parts")
                return
            part_headers, start = read_headers(piece.buffer, piece.start, piece.end)
            content = _Span(piece.buffer, min(start, piece.end), piece.end)
            yield from self._walk(part_headers, content, (*path, subtype), group, child_default)

    def _split(self, headers: Headers, span: _Span, boundary: str) -> Iterator[_Span] | None:
        """The raw pieces of a multipart, or None when no boundary divides it."""
        utf8 = boundary.encode("utf-8", "replace").rstrip()
        for candidate in (utf8, boundary.encode("latin-1", "replace").rstrip()):
            if candidate and _find_delimiter(span, candidate, span.start):
                return self._pieces(span, candidate)
        encoding = headers.get("content-transfer-encoding").strip().lower()
        if utf8 and encoding in (b"base64", b"quoted-printable"):
            decoded, _whole = decode_transfer(span.buffer[span.start : span.end], encoding)
            inner = _Span(decoded, 0, len(decoded))
            if _find_delimiter(inner, utf8, 0):
                return self._pieces(inner, utf8)
        guess = _GUESSED_BOUNDARY.search(span.buffer, max(span.start - 1, 0), min(span.end, span.start + 65536))
        if guess and _find_delimiter(span, guess.group(1), span.start):
            self.problems.add("mime-broken")
            return self._pieces(span, guess.group(1))
        return None

    def _pieces(self, span: _Span, boundary: bytes) -> Iterator[_Span]:
        delimiter = _find_delimiter(span, boundary, span.start)
        while delimiter:
            _before, content, closing = delimiter
            following = _find_delimiter(span, boundary, content)
            if not closing:
                if not following:
                    self.problems.add("mime-broken")
                end = following[0] if following else span.end
                yield _Span(span.buffer, content, max(content, end))
            delimiter = following


def _find_delimiter(span: _Span, boundary: bytes, start: int) -> tuple[int, int, bool] | None:
    """The next line that is the boundary: end of the content before it, begin behind it, whether it closes."""
    buffer, marker = span.buffer, b"--" + boundary
    position = buffer.find(marker, start, span.end)
    while position >= 0:
        behind = position + len(marker)
        if position == span.start or buffer[position - 1 : position] == b"\n":
            line_end = buffer.find(b"\n", behind, span.end)
            rest = buffer[behind : min(line_end if line_end >= 0 else span.end, behind + 400)]
            closing = rest.startswith(b"--")
            if closing or not rest.strip(_SPACE):
                before = position - 1
                if buffer[before - 1 : before] == b"\r":
                    before -= 1
                return max(before, span.start), line_end + 1 if line_end >= 0 else span.end, closing
        position = buffer.find(marker, behind, span.end)
    return None


def _content_type(main: str, default: str) -> str:
    if _TYPE.match(main):
        return main
    return {"text": "text/plain", "html": "text/html", "plain": "text/plain"}.get(main, default)


def _leaf(
    headers: Headers,
    content_type: str,
    parameters: dict[str, str],
    span: _Span,
    path: tuple[str, ...],
    group: int,
) -> Part:
    disposition, disposition_parameters = parse_parameters(headers.get("content-disposition"))
    raw = span.buffer[span.start : span.end]
    return Part(headers, content_type, parameters, disposition, disposition_parameters, raw, path=path, group=group)


# --- transfer encodings -----------------------------------------------------------------------------------


def decode_transfer(raw: bytes, encoding: bytes) -> tuple[bytes, bool]:
    """Undo a Content-Transfer-Encoding; unknown ones ("7-bit", "utf-8") mean none.

    Returns the bytes and whether they are whole. Never raises.
    """
    name = encoding.strip().strip(b"\"' ;").lower()
    if name == b"base64":
        return _decode_base64(raw)
    if name in (b"quoted-printable", b"quoted_printable", b"quotedprintable", b"qp"):
        return binascii.a2b_qp(_SOFT_BREAK_BLANKS.sub(b"=", raw)), True
    if name in (b"x-uuencode", b"uuencode", b"x-uue", b"uue"):
        begin = _UU_BEGIN.search(raw)
        if begin:
            content, _end = _decode_uu(raw, begin.end())
            return (content, True) if content is not None else (raw, False)
    return raw, True


def _decode_base64(raw: bytes) -> tuple[bytes, bool]:
    sample = raw[:4096].strip()
    foreign = len(sample.translate(None, _BASE64_ALPHABET + _SPACE))
    if foreign or b" " in sample:
        lead = _BASE64_LEAD.match(sample)
        clean = lead is not None and (lead.group().endswith(b"=") or lead.end() > 70)
        if not clean and (foreign * 50 > len(sample) or sample.count(b" ") * 20 > len(sample)):
            return raw, False  # plain text that only claims to be base64
    padding = raw.find(b"=")
    rest = raw[padding:].lstrip(b"=\r\n\t ") if padding >= 0 else b""
    if rest and not rest[:400].translate(None, _BASE64_ALPHABET + _SPACE) and b" " not in rest[:400].strip():
        # several base64 texts in a row, each with its own padding
        chunks = re.split(rb"=+", raw)[:1000]
        return b"".join(lenient_base64(chunk) for chunk in chunks), True
    try:
        return binascii.a2b_base64(raw), foreign == 0
    except binascii.Error:
        return lenient_base64(raw), False


@dataclass(frozen=True, slots=True)
class UuFile:
    """A file that stood in the text between ``begin`` and ``end``."""

    name: bytes
    content: bytes


def extract_uuencoded(text: bytes) -> tuple[bytes, list[UuFile]]:
    """Take uuencoded files out of a plain text; what does not decode stays text."""
    if b"begin " not in text:
        return text, []
    files: list[UuFile] = []
    kept: list[bytes] = []
    position = 0
    while len(files) < limits.ATTACHMENTS and (begin := _UU_BEGIN.search(text, position)):
        content, end = _decode_uu(text, begin.end())
        if content is None:
            kept.append(text[position : begin.end()])
            position = begin.end()
            continue
        kept.append(text[position : begin.start() + 1])
        files.append(UuFile(begin.group(1).strip(), content))
        position = end
    kept.append(text[position:])
    return b"".join(kept), files


def _decode_uu(text: bytes, start: int) -> tuple[bytes | None, int]:
    """Decode uuencoded lines up to ``end``; (None, 0) when they are something else or never end."""
    out: list[bytes] = []
    position = start
    while position < len(text):
        line_end = text.find(b"\n", position)
        line_end = len(text) if line_end < 0 else line_end
        line = text[position:line_end].rstrip(b"\r")
        position = line_end + 1
        if line == b"end":
            return b"".join(out), position
        if not line or len(line) > 90:
            if line:
                return None, 0
            continue
        length = (line[0] - 32) & 63
        try:
            # trailing junk behind the announced length is common
            out.append(binascii.a2b_uu(line[: 1 + (length * 4 + 2) // 3]))
        except binascii.Error:
            return None, 0
    return None, 0
