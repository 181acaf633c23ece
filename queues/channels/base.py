"""What every kind of channel is to the rest: settings and an Outbound in, Inbound and Understood values out.

Adapters know the wire and never the database.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from helpdesk.capabilities import Capabilities


@dataclass(frozen=True)
class Inbound:
    """Bytes that arrived, before anything is made of them.

    `dedup_key` is the same whenever the same thing arrives again. `envelope` is JSON-safe: what the wire said beside
    the bytes (for mail: `recipients`, `sender`, `folder`, `uidvalidity`, `uid`, `received_at`, `old`).
    `problem` is set when only a part could be taken (e.g. too large); then `raw` holds the part, such as the headers.
    """

    dedup_key: str
    raw: bytes
    envelope: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class File:
    """A file that came with a message."""

    name: str
    type: str
    content: bytes
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True)
class Claims:
    """What a message says of the thread it belongs to; nothing here is believed before it is proved.

    `tokens` are signed parts of the addresses it was sent to, `header_ids` the Message-IDs that it answers (nearest
    first), `numbers` what looks like ticket numbers in the subject.
    """

    tokens: list[str] = field(default_factory=list)
    header_ids: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bounce:
    """A report that an outgoing message could not be delivered (or is late)."""

    action: str
    status: str
    recipient: str
    words: str
    original_header_id: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class Ring:
    """Something that happened to a phone call: `phase` is ringing, answered, transferred, ended or abandoned.

    It may come late, twice and out of order; what is not known is empty. `caller` and `callee` are numbers as the
    exchange wrote them, `line` the number or queue that was called, `agent` the extension that answered or got it.
    """

    phase: str
    at: datetime
    direction: str = "in"
    caller: str = ""
    callee: str = ""
    line: str = ""
    agent: str = ""
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    recording: str = ""


@dataclass(frozen=True)
class Delivered:
    """What became of a message of ours, told by the other side: `state` is delivered, read or failed."""

    header_id: str
    state: str
    words: str = ""


@dataclass(frozen=True)
class Understood:
    """What an inbound event says, whatever the channel. Text is safe for PostgreSQL: no NUL, no lone surrogates.

    `conversation_key` names the lasting conversation of the channel that it belongs to (a chat, a call); without one,
    conversations are threads that are found by proofs. With `call` or `delivered` it tells of a phone call or of a
    message of ours, and says nothing of its own.

    `to` and `cc` are (address, name) pairs. `headers` is what rules may look at, where the kind of channel has such a
    thing: names in lower case, values of the same name a line each, bounded.
    """

    namespace: str
    sender: str
    sender_name: str
    subject: str
    text: str
    visible_text: str
    nature: str = "human"
    may_auto_reply: bool = True
    html: str | None = None
    html_version: int | None = None
    to: list[tuple[str, str]] = field(default_factory=list)
    cc: list[tuple[str, str]] = field(default_factory=list)
    reply_to: str | None = None
    header_id: str | None = None
    references: list[str] = field(default_factory=list)
    claims: Claims = field(default_factory=Claims)
    bounce: Bounce | None = None
    conversation_key: str = ""
    call: Ring | None = None
    delivered: Delivered | None = None
    files: list[File] = field(default_factory=list)
    language: str | None = None
    written_at: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class NotUnderstood(Exception):
    """An inbound event cannot be read; the text is the reason for people. It is kept and can be tried again."""


class Dropped(Exception):
    """An inbound event is left out by a named rule; the text is the rule's name."""


@dataclass(frozen=True)
class Earlier:
    """An earlier message that stands below a reply, or that is forwarded. `html` is cleaned already."""

    sender: str
    sender_name: str
    at: datetime
    subject: str
    text: str
    to: list[str] = field(default_factory=list)
    html: str | None = None


@dataclass(frozen=True)
class Letter:
    """What is said, to whom and in which thread: all that an adapter needs to make an Outbound.

    `recipients` are those who must still get it, `to` and `cc` those who are named in it, as (name, address) pairs.
    `subject` is what the thread is called; `own_subject` is set where its author chose the words. `opening` and
    `closing` stand around the text. `header_id` is set where the message has left once before. `conversation_key` is
    the one that the channel gave, `author` the operator's name.
    """

    item_id: int
    message_id: int
    ticket_id: int | None
    number: str
    address: str
    to: list[tuple[str, str]]
    cc: list[tuple[str, str]]
    recipients: list[str]
    subject: str
    text: str
    at: datetime
    time_zone: str
    language: str
    own_subject: bool = False
    automatic: bool = False
    opening: str = ""
    closing: str = ""
    quoted: Earlier | None = None
    forwarded: Earlier | None = None
    answers_header_id: str | None = None
    references: list[str] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    header_id: str | None = None
    conversation_key: str = ""
    author: str = ""


@dataclass(frozen=True)
class Outbound:
    """A message ready for the wire: the bytes were rendered once and every try sends the same ones."""

    item_id: int
    header_id: str
    envelope_sender: str
    recipients: list[str]
    rendered: bytes


@dataclass(frozen=True)
class RecipientResult:
    """What the other side said of one recipient: state is sent, deferred or failed; `code` as in 550 5.1.1."""

    address: str
    state: str
    code: str = ""
    words: str = ""


@dataclass(frozen=True)
class Receipt:
    """What became of a try to send. `unknown` means the connection was lost after the last byte was handed over."""

    results: list[RecipientResult]
    external_id: str | None = None
    unknown: bool = False


