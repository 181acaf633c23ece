"""Every screen, for everybody who reaches it, light and dark: nothing keeps people with weak eyes or no mouse out."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from helpdesk.views.dialogs import CONTEXTS as DIALOGS
from tests.browser.conftest import Window
from tests.browser.furnish_screens import LOTTERY
from tests.browser.watch import Watch
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
    world.hand_over(letter(f"Ваша {LOTTERY}", Message_ID="<axe-3@customer.example>"))
    spam_id = world.ticket_of(f"Ваша {LOTTERY}")
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
        "list_name": "category",
        "value_name": "note",
        "organisation_id": ids["organisation"],
        "merge_id": 1,
        "handling_id": 1,
        "link_id": 1,
        "bulk_id": 1,
        "item_id": 1,
        "key": "refusal",
        "language": "ru",
        "name": "move",
        "token": "made-up",
        "door": "made-up",
        "filename": "css/base.css",
        **{name: value for name, value in ids.items() if name.endswith("_id")},
        "notice_id": ids["notice_dora"],
        "also": also(ids, spam_id),
    }


def also(ids: dict[str, int], spam_id: int) -> list[str]:
    """Addresses of screens that look different with another thing, or with something asked for."""
    found = [f"/admin/channels/http/{ids['http']}", f"/tickets/{ids['entered']}", f"/tickets/{spam_id}"]
    if "mailbox" in ids:
        found += [f"/admin/channels/{ids['mailbox']}", f"/admin/channels/{ids['mailbox']}/reading"]
    found += [f"/tickets/{ids['entered']}/dialogs/{name}" for name in DIALOGS]
    found += [f"/views/list?in=filter:queue:{ids['Care']}/has:email", "/views/all", "/views/filter"]
    found += ["/tickets/new?kind=hand", "/search?q=state:spam", "/search?q=owner:me", "/availability/leaving"]
    return found


def screens(world: World, page: Page, values: dict[str, Any]) -> list[Screen]:
    """All screens that this person reaches: GET routes that answer a whole page, each page once."""
    rules = [route.removeprefix("GET ") for route in world.routes if route.startswith("GET ")]
    addresses = [(rule, fill(rule, values)) for rule in rules if f"GET {rule}" not in NOT_PAGES]
    found: dict[str, Screen] = {}
    for rule, address in [*addresses, *((path, path) for path in values["also"])]:
        answer = page.request.get(address, max_redirects=5, fail_on_status_code=False)
        is_html = answer.headers.get("content-type", "").startswith("text/html")
        if is_html and answer.text().lstrip().lower().startswith("<!doctype") and "/frame/" not in answer.url:
            path = answer.url.removeprefix(world.url)
            # Refusals look all the same: one stands for all.
            page_itself = path if rule == address else path.partition("?")[0]
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


def looked_at(page: Page, all_screens: list[Screen]) -> list[str]:
    """What is wrong with these screens, each looked at in both themes."""
    axe, faults = Axe(), []
    page.on("pageerror", lambda error: faults.append(f"{page.url}: a script failed: {error}"))
    for screen in all_screens:
        page.goto(screen.path)
        faults += bones(page, screen)
        for theme in ("light", "dark"):
            faults += amiss(page, screen, axe, theme)
    return faults


@pytest.mark.timeout(1200, method="thread")  # a minute on a calm machine
@pytest.mark.parametrize("name", ["dora", "sue", "ann"])
def test_no_screen_keeps_anybody_out(world: World, window: Window, values: dict[str, Any], name: str) -> None:
    context = window(name)
    watch = Watch(context, world.url)
    page = context.new_page()
    all_screens = screens(world, page, values)
    faults = looked_at(page, all_screens)
    print(f"\n{name}: {len(all_screens)} screens")
    assert len(all_screens) > 10
    assert not faults + watch.faults, "\n" + "\n".join(faults + watch.faults)


def test_the_pages_before_signing_in_keep_nobody_out(world: World, browser: Any, values: dict[str, Any]) -> None:
    context = browser.new_context(base_url=world.url, reduced_motion="reduce")
    page = context.new_page()
    faults = looked_at(page, screens(world, page, values))
    context.close()
    assert not faults, "\n" + "\n".join(faults)
