"""Hostile mails put in through the door, and every page that shows them opened in Chromium.

`python -m tests.browser.hostile_pages` does it with all of them; the tests take a sample.
"""

import smtplib
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from queues.channels.email.lmtp import LONGEST_LINE
from tests.browser.furnish import STRANGERS
from tests.browser.watch import Stranger, Watch, stranger
from tests.browser.world import World, running
from tests.chromium import launch
from tests.dovecot import letter, wait_until
from tests.email.hostile import hostile_mails

TABS = 4
PATIENT = 900.0  # seconds for all mails to be understood: some are made to take as long as they are allowed
QUESTIONS = ("script", "alert", "img", "onerror", "Eve", "evil.example", "question", "вопрос")

Mail = tuple[str, bytes]


def sample(mails: Iterable[Mail]) -> list[Mail]:
    """About sixty mails: every kind, and of the scripts every seventh."""
    steps = {"script": 7, "bomb": 24, "sender": 10, "mime": 8, "charset": 10, "header": 8}
    seen: dict[str, int] = {}
    taken = []
    for name, raw in mails:
        kind = name.partition("/")[0]
        number = seen[kind] = seen.get(kind, -1) + 1
        if number % steps.get(kind, 4) == 0:
            taken.append((name, raw))
    return taken


def hand_over(world: World, mails: Iterable[Mail]) -> dict[int, str]:
    """Give mails to the door; gives the name of each by the id of its event.

    The door may only refuse lines of more than a megabyte, and says so to the sender.
    """
    events: dict[int, str] = {}
    with smtplib.LMTP("127.0.0.1", world.lmtp_port) as door:
        door.ehlo()
        for name, raw in mails:
            door.mail("eve@example.net", ["BODY=8BITMIME"])
            door.rcpt(STRANGERS)
            code, words = door.data(raw)
            if b"Line too long" in words and len(max(raw.split(b"\n"), key=len)) > LONGEST_LINE:
                continue
            assert code == 250, f"{name}: the door said {code} {words!r}"
            found = world.stack.query(
                "SELECT max(id) FROM inbound_events WHERE channel_id = %s", world.ids["strangers"]
            )
            assert found[0][0] not in events, f"{name} is taken for an earlier mail"
            events[found[0][0]] = name
    return events


def fates(world: World, events: dict[int, str]) -> dict[str, tuple[str, str | None, int | None]]:
    """(state, reason, ticket id) of each mail by name, once nothing waits any more."""

    def told() -> list[Any]:
        return world.stack.query(
            "SELECT e.id, e.state, e.reason, m.ticket_id FROM inbound_events e LEFT JOIN messages m"
            " ON m.id = e.message_id WHERE e.id = ANY(%s)",
            list(events),
        )

    wait_until(lambda: all(state != "waiting" for _id, state, _reason, _ticket in told()), PATIENT, "all understood")
    return {events[event]: (state, reason, ticket) for event, state, reason, ticket in told()}


def normal_between(world: World, mails: list[Mail]) -> tuple[dict[int, str], float]:
    """Hand over hostile mails with an ordinary one in the middle; gives the events, and how long that one took."""
    middle = len(mails) // 2
    events = hand_over(world, mails[:middle])
    subject = "Обычный вопрос посреди шума"
    world.hand_over(letter(subject, "Здравствуйте!", Message_ID="<calm@customer.example>"), to=STRANGERS)
    events |= hand_over(world, mails[middle:])
    ticket_id = world.ticket_of(subject)
    (took,) = world.stack.query(
        "SELECT extract(epoch FROM e.finished_at - e.received_at)::float FROM inbound_events e"
        " JOIN messages m ON m.id = e.message_id WHERE m.ticket_id = %s",
        ticket_id,
    )
    return events, took[0]


@contextmanager
def watched(world: World, browser: Browser, proxy: Stranger) -> Iterator[tuple[BrowserContext, Watch]]:
    """A window of ann's in which nothing goes unseen."""
    way = {"server": proxy.url, "bypass": world.url.removeprefix("http://")}
    context = world.context(browser, "ann", proxy=way)
    watch = Watch(context, world.url)
    try:
        yield context, watch
    finally:
        context.close()


