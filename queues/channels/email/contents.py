"""Which parts of a mail are its text, which are files, and which are reports between machines."""

import dataclasses
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from queues.channels.email import charset, limits, tnef
from queues.channels.email.files import generated_name, message_name, safe_name
from queues.channels.email.headers import normalise_raw, parse_parameters, read_message_headers
from queues.channels.email.mime import Part, extract_uuencoded
from queues.channels.email.parsed import Attachment

_MESSAGE_TYPES = frozenset(("message/rfc822", "message/global"))
_RETURNED_TYPES = frozenset(
    (*_MESSAGE_TYPES, "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
)
_ENRICHED_TYPES = ("text/enriched", "text/richtext")
_ENRICHED_COMMAND = re.compile(r"</?[a-zA-Z-]{1,60}>")
_TWINS = ("text/x-amp-html", "text/watch-html")
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))


@dataclass(slots=True)
class Body:
    """One stretch of the mail's text: plain, HTML, or both when they are alternatives."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Contents:
    """Everything in a mail's parts. ``returned`` are the sources of attached mails, for delivery reports."""

    bodies: list[Body] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    status_parts: list[bytes] = field(default_factory=list)
    returned: list[bytes] = field(default_factory=list)
    part_types: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)
    charset_hint: str | None = None
    _groups: dict[int, Body] = field(default_factory=dict)
    _numbers: int = 0

    def take(self, part: Part, *, first: bool) -> None:
        """Sort one part in; ``first`` says that it is the mail's first."""
        self.part_types.add(part.content_type)
        if part.group and part.content_type in _TWINS:
            return  # the text once more, for other devices
        if part.is_report and part.disposition != "attachment":
            self._take_report(part)
        elif _is_body(part, first=first):
            self._take_text(part)
        elif part.content_type in _MESSAGE_TYPES:
            self._take_message(part)
        elif part.content_type in _TNEF_TYPES or part.declared_name().lower() == "winmail.dat":
            self._take_tnef(part)
        else:
            self._take_file(part)

    def _take_report(self, part: Part) -> None:
        content, _whole = part.decoded()
        if part.content_type.endswith("delivery-status"):
            self.status_parts.append(content)
        elif part.content_type == "message/feedback-report":
            self._add(Attachment("feedback-report.txt", "text/plain", content))
        else:
            self._add(Attachment("disposition-notification.txt", "text/plain", content))

    def _take_text(self, part: Part) -> None:
        content, whole = part.decoded()
        if not whole:
            self.problems.add("encoding-broken")
        is_html = part.content_type == "text/html"
        if not is_html:
            content, files = extract_uuencoded(content)
            for found in files:
                name = safe_name(charset.decode(found.name, None)[0])
                self._add_file(name, "application/octet-stream", found.content, nested="uuencode")
        declared = part.parameters.get("charset")
        if declared and self.charset_hint is None:
            self.charset_hint = declared
        if len(content) > 4 * limits.TEXT_CHARS:
            content = content[: 4 * limits.TEXT_CHARS]
            self.problems.add("html-cut" if is_html else "text-cut")
        text, problem = charset.decode(content, declared or (_meta_charset(content) if is_html else None))
        if problem:
            self.problems.add(problem)
        text = charset.safe_text(text)
        if not is_html and part.parameters.get("format", "").lower() == "flowed":
            text = unflow(text, delsp=part.parameters.get("delsp", "").lower() == "yes")
        rich = part.content_type in _ENRICHED_TYPES
        if rich:
            text = _ENRICHED_COMMAND.sub("", text)
        self._add_body(part.group, text, is_html=is_html, rich=rich)

    def _add_body(self, group: int, text: str, *, is_html: bool, rich: bool) -> None:
        body = self._groups.get(group) if group else None
        if body is None:
            body = Body()
            self.bodies.append(body)
            if group:
                self._groups[group] = body
        if is_html:
            body.html = text if body.html is None else f"{body.html}\n{text}"
        elif rich and body.plain is not None:
            return  # the same once more in a markup that nobody uses
        else:
            body.plain = text if body.plain is None else f"{body.plain}\n{text}"

    def _take_message(self, part: Part) -> None:
        content, _whole = part.decoded()
        headers, _body = read_message_headers(normalise_raw(content[: limits.HEADERS_TOTAL]))
        self.returned.append(content)
        name = message_name(part.declared_name(), headers.text("subject")[: limits.SUBJECT_CHARS])
        self._add(Attachment(name, part.content_type, content, nested="message"))

    def _take_tnef(self, part: Part) -> None:
        content, _whole = part.decoded()
        try:
            unpacked = tnef.unpack(content)
        except tnef.TnefError:
            self.problems.add("tnef-unreadable")
            self._take_file(part)
            return
        for declared, inner in unpacked.files:
            self._add_file(safe_name(declared), "application/octet-stream", inner, nested="tnef")
        has_text = any((body.plain or body.html or "").strip() for body in self.bodies)
        if not has_text and (unpacked.text or unpacked.html):
            plain = charset.safe_text(unpacked.text) if unpacked.text else None
            self.bodies.append(Body(plain, charset.safe_text(unpacked.html) if unpacked.html else None))

    def _take_file(self, part: Part) -> None:
        content, whole = part.decoded()
        if not whole:
            self.problems.add("encoding-broken")
        if part.content_type in _RETURNED_TYPES:
            self.returned.append(content)
        name = safe_name(part.declared_name())
        if not name and part.content_type in _RETURNED_TYPES:
            name = "headers.txt"
        self._add_file(name, part.content_type, content, content_id=_content_id(part))

    def _add_file(
        self, name: str, content_type: str, content: bytes, *, nested: str = "", content_id: str | None = None
    ) -> None:
        self._numbers += 1
        self._add(
            Attachment(
                name or generated_name(content_type, self._numbers),
                content_type[: limits.CONTENT_TYPE_CHARS],
                content,
                content_id=content_id,
                nested=nested,
            )
        )

    def _add(self, attachment: Attachment) -> None:
        if len(self.attachments) >= limits.ATTACHMENTS:
            self.problems.add("attachments-cut")
            return
        self.attachments.append(attachment)


