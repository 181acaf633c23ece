"""A raw mail in, a :class:`ParsedMail` out. Runs on any bytes; meant to run in the child of ``sandbox.py``."""

import dataclasses
import html as stdlib_html
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

from queues.channels.email import classify, dsn, limits
from queues.channels.email.addresses import Sender, parse_addresses, read_sender
from queues.channels.email.charset import safe_line, safe_text
from queues.channels.email.contents import Body, Contents, charset_parameter, mark_inline
from queues.channels.email.headers import Headers, normalise_raw, read_message_headers
from queues.channels.email.html import CLEANER_VERSION, CleanedHtml, clean_html, html_to_text
from queues.channels.email.language import guess_language
from queues.channels.email.mime import Walker
from queues.channels.email.parsed import Address, Dsn, Kind, ParsedMail, Problem, ThreadHints
from queues.channels.email.quotes import fold_text
from queues.channels.email.quotes_html import split_html
from queues.channels.email.rule_headers import rule_headers

_MESSAGE_ID = re.compile(r"<([^<>]{1,1200})>")
_BARE_ID = re.compile(r"[^\s<>,;\"]{1,500}@[^\s<>,;\"]{1,400}")
_TAGGED_NUMBER = re.compile(r"[\[(#№][^\]\d\[]{0,40}?(\d{1,20})")
_NUMBER = re.compile(r"(?<!\d)\d{3,20}(?!\d)")
_OBVIOUSLY_HTML = re.compile(r"^\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)


def parse(raw: bytes) -> ParsedMail:
    """Parse one mail. Over ``limits.RAW_PARSED`` only the headers are read.

    Never raises on the content of a mail; cost is bounded by the caps, and by the sandbox should they fail.
    """
    if len(raw) > limits.RAW_PARSED:
        return parse_headers_only(raw, problem="too-large")
    raw = normalise_raw(raw)
    if not raw.strip(b"\x00 \t\r\n"):
        return ParsedMail(problems=(Problem("empty"),), cleaner_version=CLEANER_VERSION)
    headers, body = read_message_headers(raw)
    contents = Contents()
    contents.charset_hint = charset_parameter(headers.get("content-type"))
    walker = Walker()
    for number, part in enumerate(walker.walk(headers, raw, body)):
        contents.take(part, first=number == 0)
    contents.problems |= walker.problems
    return _Assembly(headers, contents, walker.report_type).mail()


def parse_headers_only(raw: bytes, *, problem: str) -> ParsedMail:
    """What the headers alone tell, for a mail whose body could not or may not be read.

    ``problem`` is the code that says why; the mail is never answered automatically.
    """
    raw = normalise_raw(raw[: limits.HEADERS_SCANNED])
    headers, _body = read_message_headers(raw)
    contents = Contents()
    contents.charset_hint = charset_parameter(headers.get("content-type"))
    contents.problems.add(problem)
    return _Assembly(headers, contents, "").mail(headers_only=True)


class _Assembly:
    """Puts one mail together from its headers and contents."""

    def __init__(self, headers: Headers, contents: Contents, report_type: str) -> None:
        self.headers = headers
        self.contents = contents
        self.report_type = report_type
        self.hint = contents.charset_hint
        self.problems = contents.problems | headers.problems
        self._markers: tuple[str, ...] = ()
        self._only_html = False

    def mail(self, *, headers_only: bool = False) -> ParsedMail:
        headers = self.headers
        subject = headers.text("subject", self.hint)[: limits.SUBJECT_CHARS].strip()
        sender = read_sender(headers, self.hint)
        self.problems.update(sender.problems)
        text, html, reply_html = self._bodies(subject)
        reply_text, quoted_text = self._fold(text, reply_html, subject)
        kind, answerable, report = self._judged(subject, sender, text)
        references = self._references()
        in_reply_to = self._ids("in-reply-to")[:10]
        return ParsedMail(
            subject=subject,
            from_addr=sender.addr,
            from_name=sender.name,
            sender_problems=sender.problems,
            reply_to=self._addresses("reply-to"),
            to=self._addresses("to"),
            cc=self._addresses("cc"),
            delivered_to=self._envelope("delivered-to", "envelope-to", "x-delivered-to"),
            x_original_to=self._envelope("x-original-to", "x-envelope-to", "x-forwarded-to", "x-rcpt-to"),
            return_path=self._return_path(),
            date=self._date(),
            message_id=self._message_id(),
            in_reply_to=in_reply_to,
            references=references,
            auto_submitted=headers.text("auto-submitted")[:100] or None,
            precedence=headers.text("precedence")[:100] or None,
            list_id=headers.text("list-id")[:255] or None,
            text=text,
            reply_text=reply_text,
            quoted_text=quoted_text,
            html=html.html if html else None,
            reply_html=reply_html.html if reply_html else (html.html if html else None),
            has_remote_images=bool(html and html.has_remote_images),
            attachments=tuple(mark_inline(self.contents.attachments, set(html.content_ids if html else ()))),
            kind=kind,
            may_auto_reply=answerable and not headers_only,
            dsn=report,
            language=guess_language(reply_text or text or subject),
            thread_hints=self._hints(subject, in_reply_to, references),
            problems=tuple(Problem(code) for code in sorted(self.problems)),
            cleaner_version=CLEANER_VERSION,
            headers_only=headers_only,
            headers=rule_headers(headers, self.hint),
        )

    # --- bodies -------------------------------------------------------------------------------------------

    def _bodies(self, subject: str) -> tuple[str, CleanedHtml | None, CleanedHtml | None]:
        """The whole text, the whole HTML, and the HTML of the answer where its marks told where it ends."""
        bodies = [body for body in self.contents.bodies if f"{body.plain or ''}{body.html or ''}".strip()]
        for body in bodies:
            if body.html is None and body.plain and _OBVIOUSLY_HTML.match(body.plain[:200]):
                body.html, body.plain = body.plain, None
        whole = reply = None
        if any(body.html for body in bodies):
            source = "\n".join(body.html or _plain_as_html(body.plain or "") for body in bodies)
            parts = split_html(source, subject=subject)
            self._markers = parts.markers
            whole = clean_html(parts.whole)
            self.problems.update(whole.problems)
            if parts.reply is not None:
                reply = clean_html(parts.reply)
        return self._whole_text(bodies, whole), whole, reply

    def _whole_text(self, bodies: list[Body], whole: CleanedHtml | None) -> str:
        if whole is not None and not any((body.plain or "").strip() for body in bodies):
            self._only_html = True  # its indented blocks are quotations only where its marks say so
            text = html_to_text(whole.html)
        else:
            pieces = []
            for body in bodies:
                plain = body.plain or ""
                pieces.append(plain if plain.strip() else html_to_text(clean_html(body.html or "").html))
            text = "\n\n".join(piece.strip("\n") for piece in pieces)
        if len(text) > limits.TEXT_CHARS:
            text = text[: limits.TEXT_CHARS]
            self.problems.add("text-cut")
        return safe_text(text).strip()

    def _fold(self, text: str, reply_html: CleanedHtml | None, subject: str) -> tuple[str, str]:
        """The visible answer and the rest of the text. Marks in HTML tell more than the wording of lines."""
        folded = fold_text(text, subject=subject, bare_quotes=not self._only_html)
        if folded.found or reply_html is None:
            return folded.reply, folded.quoted
        answer = fold_text(html_to_text(reply_html.html), subject=subject).reply
        return (answer, text) if answer else (folded.reply, folded.quoted)

    # --- kind and reports ---------------------------------------------------------------------------------

    def _judged(self, subject: str, sender: Sender, text: str) -> tuple[Kind, bool, Dsn | None]:
        """The kind of the mail, whether it may be answered automatically, and its delivery report."""
        report = self._report(text)
        facts = classify.Facts(
            self.headers,
            subject,
            sender.addr,
            sender.name,
            text,
            self.report_type,
            frozenset(self.contents.part_types),
            report.action if report else None,
        )
        kind = classify.kind_of(facts)
        if kind == "bounce" and report is None:
            own = self._addresses("to")
            report = dsn.read_text_report(text, self.headers, own[0].addr if own else None)
        if report:
            original = dsn.original_message_id(self.contents.returned, text, self.headers)
            report = dataclasses.replace(report, original_message_id=original)
        return kind, classify.may_auto_reply(facts, kind), report

    def _report(self, text: str) -> Dsn | None:
        report = dsn.read_status_parts(self.contents.status_parts)
        if report is None and self.contents.status_parts:
            report = dsn.read_text_report(text, self.headers)
        return report

    # --- headers ------------------------------------------------------------------------------------------

    def _addresses(self, name: str) -> tuple[Address, ...]:
        found: list[Address] = []
        for value in self.headers.get_all(name)[:20]:
            found += parse_addresses(value, self.hint)
            if len(found) > limits.RECIPIENTS:
                self.problems.add("recipients-cut")
                break
        return tuple(dict.fromkeys(found[: limits.RECIPIENTS]))

    def _envelope(self, *names: str) -> tuple[str, ...]:
        found = [address.addr for name in names for address in self._addresses(name)]
        return tuple(dict.fromkeys(found))[:20]

    def _return_path(self) -> str | None:
        """The envelope sender; "" for the null sender; None when the header is missing or unreadable."""
        if "return-path" not in self.headers:
            return None
        if self.headers.text("return-path") in ("<>", ""):
            return ""
        addresses = self._addresses("return-path")
        return addresses[0].addr if addresses else None

    def _date(self) -> datetime | None:
        value = self.headers.text("date")[:120]
        if not value:
            self.problems.add("date-missing")
            return None
        date = parse_date(value)
        if date is None:
            self.problems.add("date-absurd")
        return date

    def _ids(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(read_message_ids(" ".join(self.headers.text(name).split()))))

    def _message_id(self) -> str | None:
        ids = self._ids("message-id")
        if not ids:
            value = self.headers.text("message-id").strip("<> ")
            if not value or " " in value:
                self.problems.add("message-id-missing")
                return None
            return f"<{value[: limits.MESSAGE_ID_CHARS]}>"
        return ids[0]

    def _references(self) -> tuple[str, ...]:
        ids = self._ids("references")
        if len(ids) > limits.REFERENCES:
            self.problems.add("references-cut")
            ids = (ids[0], *ids[1 - limits.REFERENCES :])
        return ids

    def _hints(self, subject: str, in_reply_to: tuple[str, ...], references: tuple[str, ...]) -> ThreadHints:
        recipients = [address.addr for name in ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
                      for address in self._addresses(name)]  # fmt: skip
        locals_ = (address.rpartition("@")[0] for address in recipients)
        tokens = (local.partition("+")[2] for local in locals_ if "+" in local)
        numbers = _TAGGED_NUMBER.findall(subject) + _NUMBER.findall(subject)
        return ThreadHints(
            message_ids=tuple(dict.fromkeys((*in_reply_to, *reversed(references)))),
            plus_tokens=tuple(dict.fromkeys(token for token in tokens if token)),
            subject_numbers=tuple(dict.fromkeys(numbers))[:20],
            markers=self._markers,
        )


def _plain_as_html(text: str) -> str:
    return "<div>" + stdlib_html.escape(text, quote=False).replace("\n", "<br>") + "</div>"


def read_message_ids(value: str) -> list[str]:
    """All Message-IDs of a header value, each in angle brackets, blanks inside removed, oversized ones dropped."""
    found = ["".join(match.split()) for match in _MESSAGE_ID.findall(value)]
    if not found:
        found = _BARE_ID.findall(value[:4000])[:20]
    return [f"<{safe_line(each)}>" for each in found if each and len(each) <= limits.MESSAGE_ID_CHARS]


def parse_date(value: str) -> datetime | None:
    """A Date header as a moment in UTC, or None when it is no moment between 1980 and 2100."""
    try:
        fields = parsedate_tz(value)
        if fields is not None:
            offset = fields[9] or 0
            if abs(offset) >= 86400:
                offset = 0
            date = datetime(*fields[:6], tzinfo=UTC) - timedelta(seconds=offset)
        else:
            date = datetime.fromisoformat(value.strip())
            date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError, UnboundLocalError):
        # the library's own errors on odd dates are of all these kinds
        return None
    return date if 1980 <= date.year < 2100 else None
