"""A mail of our own making, read back for people. For mail of strangers there is `parse.py`."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

MOST_READ = 512 * 1024
"""Bytes of a mail that are read: headers and text come first, whatever is behind them is files."""

_SHOWN = ("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "Auto-Submitted")


@dataclass(frozen=True)
class SentMail:
    """Headers as (name, value), the plain text, and the names of the files."""

    envelope_sender: str
    envelope_to: str
    subject: str
    headers: list[tuple[str, str]]
    text: str
    files: list[str]


def read_mail(content: bytes) -> SentMail:
    """What a mail of the local folder says, as far as it stands in the first MOST_READ bytes."""
    mail = BytesParser(EmailMessage, policy=default).parsebytes(content[:MOST_READ])
    body = mail.get_body(("plain",))
    return SentMail(
        envelope_sender=str(mail.get("Return-Path", "")),
        envelope_to=" ".join(str(mail.get("X-Envelope-To", "")).split()),
        subject=str(mail.get("Subject", "")),
        headers=[(name, str(mail[name])) for name in _SHOWN if name in mail],
        text=body.get_content() if body is not None else "",
        files=[part.get_filename() or "" for part in mail.iter_attachments()],
    )
