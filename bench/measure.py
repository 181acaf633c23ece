"""Figures, their floors, and how both are shown."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

HEAD = f"{'':44} {'ours, min/median/max':>26} {'floor':>10} {'ratio, min/median/max':>24}  aim"


@dataclass
class Row:
    """One figure over all rounds: `ours[i]` and `floor[i]` belong to one round. `unit` is ms (less is better) or /s.

    `aim` says what it shall be on a quiet machine of two cores, and how many times the floor that is.
    """

    name: str
    unit: str
    aim: str = ""
    floor_of: str = ""
    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(self, ours: float, floor: float | None = None) -> None:
        """The figures of one round."""
        self.ours.append(ours)
        if floor is not None:
            self.floor.append(floor)

    @property
    def ratios(self) -> list[float]:
        """How many times the floor each round took: 1 would be the floor itself, whatever the unit."""
        pairs = zip(self.ours, self.floor, strict=False)
        return [ours / floor if self.unit == "ms" else floor / ours for ours, floor in pairs if ours and floor]

    def line(self) -> str:
        """The row as text."""
        floor = f"{statistics.median(self.floor):.1f}" if self.floor else ""
        ratios = _spread(self.ratios, "x") if self.floor else ""
        notes = "  ".join(f"{name} {value}" for name, value in self.notes.items())
        ours = _spread(self.ours, self.unit)
        return f"{self.name:44} {ours:>26} {floor:>10} {ratios:>24}  {self.aim}  {notes}".rstrip()

    def facts(self) -> dict[str, Any]:
        """The row for the JSON file."""
        return asdict(self) | {"ratios": self.ratios}


def _spread(values: Sequence[float], unit: str) -> str:
    if not values:
        return "not measured"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.1f} / {middle:.1f} / {high:.1f} {unit}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def times(act: Callable[[], Any], count: int) -> list[float]:
    """Milliseconds of each of `count` calls, one after another."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1000)
    return taken
