"""The door behind all doors: what a channel received is stored once, and only then acknowledged to its source.

`accept` commits the raw bytes with their dedup key. `drain` understands what waits, batch by batch in order of
arrival. A batch is one transaction; when it fails, its events are done again one by one, so that a single bad event
becomes visible with its reason and delays nothing else.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

import structlog
from flask_babel import gettext as _
from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from helpdesk import clock
from helpdesk.db import db, insert_all, transaction
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Channel, DedupKey, InboundEvent, InboundState, RawInput, Tally, User
from helpdesk.models.event import Event, SettingChanged
from helpdesk.models.ticket.core import actor_columns
from queues.channels import adapter_for
from queues.channels.base import Dropped, Inbound, NotUnderstood, Understood
from queues.interpret import interpret
from queues.lanes import ring_after_commit

log = structlog.get_logger(__name__)

BATCH = 50
NEXT_IDS = text("SELECT nextval(pg_get_serial_sequence('inbound_events', 'id')) FROM generate_series(1, :count)")
MOST_ATTEMPTS = 3
MOST_ENDINGS = 10  # processes are killed for many reasons, and what is tried alone delays nobody else
LEASE_SECONDS = 30
LONGEST_READING = 10.0  # seconds for a batch; with the parser's own limit for its last event still within the lease
OUTAGES = ("08", "53", "57")  # classes of SQLSTATE: connection lost, out of resources, server told to stop
CLASHES = ("40", "55")  # deadlock, lock not to be had


@dataclass(frozen=True)
class Taken:
    """A leased event, with what is needed to understand it outside any transaction."""

    id: int
    channel_id: int
    kind: str
    attempts: int
    inbound: Inbound


def accept(channel_id: int, inbound: Inbound) -> bool:
    """Store one event in a transaction of its own. True when it is new, False when it was here before."""
    return accept_many(channel_id, [inbound]) == 1


def accept_many(channel_id: int, inbounds: Sequence[Inbound]) -> int:
    """Store events in one transaction and return, after the commit, how many of them were new.

    Raises when nothing was stored; the source must then keep what it has.
    """
    with transaction() as session:
        ids = session.scalars(NEXT_IDS, {"count": len(inbounds)}).all()
        fresh = _claim_keys(channel_id, dict(zip(ids, inbounds, strict=True)))
        if fresh:
            rows = [
                {"id": id_, "channel_id": channel_id, "size": len(new.raw)}
                | {"envelope": new.envelope, "reason": new.problem}
                for id_, new in fresh.items()
            ]
            session.execute(insert(InboundEvent), rows)
            session.execute(insert(RawInput), [{"event_id": id_, "data": new.raw} for id_, new in fresh.items()])
            ring_after_commit("intake")
        count(channel_id, received=len(fresh), waiting=len(fresh))
    return len(fresh)


def _claim_keys(channel_id: int, by_id: dict[int, Inbound]) -> dict[int, Inbound]:
    """Those of the events whose keys are new; the keys are ours from now on. In one order, so that nobody deadlocks."""
    rows = sorted(
        ({"channel_id": channel_id, "digest": digest(new.dedup_key), "event_id": id_} for id_, new in by_id.items()),
        key=lambda row: (row["digest"], row["event_id"]),
    )
    if not rows:
        return {}
    claimed = insert_all(DedupKey, rows).on_conflict_do_nothing().returning(DedupKey.event_id)
    won = set(db.session.scalars(claimed))
    return {id_: new for id_, new in by_id.items() if id_ in won}


def known(channel_id: int, dedup_keys: Iterable[str]) -> set[str]:
    """Which of these keys the channel has accepted before."""
    return set(known_events(channel_id, dedup_keys))


def known_events(channel_id: int, dedup_keys: Iterable[str]) -> dict[str, int]:
    """Those of the keys that the channel has accepted before, each with the id of its event."""
    by_digest = {digest(key): key for key in dedup_keys}
    query = select(DedupKey.digest, DedupKey.event_id).where(
        DedupKey.channel_id == channel_id, DedupKey.digest.in_(by_digest)
    )
    return {by_digest[bytes(found)]: event_id for found, event_id in db.session.execute(query)}


def digest(dedup_key: str) -> bytes:
    """What a dedup key is stored as; keys may be longer than an index row."""
    return hashlib.sha256(dedup_key.encode("utf-8", "replace")).digest()


def drain(stopping: Callable[[], bool] = lambda: False) -> int:
    """Understand waiting events until none is due; returns how many came to an end. Safe in several processes.

    While one batch is written here, the next one is parsed in a thread (and its parser in a process of its own).
    """
    handled = 0
    with ThreadPoolExecutor(1, "parse-ahead") as ahead:
        parsing = ahead.submit(_understand_all, _take())
        while outcomes := parsing.result():
            parsing = ahead.submit(_understand_all, [] if stopping() else _take())
            handled += _finish_together(outcomes)
    return handled


def retry(event_id: int, by: User | None) -> None:
    """Put a quarantined event back in line, in the present transaction. Raises Refused when that makes no sense."""
    event = _quarantined(event_id)
    if event.raw is None:
        raise Refused(_("The raw input of this entry is no longer kept, so it cannot be tried again."))
    _end(event, InboundState.WAITING, None, clock.now())
    event.finished_at = None
    event.attempts = 0
    event.lease_until = None
    _record(event, by, "retried")


def drop(event_id: int, by: User, reason: str) -> None:
    """Leave a quarantined event out for good, with a person's reason, in the present transaction."""
    event = _quarantined(event_id)
    if not reason.strip():
        raise Refused(_("Say in a few words why this entry may be left out."))
    _end(event, InboundState.DROPPED, f"by hand: {reason.strip()}"[:500], clock.now())
    _record(event, by, "dropped")


