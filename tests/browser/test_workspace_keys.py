"""Keys, the sheet of keys, the command bar, the large card and the long thread, in a Latin and in a Russian layout."""

import itertools
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.browser.keyboard import Keyboard
from tests.browser.world import World
from tests.dovecot import letter

TEXT = "#composer textarea.composer-text"


@pytest.fixture(params=["latin", "russian"])
def hands(request: pytest.FixtureRequest, ann: Page, clear_line: None) -> Keyboard:
    """Ann's keyboard."""
    return Keyboard(ann, request.param)


numbers = itertools.count(1)


def mails(world: World, hands: Keyboard, count: int) -> dict[str, int]:
    """So many new tickets in the queue Care by their titles, the oldest first."""
    titles = [f"Клавиши {hands.layout} {next(numbers)}" for _number in range(count)]
    for one in titles:
        header = f"<{one.replace(' ', '-').encode().hex()}@customer.example>"
        world.hand_over(letter(one, "Вопрос", Message_ID=header))
    return {one: world.ticket_of(one) for one in titles}


def title(page: Page) -> Any:
    return page.locator(".ticket-bar h1")


def ready(page: Page) -> None:
    """Shortcuts are at work when their hints stand on the buttons."""
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()


def test_lists_are_walked_while_somebody_writes(world: World, hands: Keyboard) -> None:
    first, second, _third = mails(world, hands, 3)
    page = hands.page
    page.goto(f"/queues/{world.ids['Care']}")
    ready(page)
    hands.press("j")
    hands.press("Enter")
    expect(title(page)).to_have_text(first)
    ready(page)
    hands.press("i")
    expect(page.locator(TEXT)).to_be_focused()
    hands.press("Ctrl+Shift+ArrowDown")
    expect(title(page)).to_have_text(second)
    expect(page.locator(TEXT)).to_be_focused()
    hands.press("Ctrl+Shift+ArrowUp")
    expect(title(page)).to_have_text(first)
    hands.press("Escape")
    expect(page.locator(TEXT)).not_to_be_focused()
    hands.press("Ctrl+Shift+ArrowDown")
    expect(title(page)).to_have_text(second)
    expect(page.locator(TEXT)).not_to_be_focused()


def test_shift_enter_is_a_new_line_in_words_and_a_mark_without_them(world: World, hands: Keyboard) -> None:
    (ticket_id,) = mails(world, hands, 1).values()
    page = hands.page
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    hands.press("i")
    hands.write("слово")
    hands.press("Shift+Enter")
    hands.write("дальше")
    expect(page.locator(TEXT)).to_have_value("слово\nдальше")
    unread = "SELECT unread FROM tickets WHERE id = %s"
    assert world.stack.query(unread, ticket_id) == [(1,)]
    page.locator(TEXT).fill("")
    hands.press("Shift+Enter")
    expect(page.locator('[data-key="Shift+Enter"]')).to_be_hidden()
    assert world.stack.query(unread, ticket_id) == [(0,)]
    expect(page.locator(TEXT)).to_have_value("")


def test_the_parts_of_the_screen_by_f6(world: World, hands: Keyboard) -> None:
    (ticket_id,) = mails(world, hands, 1).values()
    page = hands.page
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    part = "document.activeElement.closest('#composer, .pane')?.id"
    page.locator("#rail a").first.focus()
    seen = []
    for _step in range(5):
        hands.press("F6")
        seen.append(page.evaluate(part))
    assert seen == ["list-pane", "main", "composer", "card", "rail"]
    hands.press("Shift+F6")
    assert page.evaluate(part) == "card"
    for name in ("nav#rail", "aside#list-pane", "aside#card"):
        assert page.locator(name).get_attribute("aria-label")


def test_the_large_card_opens_over_the_text_and_gives_the_focus_back(world: World, hands: Keyboard) -> None:
    (ticket_id,) = mails(world, hands, 1).values()
    page = hands.page
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    hands.press("i")
    hands.write("черновик")
    hands.press("Ctrl+Shift+s")
    card = page.locator("#large-card")
    expect(card).to_be_visible()
    expect(card.locator("h2")).to_be_focused()
    expect(card).to_contain_text("Tickets")
    hands.press("Escape")
    expect(card).to_be_hidden()
    expect(page.locator(TEXT)).to_be_focused()
    expect(page.locator(TEXT)).to_have_value("черновик")


def test_the_sheet_says_what_works_here(world: World, hands: Keyboard) -> None:
    page = hands.page
    page.goto("/search")
    page.locator("main .pane-scroll").focus()
    ready(page)
    hands.devtools.send(
        "Input.dispatchKeyEvent",
        {"type": "rawKeyDown", "code": "Slash", "key": "," if hands.layout == "russian" else "?", "modifiers": 8},
    )
    sheet = page.locator("#keys-dialog")
    expect(sheet).to_be_visible()
    expect(sheet.locator('[data-shortcut="n"]')).to_be_visible()
    expect(sheet.locator('[data-shortcut="e"]')).to_be_hidden()  # no ticket is open
    hands.write("finish")
    expect(sheet.locator('[data-shortcut="e"]')).to_be_visible()
    expect(sheet.locator('[data-shortcut="n"]')).to_be_hidden()
    hands.press("Escape")
    expect(sheet).to_be_hidden()


