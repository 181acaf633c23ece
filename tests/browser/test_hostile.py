"""Hostile mails come in through the door and are looked at on every page: nothing runs, nothing leaves.

The cleaner, the policy and the sandbox must each hold alone, so each is tried with the others taken away.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from queues.channels.email.html import clean_html
from tests.browser.hostile_pages import (
    customers_of,
    fates,
    normal_between,
    open_lists,
    open_tickets,
    sample,
    watched,
)
from tests.browser.watch import Stranger, Watch, stranger
from tests.browser.world import World
from tests.dovecot import wait_until
from tests.email.hostile import hostile_mails
from tests.email.payloads import PAYLOADS


@pytest.fixture
def proxy() -> Iterator[Stranger]:
    """What everything goes through that leaves the helpdesk."""
    with stranger() as server:
        yield server


@pytest.fixture
def looking(world: World, browser: Browser, proxy: Stranger) -> Iterator[tuple[BrowserContext, Watch]]:
    """A window of ann's, watched."""
    with watched(world, browser, proxy) as pair:
        yield pair


def test_the_watch_sees_what_it_shall_see(looking: tuple[BrowserContext, Watch], proxy: Stranger, world: World) -> None:
    context, watch = looking
    page = context.new_page()
    page.route("**/bad", lambda route: route.fulfill(content_type="text/html", body="<script>alert(1)</script>"))
    page.route(
        "**/frame/bad",
        lambda route: route.fulfill(
            content_type="text/html",
            body='<iframe sandbox="allow-scripts" srcdoc="<script>alert(1)</script>"></iframe>'
            '<img src="http://evil.example/a.png">',
        ),
    )
    page.goto("/bad")
    assert any("a dialog said" in fault for fault in watch.faults)
    page.goto("/frame/bad")
    wait_until(lambda: page.wait_for_timeout(20) or any("evil.example/a.png" in one for one in proxy.asked))
    assert any("a script said" in fault for fault in watch.faults)


def test_hostile_mails_become_tickets_and_harm_no_page(
    world: World, looking: tuple[BrowserContext, Watch], proxy: Stranger
) -> None:
    context, watch = looking
    mails = sample(hostile_mails())
    events, delay = normal_between(world, mails)
    ends = fates(world, events)
    print(f"\n{len(mails)} hostile mails; an ordinary one between them took {delay:.1f} s")
    lost = {name: end for name, end in ends.items() if end[0] != "quarantined" and end[2] is None}
    assert not lost
    calm = world.stack.query(
        "SELECT count(*) FROM inbound_events e JOIN messages m ON m.id = e.message_id WHERE e.id > "
        "(SELECT e2.id FROM inbound_events e2 JOIN messages m2 ON m2.id = e2.message_id"
        " WHERE m2.header_id = '<calm@customer.example>')"
        " AND e.channel_id = %s AND e.finished_at > (SELECT e3.finished_at FROM inbound_events e3 JOIN messages m3"
        " ON m3.id = e3.message_id WHERE m3.header_id = '<calm@customer.example>')",
        world.ids["strangers"],
    )
    assert calm[0][0] > 0, "the ordinary mail waited for all the hostile ones behind it"
    tickets = sorted({end[2] for end in ends.values() if end[2] is not None})
    open_tickets(context, tickets)
    open_lists(context, world, customers_of(world, tickets)[:8])
    assert watch.faults == []
    assert proxy.asked == []


# Each layer alone. The documents are served at addresses of the helpdesk, as the real frame is.


