"""Merging, undoing, splitting and macros in Chromium, without a mouse."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from helpdesk.models import Macro
from helpdesk.models.session import Stage, UserSession
from tests.chromium import need_chromium
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import machine, serving

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("PICTURES", "")  # a folder for whoever wants to look


def look(page: Page, name: str) -> None:
    """Keep a picture of the screen, where somebody asked for pictures."""
    if PICTURES:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.fixture
def desk(app: Any, make_committed: Any, committed: Any) -> Iterator[Any]:
    """The application on a port; eve wrote twice about the same, and ann has the first of the two."""
    need_chromium()
    make = make_committed
    cast = make.cast()
    first = make.ticket(cast.support, cast.eve, "Не пришёл заказ 4711", minutes_ago=200, channel=cast.mailbox)
    second = make.ticket(cast.support, cast.eve, "Где мой заказ?", minutes_ago=90, channel=cast.mailbox)
    make.hear(second, "И ещё: не могу войти в личный кабинет, пароль не подходит")
    first.claim(cast.ann)
    first.bring_in(cast.ann, "boss@customer.example")
    child = make.ticket(cast.support, cast.eve, "Частичный возврат", minutes_ago=30, channel=cast.mailbox)
    first.link(cast.ann, child, "parent")
    actions = {"reply": "Здравствуйте, {customer_first_name}!", "add_tags": ["доставка"]}
    committed.add(Macro(name="Спросить номер", actions=actions))
    committed.add(Macro(name="Передать", actions={"queue_id": cast.billing.id, "note": "Проверьте, пожалуйста"}))
    cookies = {}
    for name in ("ann", "bob"):
        _row, cookies[name] = UserSession.begin(getattr(cast, name), Stage.FULL, "127.0.0.1", "Chromium")
    committed.commit()
    with serving(app) as url:
        yield SimpleNamespace(
            url=url, at=f"{url}/tickets/{first.id}", ticket=first.id, second=second.id, cookies=cookies, cast=cast
        )


def choose(page: Page, name: str) -> None:
    """An entry of the menu of the bar, by keys."""
    page.get_by_role("button", name="More actions").focus()
    page.keyboard.press("Enter")
    page.locator(".ticket-actions .dropdown-menu").get_by_role("button", name=name).focus()
    page.keyboard.press("Enter")


def test_merge_and_undo_by_keys(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(desk.at)
    look(page, "ticket")
    choose(page, "Merge into another ticket")
    dialog = page.locator("#dialog-body")
    expect(dialog.get_by_text("Где мой заказ?")).to_be_visible()
    look(page, "merge-choose")
    dialog.get_by_role("button", name="Где мой заказ?").focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("boss@customer.example")).to_be_visible()
    look(page, "merge-preview")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tickets/{desk.second}*")
    expect(page.locator(".notice-undo")).to_be_visible()
    expect(page.locator("#thread, .thread").first).to_contain_text("Помогите")
    look(page, "merged")
    page.locator(".notice-undo").get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tickets/{desk.ticket}*")
    expect(page.get_by_text("The merge was undone")).to_be_visible()


def test_split_snooze_and_macros_open(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(f"{desk.url}/tickets/{desk.second}")
    choose(page, "Split off messages")
    dialog = page.locator("#dialog-body")
    expect(dialog.get_by_text("не могу войти")).to_be_visible()
    look(page, "split")
    page.keyboard.press("Escape")
    page.goto(desk.at)
    choose(page, "Link with another ticket")
    expect(dialog.get_by_label("Number of the other ticket")).to_be_visible()
    look(page, "link")
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("m")
    dialog.get_by_role("button", name="Спросить номер").press("Enter")
    expect(dialog.get_by_text("Здравствуйте, Ева!")).to_be_visible()
    look(page, "macro")
    dialog.get_by_role("button", name="Do it").press("Enter")
    expect(page.get_by_text("Done: Спросить номер")).to_be_visible()
    look(page, "macro-done")
