"""Event streams of one web process: a single listener on Redis, fanning out to as many browsers as are connected.

The listener is a thread, which under gunicorn's gevent worker is a greenlet. A stream asleep costs memory and nothing
else: every few seconds it borrows a database connection to look again at who may follow what. Without Redis the
versions are computed from PostgreSQL instead, coarser and a few seconds later.
"""

import json
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import redis
import structlog
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from helpdesk import live
from helpdesk.db import db
from helpdesk.models import Event, Queue, Ticket, User
from helpdesk.models.session import UserSession
from helpdesk.permissions import queue_ids, visible

log = structlog.get_logger(__name__)

CHECK_SECONDS = 4.0  # rights are looked at again; what is revoked must be silent within 5 s
VERSIONS_SECONDS = 15.0
LONGEST_SECONDS = 3600.0
MOST_STREAMS = 3  # of one session; a fourth ends the oldest
MOST_TOPICS = 200
NOTICE_SECONDS = 0.5  # how soon the listener notices that the process shall end
RECENT_EVENTS = 1000


class Stream:
    """One browser's stream: which topics it follows, and what it has not been told yet."""

    def __init__(self, session_id: int, wanted: frozenset[str]) -> None:
        self.began = time.monotonic()
        self.session_id = session_id
        self.wanted = wanted
        self.topics: frozenset[str] = frozenset()
        self.ended = False
        self.rejoin = False  # the listener was without Redis: versions must be compared anew
        self._untold: dict[str, int] = {}
        self._stirred = threading.Event()

    def tell(self, topic: str, version: int) -> None:
        """Note a change; only the last version of a topic that was not told yet is kept."""
        self._untold[topic] = version
        self._stirred.set()

    def stir(self) -> None:
        """Let the stream look around now."""
        self._stirred.set()

    def wait(self, seconds: float) -> dict[str, int]:
        """What changed since the last call, waiting for it at most so long."""
        self._stirred.wait(seconds)
        self._stirred.clear()
        untold, self._untold = self._untold, {}
        return untold


