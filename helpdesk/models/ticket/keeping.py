"""How a change of a ticket moves its promises, in the transaction of that change.

What is promised follows from the ticket as it stands:

| promise | asked at | runs while | kept by |
|---|---|---|---|
| first | the first unanswered message, while nobody has answered at all | active | an operator's reply |
| next | the first unanswered message after an answer | active | an operator's reply |
| solution | arrival | active | finishing as solved or not solved |

A paused ticket stops them all; spam and merging cancel them. A finished ticket's clocks stand still: when it is opened
again, its promises go on with what was spent. A reply that is taken back was never there: the time counts on.
A promise that begins to apply later than it could (a move, a new target) counts from that moment on.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from helpdesk import clock
from helpdesk.business_time import add_business, business_between
from helpdesk.db import db, remembered
from helpdesk.models.calendar import Calendar, hours_of
from helpdesk.models.event import Event, Fact
from helpdesk.models.promise import Book, PromiseKind, Target, TicketPromise, book
from helpdesk.models.promise_facts import (
    PromiseBreached,
    PromiseCancelled,
    PromiseChanged,
    PromiseMade,
    PromiseMet,
    PromisePaused,
    PromiseResumed,
)
from helpdesk.models.ticket.states import Kind, State

if TYPE_CHECKING:
    from helpdesk.models.ticket.core import TicketCore

ANSWERS = (PromiseKind.FIRST, PromiseKind.NEXT)
COUNTED = ("counted_from", "spent_seconds", "due_at", "warn_at", "paused_at")


class Stand(NamedTuple):
    """What promises depend on; whatever else changes on a ticket asks the database nothing."""

    kind: str
    queue_id: int
    priority: int
    request_type: str | None
    customer_id: int
    unanswered_at: datetime | None
    replied_at: datetime | None


def stand_of(ticket: "TicketCore") -> Stand:
    """How the ticket stands, from its plain columns."""
    return Stand(
        ticket.kind,
        ticket.queue_id,
        ticket.priority,
        ticket.request_type or "",
        ticket.customer_id,
        ticket.first_unanswered_at,
        ticket.last_reply_at,
    )


def keep_promises(ticket: "TicketCore", before: Stand, is_new: bool) -> None:
    """Bring the ticket's promises into line with how it stands now. Called at the end of each change."""
    if stand_of(ticket) == before and not is_new:
        return
    known = book()
    if known.targets or ticket.promised:
        Keeper(ticket, before, is_new, known).keep()


def promises_of(ticket: "TicketCore") -> list[TicketPromise]:
    """All promises of the ticket, oldest first; read once in a transaction, and not at all where there are none."""

    def read() -> list[TicketPromise]:
        if not ticket.promised:
            return []
        query = select(TicketPromise).where(TicketPromise.ticket_id == ticket.id).order_by(TicketPromise.id)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))

    return remembered(f"promises:{ticket.id}", read)


def kept_promises(ticket: "TicketCore") -> list[dict[str, Any]]:
    """What is left of the ticket's open promises, as JSON: for an undo that puts them back as they stand now."""
    return [
        {"id": row.id, **{name: _plain(getattr(row, name)) for name in COUNTED}}
        for row in promises_of(ticket)
        if row.is_open
    ]


def resume_promises(ticket: "TicketCore", kept: list[dict[str, Any]]) -> None:
    """Let promises that were ended by a merge run again as if it had never been; the time between counts."""
    rows = {row.id: row for row in promises_of(ticket)}
    keeper = Keeper(ticket, stand_of(ticket), False, book())
    for stood in kept:
        row = rows.get(stood["id"])
        if row is not None and row.cancelled_at is not None:
            keeper.resume(row, stood)


def choose(known: Book, ticket: "TicketCore", kind: str) -> Target | None:
    """The most specific target that says how long this kind of promise may take on this ticket."""
    return next((target for target in known.targets if target.seconds(kind) and _applies(target, ticket)), None)


def _applies(target: Target, ticket: "TicketCore") -> bool:
    return (
        target.queue_id in {None, ticket.queue_id}
        and target.priority in {None, ticket.priority}
        and (target.request_type is None or target.request_type.casefold() == (ticket.request_type or "").casefold())
        and (target.organisation_id is None or target.organisation_id == ticket.customer.organisation_id)
    )


class Terms(NamedTuple):
    """By what a promise is counted."""

    target_id: int
    seconds: int
    calendar_id: int | None
    calendar_version: int | None


