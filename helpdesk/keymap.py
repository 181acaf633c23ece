"""Every shortcut of the desk in one place: its key, what it does in people's words, and where it works.

A shortcut either clicks the button or link that carries it as `data-key` (`marked`), or is an act of js/keys.js itself.
The sheet of keys is made from here; tests hold templates and scripts against it, so that no key has two meanings.

Keys are written as in `data-key`: "n", "Shift+e", "$mod+k" ($mod is Ctrl, and Command on a Mac). Letters mean the
physical key, so that they work in a Cyrillic layout; "?" and "!" match the character wherever a layout keeps it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _l


class Place(StrEnum):
    """Where a shortcut belongs, in the order of the sheet."""

    EVERYWHERE = "everywhere"
    LIST = "list"
    TICKET = "ticket"
    WRITING = "writing"


PLACES = {
    Place.EVERYWHERE: _l("Everywhere"),
    Place.LIST: _l("In a list"),
    Place.TICKET: _l("On a ticket"),
    Place.WRITING: _l("While you write"),
}


@dataclass(frozen=True)
class Shortcut:
    """One shortcut. `needs` is a CSS selector of what must be on the page where no button carries the key.

    `while_writing` says that it also works with the focus in a text.
    """

    key: str
    text: Any
    place: Place
    needs: str = ""
    while_writing: bool = False
    note: Any = ""

    @property
    def marked(self) -> bool:
        """Whether a button or link carries it."""
        return not self.needs

    @property
    def is_character(self) -> bool:
        """Whether it types a character, so that people may switch it off."""
        last = self.key.removeprefix("Shift+")
        return len(last) == 1


ROWS = ".row-link"
COMPOSER = "#composer textarea"

SHORTCUTS = (
    Shortcut("$mod+k", _l("Go to anything, do anything"), Place.EVERYWHERE, while_writing=True),
    Shortcut("n", _l("Take the next ticket"), Place.EVERYWHERE),
    Shortcut("c", _l("New ticket"), Place.EVERYWHERE),
    Shortcut("q", _l("My queues"), Place.EVERYWHERE),
    Shortcut("/", _l("Search"), Place.EVERYWHERE),
    Shortcut("Shift+t", _l("My tasks"), Place.EVERYWHERE),
    Shortcut("v", _l("Supervision"), Place.EVERYWHERE),
    Shortcut("Shift+a", _l("Say that you are away or back"), Place.EVERYWHERE),
    Shortcut("F6", _l("Next part of the screen"), Place.EVERYWHERE, needs="body", while_writing=True),
    Shortcut("Shift+F6", _l("Previous part of the screen"), Place.EVERYWHERE, needs="body", while_writing=True),
    Shortcut("Escape", _l("Close what is open, leave the text"), Place.EVERYWHERE, needs="body", while_writing=True),
    Shortcut("?", _l("All keys"), Place.EVERYWHERE),
    Shortcut("j", _l("Next row"), Place.LIST, needs=ROWS),
    Shortcut("k", _l("Previous row"), Place.LIST, needs=ROWS),
    Shortcut("Enter", _l("Open the row"), Place.LIST, needs=ROWS),
    Shortcut("$mod+Shift+ArrowDown", _l("Open the next of the list"), Place.LIST, needs=ROWS, while_writing=True),
    Shortcut("$mod+Shift+ArrowUp", _l("Open the previous of the list"), Place.LIST, needs=ROWS, while_writing=True),
    Shortcut("Shift+n", _l("Take the next of this queue"), Place.LIST),
    Shortcut("p", _l("People instead of tickets, and back"), Place.LIST),
    Shortcut("x", _l("Choose the row"), Place.LIST),
    Shortcut("o", _l("What can be done with the row"), Place.LIST),
    Shortcut("f", _l("Filter the list"), Place.LIST),
    Shortcut("Shift+f", _l("Find a person in the list"), Place.LIST),
    Shortcut("t", _l("Take the ticket"), Place.TICKET),
    Shortcut("a", _l("Assign"), Place.TICKET),
    Shortcut("s", _l("Snooze"), Place.TICKET),
    Shortcut("e", _l("Finish"), Place.TICKET),
    Shortcut("Shift+e", _l("Finish and take next"), Place.TICKET),
    Shortcut("m", _l("Macros"), Place.TICKET),
    Shortcut("!", _l("This is spam"), Place.TICKET),
    Shortcut(
        "Shift+Enter",
        _l("Mark as handled"),
        Place.TICKET,
        while_writing=True,
        note=_l("In a text it begins a new line; in an empty one it marks."),
    ),
    Shortcut("d", _l("Change the facts of the ticket"), Place.TICKET),
    Shortcut("$mod+s", _l("Save the facts that were changed"), Place.TICKET, while_writing=True),
    Shortcut("Shift+r", _l("Remind me of something"), Place.TICKET),
    Shortcut("$mod+Shift+s", _l("Everything about the customer"), Place.TICKET, while_writing=True),
    Shortcut("r", _l("Write a reply"), Place.WRITING),
    Shortcut("i", _l("Write an internal note"), Place.WRITING),
    Shortcut("$mod+Enter", _l("Send what is written"), Place.WRITING, needs=COMPOSER, while_writing=True),
    Shortcut("$mod+Shift+a", _l("Mention a colleague"), Place.WRITING, while_writing=True),
)


def by_place() -> list[tuple[Any, list[Shortcut]]]:
    """The shortcuts in the groups of the sheet, each with its name."""
    return [(name, [one for one in SHORTCUTS if one.place == place]) for place, name in PLACES.items()]
