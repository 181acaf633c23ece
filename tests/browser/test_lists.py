"""Lists in a browser: they go on by themselves, and nothing that comes or goes moves what is being read."""

import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from helpdesk.views.desk_lists import FIRST_ROWS
from tests.browser.conftest import Window
from tests.browser.world import World
from tests.dovecot import letter, wait_until

MANY = 56
WATCH_SHIFTS = """() => {
  window.shifted = 0;
  const add = (entry) => { if (!entry.hadRecentInput) window.shifted += entry.value; };
  new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type: "layout-shift", buffered: true });
}"""


def from_(place: int, subject: str) -> EmailMessage:
    """A mail of somebody who never wrote before."""
    sender = f"Клиент {place} <list{place}@customer{place}.example>"
    return letter(subject, "Здравствуйте!", From=sender, Message_ID=f"<{uuid4()}@customer.example>")


@pytest.fixture
def line(world: World, clear_line: None) -> Iterator[int]:
    """A line of many tickets in Care."""
    world.hand_over(*(from_(place, f"Ряд {place}") for place in range(MANY)))
    care = world.ids["Care"]

    def all_there() -> bool:
        rows = world.stack.query("SELECT count(*) FROM tickets WHERE queue_id = %s AND kind = 'active'", care)
        return bool(rows[0][0] >= MANY)

    wait_until(all_there, 120, "the line stands")
    yield care


@pytest.fixture
def list_page(ann: Page, line: int) -> Page:
    """The line on ann's screen, followed live."""
    with ann.expect_response(lambda response: "/live?" in response.url):
        ann.goto(f"/queues/{line}")
    ann.evaluate(WATCH_SHIFTS)
    return ann


def rows(page: Page) -> Locator:
    return page.locator("#list-pane .row-item")


def scroll_to(page: Page, top: int) -> None:
    page.locator("#list-scroll").evaluate(f"element => {{ element.scrollTop = {top}; }}")


def to_the_end(page: Page) -> None:
    """Scroll on until all rows are there."""
    while rows(page).count() < MANY:
        before = rows(page).count()
        scroll_to(page, 100_000)
        expect(rows(page).nth(before)).to_be_attached()


def reading(page: Page) -> dict[str, Any]:
    """The first row that is wholly in sight, and where it stands."""
    return page.evaluate(
        """() => {
          const top = document.getElementById("list-scroll").getBoundingClientRect().top;
          const place = (row) => row.getBoundingClientRect().top;
          const row = [...document.querySelectorAll("#list-pane .row-item")].find((one) => place(one) >= top);
          return { id: row.id, top: place(row) };
        }"""
    )


def taken_by(window: Window, name: str) -> Callable[[str], None]:
    """How a colleague takes a ticket in a browser of their own."""
    page = window(name).new_page()

    def take(ticket: str) -> None:
        page.goto(f"/tickets/{ticket}")
        page.get_by_role("button", name="Take", exact=True).first.click()
        expect(page.locator("#ticket-bar")).to_be_visible()

    return take


def test_the_next_rows_come_near_the_end_by_wheel_and_by_keys(list_page: Page) -> None:
    expect(rows(list_page)).to_have_count(FIRST_ROWS)
    to_the_end(list_page)
    assert list_page.evaluate("shifted") < 0.02
    list_page.reload()
    expect(rows(list_page)).to_have_count(FIRST_ROWS)
    rows(list_page).nth(FIRST_ROWS - 3).locator(".row-link").focus()
    expect(rows(list_page).nth(FIRST_ROWS + 3)).to_be_attached()
    for _step in range(4):
        list_page.keyboard.press("j")
    expect(rows(list_page).nth(FIRST_ROWS + 1).locator(".row-link")).to_be_focused()


def test_what_comes_and_goes_moves_nothing_that_is_read(world: World, window: Window, list_page: Page) -> None:
    to_the_end(list_page)
    scroll_to(list_page, 900)
    before = reading(list_page)
    first, second = rows(list_page).nth(0), list_page.locator(f"#{before['id']}")

    world.hand_over(from_(900, "Новая после всех"))
    button = list_page.locator("[data-show-new]")
    expect(button).to_have_text("1 new")
    expect(list_page.locator("#announce")).to_have_text("1 new")
    assert reading(list_page) == before
    expect(rows(list_page)).to_have_count(MANY)

    take = taken_by(window, "bob")
    take(str(first.get_attribute("data-id")))
    expect(first).to_contain_class("is-gone")
    take(str(second.get_attribute("data-id")))
    expect(second).to_contain_class("is-gone")
    assert reading(list_page) == before
    assert list_page.evaluate("shifted") < 0.02

    button.click()
    expect(rows(list_page)).to_have_count(MANY - 1)
    fresh = list_page.locator(".row-item", has_text="Новая после всех")
    expect(fresh).to_be_in_viewport()
    expect(fresh.locator(".row-link")).to_be_focused()
    expect(button).to_be_hidden()


def test_a_focused_row_keeps_focus_and_place_and_the_rest_comes_when_it_is_left(world: World, list_page: Page) -> None:
    focused = rows(list_page).nth(1).locator(".row-link")
    focused.focus()
    title = rows(list_page).nth(1).locator(".row-subject").inner_text()
    expect(rows(list_page)).to_have_count(FIRST_ROWS)
    to_the_end(list_page)
    scroll_to(list_page, 0)
    world.hand_over(from_(901, "Пришла тихо"))
    expect(list_page.locator("[data-show-new]")).to_have_text("1 new")
    expect(focused).to_be_focused()
    assert rows(list_page).nth(1).locator(".row-subject").inner_text() == title
    focused.evaluate("element => element.blur()")
    expect(list_page.locator(".row-item", has_text="Пришла тихо")).to_have_count(1)
    expect(rows(list_page)).to_have_count(MANY + 1)
    assert list_page.evaluate("shifted") < 0.02


def test_narrow_save_choose_and_undo_without_a_mouse(list_page: Page) -> None:
    page = list_page
    page.keyboard.press("f")
    page.get_by_label("Has an email address").press("Space")
    page.get_by_role("button", name="Apply").press("Enter")
    expect(page.locator(".filter-chips")).to_contain_text("has an email address")
    page.wait_for_url(re.compile("filter:queue:"))  # the address follows what is painted
    page.reload()
    expect(page.locator(".filter-chips")).to_contain_text("has an email address")
    page.get_by_role("link", name="Save as a view").press("Enter")
    page.get_by_label("Name", exact=True).fill("С почтой")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.locator("#rail .rail-link", has_text="С почтой")).to_have_attribute("aria-current", "page")

    rows(page).nth(0).locator(".row-link").focus()
    for key in ("x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("[data-bulk-count]")).to_have_text("2")
    page.locator("[data-bulk-act=finish]").press("Enter")
    expect(page.locator("#bulk-preview")).to_contain_text("2 of 2 tickets will change.")
    page.get_by_role("button", name="Finish (2)").press("Enter")
    expect(page.locator("#main")).to_contain_text("2 tickets were changed.")
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator(".flashes")).to_contain_text("2 tickets are as they were.")
