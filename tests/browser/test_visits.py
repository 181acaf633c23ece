"""Going from place to place in the workspace: what is asked for, once and in time, and what is done when."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.keyboard import Keyboard
from tests.browser.test_workspace_keys import TEXT, mails, ready, title
from tests.browser.world import World

# The page never gets to what it does after painting, unless a key or a click asks for it.
NEVER_PAINTED = """() => {
  const later = window.setTimeout;
  window.requestAnimationFrame = () => 0;
  window.setTimeout = (work, pause, ...rest) => (pause === 100 ? 0 : later(work, pause, ...rest));
}"""


@pytest.fixture
def hands(ann: Page, clear_line: None) -> Keyboard:
    """Ann's keyboard."""
    return Keyboard(ann, "latin")


@pytest.fixture
def visits(ann: Page) -> Iterator[list[str]]:
    """What was asked for with X-Panes so far: method and path."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "x-panes" in request.headers:
            asked.append(f"{request.method} {request.url.partition('?')[0].partition('/')[2].partition('/')[2]}")

    ann.on("request", note)
    yield asked


def row(page: Page, ticket_id: int) -> Any:
    return page.locator(f'#list-pane .row-item[data-id="{ticket_id}"] .row-link')


def path(page: Page) -> str:
    return str(page.evaluate("location.pathname"))


def test_what_is_opened_at_once_is_asked_for_once(world: World, hands: Keyboard, visits: list[str]) -> None:
    """Neither in advance behind the back of the visit, nor again when it was there in advance."""
    page = hands.page
    (first, first_id), (second, second_id) = mails(world, hands, 2).items()
    page.goto(f"/queues/{world.ids['Care']}")
    ready(page)
    row(page, first_id).focus()
    hands.press("Enter")
    expect(title(page)).to_have_text(first)
    with page.expect_response(lambda answer: f"/tickets/{second_id}?" in answer.url) as asked:
        row(page, second_id).focus()  # its turn comes later than that of the first would have come
    asked.value.finished()
    hands.press("Enter")
    expect(title(page)).to_have_text(second)
    host = page.url.partition("//")[2].partition("/")[0]
    assert [one for one in visits if "tickets" in one] == [f"GET {host}/tickets/{one}" for one in (first_id, second_id)]


def test_a_queue_is_there_when_its_entry_had_the_focus(world: World, hands: Keyboard, visits: list[str]) -> None:
    page = hands.page
    mails(world, hands, 1)
    page.goto("/queues")
    ready(page)
    address = f"/queues/{world.ids['Care']}"
    with page.expect_response(lambda answer: answer.url.endswith(address)) as asked:
        page.locator(f'#rail a[href="{address}"]').focus()
    asked.value.finished()
    hands.press("Enter")
    expect(page.locator(f'#list-pane[data-list-key="queue:{world.ids["Care"]}"]')).to_be_visible()
    expect(page.locator("#list-pane .row-link").first).to_be_focused()
    assert [one for one in visits if one.endswith(address)] == [visits[0]]


def test_a_key_finds_a_page_complete_whatever_was_painted(world: World, hands: Keyboard) -> None:
    """Address and dialogs follow the painting; whoever is faster gets them at once, and no plain page instead."""
    page = hands.page
    ((name, ticket_id),) = mails(world, hands, 1).items()
    page.goto(f"/queues/{world.ids['Care']}")
    ready(page)
    page.evaluate(NEVER_PAINTED)
    row(page, ticket_id).focus()
    hands.press("Enter")
    expect(title(page)).to_have_text(name)
    assert path(page) == f"/queues/{world.ids['Care']}"
    hands.press("a")
    expect(page.locator("#dialog")).to_be_visible()
    assert path(page) == f"/tickets/{ticket_id}"


def test_take_next_is_one_way_and_reload_and_back_know_it(world: World, hands: Keyboard, visits: list[str]) -> None:
    page = hands.page
    ((name, ticket_id),) = mails(world, hands, 1).items()
    line = f"/queues/{world.ids['Care']}"
    page.goto(line)
    ready(page)
    hands.press("n")
    expect(title(page)).to_have_text(name)
    expect(page.locator(TEXT)).to_be_focused()
    page.wait_for_url(f"**/tickets/{ticket_id}?**")
    assert [one.partition("/")[2] for one in visits] == ["claims"]
    page.go_back()
    page.wait_for_url(f"**{line}")
    expect(page.locator(".start-pane")).to_be_visible()
    page.go_forward()
    expect(title(page)).to_have_text(name)
    page.reload()
    expect(title(page)).to_have_text(name)
