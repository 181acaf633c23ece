"""What the status page and the metrics say of this installation, as plain values. Reading it changes nothing."""

import platform
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import TypeVar

import redis
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Select, func, select, text

from helpdesk import clock
from helpdesk.cli import newest_revision
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.models import Channel, InboundEvent, InboundState, ParkedMail, User
from helpdesk.queries.counters import Ledger, ledgers
from queues import lanes
from queues.quarantine import watched

T = TypeVar("T")

PARKED_AFTER = 3  # failed tries to fetch one mail
DISK_WATERMARK = 0.9


@dataclass(frozen=True)
class ChannelStatus:
    """One channel: what became of its input, and how it is. `oldest_at` is when the oldest waiting event came."""

    channel: Channel
    ledger: Ledger
    oldest_at: datetime | None
    parked: int


@dataclass(frozen=True)
class Disk:
    """The file system of the data folder, in bytes."""

    free: int
    total: int

    @property
    def is_short(self) -> bool:
        """Whether intake will soon have to stop."""
        return self.free < self.total * (1 - DISK_WATERMARK)


@dataclass(frozen=True)
class Engines:
    """Versions and sizes of what this runs on. `redis` is None while Redis is away; `redis_error` says why."""

    helpdesk: str
    python: str
    postgres: str
    database_bytes: int
    redis: str | None
    redis_bytes: int
    redis_error: str


def channels(user: User | None) -> list[ChannelStatus]:
    """All channels that `user` looks after, by name; without a user all of them."""
    wanted = select(Channel.id) if user is None else watched(user)
    books = ledgers(wanted)
    oldest = _by_channel(
        select(InboundEvent.channel_id, func.min(InboundEvent.received_at))
        .where(InboundEvent.state == InboundState.WAITING)
        .group_by(InboundEvent.channel_id)
    )
    parked = _by_channel(
        select(ParkedMail.channel_id, func.count())
        .where(ParkedMail.attempts >= PARKED_AFTER)
        .group_by(ParkedMail.channel_id)
    )
    rows = db.session.scalars(select(Channel).where(Channel.id.in_(wanted)).order_by(func.sort_key(Channel.name)))
    return [ChannelStatus(row, books.get(row.id, Ledger()), oldest.get(row.id), parked.get(row.id, 0)) for row in rows]


def _by_channel(query: Select[tuple[int, T]]) -> dict[int, T]:
    return dict(db.session.execute(query).tuples().all())


def engines() -> Engines:
    """Ask both engines who they are."""
    found, size = db.session.execute(
        text("SELECT current_setting('server_version'), pg_database_size(current_database())")
    ).one()
    cache, used, error = None, 0, ""
    try:
        info = lanes.connection().info()
        name = "Valkey" if "valkey_version" in info else "Redis"
        cache = f"{name} {info.get('valkey_version', info.get('redis_version'))}"
        used = info["used_memory"]
    except redis.RedisError as fault:
        error = str(fault)
    return Engines(version("helpdesk"), platform.python_version(), found.split()[0], size, cache, used, error)


def workers() -> dict[str, int] | None:
    """Living workers of each lane; None while Redis, which knows them, is away."""
    try:
        return {lane: lanes.count_workers(lane) for lane in lanes.LANES}
    except redis.RedisError:
        return None


def disk() -> Disk:
    """How full the file system of the data folder is."""
    usage = shutil.disk_usage(settings().data)
    return Disk(usage.free, usage.total)


def schema() -> tuple[str | None, str | None]:
    """The revision of the database's schema, and the one that this program needs."""
    present = MigrationContext.configure(db.session.connection()).get_current_revision()
    return present, newest_revision()


def clock_offset() -> float:
    """Seconds by which this process's clock is ahead of the database's, which is the one that counts."""
    before = time.time()
    there = clock.now().timestamp()
    return (before + time.time()) / 2 - there
