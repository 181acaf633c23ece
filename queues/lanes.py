"""Lanes: where jobs wait for workers. A lane is a bell, never a store: its jobs say "look into the database".

Measured with RQ 3: jobs are lost when a worker or Redis is killed at the wrong moment, and one may run twice. So a bell
carries nothing but the name of its lane; what is to be done is rows with leases in PostgreSQL, and whatever a lost bell
would have started is found by the timetable (`queues.cron`) a second later.
"""

import time
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from helpdesk import live
from helpdesk.config import settings
from helpdesk.db import after_commit, db
from helpdesk.models import InboundEvent, OutboxItem, SystemMail, WebhookDelivery

if TYPE_CHECKING:
    from rq import Queue

log = structlog.get_logger(__name__)

LANES = ("intake", "outbox", "chores", "webhooks")
BELL_SECONDS = 5  # how long one ring stands for all; a bell whose job was lost can be rung again after this
UNHEARD_SECONDS = 60  # a ring that no worker took is forgotten: the rows are still there
WORKER_SILENCE = 120  # seconds without a sign of life after which a worker counts as gone
KEEP_FAILED_SECONDS = 24 * 3600
LANE_OF_ROW: dict[type[Any], str] = {
    InboundEvent: "intake",
    OutboxItem: "outbox",
    SystemMail: "outbox",
    WebhookDelivery: "webhooks",  # tests; what the database makes for events is found by the timetable, a second later
}


@cache
def connection() -> "redis.Redis":
    """The connection pool for ringing; short time-outs, because a commit must not wait for Redis."""
    return live.connect(socket_timeout=2, socket_connect_timeout=1)


def lane_queue(lane: str, to: "redis.Redis | None" = None) -> "Queue":
    """The RQ queue of a lane. Jobs are JSON: a queue that can be written to must not be able to run code."""
    from rq import Queue  # loaded by the processes that ring or work, not by everything that imports models
    from rq.serializers import JSONSerializer

    return Queue(lane, connection=to or connection(), serializer=JSONSerializer)


def ring(lane: str) -> bool:
    """Wake a worker of `lane`, once however often it is rung meanwhile. False when Redis cannot be reached."""
    if not settings().redis_url:
        return False
    try:
        if connection().set(_bell(lane), 1, nx=True, ex=BELL_SECONDS):
            lane_queue(lane).enqueue(
                "queues.jobs.drain",
                lane,
                job_timeout=-1,
                result_ttl=0,
                ttl=UNHEARD_SECONDS,
                failure_ttl=KEEP_FAILED_SECONDS,
            )
    except redis.RedisError as error:
        log.warning("bell not rung; the timetable will find the work", lane=lane, error=str(error))
        return False
    return True


def hush(lane: str) -> None:
    """Let the bell of `lane` be rung again: called before the first look for work, so that nothing falls between."""
    try:
        connection().delete(_bell(lane))
    except redis.RedisError as error:
        log.debug("bell not cleared; it clears itself", lane=lane, error=str(error))


def note_worker(name: str, lane: str, to: "redis.Redis") -> None:
    """Say that a worker of `lane` lives; it does so at least every WORKER_SILENCE / 2 seconds. Raises RedisError."""
    now = time.time()
    to.zadd(_crew(lane), {name: now})
    to.zremrangebyscore(_crew(lane), 0, now - WORKER_SILENCE)


def forget_worker(name: str, lane: str, to: "redis.Redis") -> None:
    """Say that a worker of `lane` ends. Raises RedisError."""
    to.zrem(_crew(lane), name)


def count_workers(lane: str) -> int:
    """How many workers of `lane` live, as far as Redis knows. Raises RedisError."""
    return int(connection().zcount(_crew(lane), time.time() - WORKER_SILENCE, "+inf"))


def _crew(lane: str) -> str:
    return f"workers:{lane}"


def ring_after_commit(*lanes: str) -> None:
    """Ring these lanes once when the present transaction is committed, never when it is rolled back."""
    info = db.session().info
    waiting: set[str] | None = info.get("bells")
    if waiting is None:
        waiting = info["bells"] = set()
        after_commit(_ring_waiting)
    waiting.update(lanes)


def _ring_waiting() -> None:
    for lane in sorted(db.session().info.pop("bells", set())):
        ring(lane)


def _bell(lane: str) -> str:
    return f"bell:{lane}"


def hear_commits() -> None:
    """Ring for new rows of a lane by itself: whoever writes them need not know of lanes."""
    if not event.contains(Session, "after_flush", _hear_rows):
        event.listen(Session, "after_flush", _hear_rows)
        event.listen(Session, "after_soft_rollback", _forget_bells)


def _hear_rows(session: Session, _context: Any) -> None:
    lanes = {LANE_OF_ROW[type(row)] for row in session.new if type(row) in LANE_OF_ROW}
    if lanes:
        ring_after_commit(*lanes)


def _forget_bells(session: Session, previous: Any) -> None:
    if not previous.nested:
        session.info.pop("bells", None)
