"""What the parser makes of one mail: plain frozen values, safe for PostgreSQL and for the wire.

No text in here ever holds a NUL or a lone surrogate.
"""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from queues.channels.email.problems import SENTENCES

Kind = Literal["human", "auto-reply", "bounce", "report", "list", "bulk", "auto-generated"]


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: its display name ("" when there is none) and its address with a lower-case domain."""

    name: str
    addr: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was wrong with the mail: a stable code; :attr:`sentence` is the English text."""

    code: str

    @property
    def sentence(self) -> str:
        """One sentence for people; screens translate it."""
        return SENTENCES[self.code]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the mail.

    ``name`` is for display only, never a path. ``content_type`` is what the sender claims. ``inline`` says
    that the HTML shows it by ``cid:<content_id>``. ``nested`` is "message" for an attached mail (the content
    is its raw source), "tnef" for a file from a winmail.dat, "uuencode" for one from the text, else "".
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None
    nested: str = ""

    @property
    def size(self) -> int:
        """Bytes after decoding."""
        return len(self.content)


@dataclass(frozen=True, slots=True)
class DsnRecipient:
    """The fate of one recipient in a delivery report (RFC 3464 2.3); unknown fields are None."""

    recipient: str | None
    action: str | None
    status: str | None
    diagnostic: str | None


@dataclass(frozen=True, slots=True)
class Dsn:
    """A delivery report: the fields of the worst recipient, all recipients, and which mail it is about."""

    status: str | None
    action: str | None
    recipient: str | None
    original_message_id: str | None
    diagnostic: str | None = None
    envelope_id: str | None = None
    recipients: tuple[DsnRecipient, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadHints:
    """What may tell the ticket, unproven: the caller checks signatures and participants.

    ``message_ids`` in the order of trust (In-Reply-To, then References from last to first);
    ``plus_tokens`` are the parts after "+" of the recipients' local parts; ``subject_numbers`` are digit
    groups of the subject, those in a tag like ``[#4711]`` first; ``markers`` are reply markers found in
    the quoted body.
    """

    message_ids: tuple[str, ...] = ()
    plus_tokens: tuple[str, ...] = ()
    subject_numbers: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """One mail, understood.

    ``from_addr`` is None when the sender is unknown. ``date`` is the sender's claim in UTC, for display only.
    Message-IDs keep their angle brackets. ``text`` is the whole text, ``reply_text`` what the person wrote now,
    ``quoted_text`` what was folded away. ``html`` and ``reply_html`` are cleaned (see ``html.py`` for the
    ``cid:`` and ``remote:`` images in them) or None when the mail has no HTML. ``headers_only`` says that the
    body was not read. ``headers`` are those that rules may look at, see ``rule_headers.py``.
    """

    subject: str = ""
    from_addr: str | None = None
    from_name: str = ""
    sender_problems: tuple[str, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    delivered_to: tuple[str, ...] = ()
    x_original_to: tuple[str, ...] = ()
    return_path: str | None = None
    date: datetime | None = None
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    auto_submitted: str | None = None
    precedence: str | None = None
    list_id: str | None = None
    text: str = ""
    reply_text: str = ""
    quoted_text: str = ""
    html: str | None = None
    reply_html: str | None = None
    has_remote_images: bool = False
    attachments: tuple[Attachment, ...] = ()
    kind: Kind = "human"
    may_auto_reply: bool = False
    dsn: Dsn | None = None
    language: str | None = None
    thread_hints: ThreadHints = ThreadHints()
    problems: tuple[Problem, ...] = ()
    cleaner_version: int = 0
    headers_only: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def to_wire(mail: ParsedMail) -> tuple[dict[str, Any], list[bytes]]:
    """Split a mail into a JSON-able dict and the attachments' contents, in order."""
    wire = dataclasses.asdict(mail)
    blobs = [attachment.pop("content") for attachment in wire["attachments"]]
    wire["date"] = mail.date.isoformat() if mail.date else None
    return wire, blobs


def from_wire(wire: dict[str, Any], blobs: list[bytes]) -> ParsedMail:
    """The inverse of :func:`to_wire`.

    Raises ValueError, KeyError or TypeError when the message is not one that :func:`to_wire` made.
    """
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in wire.items()}
    for key in ("reply_to", "to", "cc"):
        values[key] = tuple(Address(**address) for address in wire[key])
    values["date"] = datetime.fromisoformat(wire["date"]) if wire["date"] else None
    values["problems"] = tuple(Problem(**problem) for problem in wire["problems"])
    values["thread_hints"] = ThreadHints(**{key: tuple(v) for key, v in wire["thread_hints"].items()})
    values["attachments"] = tuple(
        Attachment(**{**attachment, "content": blob})
        for attachment, blob in zip(wire["attachments"], blobs, strict=True)
    )
    if wire["dsn"]:
        recipients = tuple(DsnRecipient(**recipient) for recipient in wire["dsn"]["recipients"])
        values["dsn"] = Dsn(**{**wire["dsn"], "recipients": recipients})
    return ParsedMail(**values)