class DeliveryError(Exception):
    """A try to send failed as a whole; `permanent` means that trying again cannot help. The text is for people.

    `retry_after` are the seconds that the other side asked us to wait.
    """

    def __init__(self, words: str, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.permanent = permanent
        self.retry_after = retry_after


class ChannelDown(DeliveryError):
    """The other side cannot be reached or does not let us in. It says nothing of the message; all others wait too."""


class SourceTrouble(Exception):
    """The other side cannot be read now; the text is for people. Receiving ends and is begun again later.

    `slow` asks for patience: it refused us, and asking again at once would make it worse. `again` is set when the
    fault is dealt with and receiving may begin again at once.
    """

    def __init__(self, words: str, slow: bool = False, again: bool = False) -> None:
        super().__init__(words)
        self.slow = slow
        self.again = again


class StoreAway(Exception):
    """Nothing can be stored now (database away or full): leave everything at the source and come again."""


class Secrets(dict[str, str]):
    """A channel's secrets in the clear. This one lives in memory; the stored ones follow what `rotate` makes."""

    def __repr__(self) -> str:
        """Their names alone: a log may show this."""
        return f"{type(self).__name__}({', '.join(sorted(self))})"

    def rotate(self, make: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Replace the secrets by what `make` makes of the present ones; one caller at a time, also across processes."""
        fresh = make(dict(self))
        self.clear()
        self.update(fresh)


@dataclass(frozen=True)
class CheckStep:
    """One step of a channel's check (DNS, TLS, login, folder, sending) and how it went, in words."""

    name: str
    ok: bool
    words: str


class ReceiveContext(Protocol):
    """What a receiving adapter may ask of the process that holds it (`queues.listen`).

    `reading` is what people chose to be taken in. `rescan` is their wish to have taken input read again: when it was
    asked for, and since when. `installation` names this installation among others ("" where it has no name yet), and
    `place` is the address of its pages.
    """

    settings: dict[str, Any]
    secrets: Secrets
    cursor: dict[str, Any]
    reading: dict[str, Any]
    rescan: tuple[datetime, datetime] | None
    installation: str
    place: str

    def accept(self, inbounds: list[Inbound]) -> int:
        """Store events together; returns after the commit how many were new.

        Raises StoreAway when nothing can be stored now; anything else it raises is about these events.
        """

    def save_cursor(self, cursor: dict[str, Any]) -> None:
        """Remember where reading stands."""

    def park(self, folder: str, uidvalidity: int, uid: int, words: str) -> int:
        """Note a failed try to fetch one item; returns how often it failed so far."""

    def parked(self, folder: str, uidvalidity: int, present: set[int]) -> dict[int, int]:
        """Failed tries per item of the folder. Items that are not `present` any more are forgotten."""

    def taken_mails(self, folder: str, uidvalidity: int) -> dict[int, int]:
        """Items of the folder that are on tickets people still work on, the latest hundreds: UID -> event id."""

    def known(self, dedup_keys: Collection[str]) -> dict[str, int]:
        """Those of the keys that were accepted before, each with the id of its event."""

    def noticed(self, kind: str, event_ids: Collection[int]) -> set[int]:
        """Tell on their tickets what colleagues did with these events outside: "answered" or "gone". Told once.

        Returns those that are on no ticket yet; tell them again later.
        """

    def still_holder(self) -> bool:
        """Whether this process still holds the channel; asked before each act that cannot be undone."""

    def contact(self) -> None:
        """Say that the other side answered."""

    def trouble(self, words: str) -> None:
        """Say what fails, in words for the channel's page."""

    def stopping(self) -> bool:
        """Whether the process is about to end."""


class Adapter(ABC):
    """One kind of channel. `page` is the endpoint of its settings, with the channel's id as `channel_id`.

    A kind without a page is built in: the helpdesk makes its channels itself.
    """

    kind: ClassVar[str]
    page: ClassVar[str] = "channels.show"
    label: str
    settings_model: ClassVar[type[BaseModel]]

    @abstractmethod
    def capabilities(self, settings: dict[str, Any]) -> Capabilities:
        """What a channel with these settings can do."""

    def listens(self, settings: dict[str, Any]) -> bool:
        """Whether a process has to hold a connection for a channel with these settings."""
        return True

    @abstractmethod
    def check(self, settings: dict[str, Any], secrets: Secrets) -> list[CheckStep]:
        """Try the settings for real, step by step, stopping at the first failure that blocks the rest."""

    @abstractmethod
    def receive(self, context: ReceiveContext) -> None:
        """Hold the connection and accept what comes, until `context.stopping()`. Called again after a fault."""

    @abstractmethod
    def parse(self, inbound: Inbound) -> Understood:
        """Understand an event. Raises NotUnderstood or Dropped."""

    def compose(self, letter: Letter, settings: dict[str, Any]) -> Outbound:
        """Make the bytes of a message, once. Raises DeliveryError when they cannot be made."""
        raise NotImplementedError(f"channels of the kind {self.kind} do not send")

    def remote(self, settings: dict[str, Any]) -> str:
        """Server and account that messages go to, e.g. `user at host:465`; "" where there is none to wait for."""
        return ""

    @abstractmethod
    def send(
        self,
        outbound: Outbound,
        settings: dict[str, Any],
        secrets: Secrets,
        before_last_byte: Callable[[], None],
    ) -> Receipt:
        """Hand a message over. `before_last_byte` is called just before the act that cannot be undone.

        Raises DeliveryError when nothing was handed over.
        """