class Keeper:
    """One look at the promises of one ticket."""

    def __init__(self, ticket: "TicketCore", before: Stand, is_new: bool, known: Book) -> None:
        self.ticket, self.before, self.is_new, self.known = ticket, before, is_new, known
        self.rows = promises_of(ticket)
        self.now = clock.now()

    def keep(self) -> None:
        """End, begin, pause, resume and count anew, as the ticket stands now."""
        self._keep_answer()
        self._keep_solution()
        for row in self.rows:
            if row.is_open:
                self._renew(row)
            if row.is_open:
                self._pause_or_resume(row)
        show_due(self.ticket, self.rows)

    def resume(self, row: TicketPromise, stood: dict[str, Any]) -> None:
        """Open a promise again that had ended, counted as it was counted then (`kept_promises`)."""
        row.cancelled_at = None
        row.spent_seconds = stood["spent_seconds"]
        for name in ("counted_from", "due_at", "warn_at", "paused_at"):
            setattr(row, name, datetime.fromisoformat(stood[name]) if stood[name] else None)
        self._record(self._changed(row, "undone"))

    def _keep_answer(self) -> None:
        ticket = self.ticket
        wanted = None
        if ticket.kind != Kind.FINISHED and ticket.first_unanswered_at is not None:
            kind = PromiseKind.FIRST if ticket.last_reply_at is None else PromiseKind.NEXT
            wanted = (kind, ticket.first_unanswered_at)
        answered_at = ticket.last_reply_at if ticket.last_reply_at != self.before.replied_at else None
        same = None
        for row in self.rows:
            if not row.is_open or row.kind not in ANSWERS or (row.kind, row.asked_at) == wanted:
                continue
            if ticket.first_unanswered_at is None and answered_at is not None:
                self._meet(row, answered_at)
            elif ticket.kind == Kind.FINISHED:
                self._cancel(row, self._outcome())
            else:
                merged = ticket.has_merged and wanted is not None and wanted[1] <= row.asked_at
                self._cancel(row, "merged" if merged else "undone")
                same = row if wanted is not None and wanted[1] == row.asked_at else same
        if wanted is not None:
            self._want(*wanted, fresh=ticket.first_unanswered_at != self.before.unanswered_at, same=same)

    def _keep_solution(self) -> None:
        ticket = self.ticket
        if ticket.kind != Kind.FINISHED:
            self._want(PromiseKind.SOLUTION, ticket.arrived_at, fresh=self.is_new)
            return
        for row in self.rows:
            if not row.is_open or row.kind != PromiseKind.SOLUTION:
                continue
            if ticket.state in {State.SOLVED, State.UNSOLVED}:
                at = ticket.finished_at or self.now
                self._stop(row, at)
                self._meet(row, at)
            else:
                self._cancel(row, self._outcome())

    def _outcome(self) -> str:
        return str(self.ticket.state) if self.ticket.state in {State.SPAM, State.MERGED} else "finished"

    def _want(self, kind: PromiseKind, asked_at: datetime, fresh: bool, same: TicketPromise | None = None) -> None:
        """Have a promise of this kind open: the one that stands, one that had ended, or a new one.

        `same` was the promise for the same message until now, of another kind: who waits has waited already.
        """
        known = next((row for row in self.rows if row.kind == kind and row.asked_at == asked_at), None)
        if known is not None and known.is_open:
            return
        target = choose(self.known, self.ticket, kind)
        if target is None:
            return
        if known is not None:
            self._revive(known)
        else:
            row = self._make(kind, asked_at, asked_at if fresh else self.now, target)
            if same is not None and same.spent_seconds and not fresh:
                row.spent_seconds = same.spent_seconds
                _count(row)
                self._record(self._changed(row, "merged" if self.ticket.has_merged else "undone"))

    def _make(self, kind: PromiseKind, asked_at: datetime, counted_from: datetime, target: Target) -> TicketPromise:
        terms = self._terms(target, kind)
        paused = self.ticket.kind == Kind.PAUSED
        row = TicketPromise(
            ticket=self.ticket,
            ticket_id=self.ticket.id,
            kind=kind,
            target=target,
            asked_at=asked_at,
            started_at=counted_from,
            counted_from=None if paused else counted_from,
            paused_at=self.now if paused else None,
            spent_seconds=0,
            book_version=self.known.version,
            **terms._asdict(),
        )
        _count(row)
        db.session.add(row)
        self.rows.append(row)
        self.ticket.promised = True
        why = {
            name: value
            for name in ("organisation_id", "request_type", "priority", "queue_id")
            if (value := getattr(target, name)) is not None
        }
        self._record(
            PromiseMade(kind, _iso(asked_at), *terms, _maybe(row.counted_from), _maybe(row.due_at), why),
        )
        return row

    def _revive(self, row: TicketPromise) -> None:
        """Open a promise again that had ended: what ended it was undone, or the ticket was opened again."""
        was_met = row.met_at is not None
        row.met_at = row.cancelled_at = None
        if row.counted_from is None and row.paused_at is None:
            row.counted_from = self.now
            _count(row)
        undone = was_met and row.kind in ANSWERS
        self._record(self._changed(row, "undone" if undone else "reopened"))

    def _meet(self, row: TicketPromise, at: datetime) -> None:
        self._note_breach(row, at)
        row.met_at = at
        spent = _spent(row, at)
        self._record(PromiseMet(row.kind, _iso(row.asked_at), _iso(at), spent, row.breached_at is not None))

    def _cancel(self, row: TicketPromise, why: str) -> None:
        self._stop(row, self.now)
        row.cancelled_at = self.now
        self._record(PromiseCancelled(row.kind, _iso(row.asked_at), _iso(self.now), row.spent_seconds, why))

    def _renew(self, row: TicketPromise) -> None:
        """Count anew where another target or another calendar holds now."""
        target = choose(self.known, self.ticket, row.kind)
        if target is None:
            self._cancel(row, "no target")
            return
        terms = self._terms(target, row.kind)
        former = Terms(row.target_id, row.seconds, row.calendar_id, row.calendar_version)
        if terms != former:
            self._stop(row, self.now)
            row.target = target
            for name, value in terms._asdict().items():
                setattr(row, name, value)
            if row.paused_at is None:
                row.counted_from = self.now
            _count(row)
            self._record(self._changed(row, "target" if terms[:2] != former[:2] else "calendar"))
        elif row.book_version != self.known.version:
            _count(row)  # only when to warn may have changed
        row.book_version = self.known.version

    def _pause_or_resume(self, row: TicketPromise) -> None:
        if self.ticket.kind == Kind.PAUSED and row.paused_at is None:
            self._stop(row, self.now)
            row.paused_at = self.now
            _count(row)
            self._record(PromisePaused(row.kind, _iso(row.asked_at), _iso(self.now), row.spent_seconds))
        elif self.ticket.kind == Kind.ACTIVE and row.paused_at is not None:
            row.paused_at = None
            row.counted_from = self.now
            _count(row)
            self._record(
                PromiseResumed(row.kind, _iso(row.asked_at), _iso(self.now), row.spent_seconds, _maybe(row.due_at))
            )

    def _stop(self, row: TicketPromise, at: datetime) -> None:
        """Add up what was spent until `at`, by the calendar that held until then."""
        self._note_breach(row, at)
        row.spent_seconds = _spent(row, at)
        row.counted_from = None

    def _note_breach(self, row: TicketPromise, at: datetime) -> None:
        """What ends or moves after its due time was broken at that time, even if the timetable has not seen it yet."""
        if row.breached_at is None and row.due_at is not None and row.due_at <= at:
            break_promise(self.ticket, row)

    def _terms(self, target: Target, kind: str) -> Terms:
        calendar_id = None
        if not target.real_time:
            queue = self.ticket.queue
            calendar_id = queue.calendar_id or queue.project.calendar_id
        version = _calendar_versions()[calendar_id] if calendar_id is not None else None
        return Terms(target.id, target.seconds(kind) or 0, calendar_id, version)

    def _changed(self, row: TicketPromise, why: str) -> PromiseChanged:
        return PromiseChanged(
            row.kind,
            _iso(row.asked_at),
            _iso(self.now),
            row.spent_seconds,
            row.target.id,
            row.seconds,
            row.calendar_id,
            row.calendar_version,
            _maybe(row.counted_from),
            _maybe(row.due_at),
            why,
        )

    def _record(self, fact: Fact) -> None:
        self.ticket.record(None, fact)


