"""What a receiving adapter may ask of the process that holds its channel, answered by the database."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from helpdesk import clock
from helpdesk.config import settings
from helpdesk.db import db, transaction
from helpdesk.files import store
from helpdesk.models import Channel, ParkedMail
from queues import elsewhere, intake
from queues.channels.base import Inbound, Secrets, StoreAway
from queues.secrets import StoredSecrets

log = structlog.get_logger(__name__)

AWAY = (OperationalError, InterfaceError, PoolTimeout)
CONTACT_SECONDS = 30.0


@contextmanager
def storing() -> Iterator[None]:
    """Turn a database that is away, full or overloaded into StoreAway."""
    try:
        yield
    except AWAY as error:
        raise StoreAway(str(error.args[0] if error.args else error)) from error


@dataclass
class HeldChannel:
    """A channel that this process holds; a `ReceiveContext`. Needs an application context in its thread."""

    id: int
    kind: str
    settings: dict[str, Any]
    secrets: Secrets
    cursor: dict[str, Any]
    version: int
    epoch: int
    reading: dict[str, Any] = field(default_factory=dict)
    rescan: tuple[datetime, datetime] | None = None
    installation: str = ""
    place: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    told_at: float = 0.0

    def accept(self, inbounds: list[Inbound]) -> int:
        """Store events in one transaction; returns after the commit how many were new."""
        with storing():
            return intake.accept_many(self.id, inbounds)

    def save_cursor(self, cursor: dict[str, Any]) -> None:
        """Remember where reading stands."""
        self._update(cursor=cursor)

    def park(self, folder: str, uidvalidity: int, uid: int, words: str) -> int:
        """Note a failed try to fetch one item; returns how often it failed so far."""
        new = insert(ParkedMail).values(
            channel_id=self.id, folder=folder, uidvalidity=uidvalidity, uid=uid, attempts=1, last_error=words[:2000]
        )
        statement = new.on_conflict_do_update(
            index_elements=["channel_id", "folder", "uidvalidity", "uid"],
            set_={"attempts": ParkedMail.attempts + 1, "last_error": new.excluded.last_error, "at": clock.SQL_NOW},
        )
        with storing(), transaction() as session:
            return session.execute(statement.returning(ParkedMail.attempts)).scalar_one()

    def parked(self, folder: str, uidvalidity: int, present: set[int]) -> dict[int, int]:
        """Failed tries per item of the folder; whatever is not there any more is forgotten."""
        mine = ParkedMail.channel_id == self.id
        with storing(), transaction() as session:
            session.execute(
                delete(ParkedMail).where(
                    mine,
                    or_(
                        ParkedMail.folder != folder,
                        ParkedMail.uidvalidity != uidvalidity,
                        ParkedMail.uid.not_in(present),
                    ),
                )
            )
            rows = session.execute(select(ParkedMail.uid, ParkedMail.attempts).where(mine)).all()
        return {row.uid: row.attempts for row in rows}

    def taken_mails(self, folder: str, uidvalidity: int) -> dict[int, int]:
        """Items of the folder that are on tickets people still work on, the latest hundreds: UID -> event id."""
        with storing(), transaction():
            return elsewhere.taken_mails(self.id, folder, uidvalidity)

    def known(self, dedup_keys: Collection[str]) -> dict[str, int]:
        """Those of the keys that were accepted before, each with the id of its event."""
        with storing(), transaction():
            return intake.known_events(self.id, dedup_keys)

    def noticed(self, kind: str, event_ids: Collection[int]) -> set[int]:
        """Tell what colleagues did outside on the tickets of these events; returns those that are on none yet."""
        with storing():
            return elsewhere.notice(kind, event_ids)

    def still_holder(self) -> bool:
        """Whether no other process took the channel since."""
        with storing(), transaction() as session:
            return session.scalar(select(Channel.holder_epoch).where(Channel.id == self.id)) == self.epoch

    def contact(self) -> None:
        """Say that the other side answered; written down at most twice a minute."""
        if time.monotonic() - self.told_at >= CONTACT_SECONDS:
            self._update(last_contact_at=clock.SQL_NOW, last_error=None)
            self.told_at = time.monotonic()

    def trouble(self, words: str) -> None:
        """Say what fails, in words for the channel's page."""
        self._update(last_error=words[:2000], last_error_at=clock.SQL_NOW)
        self.told_at = 0.0

    def stopping(self) -> bool:
        """Whether to end now."""
        return self.stop.is_set()

    def _update(self, **values: Any) -> None:
        mine = (Channel.id == self.id, Channel.holder_epoch == self.epoch)
        with storing(), transaction() as session:
            session.execute(update(Channel).where(*mine).values(**values))


def take_hold(channel_id: int) -> HeldChannel | None:
    """Become the holder of a channel whose lock this process has: former holders know it by the raised epoch.

    None when the channel is gone or switched off.
    """
    raised = (
        update(Channel)
        .where(Channel.id == channel_id, Channel.enabled)
        .values(holder_epoch=Channel.holder_epoch + 1)
        .returning(Channel)
    )
    with storing(), transaction() as session:
        channel = session.scalar(raised)
        if channel is None:
            return None
        return HeldChannel(
            channel.id,
            channel.kind,
            dict(channel.settings),
            StoredSecrets(channel),
            dict(channel.cursor),
            channel.version,
            channel.holder_epoch,
            dict(channel.reading),
            _wish(channel),
            installation_name(),
            settings().public_url,
        )


def installation_name() -> str:
    """What this installation is called among others that read the same source; a copy of it has the same name."""
    return sha256((store().read_id() or "").encode()).hexdigest()[:16]


def _wish(channel: Channel) -> tuple[datetime, datetime] | None:
    if channel.rescan_asked_at is None or channel.rescan_since is None:
        return None
    return channel.rescan_asked_at, channel.rescan_since


def note_trouble(channel_id: int, words: str) -> None:
    """Write a fault on the page of a channel that nobody holds."""
    with storing(), transaction() as session:
        values = {"last_error": words[:2000], "last_error_at": clock.SQL_NOW}
        session.execute(update(Channel).where(Channel.id == channel_id).values(**values))


def wanted(listens: Callable[[str, dict[str, Any]], bool]) -> dict[int, int]:
    """Versions of the enabled channels that need a process to hold a connection, by id.

    Those of which nobody has said yet what is to be taken in are left alone.
    """
    decided = Channel.reading["what"].astext.is_distinct_from("ask")
    query = select(Channel.id, Channel.kind, Channel.settings, Channel.version).where(Channel.enabled, decided)
    with storing(), transaction():
        rows = db.session.execute(query).all()
    return {id_: version for id_, kind, settings, version in rows if listens(kind, settings)}
