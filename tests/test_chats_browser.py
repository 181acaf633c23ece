"""The list of people and what is handled, in Chromium: by keys, live, and with nothing that axe finds amiss."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from helpdesk.models import Ticket
from helpdesk.models.session import Stage, UserSession
from tests.chromium import need_chromium
from tests.factories import Factories
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import machine, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(app: Any, make_committed: Any, committed: Any) -> Iterator[Any]:
    """The application on a port; eve wrote twice, on a ticket that ann has, and somebody else wrote later."""
    need_chromium()
    make = make_committed
    cast = make.cast()
    ticket = make.ticket(cast.support, cast.eve, "Где мой заказ?", minutes_ago=90, channel=cast.mailbox)
    make.hear(ticket, "Жду третий день")
    ticket.claim(cast.ann)
    make.ticket(cast.support, make.customer("Борис Годунов"), minutes_ago=5)
    cookies = {}
    for name in ("ann", "dora"):
        _row, cookies[name] = UserSession.begin(getattr(cast, name), Stage.FULL, "127.0.0.1", "Chromium")
    ticket_id, eve_id = ticket.id, cast.eve.id
    committed.commit()
    with serving(app) as url:
        yield SimpleNamespace(url=url, at=f"{url}/tickets/{ticket_id}", ticket=ticket_id, eve=eve_id, cookies=cookies)


def unread(committed: Any, desk: Any) -> int:
    """What the ticket says now; no transaction stays open while the browser works."""
    found = committed.get(Ticket, desk.ticket, populate_existing=True).unread
    committed.rollback()
    return int(found)


def test_marking_by_key_is_undone_by_the_message(desk: Any, browser: Browser, committed: Any) -> None:
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(f"{desk.url}/people-list?tab=unread")
    page.locator(f'#list-pane a[href*="/customers/{desk.eve}/exchange"]').click()
    expect(page.locator("#handled .count")).to_have_text("2")
    expect(page.locator("#list-pane .row-item[aria-current]")).to_contain_text("Ева Иванова")
    page.locator("#composer textarea").focus()
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#toasts")).to_contain_text("Marked as handled")
    expect(page.locator("#handled form")).to_have_count(0)
    assert unread(committed, desk) == 0
    page.locator("#toasts").get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("#handled .count")).to_have_text("2")
    assert unread(committed, desk) == 2


def test_a_text_goes_on_in_a_new_line(desk: Any, browser: Browser) -> None:
    """The key marks in an empty text alone; in another one it is the browser's own."""
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(f"{desk.url}/customers/{desk.eve}/exchange")
    text = page.locator("#composer textarea")
    text.fill("Первая строка")
    text.press("Shift+Enter")
    expect(text).to_have_value("Первая строка\n")
    expect(page.locator("#handled .count")).to_have_text("2")


def test_what_is_said_meanwhile_comes_live_and_an_answer_stays_in_the_exchange(
    desk: Any, browser: Browser, committed: Any
) -> None:
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(f"{desk.url}/customers/{desk.eve}/exchange")
    expect(page.locator("#thread")).to_contain_text("Жду третий день")
    page.locator("#composer textarea").fill("Уже выясняем")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#thread")).to_contain_text("Уже выясняем")
    expect(page.locator("#thread .of-ticket")).to_have_count(1)
    expect(page.locator("#handled .count")).to_have_text("2")  # answering marks nothing
    Factories(committed).hear(committed.get(Ticket, desk.ticket), "Курьер так и не позвонил")
    committed.commit()
    expect(page.locator("#thread")).to_contain_text("Курьер так и не позвонил")
    expect(page.locator("#handled .count")).to_have_text("3")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_amiss_for_those_who_cannot_see(desk: Any, browser: Browser, theme: str) -> None:
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "resultTypes": ["violations"]}
    faults = []
    for name, path in (
        ("ann", "/people-list?tab=unread"),
        ("ann", "/people-list?tab=important"),
        ("ann", f"/customers/{desk.eve}/exchange"),
        ("dora", "/admin/handled"),
    ):
        for width in (1440, 390):
            page = machine(desk, browser, name, viewport={"width": width, "height": 844}, color_scheme=theme)
            page.goto(desk.url + path)
            page.wait_for_load_state("load")
            found = Axe().run(page, options=options).response["violations"]
            faults += [(path, width, one["id"], one["nodes"][0]["html"][:200]) for one in found]
            page.context.close()
    assert faults == []
