"""The panes of a simulated workspace: what each shows, and whether a change concerns it (list.js, list_scope.js)."""

import re
from dataclasses import dataclass

ROW = re.compile(r'<li class="row-item([^>]*)>')
ATTRIBUTE = re.compile(r'(data-id|data-place|data-stamp|id)="([^"]*)"')

About = dict[str, list[float] | None] | None


def both(first: About, second: About) -> About:
    """What two changes are about; None for anything, as in live.js."""
    return None if first is None or second is None else first | second


class Rows:
    """What a list shows: its tickets with stamp and place in line, and whether more follow."""

    def __init__(self, text: str, before: "Rows | None" = None) -> None:
        self.stamps: dict[str, str] = {}
        self.places: dict[str, tuple[float, float]] = {}
        self.goes_on = "data-more" in text
        for tag in ROW.findall(text):
            told = dict(ATTRIBUTE.findall(tag))
            ticket = told.get("data-id") or told["id"].rpartition("-")[2]
            self.stamps[ticket] = told.get("data-stamp", "")
            if "data-place" in told:
                one_class, at = told["data-place"].split(":")
                self.places[ticket] = (float(one_class), float(at))
            elif before is not None and ticket in before.places:  # a row that stayed as it was came without its text
                self.places[ticket] = before.places[ticket]

    @property
    def named(self) -> str:
        """The rows with their stamps, as list.js names them."""
        return ",".join(f"{ticket}.{stamp}" for ticket, stamp in self.stamps.items())

    def concerns(self, about: About) -> bool:
        """Whether a change touches what is shown: rows of a line, or a place before its end."""
        if about is None or not self.stamps:
            return True
        last = self.places.get(next(reversed(self.stamps)), (0.0, 0.0))
        return any(
            ticket in self.stamps or (place is not None and not (self.goes_on and tuple(place) > last))
            for ticket, place in about.items()
        )


@dataclass
class Pane:
    """A part of the page that fetches itself again."""

    url: str
    topics: list[str]
    trigger: str
    rows: Rows | None = None  # of a list
    is_line: bool = False  # a list that asks only for what concerns it
    about: "About | bool" = False  # of the changes that it was not told yet; False where there are none
    due: float = 0.0
    asking: bool = False
    again: bool = False
    together: bool = False  # several panes that come in one answer

    @property
    def kind(self) -> str:
        """Its address without numbers."""
        return re.sub(r"\d+", "N", self.url.partition("?")[0])
