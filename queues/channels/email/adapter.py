"""Mail: the adapter that joins the mailbox, the parser, and the outgoing server of a channel of kind "email"."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import ValidationError

from helpdesk.capabilities import Capabilities
from queues.channels.base import (
    Adapter,
    Bounce,
    CheckStep,
    Claims,
    DeliveryError,
    File,
    Inbound,
    Letter,
    Outbound,
    Receipt,
    ReceiveContext,
    Secrets,
    Understood,
)
from queues.channels.email import tokens
from queues.channels.email.parsed import Address, ParsedMail
from queues.channels.email.settings import MailboxSettings

if TYPE_CHECKING:
    from queues.channels.email.sandbox import MailParser

LARGEST_OUTGOING = 25 * 1024 * 1024
NAMESPACE = "email"


class EmailAdapter(Adapter):
    """Mailboxes over IMAP, doors over LMTP and pipe, and sending over SMTP. Each act loads what it needs."""

    kind = "email"
    label = _l("E-mail")
    settings_model = MailboxSettings

    def capabilities(self, settings: dict[str, Any]) -> Capabilities:
        """Mail has subjects, recipients, HTML and files, shows numbers, and says nothing of delivery."""
        return Capabilities(
            begins_with=NAMESPACE,
            has_subject=True,
            has_recipients=True,
            shows_number=True,
            html=True,
            voice="file",
            largest_message=LARGEST_OUTGOING,
        )

    def listens(self, settings: dict[str, Any]) -> bool:
        """Only a mailbox with an incoming server needs a connection; LMTP and pipe bring mail by themselves."""
        return bool(settings.get("imap_host"))

    def check(self, settings: dict[str, Any], secrets: Secrets) -> list[CheckStep]:
        """Try name, encryption, sign-in, folder and outgoing server; see `check.py`."""
        from queues.channels.email.check import check

        return check(MailboxSettings(**settings), secrets)

    def receive(self, context: ReceiveContext) -> None:
        """Hold the mailbox for up to an hour; see `mailbox.py`."""
        from queues.channels.email.mailbox import receive

        receive(context)

    def parse(self, inbound: Inbound) -> Understood:
        """Understand a mail in a killable child; see `sandbox.py`."""
        from queues.channels.email.parse import parse_headers_only

        if inbound.problem:
            return understand(parse_headers_only(inbound.raw, problem=inbound.problem), inbound.envelope)
        return understand(_parser().parse_or_headers(inbound.raw), inbound.envelope)

    def remote(self, settings: dict[str, Any]) -> str:
        """The outgoing server and who signs in there; without a server, mail lands in the local folder."""
        if not settings.get("smtp_host"):
            return ""
        account = settings.get("smtp_user") or settings.get("user") or settings.get("address", "")
        return f"{account} at {settings['smtp_host']}:{settings.get('smtp_port', '')}"

    def compose(self, letter: Letter, settings: dict[str, Any]) -> Outbound:
        """Make the bytes of a mail; see `compose.py`."""
        from queues.channels.email.compose import compose

        return compose(letter, _mailbox(settings, letter.address))

    def send(
        self,
        outbound: Outbound,
        settings: dict[str, Any],
        secrets: Secrets,
        before_last_byte: Callable[[], None],
    ) -> Receipt:
        """Hand a rendered mail to the outgoing server, or put it into the local folder; see `smtp.py`, `local.py`."""
        from queues.channels.email import local, smtp

        if not settings.get("smtp_host"):
            return local.put(outbound, before_last_byte)
        sender, _token = tokens.split_address(outbound.envelope_sender)
        return smtp.send(outbound, _mailbox(settings, sender), secrets, before_last_byte)


def _mailbox(settings: dict[str, Any], address: str) -> MailboxSettings:
    """The settings of a channel, typed; `address` stands in where they name none. Raises DeliveryError."""
    try:
        return MailboxSettings.model_validate({**settings, "address": settings.get("address") or address})
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in error.errors()}))
        raise DeliveryError(_("The settings of this mailbox cannot be used: %(fields)s.", fields=fields)) from error


@cache
def _parser() -> "MailParser":
    from queues.channels.email.sandbox import MailParser

    return MailParser()


def understand(mail: ParsedMail, envelope: dict[str, Any]) -> Understood:
    """A parsed mail in the words that all channels share. `envelope` is that of its `Inbound`."""
    sender = (mail.from_addr or "").lower()
    reply_to = next((address.addr for address in mail.reply_to if address.addr.lower() != sender), None)
    marks = _sub_addresses(mail, envelope)
    return Understood(
        namespace=NAMESPACE,
        sender=sender,
        sender_name=mail.from_name,
        subject=mail.subject,
        text=mail.text,
        visible_text=mail.reply_text,
        nature=mail.kind,
        may_auto_reply=mail.may_auto_reply and envelope.get("sender") != "",
        html=mail.html,
        html_version=mail.cleaner_version if mail.html is not None else None,
        to=_people(mail.to),
        cc=_people(mail.cc),
        reply_to=reply_to,
        header_id=mail.message_id,
        references=list(mail.references),
        claims=Claims(marks, list(mail.thread_hints.message_ids), list(mail.thread_hints.subject_numbers)),
        bounce=_bounce(mail, marks),
        files=[
            File(part.name, part.content_type, part.content, part.inline, part.content_id) for part in mail.attachments
        ],
        language=mail.language,
        written_at=mail.date,
        headers=mail.headers,
        facts=_facts(mail, envelope),
        problems=[problem.code for problem in mail.problems],
    )


def _people(addresses: tuple[Address, ...]) -> list[tuple[str, str]]:
    return [(address.addr.lower(), address.name) for address in addresses]


def _sub_addresses(mail: ParsedMail, envelope: dict[str, Any]) -> list[str]:
    """What stood behind the plus of the addresses it was sent to; the envelope knows best."""
    told = [tokens.split_address(str(recipient))[1] for recipient in envelope.get("recipients", [])]
    return list(dict.fromkeys([*filter(None, told), *mail.thread_hints.plus_tokens]))


def _bounce(mail: ParsedMail, marks: list[str]) -> Bounce | None:
    if mail.dsn is None:
        return None
    report = mail.dsn
    told = [*marks, report.envelope_id or ""]  # the envelope id that we asked for holds the same token (RFC 3461 4.4)
    token = next((mark for mark in told if tokens.item_of_bounce_token(mark) is not None), None)
    return Bounce(
        action=report.action or "failed",
        status=report.status or "",
        recipient=(report.recipient or "").lower(),
        words=report.diagnostic or "",
        original_header_id=report.original_message_id,
        token=token,
    )


def _facts(mail: ParsedMail, envelope: dict[str, Any]) -> dict[str, Any]:
    """What operators and rules may want to know beside the message itself; only what says something."""
    facts = {
        "sender_problems": list(mail.sender_problems),
        "delivered_to": list(mail.delivered_to or mail.x_original_to) or list(envelope.get("recipients", [])),
        "return_path": mail.return_path,
        "auto_submitted": mail.auto_submitted,
        "precedence": mail.precedence,
        "list_id": mail.list_id,
        "remote_images": mail.has_remote_images,
        "quoted": bool(mail.quoted_text),
        "headers_only": mail.headers_only,
        "size": envelope.get("size"),
    }
    return {name: value for name, value in facts.items() if value not in (None, False, [])}