def count(channel_id: int, **deltas: int) -> None:
    """Add to the ledger of a channel: received, waiting, ticketed, dropped, quarantined."""
    for name, delta in deltas.items():
        if delta:
            Tally.add(f"channel:{channel_id}", name, delta)


def _take() -> list[Taken]:
    """Lease the next events in order of arrival.

    An event that was taken before without coming to an end is taken alone: it may be what ended its worker, and those
    that were merely beside it must not be blamed.
    """
    with transaction() as session:
        due = (
            select(InboundEvent.id, InboundEvent.attempts)
            .where(
                InboundEvent.state == InboundState.WAITING,
                or_(InboundEvent.lease_until.is_(None), InboundEvent.lease_until < clock.SQL_NOW),
            )
            .order_by(InboundEvent.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True, key_share=True)
        )
        found = session.execute(due).tuples().all()
        fresh = [id_ for id_, attempts in takewhile(lambda row: row[1] == 0, found)]
        ids = fresh or [id_ for id_, _attempts in found[:1]]
        if not ids:
            return []
        lease = clock.SQL_NOW + func.make_interval(0, 0, 0, 0, 0, 0, LEASE_SECONDS)
        session.execute(
            update(InboundEvent)
            .where(InboundEvent.id.in_(ids))
            .values(lease_until=lease, attempts=InboundEvent.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        rows = session.execute(
            select(
                InboundEvent.id,
                InboundEvent.channel_id,
                InboundEvent.attempts,
                InboundEvent.envelope,
                InboundEvent.reason,
                RawInput.data,
                Channel.kind,
            )
            .join(RawInput, RawInput.event_id == InboundEvent.id)
            .join(Channel, Channel.id == InboundEvent.channel_id)
            .where(InboundEvent.id.in_(ids))
            .order_by(InboundEvent.id)
        )
        return [
            Taken(row.id, row.channel_id, row.kind, row.attempts, Inbound("", row.data, row.envelope, row.reason))
            for row in rows
        ]


Outcome = Understood | NotUnderstood | Dropped


def _understand_all(batch: list[Taken]) -> list[tuple[Taken, Outcome | None]]:
    """What became of each event of a batch; None for those that its time was not enough for."""
    until = time.monotonic() + LONGEST_READING
    return [(taken, _understand(taken) if time.monotonic() < until else None) for taken in batch]


def _understand(taken: Taken) -> Outcome:
    """Parse outside any transaction. A refusal is a value: it becomes the event's reason."""
    if taken.attempts > MOST_ENDINGS:
        return NotUnderstood(_("It ended the worker %(count)s times while it was read.", count=MOST_ENDINGS))
    try:
        return adapter_for(taken.kind).parse(taken.inbound)
    except (NotUnderstood, Dropped) as refusal:
        return refusal


def _finish_together(read: list[tuple[Taken, Outcome | None]]) -> int:
    _give_back([taken.id for taken, outcome in read if outcome is None])
    outcomes = [(taken, outcome) for taken, outcome in read if outcome is not None]
    try:
        with transaction():
            return _finish(outcomes)
    except (DBAPIError, ValueError, LookupError) as error:
        if _is_of(error, OUTAGES):
            raise
        log.info("batch of intake is done again one by one", error=str(error)[:500])
    return sum(_finish_alone(taken, outcome) for taken, outcome in outcomes)


def _give_back(ids: list[int]) -> None:
    """Let events that were leased but not read be taken again as if nothing had been."""
    if ids:
        with transaction() as session:
            session.execute(
                update(InboundEvent)
                .where(InboundEvent.id.in_(ids), InboundEvent.state == InboundState.WAITING)
                .values(lease_until=None, attempts=InboundEvent.attempts - 1)
                .execution_options(synchronize_session=False)
            )


def _is_of(error: Exception, classes: tuple[str, ...]) -> bool:
    """Whether the database failed in one of these ways: no fault of the event, which must not be blamed for it."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (state or OUTAGES[0])[:2] in classes


def _finish_alone(taken: Taken, outcome: Outcome) -> int:
    """One event in a transaction of its own; what fails again waits for its next try, or is quarantined at the last."""
    try:
        with transaction():
            return _finish([(taken, outcome)])
    except (DBAPIError, ValueError, LookupError) as error:
        if _is_of(error, OUTAGES + CLASHES):
            raise
        words = f"{type(error).__name__}: {error}"[:1000]
        log.warning("event could not be stored as a message", event_id=taken.id, error=words)
    if taken.attempts < MOST_ATTEMPTS:
        with transaction() as session:
            retry_at = clock.SQL_NOW + func.make_interval(0, 0, 0, 0, 0, 0, taken.attempts)
            session.execute(update(InboundEvent).where(InboundEvent.id == taken.id).values(lease_until=retry_at))
        return 0
    with transaction():
        return _finish([(taken, NotUnderstood(words))])


def _finish(outcomes: list[tuple[Taken, Outcome]]) -> int:
    """Bring events to their end in the present transaction; those that another worker ended meanwhile are left."""
    ids = [taken.id for taken, _outcome in outcomes]
    events = {
        event.id: event
        for event in db.session.scalars(
            select(InboundEvent)
            .where(InboundEvent.id.in_(ids), InboundEvent.state == InboundState.WAITING)
            .order_by(InboundEvent.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    }
    now = clock.hold()
    understood = []
    for taken, outcome in outcomes:
        event = events.get(taken.id)
        if event is None:
            continue
        match outcome:
            case NotUnderstood():
                _end(event, InboundState.QUARANTINED, str(outcome)[:2000], now)
            case Dropped():
                _end(event, InboundState.DROPPED, str(outcome)[:500], now)
            case _:
                understood.append((event, outcome))
    ended = len(events) - len(understood)
    for event_id, dropped_by in (interpret(understood) if understood else {}).items():
        _end(events[event_id], InboundState.DROPPED if dropped_by else InboundState.TICKETED, dropped_by, now)
        ended += 1
    return ended  # those that are held back for an older one come again


def _end(event: InboundEvent, state: InboundState, reason: str | None, now: datetime) -> None:
    count(event.channel_id, **{event.state: -1})
    count(event.channel_id, **{state: 1})
    event.state = state
    event.reason = reason
    event.finished_at = now


def _quarantined(event_id: int) -> InboundEvent:
    event = db.session.scalar(
        select(InboundEvent).where(InboundEvent.id == event_id).with_for_update(key_share=True, of=InboundEvent)
    )
    if event is None:
        raise NotFound(_("There is no such entry."))
    if event.state != InboundState.QUARANTINED:
        raise Refused(_("This entry is not in quarantine any more."))
    return event


def _record(event: InboundEvent, by: User | None, what: str) -> None:
    fact = SettingChanged("quarantine", event.id, what, {"reason": event.reason})
    db.session.add(Event(kind=fact.kind, payload=fact.payload(), **actor_columns(by)))
