"""Event streams of one web process: a single listener on Redis, fanning out to as many browsers as are connected.

Both the listener and the warden are threads, which under gunicorn's gevent worker are greenlets. The warden looks every
few seconds, for all streams together, who may still follow what; so a stream costs memory and never a database
connection. Without Redis the versions come from PostgreSQL instead, coarser and a few seconds later.
"""

import json
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from helpdesk import live, live_writers, presence
from helpdesk.live_figures import FigureReader, Figures
from helpdesk.live_writers import Writers
from helpdesk.models.availability import note_presence
from helpdesk.models.session import UserSession
from helpdesk.queries.live import Topics, allowed_by_user, stored_versions

log = structlog.get_logger(__name__)

CHECK_SECONDS = 4.0  # rights are looked at again; what is revoked must be silent within 5 s
VERSIONS_SECONDS = 15.0
KEEP_SECONDS = 10.0  # presence is believed for longer
LONGEST_SECONDS = 3600.0
MOST_STREAMS = 3  # of one session; a fourth ends the oldest
MOST_TOPICS = 200
GATHER_SECONDS = 0.04  # a commit changes several topics, and one writing serves them all
LATE_SECONDS = 1.0  # word of a change that has not come so long after it was seen is lost
NOTICE_SECONDS = 0.5  # how soon the listener notices that the process shall end


@dataclass(frozen=True)
class Change:
    """What happened to a topic since a version: the present one, and what it is about where all of it is known."""

    since: int
    version: int
    about: live.About


class Stream:
    """One browser's stream: whose it is, which topics it follows, and what it has not been told yet."""

    def __init__(self, user_id: int, session_id: int, wanted: Topics) -> None:
        self.began = time.monotonic()
        self.user_id = user_id
        self.session_id = session_id
        self.wanted = wanted
        self.topics: Topics = frozenset()
        self.ended = False
        self.compare = False  # something may have been missed: versions must be told anew
        self.stored: dict[str, int] | None = None  # versions from PostgreSQL that were not told yet
        self._untold: dict[str, Change] = {}
        self._figures: Figures = {}
        self._writers: dict[int, Writers] = {}
        self._told: dict[str, int] = {}
        self._late: dict[str, tuple[int, int]] = {}
        self._stirred = threading.Event()

    def tell(self, topic: str, version: int, about: live.About = None) -> None:
        """Note a change; of a topic that was not told yet the changes become one."""
        before = self._untold.get(topic)
        if before is None:
            self._untold[topic] = Change(version - 1, version, about)
        else:
            gapless = version == before.version + 1
            self._untold[topic] = Change(before.since, version, live.both(before.about, about) if gapless else None)
        self._stirred.set()

    def tell_figures(self, figures: Figures) -> None:
        """Note the present figures of queues that the stream follows."""
        self._figures |= figures
        self._stirred.set()

    def figures(self) -> Figures:
        """The figures that were not told yet."""
        told, self._figures = self._figures, {}
        return told

    def tell_writers(self, writers: Writers) -> None:
        """Note who writes on a ticket; that they still do is told with whatever comes next."""
        self._writers[writers.ticket_id] = writers
        if writers.is_news:
            self._stirred.set()

    def writers(self) -> list[Writers]:
        """Who writes where, as far as it was not told yet."""
        told, self._writers = self._writers, {}
        return list(told.values())

    def say(self, versions: dict[str, int]) -> dict[str, int]:
        """Note that these versions are told now; gives them."""
        self._told |= versions
        return versions

    def settled(self, versions: dict[str, int]) -> dict[str, int]:
        """Of the present versions, those that may be told again. What differs from what was told last is most likely on
        its way, with word of what it is about; `lost` tells later whether it came."""
        self._late = {
            topic: (version, self._told[topic])
            for topic, version in versions.items()
            if self._told.get(topic, version) != version
        }
        return self.say({topic: version for topic, version in versions.items() if topic not in self._late})

    def lost(self) -> dict[str, int]:
        """Versions that `settled` held back and of which nothing was heard since."""
        late, self._late = self._late, {}
        return self.say({topic: now for topic, (now, told) in late.items() if self._told.get(topic) == told})

    def stir(self) -> None:
        """Let the stream look around now."""
        self._stirred.set()

    def wait(self, seconds: float) -> dict[str, Change]:
        """What changed since the last call, waiting for it at most so long, and a moment for what comes with it."""
        if self._stirred.wait(seconds) and not self.ended:
            time.sleep(GATHER_SECONDS)
        self._stirred.clear()
        untold, self._untold = self._untold, {}
        return untold


