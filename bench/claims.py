"""Sixteen operators take the next ticket at once, through the web; beside it sixteen bare connections."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.data import waiting_queue
from bench.measure import Row, percentile
from bench.stage import OPERATORS, Browser, Stage

TICKETS = 2000


@dataclass
class Claim:
    """One ticket taken: when it was asked for and when it was got."""

    ticket_id: int
    began: float
    ended: float


def row() -> Row:
    """The empty row."""
    return Row(
        "sixteen operators take the next, tickets/s", "/s", "300, x 33, none double, none overtaken",
        "sixteen connections doing the same transaction",
    )  # fmt: skip


def measure(stage: Stage, figure: Row, port: int, seed: int) -> None:
    """One round: all tickets of a fresh queue."""
    queue_id = waiting_queue(stage, f"Claims {seed} ", TICKETS)
    browsers = [Browser(port, place) for place in range(OPERATORS)]
    claims: list[Claim] = []
    began = time.perf_counter()
    _at_once([partial(_take_all, one, queue_id, claims) for one in browsers])
    took = time.perf_counter() - began
    doubles = sum(count - 1 for count in Counter(claim.ticket_id for claim in claims).values())
    overtaken = _overtaken(stage, queue_id, claims)
    if len(claims) - doubles != TICKETS:
        raise RuntimeError(f"{len(claims)} claims of {TICKETS} tickets")
    figure.notes["doubles"] = figure.notes.get("doubles", 0) + doubles
    figure.notes["overtaken"] = figure.notes.get("overtaken", 0) + overtaken
    figure.notes["p95 ms"] = round(percentile([(claim.ended - claim.began) * 1000 for claim in claims], 0.95))
    figure.add(TICKETS / took, _bare(stage, seed))


def _take_all(browser: Browser, queue_id: int, claims: list[Claim]) -> None:
    number = 0
    while True:
        number += 1
        began = time.perf_counter()
        form = {"csrf_token": browser.token, "key": f"{id(browser)}-{queue_id}-{number}"}
        status, text, location = browser.post(f"/queues/{queue_id}/claims", form)
        if status != 303:
            raise RuntimeError(f"a claim answered {status}: {text[:300]}")
        if "/tickets/" not in location:
            return
        claims.append(Claim(int(location.rpartition("/")[2]), began, time.perf_counter()))


def _overtaken(stage: Stage, queue_id: int, claims: list[Claim]) -> int:
    """Tickets that were asked for only after a younger one had been given out already."""
    with stage.connect() as connection:
        line = connection.execute(LINE, (queue_id,)).fetchall()
    place = {found[0]: place for place, found in enumerate(line)}
    latest_start, overtaken = 0.0, 0
    for claim in sorted(claims, key=lambda each: place[each.ticket_id]):
        overtaken += latest_start > claim.ended
        latest_start = max(latest_start, claim.began)
    return overtaken


def _bare(stage: Stage, seed: int) -> float:
    """Claims a second of sixteen connections that lock the queue, take the first, and write what a claim writes."""
    queue_id = waiting_queue(stage, f"Floor {seed} ", TICKETS)
    connections = [stage.connect() for _ in range(OPERATORS)]
    began = time.perf_counter()
    _at_once([partial(_bare_claims, one, queue_id, place) for place, one in enumerate(connections)])
    took = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return TICKETS / took


def _bare_claims(connection: Any, queue_id: int, place: int) -> None:
    values = {"queue": queue_id, "place": place}
    while True:
        connection.execute(b"SELECT id FROM queues WHERE id = %(queue)s FOR NO KEY UPDATE", values)
        found = connection.execute(FIRST, values).fetchone()
        if found is None:
            connection.rollback()
            return
        for statement in WRITE:
            connection.execute(statement, values | {"ticket": found[0]})
        connection.commit()


LINE = b"SELECT id FROM tickets WHERE queue_id = %s ORDER BY line_class, line_at, id"
FIRST = (
    b"SELECT id FROM tickets WHERE queue_id = %(queue)s AND kind = 'active' AND owner_id IS NULL"
    b" ORDER BY line_class, line_at, id LIMIT 1 FOR NO KEY UPDATE"
)
WRITE = (
    b"UPDATE tickets SET owner_id = (SELECT min(id) FROM users) + %(place)s, state = 'open', version = version + 1"
    b" WHERE id = %(ticket)s",
    b"INSERT INTO events (ticket_id, queue_id, actor_kind, actor_id, kind, payload)"
    b" VALUES (%(ticket)s, %(queue)s, 'user', %(place)s, 'ticket.claimed', '{}')",
    b"INSERT INTO tallies (scope, name, delta) VALUES ('queue:' || %(queue)s, 'waiting', -1)",
)


def _at_once(acts: list[Any]) -> None:
    failures: list[BaseException] = []

    def guarded(act: Any) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told below, in the thread that asked
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
