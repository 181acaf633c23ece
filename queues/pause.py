"""Nothing leaves: sending is paused after a restore, or by hand, until an administrator lets it go on.

A restored copy knows of messages that waited when it was made. The installation that it was made from may have sent
them since, and nobody can tell from here: they are held as *unknown*, and a person decides about each or all of them.
What is written meanwhile waits, and leaves when sending goes on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import force_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, func, select, update

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.errors import Conflict
from helpdesk.models import (
    Message,
    OutboxItem,
    Setting,
    SystemMail,
    User,
    WebhookDelivery,
    read_setting,
    write_setting,
)
from helpdesk.models.event import record_change
from helpdesk.models.message import DeliveryState
from queues import delivery, lanes

KEY = "outbox_paused"
RESTORED, BY_HAND = "restored", "by hand"
HELD = delivery.HELD_MARK
AT_ONCE = 200
LEAVING = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)
HELD_WORDS = _l(
    "It was waiting when the backup was made. The installation that the backup was made of may have sent it since."
)
LEFT_WORDS = _l("Not sent from here: somebody decided so after the restore.")


@dataclass(frozen=True)
class Pause:
    """Since when and why nothing leaves; `backup_at` is the moment that a restored copy shows."""

    since: datetime
    why: str
    backup_at: datetime | None = None
    by_id: int | None = None


@dataclass(frozen=True)
class Waiting:
    """What a pause holds back: messages that will leave when it ends, and those that somebody must decide about."""

    leaving: int
    oldest_at: datetime | None
    held: int


def present() -> Pause | None:
    """The pause that is on, or None."""
    value: dict[str, Any] | None = read_setting(KEY, None)
    if not value:
        return None
    backup_at = value.get("backup_at")
    return Pause(
        datetime.fromisoformat(value["since"]),
        value.get("why", BY_HAND),
        datetime.fromisoformat(backup_at) if backup_at else None,
        value.get("by_id"),
    )


def begin(by: User) -> None:
    """Let nothing leave from now on, in the present transaction. What is on its way at this moment still arrives."""
    if present() is not None:
        raise Conflict(_("Sending is paused already."))
    write_setting(KEY, {"since": clock.now().isoformat(), "why": BY_HAND, "by_id": by.id})
    record_change(by.id, "outbox", None, "sending", {"paused": [False, True]})


def end(by: User) -> None:
    """Let messages leave again, in the present transaction. What a restore made doubtful stays held."""
    pause = present()
    if pause is None:
        return
    if pause.backup_at is not None and doubtful(pause.backup_at):
        raise Conflict(_("Messages from before the backup are still being set aside. Try again in a moment."))
    write_setting(KEY, None)
    record_change(by.id, "outbox", None, "sending", {"paused": [True, False]})
    lanes.ring_after_commit("outbox")


def doubtful(backup_at: datetime) -> list[int]:
    """Items that still wait to leave and did so when the backup was made; a person's new try is later."""
    query = select(OutboxItem.id).where(OutboxItem.state.in_(LEAVING), OutboxItem.trying_since <= backup_at)
    return list(db.session.scalars(query.order_by(OutboxItem.id).limit(AT_ONCE)))


def hold_doubtful() -> int:
    """Set aside what a restore made doubtful; commits one by one, and does nothing where there is nothing to do."""
    with transaction():
        pause = present()
        ids = doubtful(pause.backup_at) if pause and pause.backup_at else []
    held, words = 0, _english(HELD_WORDS)
    while ids and pause and pause.backup_at:
        for item_id in ids:
            with transaction():
                held += delivery.set_aside(item_id, DeliveryState.UNKNOWN, words, HELD)
        with transaction():
            ids = doubtful(pause.backup_at)
    if pause and pause.backup_at:
        with transaction() as session:
            old = SystemMail.state == "queued", SystemMail.created_at <= pause.backup_at
            values = {"state": "failed", "last_error": words, "finished_at": clock.SQL_NOW, "body": ""}
            session.execute(update(SystemMail).where(*old).values(values))
            told = WebhookDelivery.state.in_(["queued", "sending"]), WebhookDelivery.created_at <= pause.backup_at
            given_up = {"state": "failed", "words": words, "finished_at": clock.SQL_NOW}
            session.execute(update(WebhookDelivery).where(*told).values(given_up))
    return held


def is_held() -> ColumnElement[bool]:
    """Whether nobody has decided yet about an item that a restore made doubtful."""
    return (OutboxItem.state == DeliveryState.UNKNOWN) & OutboxItem.envelope.has_key(HELD)


def waiting() -> Waiting:
    """What would leave, since when the oldest of it waits, and how much is held."""
    leaving, oldest = db.session.execute(
        select(func.count(), func.min(OutboxItem.created_at)).where(OutboxItem.state.in_(LEAVING))
    ).one()
    held = db.session.scalar(select(func.count()).select_from(OutboxItem).where(is_held())) or 0
    return Waiting(leaving, oldest, held)


def send_held(by: User, item_ids: list[int] | None = None) -> int:
    """Send held messages after all, in the present transaction; all of them (AT_ONCE at a time) or these."""
    done = 0
    for item in _chosen(item_ids):
        message = db.session.get_one(Message, item.message_id)
        delivery.retry_failed(by, message)
        done += 1
    if done:
        lanes.ring_after_commit("outbox")
    return done


def leave_held(by: User, item_ids: list[int] | None = None) -> int:
    """Leave held messages unsent for good, in the present transaction; all of them (AT_ONCE at a time) or these."""
    return sum(
        delivery.set_aside(item.id, DeliveryState.CANCELLED, _english(LEFT_WORDS), None, by)
        for item in _chosen(item_ids)
    )


def _chosen(item_ids: list[int] | None) -> list[OutboxItem]:
    query = select(OutboxItem).where(is_held()).order_by(OutboxItem.id).limit(AT_ONCE)
    if item_ids is not None:
        query = query.where(OutboxItem.id.in_(item_ids))
    return list(db.session.scalars(query))


def _english(sentence: object) -> str:
    """A sentence as it is stored, to be told again in each reader's language."""
    with force_locale("en"):
        return str(sentence)


def is_paused_now() -> bool:
    """Whether nothing may leave, asked of the database itself, whatever this transaction remembers."""
    value = db.session.scalar(select(Setting.value).where(Setting.key == KEY))
    return bool(value)