class Hub:
    """The streams of this process and the one listener that feeds them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._followers: defaultdict[str, set[Stream]] = defaultdict(set)
        self._works = False
        self._reader = FigureReader(self._spread_figures)
        self.connected = False
        self.ending = False  # a plain flag, because a signal handler sets it

    def join(self, app: Flask, stream: Stream) -> None:
        """Take a stream in; where its session has too many, the oldest ends."""
        with self._lock:
            same = [other for other in self._streams if other.session_id == stream.session_id]
            for other in sorted(same, key=lambda other: other.began)[: max(0, len(same) - MOST_STREAMS + 1)]:
                other.ended = True
                other.stir()
            self._streams.add(stream)
            works, self._works = self._works, True
        if not works:
            threading.Thread(target=self._listen, name="live-listener", daemon=True).start()
            threading.Thread(target=self._watch, args=(app,), name="live-warden", daemon=True).start()
            reads = threading.Thread(target=self._reader.work, args=(app, lambda: self.ending), daemon=True)
            reads.name = "live-figures"
            reads.start()

    def follow(self, stream: Stream, topics: Topics) -> None:
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

    def _spread(self, changes: dict[str, tuple[int, live.About]]) -> None:
        with self._lock:
            told = [(stream, topic) for topic in changes for stream in self._followers.get(topic, ())]
        for stream, topic in told:
            stream.tell(topic, *changes[topic])
        self._reader.note({topic for _stream, topic in told})

    def _spread_figures(self, figures: Figures) -> None:
        with self._lock:
            told = [(stream, topic) for topic in figures for stream in self._followers.get(topic, ())]
        for stream, topic in told:
            stream.tell_figures({topic: figures[topic]})

    def _spread_writers(self, writers: Writers) -> None:
        with self._lock:
            told = list(self._followers.get(f"queue:{writers.queue_id}", ()))
        for stream in told:
            stream.tell_writers(writers)

    def _all(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

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
        for stream in self._all():
            stream.stir()

    def _hear(self) -> None:
        connection = live.connect(
            decode_responses=True, socket_connect_timeout=1, socket_timeout=5, health_check_interval=10
        )
        with connection, connection.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]  # redis-py's own
            subscription.subscribe(live.CHANNEL, live_writers.CHANNEL)
            subscription.get_message(timeout=1)
            if not self.connected:
                self.connected = True
                for stream in self._all():
                    stream.compare = True
                    stream.stir()
            while not self.ending:
                message = subscription.get_message(timeout=NOTICE_SECONDS)
                if message is None or message["type"] != "message":
                    continue
                if message["channel"] == live_writers.CHANNEL:
                    self._spread_writers(live_writers.heard(message["data"]))
                else:
                    self._spread(json.loads(message["data"]))

    def _watch(self, app: Flask) -> None:
        """The warden: end the streams of ended sessions, and set anew what the others may follow."""
        keep_at = 0.0
        while not self.ending:
            began = time.monotonic()
            streams = self._all()
            try:
                if streams:
                    self._look_again(app, streams)
                if began >= keep_at:
                    keep_at = began + KEEP_SECONDS
                    presence.keep(_viewers(streams))
            except SQLAlchemyError as error:
                log.warning("rights of event streams could not be checked", error=str(error)[:300])
                for stream in streams:
                    self.follow(stream, frozenset())  # nothing is told that may have been revoked meanwhile
            time.sleep(max(NOTICE_SECONDS, began + CHECK_SECONDS - time.monotonic()))

    def _look_again(self, app: Flask, streams: list[Stream]) -> None:
        wanted: defaultdict[int, Topics] = defaultdict(frozenset)
        for stream in streams:
            wanted[stream.user_id] |= stream.wanted
        with app.app_context():
            alive = UserSession.alive_among({stream.session_id for stream in streams})
            note_presence({stream.user_id for stream in streams if stream.session_id in alive})
            rights = allowed_by_user(wanted)
            stored = {} if self.connected else stored_versions(frozenset().union(*rights.values()))
        for stream in streams:
            stream.ended = stream.ended or stream.session_id not in alive
            topics = rights[stream.user_id] & stream.wanted
            stream.compare = stream.compare or not topics <= stream.topics
            self.follow(stream, topics)
            if stored:
                stream.stored = {topic: stored[topic] for topic in topics}
            if stream.ended or stream.compare or stored:
                stream.stir()


def _viewers(streams: Iterable[Stream]) -> dict[int, set[int]]:
    """The tickets that are open in somebody's browser, each with the users whose streams say so."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for stream in streams:
        for topic in stream.topics:
            if topic.startswith(presence.TOPIC):
                found[int(topic.removeprefix(presence.TOPIC))].add(stream.user_id)
    return found


