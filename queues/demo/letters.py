"""Mails as customers' programs make them: plain, with files, with pictures inside, and reports of mail servers."""

import hashlib
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from queues.demo import pictures
from queues.demo.script import Mail, Story

POLICY = SMTP.clone(refold_source="none")
WROTE = {"ru": "{day}, {who} пишет:", "uk": "{day} {who} пише:", "en": "On {day}, {who} wrote:"}


def header_id(*parts: object) -> str:
    """A Message-ID as the sender's program would make it; the same parts give the same one."""
    words = "|".join(map(str, parts))
    return f"<{hashlib.sha256(words.encode()).hexdigest()[:24]}@{str(parts[0]).rpartition('@')[2]}>"


def letter(
    story: Story, mail: Mail, to: str, at: datetime, own_id: str, answers: tuple[str, str, datetime] | None
) -> bytes:
    """One mail of a story. `answers` are Message-ID, text and moment of our mail that it answers, if any."""
    message = EmailMessage(policy=POLICY)
    user, _, domain = story.address.partition("@")
    message["From"] = Address(story.name, user, domain)
    message["To"] = to
    if mail.cc:
        message["Cc"] = mail.cc
    message["Subject"] = mail.subject or (f"Re: {story.subject}" if answers else story.subject)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = own_id
    if answers:
        message["In-Reply-To"] = message["References"] = answers[0]
    for name, value in mail.headers:
        message[name] = value
    text = mail.text + (_quote(story.language, to, *answers[1:]) if answers else "")
    message.set_content(text, cte="quoted-printable")
    if mail.html:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    if mail.inline:
        kind, content = pictures.make(mail.inline)
        html = message.get_payload()[-1]  # type: ignore[index]  # a multipart since add_alternative
        html.add_related(content, *kind.split("/"), cid="<picture>", filename=mail.inline, disposition="inline")  # type: ignore[union-attr]
    for name in mail.files:
        kind, content = pictures.make(name)
        message.add_attachment(content, *kind.split("/"), filename=name)
    return message.as_bytes()


def _quote(language: str, who: str, text: str, at: datetime) -> str:
    head = WROTE[language].format(day=f"{at:%d.%m.%Y %H:%M}", who=f"Vesna <{who}>")
    return f"\n\n{head}\n" + "\n".join(f"> {line}" for line in text.splitlines())


def bounce(original_id: str, original_from: str, failed: str, at: datetime) -> bytes:
    """A delivery report (RFC 3464) about our mail to an address that does not exist."""
    host = failed.rpartition("@")[2]
    own_id = header_id(f"mailer@{host}", original_id)
    return (
        f"From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: {original_from}\r\n"
        f"Subject: Undelivered Mail Returned to Sender\r\nDate: {format_datetime(at)}\r\nMessage-ID: {own_id}\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="report"\r\n\r\n'
        "--report\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        f"This is the mail system at host {host}.\r\n\r\nI'm sorry to inform you that your message could not\r\n"
        f"be delivered to one or more recipients.\r\n\r\n<{failed}>: 550 5.1.1 User unknown\r\n"
        f"--report\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {host}\r\n\r\n"
        f"Final-Recipient: rfc822; {failed}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
        f"--report\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: {original_from}\r\nTo: {failed}\r\n"
        f"Message-ID: {original_id}\r\n--report--\r\n"
    ).encode("ascii")
