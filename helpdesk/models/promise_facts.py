"""The facts of promises: what each became of, with all that its due times can be computed from again."""

from dataclasses import dataclass
from typing import Any

from helpdesk.models.event import Fact


@dataclass(frozen=True)
class PromiseFact(Fact):
    """`promise` (first, next, solution) and `asked_at`, the moment it began, name the promise of a ticket."""

    promise: str
    asked_at: str


@dataclass(frozen=True)
class PromiseMade(PromiseFact, kind="promise.made"):
    """A promise began.

    From what stands here each due time can be computed again: `due_at` is `counted_from` and as much open time of the
    calendar's version as is left of `seconds` after `spent`; without a calendar all time counts. `why` holds the
    conditions of the target. No `counted_from`: it began on a paused ticket. No `due_at`: the calendar never opens.
    """

    target_id: int
    seconds: int
    calendar_id: int | None
    calendar_version: int | None
    counted_from: str | None
    due_at: str | None
    why: dict[str, Any]


@dataclass(frozen=True)
class PromisePaused(PromiseFact, kind="promise.paused"):
    """The ticket waits for the customer, so the promise stands still; `spent` in whole seconds, rounded down."""

    at: str
    spent: int


@dataclass(frozen=True)
class PromiseResumed(PromiseFact, kind="promise.resumed"):
    """The promise goes on, counted from `counted_from` with what was spent before."""

    counted_from: str
    spent: int
    due_at: str | None


@dataclass(frozen=True)
class PromiseMet(PromiseFact, kind="promise.met"):
    """The promise is fulfilled, in time or `late`; `spent` is the open time that it took."""

    at: str
    spent: int
    late: bool


@dataclass(frozen=True)
class PromiseCancelled(PromiseFact, kind="promise.cancelled"):
    """There is nothing to keep any more; `why` is finished, spam, merged, undone or no target."""

    at: str
    spent: int
    why: str


@dataclass(frozen=True)
class PromiseChanged(PromiseFact, kind="promise.changed"):
    """The promise is counted anew; `why` is target, calendar, reopened, undone or merged. Else like PromiseMade."""

    at: str
    spent: int
    target_id: int
    seconds: int
    calendar_id: int | None
    calendar_version: int | None
    counted_from: str | None
    due_at: str | None
    why: str


@dataclass(frozen=True)
class PromiseWarned(PromiseFact, kind="promise.warned"):
    """The owner and the supervisors were told that the promise is about to be broken."""

    at: str
    due_at: str


@dataclass(frozen=True)
class PromiseBreached(PromiseFact, kind="promise.breached"):
    """The promise was broken at `at`, its due time, whenever this was noticed."""

    at: str
