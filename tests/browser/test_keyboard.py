"""The operator's way without a mouse, in a Latin and in a Russian layout; drafts and the guard of replies."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Window
from tests.browser.loop import keys_work, send, take_next
from tests.browser.world import World
from tests.dovecot import letter, wait_until

RUSSIAN = dict(zip("qwertyuiopasdfghjklzxcvbnm", "йцукенгшщзфывапролдячсмить", strict=True))


class Keys:
    """A keyboard in one layout: the key of a Latin letter gives the letter that the layout has there."""

    def __init__(self, page: Page, layout: str) -> None:
        self.page = page
        self.layout = layout
        self.devtools = page.context.new_cdp_session(page)

    def press(self, letter: str, shift: bool = False) -> None:
        """Press and release the key that a Latin keyboard calls `letter`."""
        shown = RUSSIAN[letter] if self.layout == "russian" else letter
        shown = shown.upper() if shift else shown
        key = {
            "code": f"Key{letter.upper()}",
            "key": shown,
            "windowsVirtualKeyCode": ord(letter.upper()),
            "modifiers": 8 if shift else 0,
        }
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": shown, **key})
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})


@pytest.fixture(params=["latin", "russian"])
def keys(request: pytest.FixtureRequest, ann: Page) -> Keys:
    """A keyboard on ann's page."""
    return Keys(ann, request.param)


def opened(page: Page) -> None:
    expect(page.locator("dialog#dialog")).to_be_visible()


def closed(page: Page) -> None:
    expect(page.locator("dialog#dialog")).to_be_hidden()


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _step in range(30):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab does not lead there")


def fill_in(page: Page, label: str, text: str) -> None:
    """Go to a field by keyboard and type."""
    tab_to(page, page.get_by_label(label, exact=True))
    page.keyboard.type(text)


def test_the_way_of_a_ticket_without_a_mouse(world: World, keys: Keys, clear_line: None) -> None:
    page, title = keys.page, f"Без мыши: {keys.layout}"
    world.hand_over(letter(title, "Помогите", Message_ID=f"<{keys.layout}-1@customer.example>"))
    world.hand_over(letter(f"{title} 2", "Помогите", Message_ID=f"<{keys.layout}-2@customer.example>"))
    world.ticket_of(f"{title} 2")
    page.goto(f"/queues/{world.ids['Care']}")

    rows = page.locator(".row-link")
    keys.press("j")
    expect(rows.nth(0)).to_be_focused()
    keys.press("j")
    expect(rows.nth(1)).to_be_focused()
    keys.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(".ticket-bar h1")).to_have_text(title)
    keys_work(page)

    keys.press("t")
    expect(page.locator(".ticket-sub")).to_contain_text("Ann")
    text = page.locator("#composer textarea")
    expect(text).to_be_focused()  # who took a ticket wants to answer
    page.keyboard.press("Escape")
    keys.press("i")
    expect(text).to_be_focused()
    expect(page.get_by_role("button", name="Add note")).to_be_visible()
    page.keyboard.type("позвонить вечером")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".said-note")).to_contain_text("позвонить вечером")
    page.keyboard.press("Escape")
    expect(text).not_to_be_focused()

    for key, role, field in (("s", "button", "In one hour"), ("a", "combobox", ""), ("e", "radio", "Solved")):
        keys.press(key)
        opened(page)
        if field:
            expect(page.locator("#dialog").get_by_role(role, name=field).first).to_be_focused()
        page.keyboard.press("Escape")
        closed(page)
        assert page.evaluate("document.activeElement !== document.body"), "the focus goes back to where it was"

    keys.press("r")
    expect(text).to_be_focused()
    page.keyboard.type("Готово.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".said-reply")).to_contain_text("Готово.")
    page.keyboard.press("Escape")
    keys.press("e", shift=True)
    opened(page)
    page.keyboard.press("Enter")
    expect(page.locator(".ticket-bar h1")).to_have_text(f"{title} 2")


def test_a_mail_of_ones_own_begins_a_ticket_without_a_mouse(world: World, keys: Keys, clear_line: None) -> None:
    page, title = keys.page, f"Пишем первыми: {keys.layout}"
    page.goto("/queues")
    keys.press("c")
    expect(page.get_by_label("To: name or mail address")).to_be_focused()
    page.keyboard.type(f"{keys.layout}@customer.example")
    expect(page.get_by_label("Name, if the customer is new")).to_be_visible()
    fill_in(page, "Name, if the customer is new", "Пётр Новый")
    fill_in(page, "Subject", title)
    fill_in(page, "Text", "Добрый день! Ваш заказ готов.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ticket-bar h1")).to_have_text(title)
    expect(page.locator(".said-reply")).to_contain_text("Ваш заказ готов.")
    expect(page.locator(".ticket-sub")).to_contain_text("Ann")