hub = Hub()


def end_all() -> None:
    """Let all streams of this process end within a moment; safe to call from a signal handler."""
    hub.ending = True


def events(app: Flask, stream: Stream, topics: Topics) -> Iterator[str]:
    """The text of one event stream (HTML Living Standard, 9.2), until its time, its rights or its session end.

    Begins with `topics`, which the request found to be allowed. Runs after the request is over, outside its context.
    """
    hub.join(app, stream)
    hub.follow(stream, topics)
    ends_at = time.monotonic() + LONGEST_SECONDS * random.uniform(0.9, 1)  # noqa: S311 - spreads load, keeps no secret
    repeat_at = ping_at = -math.inf
    lost_at = math.inf
    try:
        yield f"retry: {_retry_ms()}\n\n"
        while time.monotonic() < ends_at and not stream.ended and not hub.ending:
            now = time.monotonic()
            if stream.stored is not None:
                stored, stream.stored = stream.stored, None
                yield _said("versions", stream.say(stored))
            if now >= lost_at:
                lost_at = math.inf
                if lost := stream.lost():
                    yield _said("versions", lost)
            if stream.compare or now >= repeat_at:
                compare, stream.compare = stream.compare, False
                present = _versions(app, stream.topics)
                yield _said("versions", stream.say(present) if compare else stream.settled(present))
                repeat_at, lost_at = now + VERSIONS_SECONDS, now + LATE_SECONDS
            if now >= ping_at:
                ping_at = now + CHECK_SECONDS
                yield ": here\n\n"  # a browser that is gone is found out here
            news = _news(stream, stream.wait(max(0.0, min(ping_at, lost_at) - time.monotonic())))
            if news:
                yield news
        yield f"retry: {_retry_ms()}\n\n"
    finally:
        hub.leave(stream)


def _news(stream: Stream, changes: dict[str, Change]) -> str:
    """All that a stream has to say now, in one piece: hundreds of streams write it at the same time."""
    said = []
    for topic, change in changes.items():
        if topic in stream.topics:
            stream.say({topic: change.version})
            about = {} if change.about is None else {"since": change.since, "about": change.about}
            said.append(_said("change", {"topic": topic, "version": change.version, **about}))
    figures = {topic: those for topic, those in stream.figures().items() if topic in stream.topics}
    if figures:
        said.append(_said("figures", figures))
    writers = [one for one in stream.writers() if f"queue:{one.queue_id}" in stream.topics]
    if writers:
        said.append(_said("writers", {str(one.ticket_id): one.but(stream.user_id) for one in writers}))
    return "".join(said)


def _said(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _retry_ms() -> int:
    return random.randint(1000, 5000)  # noqa: S311 - so that all browsers do not come back in the same second


def _versions(app: Flask, topics: Topics) -> dict[str, int]:
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
