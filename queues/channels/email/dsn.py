"""Delivery reports: RFC 3464, and the older forms of qmail, Exim, Exchange, Gmail, Mail.ru and others.

A report without a machine-readable part is read from its text: the address, the codes, and the Message-ID of
the returned mail. 5.x means failed for good, "delayed" means that the sending server still tries.
"""

import re

from queues.channels.email import limits
from queues.channels.email.addresses import normalise
from queues.channels.email.charset import decode, safe_line
from queues.channels.email.headers import Headers, decode_words, read_headers
from queues.channels.email.parsed import Dsn, DsnRecipient

_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_ACTION_RANK = {"failed": 0, "delayed": 1, "expanded": 2, "relayed": 3, "delivered": 4, None: 5}
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.:-])([45]\d\d)(?=[ \-#:,;)]|$)", re.MULTILINE)
_ADDRESS = re.compile(r"[\w.!#$%&*+/=?^`{|}~'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,10}", re.ASCII)
_BRACKETED = re.compile(r"<([^<>\s@]{1,64}@[^<>\s]{1,190})>")
_MESSAGE_ID = re.compile(r"^[ \t>]*Message-Id:\s*(<[^<>\s]{1,990}>)", re.IGNORECASE | re.MULTILINE)
_RETURNED = re.compile(
    r"^[ \t]*(?:-{2,}.{0,20}(?:below this line is a copy|this is a copy of (?:the|your) message|original message"
    r"|returned message|message header follows|undelivered message|the body of the message|копия|исходное)"
    r"|--- below this line|received: from |return-path: |>?\s*message headers? follow)",
    re.IGNORECASE | re.MULTILINE,
)
_DELAYED = re.compile(
    r"still (?:trying|being retried)|will (?:keep|continue) trying|will be retried|delayed|temporar"
    r"|warning: (?:could not send|message)|not yet been delivered|you do not need to resend"
    r"|задерж|повторные попытки|попытки доставки будут|отложен|verzögert|retard[ée]|retras|opóźnion",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"permanent|giving up|given up|gave up|could not be delivered|undeliverable|fatal error|не может быть доставлено"
    r"|не удалось доставить|не доставлено",
    re.IGNORECASE,
)
_REASONS = (
    (
        re.compile(r"quota|mailbox (?:is )?full|over ?quota|exceeded storage|переполнен|превышен размер ящика", re.I),
        "5.2.2",
    ),
    (re.compile(r"spam|blocked|blacklist|policy|rejected due to|спам|заблокирован", re.I), "5.7.1"),
    (re.compile(r"too (?:large|big)|message size|size limit|слишком больш", re.I), "5.3.4"),
    (
        re.compile(
            r"host (?:or domain )?(?:name )?not found|domain.{0,20}not (?:exist|found)|no such domain|unrouteable", re.I
        ),
        "5.1.2",
    ),
    (
        re.compile(
            r"user unknown|no such user|unknown user|does ?n.t (?:exist|have)|does not exist|not exist|no mailbox"
            r"|mailbox (?:unavailable|not found)|recipient (?:rejected|address rejected|not found)|invalid recipient"
            r"|не существует|не найден|user not found|unknown address|account.{0,40}disabled|не зарегистрирован",
            re.I,
        ),
        "5.1.1",
    ),
)


def read_status_parts(parts: list[bytes]) -> Dsn | None:
    """Read the bodies of message/delivery-status parts (RFC 3464 2.1). None when no recipient is in them."""
    recipients: list[DsnRecipient] = []
    envelope_id: str | None = None
    for content in parts:
        position = 0
        content = content[: limits.HEADERS_TOTAL].replace(b"\r\n", b"\n").lstrip(b"\n")
        while position < len(content) and len(recipients) < limits.RECIPIENTS:
            # some senders leave the blank line between the groups out, others put several
            group, position = _next_group(content, position)
            envelope_id = envelope_id or group.text("original-envelope-id")[:200] or None
            recipients += _read_groups(group)
    if not recipients:
        return None
    return _summary(recipients, envelope_id)


def _next_group(content: bytes, position: int) -> tuple[Headers, int]:
    while content[position : position + 1] == b"\n":
        position += 1
    headers, end = read_headers(content, position)
    return headers, max(end, position + 1)


def _read_groups(group: Headers) -> list[DsnRecipient]:
    """One block usually is one recipient; where the blank lines are missing it holds several."""
    finals = group.get_all("final-recipient") or group.get_all("original-recipient")
    actions, statuses = group.get_all("action"), group.get_all("status")
    diagnostics = group.get_all("diagnostic-code")
    count = max(len(finals), min(1, len(actions)), min(1, len(statuses)))
    return [
        DsnRecipient(
            _recipient(_at(finals, index)),
            _action(_at(actions, index)),
            _status(_at(statuses, index), _at(diagnostics, index)),
            _diagnostic(_at(diagnostics, index)),
        )
        for index in range(count)
    ]


def _at(values: list[bytes], index: int) -> str:
    if index < len(values):
        return safe_line(decode_words(decode(values[index], None)[0]))
    return ""


def _recipient(value: str) -> str | None:
    """``rfc822; user@host`` without its type; xtext is left as it is."""
    address = value.partition(";")[2] if ";" in value else value
    return normalise(address) or (address.strip(" <>")[: limits.ADDRESS_CHARS] or None)


def _action(value: str) -> str | None:
    word = re.match(r"[a-z]+", value.strip().lower())
    name = word.group() if word else ""
    name = {"failure": "failed", "fail": "failed", "delay": "delayed", "success": "delivered"}.get(name, name)
    return name if name in _ACTIONS else None


def _status(value: str, diagnostic: str) -> str | None:
    found = _ENHANCED.search(value)
    if found and not found.group(1).endswith(".0.0"):
        return found.group(1)
    better = _ENHANCED.search(diagnostic)
    if better:
        return better.group(1)
    return found.group(1) if found else None


def _diagnostic(value: str) -> str | None:
    kind, semicolon, text = value.partition(";")
    if not semicolon or len(kind) > 40:
        text = value
    return " ".join(text.split())[:500] or None


def _summary(recipients: list[DsnRecipient], envelope_id: str | None) -> Dsn:
    worst = min(recipients, key=lambda recipient: _ACTION_RANK[recipient.action])
    action = worst.action
    if action is None and worst.status:
        action = {"5": "failed", "4": "delayed", "2": "delivered"}[worst.status[0]]
    return Dsn(
        status=worst.status,
        action=action,
        recipient=worst.recipient,
        original_message_id=None,
        diagnostic=worst.diagnostic,
        envelope_id=envelope_id,
        recipients=tuple(recipients),
    )


def read_text_report(text: str, headers: Headers, own_address: str | None = None) -> Dsn:
    """Read a bounce of an old form from its text and ``X-Failed-Recipients``.

    ``own_address`` is the one that the report was sent to: it is never the failed recipient.
    """
    text = text[:20000]
    returned = _RETURNED.search(text)
    report = text[: returned.start()] if returned and returned.start() > 20 else text
    status, diagnostic = _status_in_text(report)
    recipient = _failed_recipient(report, headers, own_address)
    delayed = bool(_DELAYED.search(report)) and not _FINAL.search(report) and not (status or "").startswith("5")
    action = "delayed" if delayed or (status or "").startswith("4") else "failed"
    one = DsnRecipient(recipient, action, status, diagnostic)
    return Dsn(status, action, recipient, None, diagnostic, None, (one,))


def _status_in_text(report: str) -> tuple[str | None, str | None]:
    for line in report.split("\n"):
        found = _ENHANCED.search(line)
        if found and re.search(r"[45]\d\d|#|smtp|status|error|code|said|remote", line, re.IGNORECASE):
            return found.group(1), " ".join(line.split())[:500]
    for reason, status in _REASONS:
        for line in report.split("\n"):
            if reason.search(line):
                return status, " ".join(line.split())[:500]
    for line in report.split("\n"):
        code = _REPLY_CODE.search(line)
        if code and re.search(r"smtp|error|said|remote|rcpt|host|mail", line, re.IGNORECASE):
            return f"{code.group(1)[0]}.0.0", " ".join(line.split())[:500]
    return None, None


def _failed_recipient(report: str, headers: Headers, own_address: str | None) -> str | None:
    named = headers.text("x-failed-recipients")
    candidates = _ADDRESS.findall(named)
    # <addr>: stands alone on its line in qmail and Postfix texts
    candidates += re.findall(r"^\s*<([^<>\s@]{1,64}@[^<>\s]{1,190})>:?", report, re.MULTILINE)
    candidates += re.findall(r"^\s*([^\s<>@]{1,64}@[^\s<>]{1,190}?):?\s*$", report, re.MULTILINE)
    candidates += _BRACKETED.findall(report)
    candidates += _ADDRESS.findall(report)
    for candidate in candidates:
        address = normalise(candidate.strip("'\".,;:"))
        local = (address or "").partition("@")[0].lower()
        if address and address != own_address and local not in ("postmaster", "mailer-daemon", "abuse"):
            return address
    return None


def original_message_id(returned: list[bytes], text: str, headers: Headers) -> str | None:
    """The Message-ID of the mail that a report is about: from the returned part, the text, or a header."""
    for content in returned:
        found = _MESSAGE_ID.search(decode(content[: limits.HEADERS_TOTAL], None)[0])
        if found:
            return found.group(1)[: limits.MESSAGE_ID_CHARS]
    found = _MESSAGE_ID.search(text[:200_000])
    if found:
        return found.group(1)[: limits.MESSAGE_ID_CHARS]
    for name in ("x-original-message-id", "in-reply-to", "references"):
        ids = re.findall(r"<[^<>\s]{1,990}>", headers.text(name))
        if ids:
            return str(ids[-1])
    return None