def test_being_away_and_back_is_said_without_a_mouse(world: World, keys: Keys) -> None:
    page = keys.page
    switch = page.locator('[data-key="Shift+a"]')
    page.goto("/queues")
    keys_work(page)
    keys.press("a", shift=True)
    opened(page)
    page.keyboard.press("Escape")
    closed(page)
    expect(switch).to_be_focused()

    keys.press("a", shift=True)
    tab_to(page, page.locator("#dialog").get_by_role("button", name="Lunch"))
    page.keyboard.press("Enter")
    expect(switch).to_contain_text("Away · Lunch")
    keys_work(page)
    keys.press("a", shift=True)
    expect(page.locator("#dialog").get_by_role("button", name="Available")).to_be_focused()
    page.keyboard.press("Enter")
    expect(switch).to_contain_text("Available")


def test_going_home_is_asked_in_the_same_dialog(keys: Keys, clear_line: None) -> None:
    page = keys.page
    page.goto("/queues")
    keys_work(page)
    keys.press("a", shift=True)
    tab_to(page, page.locator("#dialog").get_by_role("button", name="Go home…"))
    page.keyboard.press("Enter")
    expect(page.locator("#dialog-title")).to_have_text("Go home")
    expect(page.locator("#dialog").get_by_role("button", name="Go home", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    closed(page)


def test_the_sheet_of_keys_opens_and_gives_focus_back(world: World, ann: Page) -> None:
    ann.goto("/queues")
    search = ann.get_by_role("link", name="Search")
    search.focus()
    ann.keyboard.press("Shift+?")
    sheet = ann.locator("#keys-dialog")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("Take the next ticket")
    ann.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(search).to_be_focused()


def test_letters_typed_into_a_field_stay_letters(world: World, keys: Keys, clear_line: None) -> None:
    page = keys.page
    page.goto("/search")
    page.get_by_role("searchbox").focus()
    for letter_key in ("n", "e", "j"):
        keys.press(letter_key)
    expect(page.get_by_role("searchbox")).to_have_value("туо" if keys.layout == "russian" else "nej")
    assert page.url.endswith("/search")


def test_a_draft_survives_a_reload_and_another_browser(world: World, window: Window, clear_line: None) -> None:
    world.hand_over(letter("Черновик", "Вопрос", Message_ID="<draft@customer.example>"))
    ticket_id = world.ticket_of("Черновик")
    page = window("ann").new_page()
    page.goto("/queues")
    take_next(page, "Черновик")
    page.keyboard.type("Начала писать")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.reload()
    expect(page.locator("#composer textarea")).to_have_value("Начала писать")
    page.keyboard.press("r")
    page.keyboard.press("End")
    page.keyboard.type(" ещё")
    page.reload()  # at once: what the pause still held goes with the page
    other = window("ann").new_page()
    wait_until(
        lambda: world.stack.query("SELECT body FROM drafts WHERE ticket_id = %s", ticket_id) == [("Начала писать ещё",)]
    )
    other.goto(f"/tickets/{ticket_id}")
    expect(other.locator("#composer textarea")).to_have_value("Начала писать ещё")


def test_a_reply_is_held_back_when_a_colleague_was_faster(world: World, window: Window, clear_line: None) -> None:
    world.hand_over(letter("Двое отвечают", "Вопрос", Message_ID="<both@customer.example>"))
    ticket_id = world.ticket_of("Двое отвечают")
    ann, bob = window("ann").new_page(), window("bob").new_page()
    ann.goto("/queues")
    take_next(ann, "Двое отвечают")
    world.stack.query(
        "INSERT INTO ticket_people (ticket_id, user_id) VALUES (%s, %s) RETURNING user_id", ticket_id, world.ids["bob"]
    )
    bob.route("**/live?**", lambda route: route.abort())  # his network is slow: he sees nothing new by himself
    bob.goto(f"/tickets/{ticket_id}")
    bob.keyboard.press("r")
    bob.keyboard.type("Ответ Боба")
    send(ann, "Ответ Анны")

    bob.keyboard.press("Control+Enter")
    expect(bob.locator("#composer-notice [data-guard]")).to_be_visible()
    expect(bob.locator("#composer textarea")).to_have_value("Ответ Боба")
    expect(bob.locator(".said-reply")).to_have_count(1)
    expect(bob.locator(".said-reply")).to_contain_text("Ответ Анны")

    bob.keyboard.press("Control+Enter")  # now he has seen it, and means it
    expect(bob.locator(".said-reply")).to_have_count(2)
    expect(bob.locator("#composer textarea")).to_have_value("")
