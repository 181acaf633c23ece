"""Who has a ticket open, and who is writing on it: kept in Redis for some seconds and nowhere else.

Each open page says at once what its person does there, and every ten seconds that they still write. Of those who only
look, the event stream of their browser tells that they are still there (`keep`), and their page once a minute. Nothing
that matters hangs on it: without Redis nobody seems to be anywhere, and everything else works. Customers never learn of
it.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis
import structlog

from helpdesk import live, live_writers
from helpdesk.config import settings
from helpdesk.live_writers import Writers
from helpdesk.models.user import User

log = structlog.get_logger(__name__)

MOST_PAGES = 200  # of one ticket; more are not kept
MOST_TAB = 24
TOPIC = "viewers:"


class Doing(StrEnum):
    """What somebody does on a ticket, the strongest first."""

    REPLY = "reply"
    NOTE = "note"
    VIEWING = "viewing"
    AWAY = "away"


# Seconds for which a page is believed: it speaks every 10 s where no stream speaks for it, and a hidden one that
# browsers slow down every minute.
BELIEVED = {Doing.REPLY: 25.0, Doing.NOTE: 25.0, Doing.VIEWING: 25.0, Doing.AWAY: 150.0}
LONGEST_KEPT = 150.0  # seconds for which a stream may speak for a page that said nothing itself
RANK = {doing: rank for rank, doing in enumerate(Doing)}


@dataclass(frozen=True)
class Here:
    """Somebody on a ticket, over all their pages."""

    user_id: int
    name: str
    doing: Doing


def topic(ticket_id: int) -> str:
    """The live topic that changes when somebody comes, goes or begins to write."""
    return f"{TOPIC}{ticket_id}"


def note(ticket_id: int, user: User, tab: str, doing: Doing | None, queue_id: int | None = None) -> list[Here]:
    """One page of `user` says what they do on the ticket; None: it was closed. Returns everybody who is there now.

    Tells the others only what changed for them; those who follow the ticket's queue hear who writes to the customer.
    Without Redis nobody is there.
    """
    key, field, now = _key(ticket_id), f"{user.id}.{tab[:MOST_TAB]}", time.time()
    try:
        before = _pages(_store().hgetall(key))
        after = {name: page for name, page in before.items() if page["until"] > now and name != field}
        if doing is not None and len(after) < MOST_PAGES:
            after[field] = {"doing": doing, "until": now + BELIEVED[doing], "name": user.name, "said": now}
        pipe = _store().pipeline(transaction=False)
        if field in after:
            pipe.hset(key, field, json.dumps(after[field]))
            pipe.expire(key, int(max(BELIEVED.values())))
        gone = before.keys() - after.keys()
        if gone:
            pipe.hdel(key, *gone)
        pipe.execute()
    except redis.RedisError as error:
        log.info("nobody can be seen while Redis is away", error=str(error))
        return []
    here = _people(after, now)
    if _people(before, now) != here or gone - {field}:
        live.publish({topic(ticket_id): None})
    if queue_id is not None:
        _tell_lists(queue_id, ticket_id, _people(before, now), here, is_beat=doing == Doing.REPLY)
    return here


def keep(followed: Mapping[int, Collection[int]]) -> None:
    """Believe on in users who look at a ticket while a stream of theirs follows it: {ticket: users}.

    Who is not believed any more is forgotten, and the others are told. Two round trips, however many there are.
    """
    if not followed or not settings().redis_url:
        return
    now, gone = time.time(), []
    try:
        pipe = _store().pipeline(transaction=False)
        for ticket_id in followed:
            pipe.hgetall(_key(ticket_id))
        answers = pipe.execute()
        for (ticket_id, users), stored in zip(followed.items(), answers, strict=True):
            for field, page in _pages(stored).items():
                if _is_kept(field, page, users, now):
                    page["until"] = now + BELIEVED[Doing.VIEWING]
                    pipe.hset(_key(ticket_id), field, json.dumps(page))
                    pipe.expire(_key(ticket_id), int(max(BELIEVED.values())))
                elif page["until"] <= now:
                    pipe.hdel(_key(ticket_id), field)
                    gone.append(topic(ticket_id))
        pipe.execute()
    except redis.RedisError as error:
        log.info("nobody can be seen while Redis is away", error=str(error))
        return
    live.publish(dict.fromkeys(gone))


def _is_kept(field: str, page: Mapping[str, Any], users: Collection[int], now: float) -> bool:
    is_looking = page["doing"] == Doing.VIEWING and int(field.partition(".")[0]) in users
    return is_looking and now - page.get("said", 0.0) < LONGEST_KEPT


def on(ticket_id: int) -> list[Here]:
    """Everybody who is on the ticket now, oneself too: who writes comes first."""
    return who([ticket_id]).get(ticket_id, [])


def who(ticket_ids: Collection[int]) -> dict[int, list[Here]]:
    """Everybody who is on each of these tickets now, in one round trip; tickets with nobody are left out."""
    ids = list(dict.fromkeys(ticket_ids))
    if not ids or not settings().redis_url:
        return {}
    try:
        pipe = _store().pipeline(transaction=False)
        for ticket_id in ids:
            pipe.hgetall(_key(ticket_id))
        answers = pipe.execute()
    except redis.RedisError as error:
        log.info("nobody can be seen while Redis is away", error=str(error))
        return {}
    now = time.time()
    found = {id_: _people(_pages(answer), now) for id_, answer in zip(ids, answers, strict=True)}
    return {ticket_id: here for ticket_id, here in found.items() if here}


def replying(here: Mapping[int, Sequence[Here]], but: User) -> dict[int, list[str]]:
    """Of those who are on tickets (`who`), the names of those who write to the customer, `but` one's own."""
    names = {
        id_: [one.name for one in people if one.doing == Doing.REPLY and one.user_id != but.id]
        for id_, people in here.items()
    }
    return {ticket_id: found for ticket_id, found in names.items() if found}


def _tell_lists(queue_id: int, ticket_id: int, before: list[Here], here: list[Here], is_beat: bool) -> None:
    writers = {one.user_id: one.name for one in here if one.doing == Doing.REPLY}
    is_news = writers != {one.user_id: one.name for one in before if one.doing == Doing.REPLY}
    if is_news or is_beat:
        live_writers.publish(Writers(queue_id, ticket_id, writers, is_news))


def _store() -> Any:
    if not settings().redis_url:
        raise redis.ConnectionError("there is no Redis")
    return live.connection()


def _key(ticket_id: int) -> str:
    return f"here:{ticket_id}"


def _pages(stored: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {field: json.loads(value) for field, value in stored.items()}


def _people(pages: dict[str, dict[str, Any]], now: float) -> list[Here]:
    """Each person once, with the strongest thing they do, over the pages that are still believed."""
    strongest: dict[int, Here] = {}
    for field, page in pages.items():
        user_id, doing = int(field.partition(".")[0]), Doing(page["doing"])
        known = strongest.get(user_id)
        if page["until"] > now and (known is None or RANK[doing] < RANK[known.doing]):
            strongest[user_id] = Here(user_id, page["name"], doing)
    return _sorted(strongest.values())


def _sorted(people: Iterable[Here]) -> list[Here]:
    return sorted(people, key=lambda one: (RANK[one.doing], one.name, one.user_id))
