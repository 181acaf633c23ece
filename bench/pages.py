"""Pages over HTTP under gunicorn: one client, then eight; with how many queries each page asks."""

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from bench.data import COMMON, RARE
from bench.measure import Row, percentile, times
from bench.stage import Browser, Stage

REQUESTS = 150
CLIENTS = 8


class Pages:
    """All rows about pages at one size of the database."""

    def __init__(self, size: int) -> None:
        at = f"{size:,} tickets"
        floor = "Flask, one template, one query, same server"
        sql = "the same search as bare SQL"
        self.queue = Row(f"queue page, {at}, one client, p50", "ms", "10, x 11", floor)
        self.queue95 = Row(f"queue page, {at}, one client, p95", "ms", "20, x 15", floor)
        self.ticket = Row(f"ticket page, {at}, one client, p50", "ms", "12, x 13", floor)
        self.ticket95 = Row(f"ticket page, {at}, one client, p95", "ms", "25, x 19", floor)
        self.eight = Row(f"queue page, {at}, eight clients, pages/s", "/s", "200, x 8", floor)
        self.rare = Row(f"search, {at}, rare word, p50", "ms", "15", sql)
        self.common = Row(f"search, {at}, common word, p50", "ms", "15", sql)
        self.worst = Row(f"search, {at}, both words, p95", "ms", "50 at 1,000,000", sql)
        self.rows = [
            self.queue, self.queue95, self.ticket, self.ticket95, self.eight, self.rare, self.common, self.worst,
        ]  # fmt: skip

    def measure(self, stage: Stage, port: int, floor_port: int) -> None:
        """One round."""
        browser = Browser(port, 0)
        queue_id = stage.one("SELECT min(id) FROM queues WHERE name LIKE 'Bench %%'")
        newest = "SELECT id FROM tickets WHERE number LIKE 'B%%' ORDER BY id DESC LIMIT 400"
        tickets = [row[0] for row in _column(stage, newest)]
        queue, ticket = f"/queues/{queue_id}", iter(tickets)
        floor_client = http.client.HTTPConnection("127.0.0.1", floor_port, timeout=60)
        floor = times(lambda: _get(floor_client, f"/page/{queue_id}"), REQUESTS)
        for row, row95, page in (
            (self.queue, self.queue95, lambda: queue),
            (self.ticket, self.ticket95, lambda: f"/tickets/{next(ticket)}"),
        ):
            taken = times(lambda page=page: _check(browser.get(page())), REQUESTS)  # type: ignore[misc]
            row.add(percentile(taken, 0.5), percentile(floor, 0.5))
            row95.add(percentile(taken, 0.95), percentile(floor, 0.95))
        self.eight.add(
            _together(lambda place: _pages(Browser(port, place), queue)),
            _together(lambda _place: _floors(floor_port, f"/page/{queue_id}")),
        )
        self._search(stage, browser)

    def _search(self, stage: Stage, browser: Browser) -> None:
        with stage.connect() as connection:
            connection.autocommit = True
            both = []
            for row, word, shape in ((self.rare, RARE, BY_INDEX), (self.common, COMMON, BY_DATE)):
                bare = times(lambda word=word, shape=shape: connection.execute(shape, (word,)).fetchall(), 40)  # type: ignore[misc]
                taken = times(lambda word=word: _check(browser.get(f"/search?q={_quoted(word)}")), 60)  # type: ignore[misc]
                row.add(percentile(taken, 0.5), percentile(bare, 0.5))
                both += [(taken, bare)]
        self.worst.add(max(percentile(t, 0.95) for t, _ in both), max(percentile(b, 0.95) for _, b in both))


BY_INDEX = b"WITH found AS MATERIALIZED (SELECT id, ticket_id FROM search_documents WHERE tsv @@ to_tsquery('russian', %s)) SELECT * FROM found ORDER BY id DESC LIMIT 50"  # noqa: E501
BY_DATE = b"SELECT id, ticket_id FROM search_documents WHERE tsv @@ to_tsquery('russian', %s) ORDER BY id DESC LIMIT 50"


def count_queries(stage: Stage) -> dict[str, int]:
    """How many statements the queue page and the ticket page send, for a signed-in operator."""
    from helpdesk.db import db
    from helpdesk.models import User
    from tests.clients import Client

    counted: list[str] = []
    found = {}
    with stage.app.app_context():
        client = Client(stage.app, db.session.query(User).order_by(User.id).first())
        queue_id = stage.one("SELECT min(id) FROM queues WHERE name LIKE 'Bench %%'")
        ticket_id = stage.one("SELECT max(id) FROM tickets WHERE number LIKE 'B%%'")
        event.listen(db.engine, "before_cursor_execute", lambda *call: counted.append(call[2]))
        pages = {"queue page": f"/queues/{queue_id}", "ticket page": f"/tickets/{ticket_id}"}
        for name, path in {**pages, "search": f"/search?q={COMMON}"}.items():
            client.get(path)
            counted.clear()
            client.get(path)
            found[name] = len(counted)
    return found


def _pages(browser: Browser, path: str) -> Callable[[], Any]:
    return lambda: _check(browser.get(path))


def _floors(port: int, path: str) -> Callable[[], Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    return lambda: _get(client, path)


def _together(make: Callable[[int], Callable[[], Any]]) -> float:
    """Requests a second of eight clients at once."""
    acts = [make(place) for place in range(CLIENTS)]
    threads = [threading.Thread(target=times, args=(act, REQUESTS // 2)) for act in acts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return CLIENTS * (REQUESTS // 2) / (time.perf_counter() - began)


def _get(client: http.client.HTTPConnection, path: str) -> bytes:
    client.request("GET", path)
    return client.getresponse().read()


def _check(answer: tuple[int, str]) -> None:
    if answer[0] != 200:
        raise RuntimeError(f"a page answered {answer[0]}: {answer[1][:300]}")


def _column(stage: Stage, statement: str) -> list[Any]:
    with stage.connect() as connection:
        return connection.execute(statement.replace("%%", "%").encode()).fetchall()


def _quoted(word: str) -> str:
    from urllib.parse import quote

    return quote(word)
