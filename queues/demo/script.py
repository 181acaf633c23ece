"""The words in which the demo's stories are written: who writes what, and what the operators do, and when."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mail:
    """A mail of the customer, `after` minutes. `files` name pictures and documents of `queues.demo.pictures`.

    `html` is the same once more in HTML; `inline` is a picture shown inside it as `cid:picture`.
    """

    text: str
    after: float = 0
    files: tuple[str, ...] = ()
    html: str = ""
    inline: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    cc: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Reply:
    """An operator's answer; `who` is the part of their address before the @. They take the ticket first if need be."""

    who: str
    text: str
    after: float = 30
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """An operator's note for colleagues."""

    who: str
    text: str
    after: float = 5


@dataclass(frozen=True)
class Take:
    """An operator takes the ticket and has not written yet."""

    who: str
    after: float = 10


@dataclass(frozen=True)
class Finish:
    """An operator closes the ticket."""

    who: str
    state: str = "solved"
    reason: str = ""
    after: float = 2


@dataclass(frozen=True)
class Wait:
    """An operator lets the ticket wait: for the customer, or for so many hours."""

    who: str
    hours: float = 0
    after: float = 1


@dataclass(frozen=True)
class Move:
    """An operator puts the ticket into another queue."""

    who: str
    queue: str
    after: float = 5


@dataclass(frozen=True)
class Forward:
    """An operator forwards the customer's last mail to somebody outside."""

    who: str
    to: str
    text: str
    after: float = 10


@dataclass(frozen=True)
class Bounce:
    """The mail server of the customer says that the last reply could not be delivered."""

    after: float = 2


@dataclass(frozen=True)
class Echo:
    """Our last reply comes back to us, as from a badly set up forwarding."""

    after: float = 1


Step = Mail | Reply | Note | Take | Finish | Wait | Move | Forward | Bounce | Echo


@dataclass(frozen=True)
class Story:
    """What happened with one customer, beginning `ago` hours before now."""

    name: str
    address: str
    queue: str
    ago: float
    subject: str
    steps: tuple[Step, ...]
    language: str = "ru"
    category: str = ""
    tags: tuple[str, ...] = ()
    priority: int = 3
    organisation: str = ""
    raw: bytes = field(default=b"", repr=False)