def test_the_command_bar_does_what_buttons_do(world: World, hands: Keyboard) -> None:
    (ticket_id,) = mails(world, hands, 1).values()
    page = hands.page
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    bar = page.locator("#command-bar")
    chosen = bar.locator('[aria-selected="true"]')
    hands.press("Ctrl+k")
    expect(bar.get_by_role("combobox")).to_be_focused()
    hands.write("ефлу" if hands.layout == "russian" else "take")  # whoever types does not look at the layout
    expect(chosen).to_have_text("TakeT")
    hands.press("Enter")
    expect(page.locator(".ticket-sub")).to_contain_text("Ann")
    expect(bar).to_be_hidden()

    hands.press("Ctrl+k")
    hands.write("snooze")
    expect(chosen).to_contain_text("Snooze")
    hands.press("Enter")
    expect(page.locator("dialog#dialog")).to_be_visible()
    hands.press("Escape")

    hands.press("Ctrl+k")
    hands.write("Клавиши")
    found = bar.get_by_role("option").filter(has_text=f"Клавиши {hands.layout}")
    expect(found.first).to_be_visible()
    hands.press("Escape")
    expect(bar).to_be_hidden()


def test_single_letters_can_be_switched_off(world: World, window: Window, clear_line: None) -> None:
    world.hand_over(letter("Без букв", "Вопрос", Message_ID="<letters-off@customer.example>"))
    page = window("ann").new_page()
    page.goto(f"/tickets/{world.ticket_of('Без букв')}")
    ready(page)
    page.evaluate("document.documentElement.dataset.shortcuts = 'off'")
    hands = Keyboard(page, "latin")
    hands.press("i")
    expect(page.locator(TEXT)).not_to_be_focused()
    hands.press("Ctrl+k")
    expect(page.locator("#command-bar")).to_be_visible()


def test_what_comes_is_said_in_one_sentence(world: World, window: Window, clear_line: None) -> None:
    world.hand_over(letter("Вслух", "Вопрос", Message_ID="<aloud-1@customer.example>"))
    ticket_id = world.ticket_of("Вслух")
    page = window("ann").new_page()
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    expect(page.locator("#thread [data-message]")).to_have_count(1)
    again = letter("Re: Вслух", "Тайные слова", Message_ID="<aloud-2@customer.example>")
    again["In-Reply-To"] = "<aloud-1@customer.example>"
    world.hand_over(again)
    expect(page.locator("#thread [data-message]")).to_have_count(2)
    expect(page.locator("#announce")).to_contain_text("New message from")
    expect(page.locator("#announce")).not_to_contain_text("Тайные слова")


def test_a_long_thread_grows_upwards_without_moving(world: World, window: Window, clear_line: None) -> None:
    world.hand_over(letter("Длинная", "Вопрос", Message_ID="<long-1@customer.example>"))
    ticket_id = world.ticket_of("Длинная")
    world.stack.query(
        "INSERT INTO messages (conversation_id, ticket_id, seq, kind, customer_id, text, visible_text, sender, at)"
        " SELECT conversation_id, id, 1000 + n, 'inbound', customer_id, 'Слова ' || n, 'Слова ' || n, 'eve@x.example',"
        " now() - interval '1 day' + n * interval '2 minutes' FROM tickets, generate_series(1, 300) AS n"
        " WHERE tickets.id = %s RETURNING id",
        ticket_id,
    )
    world.stack.query("UPDATE tickets SET unread_first_id = NULL, unread = 0 WHERE id = %s RETURNING id", ticket_id)
    page = window("ann").new_page()
    page.goto(f"/tickets/{ticket_id}")
    ready(page)
    messages = page.locator("[data-message]")
    expect(messages).to_have_count(30)
    expect(messages.last).to_be_in_viewport()
    first = messages.first.get_attribute("id")
    page.locator("[data-stick]").evaluate("box => { box.scrollTop = 300 }")
    before = page.locator(f"#{first}").bounding_box()
    expect(messages).not_to_have_count(30)
    after = page.locator(f"#{first}").bounding_box()
    assert before and after
    assert abs(before["y"] - after["y"]) < 2

    lowest = world.stack.query("SELECT min(id) FROM messages WHERE ticket_id = %s", ticket_id)[0][0]
    page.goto(f"/tickets/{ticket_id}#message-{lowest + 5}")
    page.reload()
    target = page.locator(f"#message-{lowest + 5}")
    expect(target).to_be_in_viewport()
    expect(target.locator("article")).to_be_focused()
