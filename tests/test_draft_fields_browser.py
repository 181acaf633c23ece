"""What a draft keeps beside its text, in a browser: told as soon as it is chosen, and there on another machine."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.models import Draft
from tests import test_composer_browser
from tests.dovecot import wait_until
from tests.test_composer_browser import is_stored, machine, text

pytestmark = pytest.mark.browser
desk, browser, chromium = test_composer_browser.desk, test_composer_browser.browser, test_composer_browser.chromium

# As the button of a channel whose replies name the message that they answer.
ANSWER = """() => {
  const message = document.querySelector("[data-message=inbound]");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.answers = message.id.replace("message-", "");
  message.append(button);
  button.click();
  return button.dataset.answers;
}"""


def kept(opening: str, name: str) -> str | None:
    db.session.rollback()
    fields = db.session.scalar(select(Draft.fields).where(Draft.opening == opening))
    return fields.get(name) if fields else None


def chip(page: Page) -> Any:
    return page.locator("[data-answers-chip]")


def test_which_message_is_answered_is_there_on_another_machine(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).click()
    page.keyboard.type("Вот он")
    is_stored(desk, "Вот он")
    named = page.evaluate(ANSWER)
    expect(chip(page)).to_contain_text("Помогите, пожалуйста.")
    wait_until(lambda: kept("", "answers") == named, 20)
    other = machine(desk, browser)
    expect(chip(other)).to_contain_text("Помогите, пожалуйста.")
    expect(other.locator("#composer [name=answers]")).to_have_value(named)
    chip(other).locator("[data-answers-none]").click()
    wait_until(lambda: kept("", "answers") is None, 20)


def test_boxes_of_a_new_ticket_are_kept_and_come_back(desk: Any, browser: Browser) -> None:
    reasons = [desk.make.item("reason", name).id for name in ("Опоздал", "Потерян", "Разбит")]
    bob = desk.cast.bob.id
    db.session.commit()
    page = machine(desk, browser)
    page.goto(f"{desk.url}/tickets/new")
    page.locator("#new-body").fill("Здравствуйте")
    for summary in page.locator("details.form-field > summary").all():
        summary.click()
    for value in (reasons[0], reasons[2]):
        page.locator(f"[name=reasons][value='{value}']").check()
    page.locator(f"[name=user_id][value='{bob}']").check()
    page.locator("[name=takes_part]").uncheck()
    wait_until(lambda: (kept("mail", "user_id"), kept("mail", "takes_part")) == (str(bob), ""), 20)
    other = machine(desk, browser)
    other.goto(f"{desk.url}/tickets/new")
    expect(other.locator("[name=reasons]:checked")).to_have_count(2)
    expect(other.locator(f"[name=user_id][value='{bob}']")).to_be_checked()
    expect(other.locator("[name=takes_part]")).not_to_be_checked()
    other.locator(f"[name=reasons][value='{reasons[0]}']").uncheck()
    wait_until(lambda: kept("mail", "reasons") == str(reasons[2]), 20)
