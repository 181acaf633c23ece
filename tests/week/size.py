"""How large a week is: everything that a run is made of follows from these figures and the seed."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Size:
    """`mails` is how many mails customers begin with, before nudges and answers; shares are of those.

    The week holds the night of 25 October 2026, when clocks in Kyiv go back from four to three.
    """

    days: int = 7
    mails: int = 4600
    calls: int = 900
    operators: int = 40
    begins: datetime = datetime(2026, 10, 21, 21, tzinfo=UTC)  # Thursday, midnight in Kyiv
    nudges: float = 0.12
    copies: float = 0.04
    across_brands: float = 0.01
    with_cc: float = 0.10
    again: float = 0.03
    automatic: float = 0.04
    spam: float = 0.03
    unreachable: float = 0.02
    answers: float = 0.22
    beat: int = 1  # minutes between two looks of the machine


SMALL = Size(days=1, mails=70, calls=20, operators=9, beat=5, begins=datetime(2026, 10, 24, 21, tzinfo=UTC))