def open_tickets(context: BrowserContext, ticket_ids: list[int]) -> None:
    """Open tickets in several tabs at once, with every mail as it was sent, and quote each in an answer."""
    tabs = [context.new_page() for _ in range(TABS)]
    for start in range(0, len(ticket_ids), TABS):
        if start % 100 == 0 and start:
            print(f"  {start} of {len(ticket_ids)} tickets opened", flush=True)
        pairs = list(zip(tabs, ticket_ids[start : start + TABS], strict=False))
        for tab, ticket_id in pairs:
            tab.goto(f"/tickets/{ticket_id}", wait_until="commit")
        for tab, _ticket_id in pairs:
            tab.wait_for_load_state()
            _unfold(tab)
        for tab, ticket_id in pairs:
            _wait_for_frames(tab)
            assert urlsplit(tab.url).path == f"/tickets/{ticket_id}", f"ticket {ticket_id} led to {tab.url}"
    for tab in tabs:
        tab.close()


def _unfold(page: Page) -> None:
    page.evaluate(
        """() => {
          for (const part of document.querySelectorAll("details")) part.open = true;
          for (const frame of document.querySelectorAll("iframe")) frame.loading = "eager";
          for (const quote of document.querySelectorAll("[data-quote-from]")) quote.click();
        }"""
    )


def _wait_for_frames(page: Page) -> None:
    wanted = page.locator("iframe.mail-frame").count()
    until = time.monotonic() + 60
    while len(frames := [frame for frame in page.frames if "/frame/" in frame.url]) < wanted:
        assert time.monotonic() < until, f"{page.url}: {len(frames)} of {wanted} mails were shown"
        page.wait_for_timeout(20)
    for frame in frames:
        frame.wait_for_load_state()


def open_lists(context: BrowserContext, world: World, customer_ids: list[int]) -> None:
    """Every other page that shows what strangers wrote: queues, search, customers, and a ticket on paper."""
    queue = world.ids["Strangers"]
    paths = ["/queues", f"/queues/{queue}", "/customers", *(f"/search?q={words}" for words in QUESTIONS)]
    paths += [f"/customers/{customer_id}" for customer_id in customer_ids]
    page = context.new_page()
    for path in paths:
        answer = page.goto(path)
        assert answer is not None and answer.status == 200, f"{path} answers {answer and answer.status}"
        # The list follows its own link once it is in sight, which takes it away under a click.
        while following := page.evaluate("document.querySelector('.pager a[rel=next]')?.href"):
            page.goto(following)
    page.emulate_media(media="print")
    page.goto(f"/queues/{queue}")
    page.goto(page.locator(".row-link").first.get_attribute("href") or "")  # lists are not printed
    page.locator(".thread").wait_for()
    page.close()


def customers_of(world: World, ticket_ids: list[int]) -> list[int]:
    """The customers of tickets."""
    rows = world.stack.query("SELECT DISTINCT customer_id FROM tickets WHERE id = ANY(%s)", ticket_ids)
    return [row[0] for row in rows]


def main() -> None:
    """All hostile mails; exit code 1 when anything was amiss."""
    with stranger() as proxy, sync_playwright() as playwright, running() as world:
        browser = launch(playwright)
        mails = list(hostile_mails())
        began = time.monotonic()
        events, delay = normal_between(world, mails)
        ends = fates(world, events)
        print(f"{len(mails)} mails understood in {time.monotonic() - began:.0f} s; an ordinary one took {delay:.1f} s")
        for state in sorted({end[0] for end in ends.values()}):
            reasons = sorted({str(end[1]) for end in ends.values() if end[0] == state})
            print(f"  {state}: {sum(end[0] == state for end in ends.values())} ({'; '.join(reasons)[:300]})")
        tickets = sorted({end[2] for end in ends.values() if end[2] is not None})
        with watched(world, browser, proxy) as (context, watch):
            context.set_default_timeout(120_000)
            open_tickets(context, tickets)
            open_lists(context, world, customers_of(world, tickets))
            faults = watch.faults + [f"left the helpdesk: {asked}" for asked in proxy.asked]
            print(f"{len(tickets)} tickets opened, {len(watch.urls)} addresses asked, {len(faults)} faults")
        browser.close()
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
