"""Send and finish in Chromium, by keys: open children are asked about above the untouched text, and nothing is sent."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from helpdesk.db import db
from helpdesk.models import Ticket
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import desk as desk
from tests.test_composer_browser import machine, replies, text

pytestmark = pytest.mark.browser


def state(desk: Any) -> str:
    db.session.rollback()
    return str(db.session.get_one(Ticket, desk.ticket).state)


def test_send_and_finish_asks_about_open_children_and_goes_on_by_keys(desk: Any, browser: Browser) -> None:
    parent = db.session.get_one(Ticket, desk.ticket)
    parent.link(desk.cast.ann, desk.make.ticket(desk.cast.support), "parent")
    db.session.commit()
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Готово, проверьте.")
    page.keyboard.press("Control+Alt+Enter")
    box = page.get_by_role("checkbox", name="1 child ticket is open. Finish this one anyway")
    expect(box).to_be_focused()
    expect(text(page)).to_have_value("Готово, проверьте.")
    assert (replies(desk), state(desk)) == ([], "open")
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    expect(text(page)).to_be_focused()
    page.keyboard.press("Control+Alt+Enter")
    expect(text(page)).to_have_count(0)  # its list is shown again
    assert (len(replies(desk)), state(desk)) == (1, "solved")


def test_what_closing_requires_is_said_above_the_text(desk: Any, browser: Browser) -> None:
    desk.make.field("text", "Итог", required_on_close=True)
    db.session.commit()
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Готово, проверьте.")
    page.keyboard.press("Control+Alt+Enter")
    expect(page.locator("#composer-notice")).to_contain_text("Fill in “Итог” first")
    expect(text(page)).to_have_value("Готово, проверьте.")
    expect(text(page)).to_be_focused()
    assert (replies(desk), state(desk)) == ([], "open")
