"""Two people on one ticket: each sees the other come, write and go; and whoever is named learns of it at once."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.browser.world import World
from tests.dovecot import letter


@pytest.fixture
def ticket(world: World, request: pytest.FixtureRequest, clear_line: None) -> int:
    """A fresh ticket in a queue of ann's and bob's."""
    title = f"Вдвоём: {request.node.name}"
    world.hand_over(letter(title, "Помогите", Message_ID=f"<{request.node.name}@customer.example>"))
    return world.ticket_of(title)


def note_mode(page: Page) -> None:
    page.locator('.mode:has(input[value="note"])').click()


def test_each_sees_the_other_come_write_and_go(world: World, window: Window, ticket: int) -> None:
    ann, bob = window("ann").new_page(), window("bob").new_page()
    ann.goto(f"/tickets/{ticket}")
    ann.locator(".ticket-bar").get_by_role("button", name="Take", exact=True).click()
    expect(ann.locator(".ticket-sub")).to_contain_text("Ann")
    bob.goto(f"/tickets/{ticket}")
    lines = {page: page.locator("#viewers") for page in (ann, bob)}
    expect(lines[ann]).to_have_text("Bob is viewing")
    expect(lines[bob]).to_have_text("Ann is viewing")

    ann.locator("#composer textarea.composer-text").press_sequentially("Здравствуйте")
    expect(lines[bob]).to_have_text("Ann is writing")
    note_mode(bob)
    bob.locator("#composer textarea.composer-text").press_sequentially("думаю")
    expect(lines[ann]).to_contain_text("Bob is writing a note")
    note_mode(ann)
    ann.locator("#composer textarea.composer-text").press_sequentially("!")
    expect(lines[ann]).to_have_text("You and Bob are writing a note")

    second = ann.context.new_page()
    second.goto(f"/tickets/{ticket}")
    expect(second.locator("#viewers")).not_to_contain_text("Ann")  # oneself in two tabs is nobody else
    bob.goto("/tasks")
    expect(lines[ann]).to_be_empty()


def test_the_line_takes_no_room_away_when_somebody_comes(world: World, window: Window, ticket: int) -> None:
    ann, bob = window("ann").new_page(), window("bob").new_page()
    ann.goto(f"/tickets/{ticket}")
    place = ann.locator("#composer").bounding_box()
    bob.goto(f"/tickets/{ticket}")
    expect(ann.locator("#viewers")).to_have_text("Bob is viewing")
    assert ann.locator("#composer").bounding_box() == place


def test_a_name_in_a_note_reaches_its_person_wherever_they_are(world: World, window: Window, ticket: int) -> None:
    ann, bob = window("ann").new_page(), window("bob").new_page()
    bob.goto("/tasks")
    ann.goto(f"/tickets/{ticket}")
    note_mode(ann)
    text = ann.locator("#composer textarea.composer-text")
    text.press_sequentially("Глянь, @bo")
    expect(ann.locator(".mention-box [role=option]:visible")).to_contain_text(["Bob"])
    text.press("Enter")
    expect(text).to_have_value("Глянь, @Bob ")
    text.press_sequentially("пожалуйста")
    text.press("Control+Enter")
    expect(ann.locator(".said-note .mention")).to_have_text("@Bob")
    expect(ann.locator(".said-note")).to_contain_text("Ann added Bob")

    arrival = bob.locator(".arrival").last
    expect(arrival).to_contain_text("Ann mentioned you")
    expect(arrival).to_contain_text("Глянь, @Bob пожалуйста")
    arrival.get_by_role("button", name="Full version").click()
    expect(bob.locator("#dialog .said-text")).to_have_text("Глянь, @Bob пожалуйста")
    bob.locator("#dialog").get_by_role("link", name="Open the ticket").click()
    expect(bob.locator(".said-note")).to_contain_text("Глянь")
    bob.goto("/tasks")
    expect(bob.locator("#task-list")).to_contain_text(f"Вдвоём: {titled(ticket, world)}")


def titled(ticket: int, world: World) -> str:
    return str(world.stack.query("SELECT title FROM tickets WHERE id = %s", ticket)[0][0]).removeprefix("Вдвоём: ")


def test_a_colleague_is_added_by_keys_while_one_writes(world: World, window: Window, ticket: int) -> None:
    ann = window("ann").new_page()
    ann.goto(f"/tickets/{ticket}")
    note_mode(ann)
    text = ann.locator("#composer textarea.composer-text")
    text.press_sequentially("недописано")
    text.press("Control+Shift+KeyA")
    field = ann.locator("#colleague-filter")
    expect(field).to_be_focused()
    field.press_sequentially("car")
    field.press("Enter")
    expect(ann.get_by_role("checkbox", name="Carl")).to_be_checked()
    ann.get_by_role("textbox", name="Comment").fill("Это по вашей части?")
    ann.get_by_role("textbox", name="Comment").press("Control+Enter")
    expect(ann.locator(".said-note")).to_contain_text("Ann added Carl")
    expect(ann.locator("#people-title").locator("xpath=../..")).to_contain_text("Carl")
    expect(ann.locator("#composer textarea.composer-text")).to_have_value("недописано")