def _content_id(part: Part) -> str | None:
    value = part.content_id()
    return charset.safe_line(unquote(value)) if value else None


def _is_body(part: Part, *, first: bool) -> bool:
    """Whether a text part is read as text. A name makes a file of it, except where the body itself is named."""
    if part.content_type not in ("text/plain", "text/html", *_ENRICHED_TYPES):
        return False
    named = bool(part.declared_name())
    if part.disposition == "attachment":
        return not part.path and not named
    if not named:
        return True
    return bool(part.group) or first


_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)


def _meta_charset(content: bytes) -> str | None:
    found = _META_CHARSET.search(content[:2048])
    return found.group(1).decode("ascii") if found else None


def unflow(text: str, *, delsp: bool) -> str:
    """Join the soft-wrapped lines of format=flowed text (RFC 3676), each quote depth for itself."""
    out: list[str] = []
    paragraph: list[str] = []
    open_depth = -1
    for raw in text.split("\n"):
        depth = len(raw) - len(raw.lstrip(">"))
        line = raw[depth:].removeprefix(" ")
        is_signature = line in ("-- ", "--")
        flowed = line.endswith(" ") and not is_signature
        if open_depth != depth or is_signature:
            out.append("".join(paragraph))
            paragraph = [">" * depth + " " if depth else ""]
        paragraph.append(line[:-1] if flowed and delsp else line)
        open_depth = depth if flowed else -1
    out.append("".join(paragraph))
    return "\n".join(line.rstrip() if line.strip("> ") != "--" else line for line in out[1:])


def mark_inline(attachments: list[Attachment], shown: set[str]) -> list[Attachment]:
    """Mark the attachments that the HTML shows, and give them the id in the spelling of the HTML."""
    spelled = {content_id.lower(): content_id for content_id in shown}
    return [
        dataclasses.replace(attachment, inline=True, content_id=spelled[attachment.content_id.lower()])
        if attachment.content_id and attachment.content_id.lower() in spelled
        else attachment
        for attachment in attachments
    ]


def charset_parameter(content_type: bytes) -> str | None:
    """The charset parameter of a raw Content-Type value."""
    return parse_parameters(content_type)[1].get("charset")
