"""The composer in Chromium: drafts that survive, replies taken back, files, ready answers, builder, emoji, voice."""

import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Locator, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from sqlalchemy import select
from werkzeug.serving import make_server

from helpdesk.auth import cookie_name
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.models import CannedReply, Draft, Message, OutboxItem, Reply, TextVariable, TextVariableValue, Ticket
from helpdesk.models.session import Stage, UserSession
from tests.chromium import CHROMIUM, FLAGS, need_chromium
from tests.dovecot import wait_until

pytestmark = pytest.mark.browser

MEDIA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """An application on a free port; gives its address."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def desk(app: Any, make_committed: Any, committed: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The application on a port; ann owns a ticket of eve's, bob may see it too."""
    need_chromium()
    monkeypatch.setattr(settings(), "undo_seconds", 60)
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support, channel=cast.mailbox, title="Не приходит код")
    ticket.claim(cast.ann)
    ticket.customer.name = "Иванова Ева Петровна"
    hello = CannedReply(
        name="Приветствие",
        body="Здравствуйте, {customer_first_name}! {часы} {colour}",
        shortcut="hello",
        keywords="привет",
    )
    hours = TextVariable(
        name="часы", note="Часы работы", values=[TextVariableValue(value="Мы работаем до 18:00 {{7*7}}.")]
    )
    committed.add_all([hello, hours])
    cookies = {}
    for name in ("ann", "bob"):
        _row, cookies[name] = UserSession.begin(getattr(cast, name), Stage.FULL, "127.0.0.1", "Chromium")
    committed.commit()
    with serving(app) as url:
        path = f"/tickets/{ticket.id}"
        yield SimpleNamespace(url=url, at=url + path, ticket=ticket.id, cookies=cookies, cast=cast, make=make_committed)


@pytest.fixture
def chromium() -> Iterator[BrowserType]:
    """Where Chromium comes from."""
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """Chromium with a microphone that beeps."""
    browser = chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, *MEDIA])
    yield browser
    browser.close()


def machine(desk: Any, browser: Browser, name: str = "ann", **options: Any) -> Page:
    """A computer of its own with this person signed in, the ticket on its screen."""
    context = browser.new_context(**options)
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": cookie_name(), "value": desk.cookies[name], "url": desk.url}])
    return show(desk, context.new_page())


def show(desk: Any, page: Page) -> Page:
    page.goto(desk.at)
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()
    return page


def text(page: Page) -> Locator:
    return page.locator("#composer textarea.composer-text")


def stored(desk: Any) -> list[str]:
    """The texts of the drafts on the ticket, as another process would read them."""
    db.session.rollback()
    return list(db.session.scalars(select(Draft.body).where(Draft.ticket_id == desk.ticket)))


def is_stored(desk: Any, *bodies: str) -> None:
    wait_until(lambda: stored(desk) == list(bodies), 20, f"kept: {bodies}")


def replies(desk: Any) -> list[Message]:
    db.session.rollback()
    said = select(Message).where(Message.ticket_id == desk.ticket, Message.kind == "reply").order_by(Message.id)
    return list(db.session.scalars(said))


def test_a_killed_browser_loses_nothing(desk: Any, browser: Browser, chromium: BrowserType) -> None:
    doomed = chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
    page = machine(desk, doomed)
    text(page).click()
    page.keyboard.type("Половина ответа, который")
    is_stored(desk, "Половина ответа, который")
    with contextlib.suppress(PlaywrightError):
        doomed.new_browser_cdp_session().send("Browser.crash")
    page = machine(desk, browser)
    expect(text(page)).to_have_value("Половина ответа, который")


