"""The timetable: what is looked after and how often, and the process behind `helpdesk cron` that keeps it.

The process does next to nothing itself: it looks for due rows, which finds whatever a lost bell should have started,
and rings. Only when Redis is away does it take small batches of the work. One process of the cluster keeps the
timetable; the others stand by and take over within seconds.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType

import psycopg
import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from helpdesk import absences, clock, files, handled, indexing, pictures, reminders
from helpdesk.db import db, transaction
from helpdesk.models import Setting
from helpdesk.queries.backlog import lanes_with_work
from queues import after_restore, housekeeping, jobs, lanes, ledger, promises, shifts, webhooks
from queues.locks import TimetableLock

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
STAND_BY_SECONDS = 2.0
SMALL_BATCH_SECONDS = 2.0


@dataclass(frozen=True)
class Chore:
    """Something to look after: a stable name, seconds between two runs, and a function that returns how much it did."""

    name: str
    every: int
    run: Callable[[], int]


TIMETABLE = (
    Chore("wake-tickets", 5, housekeeping.wake_tickets),
    Chore("keep-absences", 5, absences.keep),
    Chore("return-tickets", 5, shifts.return_tickets),
    Chore("mark-absent", 30, shifts.mark_absent),
    Chore("watch-promises", 10, promises.watch),
    Chore("review-promises", 10, promises.review),
    Chore("remind-tasks", 5, reminders.remind_due),
    Chore("promote-tickets", 30, housekeeping.promote_tickets),
    Chore("mark-handled", 5, handled.advance_runs),
    Chore("fold-tallies", 15, housekeeping.fold_tallies),
    Chore("purge-raw", 60, housekeeping.purge_raw),
    Chore("forget-sessions", 300, housekeeping.forget_sessions),
    Chore("forget-notices", 3600, housekeeping.forget_notices),
    Chore("forget-keys", 3600, housekeeping.forget_keys),
    Chore("forget-deliveries", 3600, webhooks.forget_deliveries),
    Chore("forget-counts", 3600, housekeeping.forget_counts),
    Chore("paint-pictures", 5, pictures.paint_due),
    Chore("reindex-search", 30, indexing.reindex_old),
    Chore("sweep-files", 3600, files.sweep),
    Chore("reconcile-ledger", 3600, ledger.reconcile),
    Chore("finish-restore", 15, after_restore.finish),
)


BEGIN = text(
    """
    INSERT INTO settings (key, value) VALUES (:key, jsonb_build_object('at', helpdesk_now()))
    ON CONFLICT (key) DO UPDATE SET value = settings.value || excluded.value
    WHERE (settings.value->>'at')::timestamptz <= helpdesk_now() - make_interval(secs => :every)
    RETURNING key
    """
)


@dataclass(frozen=True)
class LastRun:
    """When a chore ran last, how much it did, how long it took, and what went wrong, if anything."""

    at: datetime
    handled: int
    took_ms: int
    error: str | None


def last_runs() -> dict[str, LastRun]:
    """The last run of each chore that ever ran."""
    keys = {_key(chore): chore.name for chore in TIMETABLE}
    rows = db.session.execute(select(Setting.key, Setting.value).where(Setting.key.in_(keys)))
    return {
        keys[key]: LastRun(datetime.fromisoformat(v["at"]), v.get("handled", 0), v.get("took_ms", 0), v.get("error"))
        for key, v in rows.tuples()
    }


def due_chores() -> list[Chore]:
    """The chores whose time has come."""
    runs, now = last_runs(), clock.now()
    return [
        chore
        for chore in TIMETABLE
        if chore.name not in runs or runs[chore.name].at <= now - timedelta(seconds=chore.every)
    ]


def drain_chores(stopping: Callable[[], bool]) -> int:
    """Run the chores that are due, each in one process only; returns how many ran. The drain of the lane `chores`."""
    with transaction():
        due = due_chores()
    return sum(_run(chore) for chore in due if not stopping())


def _run(chore: Chore) -> int:
    """Run a chore unless somebody else just did. It is marked first: one that breaks does not run in a loop."""
    if not _begin(chore):
        return 0
    began, error, handled = time.monotonic(), None, 0
    try:
        handled = chore.run()
    except OperationalError:
        raise  # the database is away or busy, which is no fault of the chore
    except Exception as fault:  # a chore that breaks must not keep the others from running
        log.exception("chore failed", chore=chore.name)
        error = f"{type(fault).__name__}: {fault}"[:500]
    took_ms = int((time.monotonic() - began) * 1000)
    with transaction() as session:
        session.rollback()
        row = session.get_one(Setting, _key(chore))
        row.value = {**row.value, "handled": handled, "took_ms": took_ms, "error": error}
    return 1


def _begin(chore: Chore) -> bool:
    with transaction() as session:
        return session.scalar(BEGIN, {"key": _key(chore), "every": chore.every}) is not None


def _key(chore: Chore) -> str:
    return f"chore:{chore.name}"


def tick() -> None:
    """Ring for each lane that has due work; where Redis cannot be told, do a small batch of it here."""
    with transaction():
        busy = lanes_with_work()
        if due_chores():
            busy.add("chores")
    for lane in lanes.LANES:
        if lane in busy and not lanes.ring(lane):
            jobs.drain(lane, SMALL_BATCH_SECONDS)


def main() -> None:
    """Keep the timetable whenever this process holds its lock, until a signal. Needs an application context."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    with TimetableLock() as lock:
        while not jobs.ending.is_set():
            jobs.ending.wait(_turn(lock))


def _turn(lock: TimetableLock) -> float:
    """One look; returns the seconds until the next. A database that is away is waited for."""
    try:
        if not lock.take():
            return STAND_BY_SECONDS
        tick()
    except (psycopg.Error, DBAPIError, PoolTimeout) as error:
        log.warning("timetable waits for the database", error=str(error)[:500])
        return STAND_BY_SECONDS
    finally:
        db.session.remove()
    return TICK_SECONDS


def _end(_signum: int, _frame: FrameType | None) -> None:
    jobs.ending.set()
