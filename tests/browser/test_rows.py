"""Rows of a list: marks that come and go by themselves, and the menu of what can be done."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Window
from tests.browser.test_lists import WATCH_SHIFTS
from tests.browser.two import TEXT, at_ticket, ticket_of_two
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


def test_the_menu_of_a_row_does_by_keys_what_the_ticket_offers_and_leads_nowhere(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    snoozed = ticket_of_two(world, browser, "Отложить из списка")
    open_ = ticket_of_two(world, browser, "Открытое обращение")
    ann = window("ann").new_page()
    hands = at_ticket(ann, open_)
    hands.write("Начатый ответ")
    before = ann.url
    row = ann.locator(f'#list-pane .row-item[data-id="{snoozed}"]')
    row.locator(".row-link").focus()
    hands.press("o")
    menu = ann.locator(".row-menu")
    expect(menu.locator(".dropdown-item").first).to_be_focused()
    expect(menu).to_contain_text("Merge into another ticket")
    hands.press("Escape")
    expect(menu).to_have_count(0)
    expect(row.locator(".row-link")).to_be_focused()

    hands.press("o")
    expect(menu.locator(".dropdown-item").first).to_be_focused()
    while not menu.locator(".dropdown-item:focus", has_text="Snooze").count():
        hands.press("ArrowDown")
    hands.press("Enter")
    expect(ann.locator("#dialog .snoozes button").first).to_be_focused()
    hands.press("Enter")
    expect(ann.locator("#toasts")).to_contain_text("Done")
    expect(ann.locator("#dialog")).to_be_hidden()
    state = "SELECT kind FROM tickets WHERE id = %s"
    assert world.stack.query(state, snoozed) == [("paused",)]
    assert (ann.url, ann.locator(TEXT).input_value()) == (before, "Начатый ответ")
    expect(row.locator(".row-link")).to_be_focused()


CUT = """() => {
  const pane = document.getElementById("list-pane").getBoundingClientRect();
  const isCut = (part) => {
    const within = (part.closest(".row-chips") ?? part.parentElement).getBoundingClientRect();
    const box = part.getBoundingClientRect();
    const text = part.querySelector(".clip");
    return box.right > Math.min(within.right, pane.right) + 0.5 || (text && text.scrollWidth > text.clientWidth + 1);
  };
  return [...document.querySelectorAll(".list-tab, .chip-due")].filter(isCut).map((part) => part.textContent);
}"""


@pytest.mark.parametrize("width", ["", "240"], ids=["default", "least"])
def test_no_tab_and_no_due_time_is_cut_in_any_language(
    world: World, browser: Browser, window: Window, clear_line: None, width: str
) -> None:
    care, ann_id = world.ids["Care"], world.ids["ann"]
    for hours in (-50, 0.75, 60):
        ticket_id = ticket_of_two(world, browser, f"Срок {hours} {width or 'обычный'}")
        world.stack.query(
            "UPDATE tickets SET owner_id = NULL, state = 'new', queue_id = %s, due_at = now() + %s * interval '1 hour',"
            " due_warn_at = now() WHERE id = %s RETURNING id",
            *(care, hours, ticket_id),
        )
    context = window("ann")
    context.add_init_script(f"localStorage.setItem('--list-width', '{width}')")
    page = context.new_page()
    try:
        for language in ("en", "ru", "uk"):
            world.stack.query("UPDATE users SET language = %s WHERE id = %s RETURNING id", language, ann_id)
            page.goto(f"/queues/{care}")
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("#list-pane .chip-due")).to_have_count(3)
            expect(page.locator(".list-tab")).to_have_count(5)
            assert page.evaluate(CUT) == []
    finally:
        world.stack.query("UPDATE users SET language = 'en' WHERE id = %s RETURNING id", ann_id)
