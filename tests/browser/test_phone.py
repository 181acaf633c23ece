"""On the width of a phone nothing lies over what is read."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Window
from tests.browser.two import ticket_of_two
from tests.browser.world import World

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_the_mark_for_handled_messages_has_a_place_of_its_own(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    ticket_id = ticket_of_two(world, browser, "С телефона")
    page = window("ann", **PHONE).new_page()
    page.goto(f"/tickets/{ticket_id}")
    pill = page.locator("#handled button")
    expect(pill).to_be_visible()
    box, read, write = (page.locator(css).bounding_box() for css in ("#handled button", "[data-stick]", "#composer"))
    assert box is not None and read is not None and write is not None
    assert box["y"] >= read["y"] + read["height"] - 1
    assert box["y"] + box["height"] <= write["y"] + 1


def test_a_row_shows_a_face_and_one_button_until_something_is_ticked(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    ticket_id = ticket_of_two(world, browser, "Пальцем по списку")
    page = window("ann", **PHONE).new_page()
    page.goto("/queues")
    row = page.locator(f'#list-pane .row-item[data-id="{ticket_id}"]')
    expect(row.locator(".face")).to_be_visible()
    row.locator("[data-row-menu]").tap()
    expect(page.locator(".row-menu")).to_contain_text("Snooze")
    page.keyboard.press("Escape")
    row.locator(".row-pick").tap()
    expect(row.locator("[data-pick]")).to_be_checked()
    expect(row.locator(".face")).to_be_hidden()