def test_text_that_the_server_never_heard_of_comes_back(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    page.context.route("**/draft", lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    text(page).click()
    page.keyboard.type("Сеть пропала")
    expect(page.locator("[data-draft-state=failed]")).to_be_visible()
    page.context.unroute("**/draft")
    show(desk, page)
    expect(text(page)).to_have_value("Сеть пропала")
    is_stored(desk, "Сеть пропала")
    wait_until(lambda: page.evaluate("Object.keys(localStorage).filter((n) => n.startsWith('draft:')).length") == 0, 20)


def test_two_windows_overwrite_nothing(desk: Any, browser: Browser) -> None:
    one, two = machine(desk, browser), machine(desk, browser)
    text(one).click()
    one.keyboard.type("Из первого окна")
    is_stored(desk, "Из первого окна")
    text(two).click()
    two.keyboard.type("Из второго")
    expect(two.locator("[data-former]")).to_be_visible()
    expect(two.locator("[data-former-text]")).to_have_text("Из первого окна")
    expect(text(two)).to_have_value("Из второго")
    is_stored(desk, "Из второго")
    two.get_by_role("button", name="Take it").click()
    expect(text(two)).to_have_value("Из первого окна")
    is_stored(desk, "Из первого окна")
    expect(two.locator("[data-former]")).to_be_hidden()


def test_the_other_window_takes_the_newer_text_when_looked_at(desk: Any, browser: Browser) -> None:
    one = machine(desk, browser)
    two = show(desk, one.context.new_page())  # the same browser: the windows tell each other
    text(two).click()
    two.keyboard.type("Пишу во втором окне")
    expect(text(one)).to_have_value("Пишу во втором окне")
    expect(one.locator("[data-draft-state=taken]")).to_be_attached()


def test_modes_keep_the_text_and_say_who_reads(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Кому это?")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator("#composer")).to_have_attribute("data-mode", "note")
    expect(page.locator("#announce")).to_contain_text("only your colleagues")
    expect(text(page)).to_have_value("Кому это?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".said-note").last).to_contain_text("Кому это?")
    db.session.rollback()
    assert db.session.scalars(select(OutboxItem)).all() == []


def test_undo_brings_the_letters_back(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Ой, не то")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".undo-send")).to_be_visible()
    expect(text(page)).to_have_value("")
    page.locator(".undo-send").get_by_role("button", name="Undo").click()
    expect(text(page)).to_have_value("Ой, не то")
    assert [reply.delivery for reply in replies(desk)] == ["cancelled"]
    page.keyboard.press("Control+Enter")
    expect(page.locator(".undo-send")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(text(page)).to_have_value("Ой, не то")


def test_a_note_begun_meanwhile_is_not_put_into_the_letters_that_come_back(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Добрый день")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".undo-send")).to_be_visible()
    page.locator("[data-compose=note]").first.click()
    page.keyboard.type("Клиент врёт")
    page.locator(".undo-send").get_by_role("button", name="Undo").click()
    expect(text(page)).to_have_value("Добрый день")
    expect(page.locator("[data-former-text]")).to_have_text("Клиент врёт")
    assert page.locator("#composer").get_attribute("data-mode") == "reply"


def test_send_and_finish_can_be_undone_from_elsewhere(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Готово, закрываю")
    page.get_by_role("button", name="Send and finish").click()
    expect(page.locator(".undo-send")).to_be_visible()
    page.get_by_role("link", name="My queues").first.click()
    expect(page.locator("#composer")).to_have_count(0)
    page.locator(".undo-send").get_by_role("button", name="Undo").click()
    expect(text(page)).to_have_value("Готово, закрываю")
    db.session.rollback()
    assert db.session.get(Ticket, desk.ticket).kind == "active"


def test_the_guard_shows_the_difference_and_keeps_the_text(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Код отправлен ещё раз на ваш номер.")
    db.session.rollback()
    ticket = db.session.get(Ticket, desk.ticket)
    ticket.add_person(desk.cast.ann, desk.cast.bob)
    ticket.reply(desk.cast.bob, Reply("Код отправлен ещё раз на вашу почту."))
    db.session.commit()
    page.keyboard.press("Control+Enter")
    guard = page.locator("[data-guard]")
    expect(guard).to_contain_text("Bob")
    expect(guard.locator("ins").last).to_contain_text("номер")
    expect(guard.locator(".guard-compare del").last).to_contain_text("почту")
    expect(text(page)).to_have_value("Код отправлен ещё раз на ваш номер.")
    guard.get_by_role("button", name="Go back to writing").click()
    expect(text(page)).to_be_focused()
    guard.get_by_role("button", name="Send anyway").click()
    expect(text(page)).to_have_value("")
    wait_until(lambda: len(replies(desk)) == 2, 20)


def test_ready_answers_by_keyboard_and_what_is_unknown(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.press("/")
    expect(page.locator("#answers [role=option]").first).to_contain_text("Приветствие")
    page.keyboard.type("привет")
    page.keyboard.press("Enter")
    filled = "Здравствуйте, Ева! Мы работаем до 18:00 {{7*7}}. {colour}"
    expect(text(page)).to_have_value(filled)
    expect(page.locator("#composer-unfilled")).to_contain_text("{colour}")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#confirm-text")).to_contain_text("{colour}")
    page.get_by_role("button", name="Cancel").click()
    assert replies(desk) == []
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Continue").click()
    expect(text(page)).to_have_value("")
    assert [reply.text for reply in replies(desk)] == [filled]


def test_the_slash_works_in_a_russian_layout(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    devtools = page.context.new_cdp_session(page)
    key = {"code": "Slash", "key": ".", "windowsVirtualKeyCode": 191}
    devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": ".", **key})
    devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    expect(page.locator("[data-answers-search]")).to_be_focused()
    expect(page.locator("#answers [role=option]")).to_have_count(1)
    page.keyboard.type("hello ")
    expect(text(page)).to_have_value(re.compile("^Здравствуйте, Ева!"))
    text(page).fill("")
    page.keyboard.press("/")
    expect(page.locator("#answers")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("числ")
    page.keyboard.press("Escape")
    expect(text(page)).to_have_value("/")


def test_files_go_up_are_refused_and_tried_again(desk: Any, browser: Browser, tmp_path: Any) -> None:
    page = machine(desk, browser)
    large = tmp_path / "большой.bin"
    with large.open("wb") as file:
        file.truncate(26 * 1024 * 1024)
    small = tmp_path / "счёт.pdf"
    small.write_bytes(b"%PDF-1.4")
    tries: list[int] = []
    page.context.route(
        "**/draft/files", lambda route: (tries.append(1), route.abort())[1] if not tries else route.continue_()
    )
    page.locator("#composer input[type=file]").set_input_files([large, small])
    chips = page.locator(".upload")
    expect(chips.nth(0)).to_contain_text("larger than 25 MB")
    chips.nth(1).get_by_role("button", name="Try again").click()
    expect(page.locator(".upload[data-upload-done]")).to_contain_text("счёт.pdf")
    chips.nth(0).get_by_role("button", name="Remove").click()
    text(page).fill("Вот счёт")
    page.keyboard.press("Control+Enter")
    expect(text(page)).to_have_value("")
    assert [file.name for file in replies(desk)[0].attachments] == ["счёт.pdf"]


def test_a_message_is_put_together_and_kept(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    page.get_by_role("button", name="Put a message together").click()
    builder = page.locator("#builder")
    builder.locator("textarea").fill("Посмотрите, пожалуйста")
    builder.get_by_role("button", name="Link", exact=True).click()
    page.keyboard.type("Инструкция")
    page.keyboard.press("Tab")
    page.keyboard.type("javascript:alert(1)")
    builder.get_by_role("button", name="Send").click()
    expect(builder.locator("[data-blocks-error]")).to_contain_text("https://")
    builder.locator("[data-part=url]").fill("https://desk.example/help")
    page.keyboard.press("Alt+ArrowUp")
    wait_until(lambda: kept_blocks(desk) == ["link", "text"], 20, "blocks are kept in their order")
    show(desk, page)
    expect(page.locator("[data-has-blocks]")).to_be_visible()
    page.get_by_role("button", name="Put a message together").click()
    builder.get_by_role("button", name="Put into the message").click()
    expect(text(page)).to_have_value("Инструкция: https://desk.example/help\n\nПосмотрите, пожалуйста")


def kept_blocks(desk: Any) -> list[str]:
    db.session.rollback()
    found = db.session.scalar(select(Draft.blocks).where(Draft.ticket_id == desk.ticket))
    return [block["kind"] for block in found or []]


def test_an_emoji_by_keyboard(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    page.get_by_role("button", name="Emoji").click()
    expect(page.locator("[data-emoji-search]")).to_be_focused()
    page.keyboard.type("спасибо")
    page.keyboard.press("Enter")
    expect(text(page)).to_have_value("🙏")
    page.get_by_role("button", name="Emoji").click()
    expect(page.locator("[data-emoji-search]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-sign]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(text(page)).to_have_value("🙏🙏")


def test_a_voice_message_is_held_or_begun_by_enter(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser, permissions=["microphone"])
    button = page.locator("[data-record]")
    button.focus()
    expect(page.locator("#voice-words")).to_be_attached()
    page.keyboard.press("Enter")
    expect(page.locator("[data-voice-time]")).to_have_text("0:01")
    page.keyboard.press("Escape")
    expect(page.locator("[data-voice-bar]")).to_be_hidden()
    expect(page.locator(".upload")).to_have_count(0)
    button.hover()
    page.mouse.down()
    expect(page.locator("[data-voice-bar]")).to_be_visible()
    expect(page.locator("[data-voice-time]")).to_have_text("0:01")
    page.mouse.up()
    expect(page.locator(".upload[data-upload-done]")).to_contain_text("voice message")
