"""The bytes of an outgoing mail, made once from a Letter; every try to send uses the same ones.

Text and HTML say the same, pictures lie inline, files behind. The Message-ID is fixed and signed, answers carry
In-Reply-To and References, and only automatic mail says that it is automatic (RFC 3834).
"""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from flask_babel import gettext as _

from queues.channels.base import DeliveryError, File, Letter, Outbound
from queues.channels.email import bodies, tokens, wire
from queues.channels.email.settings import MailboxSettings

_POLICY = SMTP.clone(cte_type="7bit")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}", re.IGNORECASE)
_REPLY_PREFIX = re.compile(
    r"^\s*(?:(?:re|aw|sv|vs|antw|ответ|отв|відп|відповідь)(?:\[\d+\])?\s*[:：]\s*)+", re.IGNORECASE
)
_LONGEST_LINE = 900  # octets; RFC 5322 2.1.1 allows 998


def compose(letter: Letter, box: MailboxSettings) -> Outbound:
    """The mail for `letter`. Raises DeliveryError, permanent when there is nobody to send it to."""
    sender = wire.wire_address(box.address)
    if sender is None:
        raise DeliveryError(_("%(address)s is not an address that mail can be sent from.", address=box.address))
    to, cc = _people(letter.to), _people(letter.cc)
    if not to and not cc:
        raise DeliveryError(_("There is no valid address to send this to."), permanent=True)
    domain = sender.rpartition("@")[2]
    header_id = letter.header_id or tokens.make_message_id(letter.ticket_id, letter.message_id, domain)
    lines = [
        wire.address_header("From", [(box.from_name, sender)]),
        wire.address_header("To", to or cc),
        *([wire.address_header("Cc", cc)] if to and cc else []),
        wire.text_header("Subject", subject_of(letter)),
        f"Date: {format_datetime(letter.at)}",
        f"Message-ID: {header_id}",
        *_thread(letter),
        *_reply_to(letter, box, sender),
        *(_automatic(letter) if letter.automatic else []),
    ]
    envelope_sender = tokens.make_bounce_address(sender, letter.item_id) if box.plus_addressing else None
    rendered = wire.EOL.join(lines).encode() + wire.EOL.encode() + _content(letter).as_bytes()
    return Outbound(letter.item_id, header_id, envelope_sender or sender, letter.recipients, rendered)


def plain_text(rendered: bytes) -> str:
    """The text version of a mail that `compose` made."""
    parts = message_from_bytes(rendered).walk()
    found = next((part for part in parts if part.get_content_type() == "text/plain"), None)
    content = found.get_payload(decode=True) if found is not None else None
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def subject_of(letter: Letter) -> str:
    """The thread's subject with one "Re:" (or "Fwd:") and the ticket's number at its end, as mail queues do."""
    tag = f"[#{letter.number}]" if letter.number else ""
    subject = wire.one_line(letter.subject.replace(tag, " ") if tag else letter.subject, 400)
    if not letter.own_subject:
        if letter.forwarded is not None:
            subject = f"Fwd: {subject}"
        elif letter.answers_header_id is not None:
            subject = f"Re: {_REPLY_PREFIX.sub('', subject)}"
    return f"{subject} {tag}".strip()


def _people(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    wired = ((name, wire.wire_address(address)) for name, address in pairs)
    return [(name, address) for name, address in wired if address]


def _thread(letter: Letter) -> list[str]:
    if letter.forwarded is not None:
        return []
    answered = wire.good_ids([letter.answers_header_id] if letter.answers_header_id else [])
    references = wire.chain(letter.references, letter.answers_header_id)
    lines = [wire.id_header("In-Reply-To", answered)] if answered else []
    return [*lines, wire.id_header("References", references)] if references else lines


def _reply_to(letter: Letter, box: MailboxSettings, sender: str) -> list[str]:
    if not box.plus_addressing or letter.ticket_id is None:
        return []
    address = tokens.make_reply_address(sender, letter.ticket_id)
    return [wire.address_header("Reply-To", [(box.from_name, address)])] if address else []


def _automatic(letter: Letter) -> list[str]:
    return [
        f"Auto-Submitted: {'auto-replied' if letter.answers_header_id else 'auto-generated'}",
        "X-Auto-Response-Suppress: All",
        "Precedence: bulk",
        f"X-Loop: {tokens.make_loop_mark()}",
    ]


def _content(letter: Letter) -> EmailMessage:
    """Both bodies and the files, with nothing but MIME headers at the top."""
    content = EmailMessage(policy=_POLICY)
    pictures = {file.content_id: file for file in letter.files if _is_picture(file) and file.content_id}
    plain = bodies.plain_body(letter)
    html = bodies.html_body(letter, list(pictures))
    content.set_content(plain, cte=_encoding(plain))
    content.add_alternative(html, subtype="html", cte=_encoding(html))
    html_part = content.get_payload()[1]  # type: ignore[index]  # an EmailMessage list after add_alternative
    assert isinstance(html_part, EmailMessage)
    for content_id, file in pictures.items():
        main, _, sub = file.type.partition("/")
        html_part.add_related(
            file.content, main, sub, cid=f"<{content_id}>", disposition="inline", filename=_file_name(file.name)
        )
    for file in letter.files:
        if file.content_id not in pictures:
            main, _, sub = _safe_type(file.type).partition("/")
            content.add_attachment(file.content, main, sub, filename=_file_name(file.name))
    return content


def _encoding(text: str) -> str:
    short = all(len(line) <= _LONGEST_LINE for line in text.splitlines())
    return "7bit" if text.isascii() and short else "base64"


def _is_picture(file: File) -> bool:
    return file.inline and bool(file.content_id) and file.type in {"image/png", "image/jpeg", "image/gif", "image/webp"}


def _safe_type(declared: str) -> str:
    """A type that a file may be sent with: containers need an encoding of their own, so they go as plain bytes."""
    if not _TYPE.fullmatch(declared) or declared.lower().startswith(("multipart/", "message/")):
        return "application/octet-stream"
    return declared.lower()


def _file_name(name: str) -> str:
    return wire.one_line(name.replace("/", "_").replace("\\", "_"), 150) or "file"
