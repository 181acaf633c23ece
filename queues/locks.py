"""Advisory locks of PostgreSQL, and the only place that takes them: one class of locks per use.

Such a lock belongs to a connection: it ends with its holder, whatever happens to it. So each holder has a direct
connection of its own, with keep-alives on both ends that notice a lost machine within some ten seconds.
"""

from contextlib import suppress
from typing import ClassVar, LiteralString, Self

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

from helpdesk.config import settings
from helpdesk.errors import StartError

log = structlog.get_logger(__name__)

CLIENT_KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
SERVER_KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=2"


def _address() -> str:
    return make_conninfo(
        settings().database_url.replace("+psycopg", "", 1),
        connect_timeout=5,
        application_name="helpdesk lock",
        options=f"-c statement_timeout=5000 {SERVER_KEEPALIVES}",
        **CLIENT_KEEPALIVES,
    )


def _pooled() -> StartError:
    return StartError(
        "DATABASE_URL leads to a connection pooler in transaction mode, which loses locks. "
        "Give the address of PostgreSQL itself, or of a pooler in session mode."
    )


class AdvisoryLock:
    """A lock that at most one process of the cluster holds. `key` tells the locks of one class apart."""

    CLASS: ClassVar[int]

    def __init__(self, key: int = 0) -> None:
        self.key = key
        self._connection: psycopg.Connection[tuple[int]] | None = None

    def take(self) -> bool:
        """Try to become the holder, without waiting. Raises psycopg.Error when the database is away."""
        if self.held():
            return True
        connection = psycopg.connect(_address(), autocommit=True)
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)::int", (self.CLASS, self.key)).fetchone()
        if row is None or not row[0]:
            connection.close()
            return False
        self._connection = connection
        if not self.held():
            raise _pooled()
        return True

    def held(self) -> bool:
        """Whether this process holds the lock at this moment; asks the server. A lost connection is a lost lock."""
        if self._connection is None:
            return False
        try:
            row = self._connection.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
                " AND classid::bigint = %s AND objid::bigint = %s AND objsubid = 2",
                (self.CLASS, self.key),
            ).fetchone()
        except psycopg.Error as error:
            log.warning("lock lost with its connection", lock=type(self).__name__, key=self.key, error=str(error))
            self.release()
            return False
        return row is not None and row[0] > 0

    def release(self) -> None:
        """Let go, by closing the connection; never fails."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class TimetableLock(AdvisoryLock):
    """Held by the one process that keeps the timetable (`queues.cron`)."""

    CLASS = 7101


class SecretsLock(AdvisoryLock):
    """Held while the secrets of one channel are changed by asking the other side; `key` is the channel's id."""

    CLASS = 7103


class ChannelLocks:
    """The channels that this process holds, all on one connection: many mailboxes must not cost many connections."""

    CLASS = 7102

    def __init__(self) -> None:
        self._connection: psycopg.Connection[tuple[int]] | None = None
        self._taken: set[int] = set()

    def take(self, channel_id: int) -> bool:
        """Try to become the holder of a channel, without waiting. Raises psycopg.Error when the database is away."""
        if channel_id in self._taken:
            return True
        if self._connection is None:
            self._connection = psycopg.connect(_address(), autocommit=True)
        if not self._ask("SELECT pg_try_advisory_lock(%s, %s)::int", self.CLASS, channel_id):
            return False
        self._taken.add(channel_id)
        return True

    def held(self) -> set[int]:
        """The channels whose locks this process holds at this moment; asks the server. Never fails: lost is lost."""
        if self._connection is None:
            return set()
        try:
            found = self._ask(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
                " AND classid::bigint = %s AND objsubid = 2",
                self.CLASS,
            )
        except psycopg.Error as error:
            log.warning("channels lost with the connection", error=str(error))
            self.close()
            return set()
        if found < len(self._taken):
            raise _pooled()
        return set(self._taken)

    def release(self, channel_id: int) -> None:
        """Let another process take the channel; never fails."""
        if channel_id in self._taken and self._connection is not None:
            self._taken.discard(channel_id)
            try:
                self._ask("SELECT pg_advisory_unlock(%s, %s)::int", self.CLASS, channel_id)
            except psycopg.Error:
                self.close()

    def close(self) -> None:
        """Let go of all channels, by closing the connection; never fails."""
        connection, self._connection = self._connection, None
        self._taken.clear()
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _ask(self, query: LiteralString, *values: int) -> int:
        assert self._connection is not None
        row = self._connection.execute(query, values).fetchone()
        return row[0] if row else 0
