"""Every screen, for everybody who reaches it, light and dark: nothing keeps people with weak eyes or no mouse out."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Window
from tests.browser.world import World
from tests.dovecot import letter
from tests.test_authorisation_matrix import fill

# What is no page: a stream that never ends, and what is read by programs.
NOT_PAGES = {"GET /live", "GET /metrics", "GET /static/<path:filename>"}
SERIOUS = {"serious", "critical"}


@dataclass(frozen=True)
class Screen:
    """A page and the address under which it was found."""

    rule: str
    path: str


@pytest.fixture(scope="module")
def values(world: World) -> dict[str, Any]:
    """What the variables of all routes are filled with, after a few mails made something to look at."""
    first = letter("Не приходит счёт", "Добрый день!\n\nПришлите счёт.", Message_ID="<axe-1@customer.example>")
    first.add_alternative("<p>Добрый день!</p><p>Пришлите <b>счёт</b>.</p>", subtype="html")
    first.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="договор.pdf")
    world.hand_over(first, letter("Где мой заказ?", Message_ID="<axe-2@customer.example>"), b"\x00" * 2000)
    ticket_id = world.ticket_of("Не приходит счёт")
    (row,) = world.stack.query(
        "SELECT t.number, t.customer_id, m.id, m.facts->>'event_id', i.id FROM tickets t JOIN messages m"
        " ON m.ticket_id = t.id JOIN identities i ON i.customer_id = t.customer_id WHERE t.id = %s",
        ticket_id,
    )
    number, customer_id, message_id, event_id, identity_id = row
    (session,) = world.stack.query("SELECT max(id) FROM user_sessions")
    (file,) = world.stack.query("SELECT max(id) FROM attachments WHERE message_id = %s", message_id)
    ids = world.ids
    return {
        "ticket_id": ticket_id,
        "number": number,
        "message_id": message_id,
        "event_id": event_id,
        "customer_id": customer_id,
        "identity_id": identity_id,
        "session_id": session[0],
        "attachment_id": file[0],
        "file_id": file[0],
        "queue_id": ids["Care"],
        "user_id": ids["ann"],
        "group_id": ids["group"],
        "channel_id": ids["door"],
        "project_id": ids["project"],
        "text_id": ids["canned"],
        "category_id": ids["category"],
        "organisation_id": ids["organisation"],
        "merge_id": 1,
        "token_id": 1,
        "webhook_id": ids["webhook"],
        "delivery_id": 1,
        "item_id": 1,
        "rule_id": 1,
        "blocked_id": 1,
        "notice_id": 1,
        "calendar_id": 1,
        "target_id": 1,
        "key": "refusal",
        "language": "ru",
        "pattern_id": 0,
        "name": "move",
        "token": "made-up",
        "door": "made-up",
        "filename": "css/base.css",
    }


def screens(world: World, page: Page, values: dict[str, Any]) -> list[Screen]:
    """All screens that this person reaches: GET routes that answer a whole page, each page once."""
    found: dict[str, Screen] = {}
    for route in world.routes:
        if not route.startswith("GET ") or route in NOT_PAGES:
            continue
        rule = route.removeprefix("GET ")
        answer = page.request.get(fill(rule, values), max_redirects=5, fail_on_status_code=False)
        is_html = answer.headers.get("content-type", "").startswith("text/html")
        if is_html and answer.text().lstrip().lower().startswith("<!doctype") and "/frame/" not in answer.url:
            path = answer.url.removeprefix(world.url)
            # Refusals look all the same: one stands for all.
            page_itself = path.partition("?")[0]
            found.setdefault(page_itself if answer.ok else f"status {answer.status}", Screen(rule, path))
    return list(found.values())


def amiss(page: Page, screen: Screen, axe: Axe, theme: str) -> list[str]:
    """What is wrong with a page in one theme, as sentences."""
    page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
    # Only the colours change with the theme.
    options = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    faults = []
    for violation in axe.run(page, options=options).response["violations"]:
        if violation["impact"] in SERIOUS:
            where = "; ".join(str(node["target"][0]) for node in violation["nodes"][:4])
            faults.append(f"{screen.path} ({screen.rule}), {theme}: {violation['id']}: {violation['help']} at {where}")
    return faults


def bones(page: Page, screen: Screen) -> list[str]:
    """What a page lacks of its skeleton: a language, one heading of the first level, one main part, a title."""
    found = page.evaluate(
        """() => ({
          lang: document.documentElement.lang, title: document.title,
          h1: [...document.querySelectorAll("h1")].filter(e => e.checkVisibility()).length,
          main: document.querySelectorAll("main").length,
          nav: document.querySelectorAll("nav[aria-label], body:not(.desk)").length,
        })"""
    )
    wrong = {"lang": not re.fullmatch("en|ru|uk", found["lang"]), "title": not found["title"].strip()}
    wrong |= {"h1": found["h1"] != 1, "main": found["main"] != 1, "nav": found["nav"] == 0}
    return [f"{screen.path} ({screen.rule}): {name} is {found[name]!r}" for name, bad in wrong.items() if bad]


@pytest.mark.parametrize("name", ["dora", "sue", "ann"])
def test_no_screen_keeps_anybody_out(world: World, window: Window, values: dict[str, Any], name: str) -> None:
    """The administrator's are looked at in both themes; the others' screens are made of the same parts."""
    context = window(name)
    page, axe = context.new_page(), Axe()
    faults: list[str] = []
    all_screens = screens(world, page, values)
    for screen in all_screens:
        page.goto(screen.path)
        faults += bones(page, screen)
        for theme in ("light", "dark") if name == "dora" else ("light",):
            faults += amiss(page, screen, axe, theme)
    print(f"\n{name}: {len(all_screens)} screens")
    assert len(all_screens) > 10
    assert not faults, "\n" + "\n".join(faults)


def test_the_pages_before_signing_in_keep_nobody_out(world: World, browser: Any, values: dict[str, Any]) -> None:
    context = browser.new_context(base_url=world.url, reduced_motion="reduce")
    page, axe = context.new_page(), Axe()
    faults = []
    for screen in screens(world, page, values):
        page.goto(screen.path)
        faults += bones(page, screen)
        for theme in ("light", "dark"):
            faults += amiss(page, screen, axe, theme)
    context.close()
    assert not faults, "\n" + "\n".join(faults)