def break_promise(ticket: "TicketCore", row: TicketPromise) -> Event:
    """Record that the promise was broken at its due time."""
    assert row.due_at is not None
    row.breached_at = row.due_at
    row.warn_at = None
    return ticket.record(None, PromiseBreached(row.kind, _iso(row.asked_at), _iso(row.due_at)))


def show_due(ticket: "TicketCore", rows: list[TicketPromise]) -> None:
    """Keep on the ticket itself what lists show: the earliest due time of what is open, and when to warn of it."""
    ticket.due_at = min((row.due_at for row in rows if row.is_open and row.due_at), default=None)
    ticket.due_warn_at = min((row.warn_at for row in rows if row.is_open and row.warn_at), default=None)


def _count(row: TicketPromise) -> None:
    """Due time and time to warn, from what is left; none while nothing runs.

    Nobody can break a promise before it was made: one that is over already by a new target is due at once.
    """
    row.due_at = row.warn_at = None
    if row.counted_from is None:
        return
    hours = hours_of(row.calendar_id, row.calendar_version)
    left = row.seconds - row.spent_seconds
    if left <= 0 and row.breached_at is not None:
        row.due_at = row.breached_at
        return
    row.due_at = add_business(row.counted_from, max(left, 0), hours)
    if row.breached_at is None:
        warn_after = row.target.warn_after(row.seconds) - row.spent_seconds
        row.warn_at = add_business(row.counted_from, max(warn_after, 0), hours)


def _spent(row: TicketPromise, at: datetime) -> int:
    if row.counted_from is None:
        return row.spent_seconds
    hours = hours_of(row.calendar_id, row.calendar_version)
    return row.spent_seconds + int(business_between(row.counted_from, at, hours))


def _calendar_versions() -> dict[int, int]:
    def read() -> dict[int, int]:
        return dict(db.session.execute(select(Calendar.id, Calendar.version)).tuples().all())

    return remembered("calendar versions", read)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _maybe(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
