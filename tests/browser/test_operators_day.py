"""A new operator's day without a mouse, in a Latin and in a Russian layout; what the database knows in the evening."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.browser.keyboard import Keyboard
from tests.browser.world import World
from tests.dovecot import PASSWORD, letter, wait_until

ANSWER = "Здравствуйте! Спасибо, что написали."  # what the furnished ready answer says


@pytest.fixture(params=["latin", "russian"])
def hands(request: pytest.FixtureRequest, world: World, browser: Browser, clear_line: None) -> Any:
    """Ann's hands at a browser that nobody signed in at yet."""
    context = browser.new_context(
        base_url=world.url, locale="en-GB", viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    # A mouse is not part of this day: whatever clicked would come from this test.
    page.add_init_script("addEventListener('pointerdown', () => { document.title = 'a mouse!' }, true)")
    yield Keyboard(page, request.param)
    context.close()


def mail(world: World, layout: str, number: int, title: str, **headers: str) -> int:
    """A mail of the day; gives its ticket."""
    name = f"{title} ({layout})"
    world.hand_over(
        letter(name, "Добрый день! Помогите.", Message_ID=f"<day-{layout}-{number}@customer.example>", **headers)
    )
    return world.ticket_of(name)


def shown(page: Page, title: str) -> None:
    """This ticket is open, and its thread can be read."""
    expect(page.locator(".ticket-bar h1")).to_have_text(title)
    expect(page.locator("#thread [data-message]").first).to_be_visible()


def leave_text(hands: Keyboard) -> None:
    """Out of the composer, so that letters are keys again."""
    hands.press("Escape")
    expect(hands.page.locator("#composer textarea.composer-text")).not_to_be_focused()


def sign_in(hands: Keyboard) -> None:
    page = hands.page
    page.goto("/sign-in")
    hands.tab_to(page.get_by_label("Email"))
    hands.write("ann@desk.example")
    hands.tab_to(page.get_by_label("Password"))
    hands.write(PASSWORD)
    hands.press("Enter")
    expect(page.locator("body.desk")).to_be_attached()
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()


def test_a_day_without_a_mouse(world: World, hands: Keyboard) -> None:
    page, layout = hands.page, hands.layout
    first = mail(world, layout, 1, "Первый вопрос")
    second = mail(world, layout, 2, "Второй вопрос")
    sign_in(hands)

    hands.press("n")
    shown(page, f"Первый вопрос ({layout})")
    text = page.locator("#composer textarea.composer-text")
    expect(text).to_be_focused()  # take next ends where the answer is written
    expect(page.locator("#thread")).to_contain_text("Помогите")
    note_with_a_mention(hands)
    answer_from_the_shelf(hands)

    hands.press("n")
    shown(page, f"Второй вопрос ({layout})")
    snooze(hands)

    third = mail(world, layout, 3, "Третий вопрос")
    again = mail(world, layout, 4, "Снова третий вопрос")
    search_a_customer(hands)
    hands.press("n")
    shown(page, f"Третий вопрос ({layout})")
    merge_and_undo(hands, f"Снова третий вопрос ({layout})")

    state = "SELECT state, kind, owner_id FROM tickets WHERE id = %s"
    wait_until(lambda: world.stack.query(state, second)[0][1] == "paused")
    assert world.stack.query(state, first) == [("solved", "finished", world.ids["ann"])]
    said = world.stack.query("SELECT kind, text FROM messages WHERE ticket_id = %s ORDER BY seq", first)
    assert [kind for kind, _ in said] == ["inbound", "note", "reply"]
    assert said[2][1].startswith(ANSWER)
    told = world.stack.query(
        "SELECT count(*) FROM notices WHERE user_id = %s AND ticket_id = %s", world.ids["bob"], first
    )
    assert told[0][0] == 1
    events = "SELECT kind FROM events WHERE ticket_id = %s AND kind LIKE 'ticket.%%merged' ORDER BY id"
    assert [kind for (kind,) in world.stack.query(events, third)] == ["ticket.merged", "ticket.unmerged"]
    assert world.stack.query(state, third) == [("open", "active", world.ids["ann"])]
    assert world.stack.query(state, again)[0][1:] == ("active", None)
    assert page.title() != "a mouse!"


def note_with_a_mention(hands: Keyboard) -> None:
    page = hands.page
    leave_text(hands)
    hands.press("i")
    expect(page.get_by_role("button", name="Add note")).to_be_visible()
    hands.write("Узнай, пожалуйста, @Bo")
    expect(page.get_by_role("option", name="Bob")).to_be_visible()
    hands.press("Enter")
    expect(page.locator("#composer textarea.composer-text")).to_have_value("Узнай, пожалуйста, @Bob ")
    hands.write("когда отправили?")
    hands.press("Ctrl+Enter")
    expect(page.locator(".said-note")).to_contain_text("когда отправили?")


def answer_from_the_shelf(hands: Keyboard) -> None:
    """A ready answer by "/", sent and finished by one key."""
    page = hands.page
    text = page.locator("#composer textarea.composer-text")
    leave_text(hands)
    hands.press("r")
    expect(text).to_be_focused()
    hands.character("/")
    expect(page.locator("#answers")).to_be_visible()
    hands.write("Привет")
    expect(page.locator("#answers-list [role=option]")).to_have_count(1)
    hands.press("Enter")
    expect(page.locator("#answers")).to_be_hidden()
    expect(text).to_have_value(ANSWER)
    hands.press("Ctrl+Alt+Enter")
    expect(page.locator("#composer")).to_have_count(0)  # done with: the list again, with who is next
    expect(page.locator(".undo-send")).to_be_visible()


def snooze(hands: Keyboard) -> None:
    page = hands.page
    leave_text(hands)
    hands.press("s")
    hands.choose(page.locator("#dialog").get_by_role("button", name="In one hour"))
    expect(page.locator("dialog#dialog")).to_be_hidden()


def search_a_customer(hands: Keyboard) -> None:
    page = hands.page
    hands.press("/")
    field = page.get_by_role("searchbox").first
    expect(field).to_be_focused()
    hands.write("Ева Иванова")
    hands.press("Enter")
    hands.choose(page.locator("#main").get_by_role("link", name="Ева Иванова").first)
    expect(page.locator("h1")).to_contain_text("Ева Иванова")


def merge_and_undo(hands: Keyboard, duplicate: str) -> None:
    """The open ticket becomes part of another one of the same customer, and then again does not."""
    page = hands.page
    before = page.locator(".ticket-bar h1").inner_text()
    leave_text(hands)
    hands.press("Ctrl+k")
    expect(page.locator("#command-bar")).to_be_visible()
    hands.write("merge into")
    expect(page.locator("#command-list [role=option]").first).to_contain_text("Merge into another ticket")
    hands.press("Enter")
    dialog = page.locator("#dialog-body")
    hands.choose(dialog.get_by_role("button", name=duplicate))
    expect(dialog.get_by_role("button", name="Merge", exact=True)).to_be_focused()
    hands.press("Enter")
    shown(page, duplicate)
    hands.choose(page.locator(".notice-undo").get_by_role("button", name="Undo"), back=True)
    shown(page, before)
