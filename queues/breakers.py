"""Servers that are away: after a failure nobody tries until a moment, then a single message does.

So a thousand messages for a dead server make one connection every few minutes, and no message of theirs is marked as
failed for a fault that is not its own. The rows are shared by all processes.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Breaker, Channel
from queues.channels import adapter_for

PAUSES = (30, 60, 120, 300)  # seconds after the first, second, ... failure in a row
PROBE_SECONDS = 60


def key_of(channel: Channel) -> str:
    """What the channel shares its fate with: all channels that hand over to one server as one account."""
    return adapter_for(channel.kind).remote(channel.settings) or f"channel {channel.id}"


def closed_ways() -> tuple[set[int], dict[str, set[int]]]:
    """Ids of the channels that must wait, and those of which one message may be tried now, by breaker key."""
    breakers = {breaker.key: breaker for breaker in db.session.scalars(select(Breaker))}
    if not breakers:
        return set(), {}
    now = clock.now()
    waiting: set[int] = set()
    to_probe: dict[str, set[int]] = {}
    for channel in db.session.scalars(select(Channel).where(Channel.enabled)):
        breaker = breakers.get(key_of(channel))
        if breaker is None:
            continue
        waiting.add(channel.id)
        if breaker.open_until <= now:
            to_probe.setdefault(breaker.key, set()).add(channel.id)
    return waiting, to_probe


def lock(key: str) -> Breaker | None:
    """The breaker's row, locked, if its time is over and nobody else is about to try."""
    return db.session.scalar(
        select(Breaker)
        .where(Breaker.key == key, Breaker.open_until <= clock.SQL_NOW)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def trip(key: str, words: str, probed: bool) -> datetime:
    """Stop trying after a failure; returns until when. Failures of messages under way at that moment count as one."""
    now = clock.now()
    db.session.execute(insert(Breaker).values(key=key, open_until=now).on_conflict_do_nothing())
    breaker = db.session.execute(
        select(Breaker).where(Breaker.key == key).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()
    if probed or breaker.open_until <= now:
        pause = PAUSES[min(breaker.failures, len(PAUSES) - 1)]
        breaker.failures += 1
        breaker.open_until = now + timedelta(seconds=pause)
        breaker.words = words[:2000]
    return breaker.open_until


def close(key: str) -> None:
    """Let everything flow again after a success."""
    db.session.execute(delete(Breaker).where(Breaker.key == key))


def hold(key: str) -> None:
    """Keep others from trying while one message does."""
    end = clock.SQL_NOW + func.make_interval(0, 0, 0, 0, 0, 0, PROBE_SECONDS)
    db.session.execute(update(Breaker).where(Breaker.key == key).values(open_until=end))


def try_now(key: str) -> None:
    """Let one message try at once, because a person wants to know."""
    db.session.execute(update(Breaker).where(Breaker.key == key).values(open_until=clock.SQL_NOW))
