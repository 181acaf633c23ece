"""What a worker does when the bell of its lane rings: take what is due from the database until nothing is.

Any of this may run twice, at once, or be cut off: rows are leased, and an effect checks its lease.
"""

import threading
import time
from collections.abc import Callable
from importlib import import_module

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from helpdesk.db import db
from queues import lanes

log = structlog.get_logger(__name__)

# Each is `drain(stopping) -> number handled`; loaded by name, so that the worker of one lane carries no other's code.
DRAINS = {
    "intake": "queues.intake:drain",
    "outbox": "queues.outbox:drain",
    "chores": "queues.cron:drain_chores",
    "webhooks": "queues.webhooks:drain",
}
LONGEST_SECONDS = 30.0

ending = threading.Event()  # set when this process was asked to end: drains return after their present batch


def drain(lane: str, seconds: float = LONGEST_SECONDS) -> int:
    """Do what is due in `lane`, for about `seconds` at most; returns how much was handled.

    A database that is away is expected: the work stays where it is and the timetable rings again. Needs an application
    context.
    """
    lanes.hush(lane)
    until = time.monotonic() + seconds

    def stopping() -> bool:
        return ending.is_set() or time.monotonic() > until

    try:
        handled = _work(lane)(stopping)
    except (DBAPIError, PoolTimeout) as error:
        log.warning("lane could not be worked on", lane=lane, error=str(error)[:500])
        return 0
    finally:
        db.session.remove()
    if handled and time.monotonic() > until:
        lanes.ring(lane)
    return handled


def _work(lane: str) -> Callable[[Callable[[], bool]], int]:
    module, _, name = DRAINS[lane].partition(":")
    work: Callable[[Callable[[], bool]], int] = getattr(import_module(module), name)
    return work