class Hub:
    """The streams of this process and the one listener that feeds them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._followers: defaultdict[str, set[Stream]] = defaultdict(set)
        self._listener: threading.Thread | None = None
        self.connected = False
        self.ending = False  # a plain flag, because a signal handler sets it

    def join(self, stream: Stream) -> None:
        """Take a stream in; where its session has too many, the oldest ends."""
        with self._lock:
            same = [other for other in self._streams if other.session_id == stream.session_id]
            for other in sorted(same, key=lambda other: other.began)[: max(0, len(same) - MOST_STREAMS + 1)]:
                other.ended = True
                other.stir()
            self._streams.add(stream)
            if self._listener is None:
                self._listener = threading.Thread(target=self._listen, name="live", daemon=True)
                self._listener.start()

    def follow(self, stream: Stream, topics: frozenset[str]) -> None:
        """Set what a stream follows from now on."""
        with self._lock:
            for topic in stream.topics - topics:
                self._unfollow(stream, topic)
            for topic in topics - stream.topics:
                self._followers[topic].add(stream)
            stream.topics = topics

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        self.follow(stream, frozenset())
        with self._lock:
            self._streams.discard(stream)

    def _unfollow(self, stream: Stream, topic: str) -> None:
        self._followers[topic].discard(stream)
        if not self._followers[topic]:
            del self._followers[topic]

    def _spread(self, versions: dict[str, int]) -> None:
        with self._lock:
            told = [(stream, topic) for topic in versions for stream in self._followers.get(topic, ())]
        for stream, topic in told:
            stream.tell(topic, versions[topic])

    def _stir_all(self, rejoin: bool = False) -> None:
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.rejoin = stream.rejoin or rejoin
            stream.stir()

    def _listen(self) -> None:
        """Hear Redis until the process ends; reconnect when it was away."""
        while not self.ending:
            try:
                self._hear()
            except redis.RedisError as error:
                if self.connected:
                    log.warning("live updates come from PostgreSQL while Redis is away", error=str(error))
                self.connected = False
                time.sleep(NOTICE_SECONDS * random.uniform(1, 2))  # noqa: S311 - spreads load
        self.connected = False
        self._stir_all()

    def _hear(self) -> None:
        connection = live.connect(
            decode_responses=True, socket_connect_timeout=1, socket_timeout=5, health_check_interval=10
        )
        with connection, connection.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]  # redis-py's own
            subscription.subscribe(live.CHANNEL)
            subscription.get_message(timeout=1)
            if not self.connected:
                self.connected = True
                self._stir_all(rejoin=True)
            while not self.ending:
                message = subscription.get_message(timeout=NOTICE_SECONDS)
                if message is not None and message["type"] == "message":
                    self._spread(json.loads(message["data"]))


hub = Hub()


def end_all() -> None:
    """Let all streams of this process end within a moment; safe to call from a signal handler."""
    hub.ending = True


def events(app: Flask, user_id: int, session_id: int, wanted: frozenset[str]) -> Iterator[str]:
    """The text of one event stream (HTML Living Standard, 9.2), until its time, its rights or its session end.

    Runs after the request is over, outside its context.
    """
    stream = Stream(session_id, wanted)
    hub.join(stream)
    ends_at = time.monotonic() + LONGEST_SECONDS * random.uniform(0.9, 1)  # noqa: S311 - spreads load, keeps no secret
    checked = repeated = -math.inf
    try:
        yield f"retry: {_retry_ms()}\n\n"
        while time.monotonic() < ends_at and not stream.ended and not hub.ending:
            now = time.monotonic()
            if now - checked >= CHECK_SECONDS:
                if not _look_again(app, stream, user_id):
                    break
                checked = now
                yield ": here\n\n"  # a browser that is gone is found out here
            if stream.rejoin or now - repeated >= (VERSIONS_SECONDS if hub.connected else CHECK_SECONDS):
                stream.rejoin = False
                yield _said("versions", _versions(app, stream.topics))
                repeated = now
            for topic, version in stream.wait(max(0.0, checked + CHECK_SECONDS - time.monotonic())).items():
                if topic in stream.topics:
                    yield _said("change", {"topic": topic, "version": version})
        yield f"retry: {_retry_ms()}\n\n"
    finally:
        hub.leave(stream)


def _said(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _retry_ms() -> int:
    return random.randint(1000, 5000)  # noqa: S311 - so that all browsers do not come back in the same second


def _look_again(app: Flask, stream: Stream, user_id: int) -> bool:
    """Whether the session still lives; what it may follow by now is set anew. A database that is away ends nothing."""
    try:
        with app.app_context():
            if not UserSession.is_alive(stream.session_id):
                return False
            topics = allowed(db.session.get_one(User, user_id), stream.wanted)
        stream.rejoin = stream.rejoin or not topics <= stream.topics
        hub.follow(stream, topics)
    except SQLAlchemyError as error:
        log.warning("rights of an event stream could not be checked", error=str(error)[:300])
        hub.follow(stream, frozenset())  # nothing is told that may have been revoked meanwhile
    return True


def allowed(user: User, wanted: frozenset[str]) -> frozenset[str]:
    """Those of the wanted topics that `user` may follow: visible queues and tickets, and what is their own."""
    ids = _by_kind(wanted)
    found = {f"user:{user.id}"} & wanted
    if ids["queue"]:
        seen = select(Queue.id).where(Queue.id.in_(ids["queue"]), Queue.id.in_(queue_ids(user)))
        found |= {f"queue:{id_}" for id_ in db.session.scalars(seen)}
    if ids["ticket"]:
        rows = db.session.scalars(select(Ticket.id).where(Ticket.id.in_(ids["ticket"]), visible(user)))
        found |= {f"ticket:{id_}" for id_ in rows}
    return frozenset(found)


def _by_kind(topics: frozenset[str]) -> dict[str, list[int]]:
    """Ids of topics like `queue:3` by kind; whatever does not look like that is left out."""
    ids: dict[str, list[int]] = {"queue": [], "ticket": [], "user": []}
    for topic in topics:
        kind, _, number = topic.partition(":")
        if kind in ids and number.isdecimal() and len(number) < 19:
            ids[kind].append(int(number))
    return ids


def _versions(app: Flask, topics: frozenset[str]) -> dict[str, int]:
    """The present versions: from Redis, or while it is away from PostgreSQL."""
    try:
        return live.versions(sorted(topics))
    except redis.RedisError as error:
        log.info("versions are read from PostgreSQL", error=str(error))
    try:
        with app.app_context():
            return stored_versions(topics)
    except SQLAlchemyError as error:
        log.warning("versions could not be read", error=str(error)[:300])
        return {}


def stored_versions(topics: frozenset[str]) -> dict[str, int]:
    """Versions from PostgreSQL: a ticket's own, and for all else a figure that changes with every event anywhere.

    The number of the newest event alone would miss one that is committed late, so the newest are counted as well.
    """
    tickets = _by_kind(topics)["ticket"]
    found = {
        f"ticket:{id_}": version
        for id_, version in db.session.execute(select(Ticket.id, Ticket.version).where(Ticket.id.in_(tickets)))
    }
    newest = db.session.scalar(select(func.max(Event.id))) or 0
    recent = select(func.count()).select_from(Event).where(Event.id > newest - RECENT_EVENTS)
    anywhere = newest * (RECENT_EVENTS + 1) + (db.session.scalar(recent) or 0)
    return {topic: found.get(topic, anywhere) for topic in topics}
