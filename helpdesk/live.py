"""Live updates: after a commit, say which topics changed. Names and versions travel, never text.

Topics are `queue:<id>`, `ticket:<id>`, `user:<id>`. Versions live in Redis only: if it is wiped they differ from what
a page knows, and the page simply fetches again.
"""

import json
from functools import cache
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from helpdesk.config import settings
from helpdesk.db import after_commit, db

log = structlog.get_logger(__name__)

CHANNEL = "live"


def connect(**options: Any) -> "redis.Redis":
    """A connection pool of its own, with redis-py's options.

    A failed command is tried once more, at once: pooled connections do not survive a restart of Redis. redis-py by
    itself would try for some ten seconds, and so long would each commit wait.
    """
    return redis.Redis.from_url(settings().redis_url, retry=Retry(NoBackoff(), 1), **options)


@cache
def connection() -> "redis.Redis":
    """The Redis connection pool of this process; short time-outs, because nothing may wait for Redis."""
    return connect(socket_timeout=2, socket_connect_timeout=1, decode_responses=True)


def touch(*topics: str) -> None:
    """Mark topics as changed by the present transaction; published once, after its commit."""
    info = db.session().info
    waiting: set[str] | None = info.get("live_topics")
    if waiting is None:
        waiting = info["live_topics"] = set()
        after_commit(_publish_waiting)
    waiting.update(topics)


def _publish_waiting() -> None:
    publish(db.session().info.pop("live_topics", set()))


def publish(topics: set[str]) -> None:
    """Raise the versions of `topics` and tell all web processes. A missing Redis costs freshness, nothing else."""
    if not topics or not settings().redis_url:
        return
    try:
        pipe = connection().pipeline(transaction=False)
        for topic in topics:
            pipe.incr(f"version:{topic}")
        versions = pipe.execute()
        connection().publish(CHANNEL, json.dumps(dict(zip(topics, versions, strict=True))))
    except redis.RedisError as error:
        log.warning("live update not published", error=str(error))


def versions(topics: list[str]) -> dict[str, int]:
    """The present version of each topic; 0 where nothing is known. Raises redis.RedisError."""
    if not topics:
        return {}
    found = connection().mget([f"version:{topic}" for topic in topics])
    return {topic: int(value or 0) for topic, value in zip(topics, found, strict=True)}
