"""What other systems post to a channel's door: whether it may come in, and storing it before it is told "received".

Cheap checks come first. Nothing of a request is stored before its signature is good; after that the raw body is
committed with its key, and only then answered. Sentences are English: programmers read them in answers and logs.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock, signatures
from helpdesk.db import transaction
from helpdesk.models import Channel, DedupKey, HookRefusal, InboundEvent
from helpdesk.throttle import Limit, wait_after_try
from queues import intake
from queues.channels.base import Inbound
from queues.channels.http.events import Event, MessageEvent
from queues.channels.http.settings import HttpSettings, valid_secrets
from queues.channels.http.wire import Fault, read

KEY = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
MINUTE = timedelta(minutes=1)
PAUSED_SECONDS = 300
STATUS = {"not_json": 400, "schema": 422}


class PostRefused(Exception):
    """A request is not taken; `code` is for programs, the text for programmers, `field` the path of what is wrong."""

    def __init__(self, status: int, code: str, words: str, field: str = "", retry_after: int = 0) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words
        self.field = field
        self.retry_after = retry_after


@dataclass(frozen=True)
class Door:
    """A channel's door as it is now."""

    channel_id: int
    enabled: bool
    settings: HttpSettings
    secrets: list[bytes]
    now: datetime
    last_contact_at: datetime | None


@dataclass(frozen=True)
class Taken:
    """A request that was taken: the key of its event, and whether it was new."""

    key: str
    new: bool


def find_door(token: str) -> Door | None:
    """The door with this address, in a transaction of its own. One look-up in an index, whether there is one or not."""
    with transaction() as session:
        found = session.execute(select(Channel, clock.SQL_NOW).where(Channel.door == token)).first()
        if found is None:
            return None
        channel, now = found
        settings = HttpSettings.model_validate(channel.settings)
        secrets = valid_secrets(channel.secrets, now)
        return Door(channel.id, channel.enabled, settings, secrets, now, channel.last_contact_at)


def take(door: Door, body: bytes, timestamp: str, signature: str, key: str | None) -> Taken:
    """Check a request and store it; returns after the commit. `key` is the header Idempotency-Key, if it came.

    Raises PostRefused, and what the database raises when nothing could be stored.
    """
    _check_signature(door, body, timestamp, signature)
    _check_rate(door)
    event = _read(door, body)
    name = _key(event, key)
    digest = hashlib.sha256(body).hexdigest()
    envelope = {"key": name, "sha256": digest}
    new = intake.accept(door.channel_id, Inbound(name, body, envelope))
    if not new and _digest_of(door.channel_id, name) not in {None, digest}:
        words = "This key was used before for another body. The same event has to be posted with the same bytes."
        raise PostRefused(409, "key_reused", words)
    _note_contact(door)
    return Taken(name, new)


def note_refusal(channel_id: int, refusal: PostRefused, address: str) -> None:
    """Count a refused request, in a transaction of its own; of each reason only the last is kept in words."""
    words = f"{refusal.words} {refusal.field}".strip()[:500]
    fresh = insert(HookRefusal).values(channel_id=channel_id, code=refusal.code, words=words, address=address[:100])
    counted = fresh.on_conflict_do_update(
        index_elements=["channel_id", "code"],
        set_={
            "count": HookRefusal.count + 1,
            "words": fresh.excluded.words,
            "address": fresh.excluded.address,
            "at": clock.SQL_NOW,
        },
    )
    with transaction() as session:
        session.execute(counted)


def _check_signature(door: Door, body: bytes, timestamp: str, signature: str) -> None:
    try:
        signatures.check(door.secrets, body, timestamp, signature, int(door.now.timestamp()))
    except signatures.SignatureRefused as error:
        raise PostRefused(401, "signature", error.reason) from error


def _check_rate(door: Door) -> None:
    """Counted only after the signature: nobody else can use up what the other system may send."""
    limit = Limit("hook", door.settings.requests_per_minute, MINUTE)
    wait = wait_after_try(limit, str(door.channel_id))
    if wait:
        words = f"More than {limit.most} requests in a minute. Wait {wait} seconds."
        raise PostRefused(429, "too_many", words, retry_after=wait)


def _read(door: Door, body: bytes) -> Event:
    try:
        event = read(body, door.settings.types)
    except Fault as fault:
        raise PostRefused(STATUS[fault.code], fault.code, fault.words, fault.field) from fault
    files = event.files if isinstance(event, MessageEvent) else []
    if files and not door.settings.takes_files:
        raise PostRefused(422, "schema", "This channel takes no files. Its settings can allow them.", "files")
    kind = str(getattr(event, "type", ""))
    most = door.settings.largest_of(kind, bool(files))
    if len(body) > most:
        raise PostRefused(413, "too_large", f"An event of the type {kind} has at most {most} bytes here.")
    return event


def _key(event: Event, header: str | None) -> str:
    """What names the event: the header or its `id`; a message that has an id of its own is named by that."""
    if header is not None and not KEY.fullmatch(header):
        raise PostRefused(422, "schema", "Idempotency-Key has to be 1 to 200 visible ASCII characters.")
    if header and event.id and header != event.id:
        raise PostRefused(422, "schema", "id and the header Idempotency-Key name different events.", "id")
    name = header or event.id
    if name is None and isinstance(event, MessageEvent) and event.message_id:
        name = f"{event.conversation} {event.message_id}"
    if name is None:
        raise PostRefused(422, "schema", "id, or the header Idempotency-Key, is needed.", "id")
    return name


def _digest_of(channel_id: int, name: str) -> str | None:
    """The digest of the body that was stored under this name; None where its event is not known any more."""
    query = (
        select(InboundEvent.envelope["sha256"].astext)
        .join(DedupKey, DedupKey.event_id == InboundEvent.id)
        .where(DedupKey.channel_id == channel_id, DedupKey.digest == intake.digest(name))
    )
    with transaction() as session:
        return session.scalar(query)


def _note_contact(door: Door) -> None:
    """At most once a minute: a busy door must not write one row again and again, nor ask whether it should."""
    if door.last_contact_at is not None and door.now - door.last_contact_at < MINUTE:
        return
    stale = or_(Channel.last_contact_at.is_(None), Channel.last_contact_at < clock.SQL_NOW - MINUTE)
    with transaction() as session:
        session.execute(
            update(Channel).where(Channel.id == door.channel_id, stale).values(last_contact_at=clock.SQL_NOW)
        )
