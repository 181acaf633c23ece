"""Live updates: after a commit, say which topics changed. Names and versions travel, never text.

Topics are `queue:<id>`, `ticket:<id>`, `user:<id>`. Versions live in Redis only: if it is wiped they differ from what
a page knows, and the page simply fetches again.

A change of a queue may say which tickets it is about and where they stand in line now: a list that shows none of them,
and ends before their places, need not be read again.
"""

import json
from collections.abc import Mapping
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
MOST_ABOUT = 20

# Of a topic that changed: the place in line (class, clock in seconds) of each ticket it is about, None for what does
# not stand in line; or None where it may be about anything.
Place = tuple[int, float]
About = dict[str, Place | None] | None


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


def touch(*topics: str, about: About = None) -> None:
    """Mark topics as changed by the present transaction; published once, after its commit."""
    info = db.session().info
    waiting: dict[str, About] | None = info.get("live_topics")
    if waiting is None:
        waiting = info["live_topics"] = {}
        after_commit(_publish_waiting)
    for topic in topics:
        waiting[topic] = both(waiting[topic], about) if topic in waiting else about


def both(first: About, second: About) -> About:
    """What two changes of a topic are about, the later one's place where they agree; None when that is too much."""
    if first is None or second is None or len(first) + len(second) > MOST_ABOUT:
        return None
    return first | second


def _publish_waiting() -> None:
    publish(db.session().info.pop("live_topics", {}))


def publish(topics: Mapping[str, About]) -> None:
    """Raise the versions of `topics` and tell all web processes. A missing Redis costs freshness, nothing else."""
    if not topics or not settings().redis_url:
        return
    try:
        pipe = connection().pipeline(transaction=False)
        for topic in topics:
            pipe.incr(f"version:{topic}")
        versions = pipe.execute()
        told = {topic: [version, topics[topic]] for topic, version in zip(topics, versions, strict=True)}
        connection().publish(CHANNEL, json.dumps(told))
    except redis.RedisError as error:
        log.warning("live update not published", error=str(error))


def versions(topics: list[str]) -> dict[str, int]:
    """The present version of each topic; 0 where nothing is known. Raises redis.RedisError."""
    if not topics:
        return {}
    found = connection().mget([f"version:{topic}" for topic in topics])
    return {topic: int(value or 0) for topic, value in zip(topics, found, strict=True)}
