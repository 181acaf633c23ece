"""What a kind of channel can do, as the screens need to know it. Adapters register theirs at start."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Capabilities:
    """What a channel with certain settings can do. Sizes are in bytes; None means no limit of its own.

    `writes` says whether replies can leave at all; `begins_with` is the kind of addresses to which a person here may
    write first ("email"), empty where the other side has to begin. `voice` says what becomes of recorded speech: "sent"
    when the button is let go, put among the files ("file"), or "" where it cannot be heard at the other end. `quotes`
    says whether a reply can name the message that it answers.
    """

    writes: bool = True
    begins_with: str = ""
    has_subject: bool = False
    has_recipients: bool = False
    shows_number: bool = False
    html: bool = False
    files: bool = True
    voice: str = ""
    quotes: bool = False
    longest_text: int | None = None
    largest_message: int | None = None
    says_delivered: bool = False
    says_read: bool = False


class Registered(Protocol):
    """What the desk needs of an adapter."""

    label: str

    def capabilities(self, settings: dict[str, Any]) -> Capabilities:
        """What a channel with these settings can do."""


_adapters: dict[str, Registered] = {}


def register(kind: str, adapter: Registered) -> None:
    """Make a kind of channel known to the desk."""
    _adapters[kind] = adapter


def kinds() -> dict[str, str]:
    """The kinds of channel that this installation knows, with their names."""
    return {kind: str(adapter.label) for kind, adapter in _adapters.items()}


def capabilities_of(kind: str, settings: dict[str, Any]) -> Capabilities:
    """What a channel of this kind can do; an unknown kind can do nothing special."""
    adapter = _adapters.get(kind)
    return adapter.capabilities(settings) if adapter else Capabilities()
