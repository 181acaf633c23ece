"""At 200 % zoom, and on a phone: nothing is scrolled sideways, and what is folded can be unfolded by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.browser.keyboard import Keyboard
from tests.browser.world import World
from tests.dovecot import letter

# A window of 1280 x 900 pixels at 200 % has 640 x 450 of those that styles count in.
ZOOMED = {"width": 640, "height": 450}
PHONE = {"width": 390, "height": 844}
SIDEWAYS = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > wide + 1)
    .slice(0, 5).map((one) => `${one.nodeName.toLowerCase()}#${one.id}.${one.className}`);
}"""


@pytest.fixture
def ticket_id(world: World, clear_line: None) -> int:
    """A ticket with a long word in a long mail."""
    title = "Увеличено вдвое"
    world.hand_over(letter(title, "Здравствуйте! " + "оченьдлинноеслово" * 12, Message_ID="<zoom@customer.example>"))
    return world.ticket_of(title)


def sideways(page: Page, path: str) -> list[str]:
    """What is wider than the window on this page."""
    page.goto(path)
    return [f"{path}: {one}" for one in page.evaluate(SIDEWAYS)]


@pytest.mark.parametrize("size", [ZOOMED, PHONE], ids=["200 %", "phone"])
def test_nothing_is_scrolled_sideways(world: World, window: Window, ticket_id: int, size: dict[str, int]) -> None:
    page = window("dora", viewport=size).new_page()
    paths = [
        "/queues", f"/queues/{world.ids['Care']}", f"/tickets/{ticket_id}", f"/tickets/{ticket_id}/dialogs/snooze",
        f"/tickets/{ticket_id}/history", "/search?q=увеличено", "/customers", "/tasks", "/notices", "/preferences",
        "/supervision", "/status", "/tickets/new", "/admin", "/views/all", "/macros",
    ]  # fmt: skip
    assert [one for path in paths for one in sideways(page, path)] == []


def test_card_and_rail_are_folded_and_can_be_opened(world: World, window: Window, ticket_id: int) -> None:
    page = window("ann", viewport=ZOOMED).new_page()
    page.goto(f"/tickets/{ticket_id}")
    hands = Keyboard(page, "latin")
    expect(page.locator("#thread [data-message]").first).to_be_visible()
    for pane, name in (("#rail", "Menu"), ("#card", "Customer card")):
        expect(page.locator(pane)).not_to_be_in_viewport()
        button = page.get_by_role("button", name=name, exact=True).and_(page.locator("[data-open-pane]"))
        hands.choose(button)
        expect(page.locator(pane)).to_be_in_viewport()
        hands.press("Escape")
        expect(page.locator(pane)).not_to_be_in_viewport()
        expect(button).to_be_focused()
