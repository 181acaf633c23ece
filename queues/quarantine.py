"""What could not be understood: kept, visible, and tried again on request. Its rows are InboundEvent in quarantine."""

from contextlib import suppress
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from helpdesk.db import db, transaction
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Channel, InboundEvent, InboundState, RawInput, Right, User
from helpdesk.permissions import queue_ids
from queues import lanes

PAGE = 50


def watched(user: User) -> Select[Any]:
    """Ids of the channels that `user` looks after: those whose queue they supervise; administrators all."""
    return select(Channel.id).where(Channel.queue_id.in_(queue_ids(user, Right.SUPERVISE)))


def page(user: User, before: int | None) -> list[InboundEvent]:
    """Up to PAGE + 1 entries with ids below `before`, the newest first, with their channels."""
    query = (
        select(InboundEvent)
        .join(InboundEvent.channel)
        .options(contains_eager(InboundEvent.channel))
        .where(InboundEvent.state == InboundState.QUARANTINED, InboundEvent.channel_id.in_(watched(user)))
        .order_by(InboundEvent.id.desc())
        .limit(PAGE + 1)
    )
    if before is not None:
        query = query.where(InboundEvent.id < before)
    return list(db.session.scalars(query))


def get_entry(user: User, event_id: int) -> InboundEvent:
    """An entry of a channel that `user` looks after. Raises NotFound when it is absent, elsewhere or ended since."""
    entry = db.session.scalar(
        select(InboundEvent).where(
            InboundEvent.id == event_id,
            InboundEvent.state == InboundState.QUARANTINED,
            InboundEvent.channel_id.in_(watched(user)),
        )
    )
    if entry is None:
        raise NotFound(_("There is no such entry in quarantine."))
    return entry


def try_again(entry_id: int, by: User | None) -> None:
    """Put an entry back in line; a worker is told after the commit. Raises Refused when its raw input is gone."""
    from queues import intake  # loads all that reads mail, which web processes need for this act alone

    intake.retry(entry_id, by)
    lanes.ring_after_commit("intake")


def leave_out(entry_id: int, by: User, reason: str) -> None:
    """Leave an entry out for good. Raises Refused without a reason."""
    from queues import intake  # see try_again

    intake.drop(entry_id, by, reason)


def retry_one(event_id: int) -> None:
    """The same from the terminal, by nobody in particular. Commits."""
    with transaction():
        try_again(event_id, None)


def retry_all() -> int:
    """Put every entry whose raw input is still kept back in line; returns how many. Commits one by one."""
    with transaction() as session:
        kept = select(InboundEvent.id).join(RawInput, RawInput.event_id == InboundEvent.id)
        ids = list(
            session.scalars(kept.where(InboundEvent.state == InboundState.QUARANTINED).order_by(InboundEvent.id))
        )
    done = 0
    for event_id in ids:
        with suppress(Refused):  # somebody was faster with this one
            retry_one(event_id)
            done += 1
    return done
