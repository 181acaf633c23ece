"""What administrators do with channels: make them, change them, pause them. Listening processes follow in seconds."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import delete, func, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Channel, Group, ParkedMail, Queue, Right, User
from helpdesk.models.event import record_change
from helpdesk.queue_changes import save_queue
from helpdesk.staff import apply

ORDER = (Channel.project_id, Channel.position, Channel.id)


def save_channel(
    by: User, channel: Channel, values: Mapping[str, Any], settings: dict[str, Any], secrets: Mapping[str, str]
) -> None:
    """Columns, settings and secrets of a channel, new or not; secrets that are not named stay as they are, those
    that are empty are forgotten.

    Raises Refused when its name or address is taken.
    """
    _check_free(channel, values)
    changes: dict[str, Any] = apply(channel, values)
    before = dict(channel.settings or {})
    if _reads_another_folder(channel, before, settings):
        channel.reading = {"what": "ask"}
    for name, value in settings.items():
        if before.get(name) != value:
            changes[name] = [before.get(name), value]
    channel.settings = settings
    db.session.add(channel)
    db.session.flush()
    kept = channel.secrets
    if fresh := {name: value for name, value in secrets.items() if kept.get(name, "") != value}:
        channel.keep_secrets({name: value for name, value in {**kept, **fresh}.items() if value})
        changes |= dict.fromkeys(fresh, "changed")
    if changes:
        note_change(by, channel, changes)


def set_enabled(by: User, channel: Channel, enabled: bool) -> None:
    """Pause the channel or let it go on. While it is paused mail stays on its server."""
    if channel.enabled != enabled:
        channel.enabled = enabled
        note_change(by, channel, {"enabled": [not enabled, enabled]})


def move_up(by: User, channel: Channel) -> None:
    """Let a channel change places with the one before it, in the order that decides about a mail to several of them."""
    query = select(Channel).where(Channel.project_id == channel.project_id).order_by(*ORDER)
    line = list(db.session.scalars(query.with_for_update()))
    place = line.index(channel)
    if place == 0:
        return
    line[place - 1], line[place] = line[place], line[place - 1]
    for position, one in enumerate(line, -len(line)):  # below zero: a channel that is made later comes last
        one.position = position
    note_change(by, channel, {"position": place})


def note_sign_in(by: User, channel: Channel) -> None:
    """Record that somebody signed the mailbox in at its provider; the tokens are stored already."""
    channel.last_error = None
    note_change(by, channel, {"sign_in": "renewed"})


def try_parked_again(by: User, channel: Channel) -> None:
    """Forget the failures of parked mails, so that they are fetched again."""
    db.session.execute(delete(ParkedMail).where(ParkedMail.channel_id == channel.id))
    note_change(by, channel, {"parked": "tried again"})


def open_queue(by: User, project_id: int, name: str) -> Queue:
    """A new queue for a new channel; the group that everybody is in may work there. Raises Refused."""
    queue = Queue(project_id=project_id)
    rights: dict[int, Right | None] = {
        group.id: Right.WORK for group in db.session.scalars(select(Group).where(Group.everyone))
    }
    save_queue(by, queue, {"name": name, "active": True}, rights)
    return queue


def _check_free(channel: Channel, values: Mapping[str, Any]) -> None:
    others = select(Channel.name).where(Channel.id != (channel.id or 0))
    if db.session.scalar(others.where(func.lower(Channel.name) == values["name"].lower())) is not None:
        raise Refused(_("There is a channel with that name already."))
    address = values.get("address")
    taken = others.where(func.lower(Channel.address) == address, Channel.kind == channel.kind) if address else None
    if taken is not None and (name := db.session.scalar(taken)) is not None:
        raise Refused(_("The channel %(name)s has this address already.", name=name))


def _reads_another_folder(channel: Channel, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether mail will come out of a folder of which nobody has said yet what is to be taken.

    A name that never led to a folder was a slip: then what was chosen is meant for the right one.
    """

    def place(settings: dict[str, Any]) -> tuple[object, ...]:
        return settings.get("imap_host"), settings.get("user") or settings.get("address"), settings.get("folder")

    reached = bool(channel.cursor) or not before.get("imap_host")
    return bool(after.get("imap_host")) and reached and place(before) != place(after)


def note_change(by: User, channel: Channel, changes: dict[str, Any]) -> None:
    """Write a change down; the raised version makes whoever holds the channel take it up anew."""
    channel.version = (channel.version or 0) + 1
    record_change(by.id, "channel", channel.id, channel.name, changes)