def harness(page: Page, documents: list[str], frame_policy: str, page_policy: str, sandbox: str | None) -> None:
    """One page of the helpdesk's origin with a frame for each document."""
    attribute = "" if sandbox is None else f' sandbox="{sandbox}"'
    frames = "".join(f'<iframe{attribute} src="/messages/{n}/frame/x"></iframe>' for n in range(len(documents)))

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        number = re.fullmatch(r"/messages/(\d+)/frame/x", path)
        body = documents[int(number[1])] if number else frames
        policy = frame_policy if number else page_policy
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if policy:
            headers["Content-Security-Policy"] = policy
        route.fulfill(headers=headers, body=f"<!doctype html><html><body>{body}</body></html>")

    page.route(re.compile(r"/messages/\d+/frame/x$|/harness$"), answer)
    page.goto("/harness")
    # Not their own frames: one that was forbidden to load never has a document to ask.
    for frame in page.main_frame.child_frames:
        frame.evaluate(
            """() => {
              for (const part of document.querySelectorAll('a[href^="java" i], button, [onclick]')) part.click();
            }"""
        )
    page.wait_for_load_state("networkidle")


def beyond_pictures(watch: Watch) -> list[str]:
    """The faults but for pictures of our own origin, which the policy lets a mail show: that is the cleaner's part."""
    return [fault for fault in watch.faults if "a mail asked for" not in fault]


def real_policies(world: World, page: Page) -> tuple[str, str]:
    """The policies of a real frame and of a real page."""
    messages = world.stack.query("SELECT max(id) FROM messages WHERE html IS NOT NULL")
    frame = page.goto(f"/messages/{messages[0][0]}/html")
    ours = page.goto("/queues")
    assert frame is not None and ours is not None and "/frame/" in frame.url
    return frame.headers["content-security-policy"], ours.headers["content-security-policy"]


def test_the_cleaner_holds_alone(looking: tuple[BrowserContext, Watch], proxy: Stranger) -> None:
    context, watch = looking
    cleaned = [clean_html(payload).html for payload in PAYLOADS]
    harness(context.new_page(), cleaned, "", "", None)
    assert watch.faults == []
    assert proxy.asked == []


def test_the_policy_holds_alone(world: World, looking: tuple[BrowserContext, Watch], proxy: Stranger) -> None:
    context, watch = looking
    page = context.new_page()
    of_frame, of_page = real_policies(world, page)
    without_sandbox = "; ".join(part for part in of_frame.split("; ") if not part.startswith("sandbox"))
    assert without_sandbox != of_frame
    harness(page, PAYLOADS, without_sandbox, of_page, None)
    assert beyond_pictures(watch) == []
    assert proxy.asked == []


def test_the_sandbox_holds_alone(world: World, looking: tuple[BrowserContext, Watch]) -> None:
    """It cannot keep pictures from loading; nothing may run, and nothing may lead the page or the frame away."""
    context, watch = looking
    page = context.new_page()
    of_frame, _of_page = real_policies(world, page)
    sandbox = next(part for part in of_frame.split("; ") if part.startswith("sandbox"))
    harness(page, PAYLOADS, sandbox, "", sandbox.removeprefix("sandbox "))
    assert [fault for fault in watch.faults if "a script said" in fault or "a dialog said" in fault] == []
    assert urlsplit(page.url).path == "/harness"


def test_policy_and_sandbox_hold_in_the_real_page(
    world: World, looking: tuple[BrowserContext, Watch], proxy: Stranger
) -> None:
    """The cleaner taken away where it matters: raw markup in the database, shown by the real pages."""
    context, watch = looking
    rows = world.stack.query("SELECT id, ticket_id FROM messages WHERE html IS NOT NULL ORDER BY id LIMIT 12")
    assert rows
    kept = [payload for payload in PAYLOADS if not re.search(r"<(title|textarea|xmp|noembed|template|style)", payload)]
    for place, (message_id, _ticket) in enumerate(rows):
        raw = "\n".join(kept[place :: len(rows)])
        world.stack.query("UPDATE messages SET html = %s WHERE id = %s RETURNING id", raw, message_id)
    open_tickets(context, [ticket for _message, ticket in rows])
    assert beyond_pictures(watch) == []
    assert proxy.asked == []
