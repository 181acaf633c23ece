"""Marks on the rows of a list that come and go by themselves."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Window
from tests.browser.test_lists import WATCH_SHIFTS
from tests.browser.two import at_ticket, ticket_of_two
from tests.browser.world import World


def test_who_writes_is_marked_in_the_list_without_reading_it_again(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    ticket_id = ticket_of_two(world, browser, "Кто пишет ответ")
    ann, bob = window("ann").new_page(), window("bob").new_page()
    with ann.expect_response(lambda response: "/live?" in response.url):
        ann.goto("/queues")
    row = ann.locator(f'.row-item[data-id="{ticket_id}"]')
    expect(row).to_be_visible()
    ann.evaluate(WATCH_SHIFTS)
    before = row.locator(".row-who").bounding_box()
    asked: list[str] = []
    ann.on("request", lambda request: asked.append(request.url))

    hands = at_ticket(bob, ticket_id)
    ann.evaluate("shifted = 0")  # what moved while the page was loaded is not the mark's
    hands.write("Добрый день!")
    mark = row.locator("[data-writes]")
    expect(mark).to_have_attribute("title", "Bob is replying")
    assert row.locator(".row-who").bounding_box() == before
    # Bob's draft is his own: nothing of it concerns ann's list, and marks cost no request.
    bob.close()
    expect(mark).to_have_count(0)
    assert [url for url in asked if "span=" in url] == []
    assert ann.evaluate("shifted") == 0
