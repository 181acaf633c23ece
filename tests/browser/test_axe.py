"""Every screen, for everybody who reaches it, light and dark: nothing keeps people with weak eyes or no mouse out.

Screens are made of the same parts again and again: one is opened in Chromium if it has a part that no screen opened
before it had (see `skeleton`). What needs no browser is looked at on every one.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from selectolax.lexbor import LexborHTMLParser

from helpdesk.views.dialogs import CONTEXTS as DIALOGS
from tests.browser.conftest import Window
from tests.browser.furnish_screens import LOTTERY
from tests.browser.watch import Watch
from tests.browser.world import World
from tests.dovecot import letter
from tests.test_authorisation_matrix import fill

# What is no page: a stream that never ends, and what is read by programs.
NOT_PAGES = {"GET /live", "GET /metrics", "GET /static/<path:filename>"}
MAIN = re.compile(">main( |$)")
SERIOUS = {"serious", "critical"}


@dataclass(frozen=True)
class Screen:
    """A page and the address under which it was found."""

    rule: str
    path: str
    html: str


@dataclass
class Known:
    """What was found out so far: the parts of all opened screens, and which routes answer no whole page."""

    parts: set[str] = field(default_factory=set)
    not_pages: set[str] = field(default_factory=lambda: set(NOT_PAGES))


@pytest.fixture(scope="module")
def known() -> Known:
    """Nothing, at first."""
    return Known()


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


def screens(world: World, page: Page, values: dict[str, Any], known: Known) -> list[Screen]:
    """All screens that this person reaches: GET routes that answer a whole page, each page once."""
    rules = [route.removeprefix("GET ") for route in world.routes if route.startswith("GET ")]
    addresses = [(rule, fill(rule, values)) for rule in rules if f"GET {rule}" not in known.not_pages]
    found: dict[str, Screen] = {}
    for rule, address in [*addresses, *((path, path) for path in values["also"])]:
        answer = page.request.get(address, max_redirects=5, fail_on_status_code=False)
        is_html = answer.headers.get("content-type", "").startswith("text/html")
        if is_html and answer.text().lstrip().lower().startswith("<!doctype") and "/frame/" not in answer.url:
            path = answer.url.removeprefix(world.url)
            # Refusals look all the same: one stands for all.
            page_itself = path if rule == address else path.partition("?")[0]
            key = page_itself if answer.ok else f"status {answer.status}"
            found.setdefault(key, Screen(rule, path, answer.text()))
        else:
            known.not_pages.add(f"GET {rule}")
    return list(found.values())


def skeleton(html: str) -> set[str]:
    """The parts of a page: each element with those around it, without texts and numbers.

    An element is its tag, classes, role, kind, the names of its attributes, whether it has words of its own, and which
    of its references lead nowhere: whatever tells two of them apart for a reader of the page, or for a style.
    """
    body = LexborHTMLParser(html).body
    assert body is not None
    ids = {node.attributes["id"] for node in body.css("[id]")}
    names: dict[int, str] = {}
    for node in body.traverse(include_text=False):
        around = names.get(node.parent.mem_id, "") if node.parent is not None else ""
        names[node.mem_id] = f"{around}>{_sort_of(node, ids)}"
    return set(names.values())


def _sort_of(node: Any, ids: set[str | None]) -> str:
    given = node.attributes
    of_its_own = [given.get(name) or "" for name in ("role", "type", "lang", "tabindex", "aria-live")]
    lost = [
        name
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls")
        if set((given.get(name) or "").split()) - ids
    ]
    empty = sorted(name for name in ("aria-label", "alt", "title", "href") if name in given and not given[name])
    classes = sorted(set((given.get("class") or "").split()))
    words = "words" if (node.text(deep=False) or "").strip() else ""
    return " ".join([node.tag or "", *classes, *of_its_own, *sorted(given), words, "lost", *lost, "empty", *empty])


def amiss(page: Page, screen: Screen, axe: Axe, theme: str, where: str) -> list[str]:
    """What is wrong with a page, or with what `where` selects of it, in one theme, as sentences."""
    page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
    # Sheets are not read again for rules about turned telephones; what is at most moderate does not count below.
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False, "rules": {"region": {"enabled": False}}}
    # Only the colours change with the theme.
    if theme == "dark":
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    faults = []
    for violation in axe.run(page, context=where, options=options).response["violations"]:
        if violation["impact"] in SERIOUS:
            at = "; ".join(str(node["target"][0]) for node in violation["nodes"][:4])
            faults.append(f"{screen.path} ({screen.rule}), {theme}: {violation['id']}: {violation['help']} at {at}")
    return faults


def bones(screen: Screen) -> list[str]:
    """What a page lacks (a language, a title, one heading of the first level, one main part)."""
    tree = LexborHTMLParser(screen.html)
    title = tree.css_first("head > title")
    found = {
        "lang": tree.css_first("html").attributes.get("lang") or "",
        "title": title.text() if title else "",
        "h1": len(tree.css("h1:not([hidden], dialog *, template *, [hidden] *)")),
        "main": len(tree.css("main")),
        "nav": len(tree.css("nav[aria-label], body:not(.desk)")),
    }
    wrong = {"lang": not re.fullmatch("en|ru|uk", found["lang"]), "title": not found["title"].strip()}
    wrong |= {"h1": found["h1"] != 1, "main": found["main"] != 1, "nav": found["nav"] == 0}
    return [f"{screen.path} ({screen.rule}): {name} is {found[name]!r}" for name, bad in wrong.items() if bad]


def looked_at(page: Page, all_screens: list[Screen], known: Known) -> list[str]:
    """What is wrong with these screens; those with parts that nobody saw before are opened, in both themes."""
    axe, faults, opened = Axe(), [], 0
    page.on("pageerror", lambda error: faults.append(f"{page.url}: a script failed: {error}"))
    for screen, parts in sorted(((one, skeleton(one.html)) for one in all_screens), key=lambda pair: -len(pair[1])):
        faults += bones(screen)
        fresh = parts - known.parts
        if not fresh:
            continue
        known.parts |= fresh
        opened += 1
        page.goto(screen.path)
        where = "main" if all(MAIN.search(part) for part in fresh) else "html"
        for theme in ("light", "dark"):
            faults += amiss(page, screen, axe, theme, where)
    print(f"\n{len(all_screens)} screens, {opened} of them opened")
    return faults


def test_a_part_is_told_from_another() -> None:
    page = (
        "<main><form><label for=a>Имя</label><input id=a></form><p class=note>Текст</p><p class=note>И ещё</p></main>"
    )
    parts = skeleton(page)
    assert skeleton(page.replace("Текст", "Другой")) == parts
    for changed in (
        page.replace("for=a", "for=b"),
        page.replace("Имя", ""),
        page.replace("class=note", "class='note red'", 1),
        page.replace("<p class=note>И ещё</p>", "<b><p class=note>И ещё</p></b>"),
        page.replace("<input", "<input role=switch"),
    ):
        assert not skeleton(changed) <= parts


@pytest.mark.timeout(1200, method="thread")  # a minute on a calm machine
@pytest.mark.parametrize("name", ["dora", "sue", "ann"])
def test_no_screen_keeps_anybody_out(
    world: World, window: Window, values: dict[str, Any], known: Known, name: str
) -> None:
    context = window(name)
    watch = Watch(context, world.url)
    page = context.new_page()
    all_screens = screens(world, page, values, known)
    faults = looked_at(page, all_screens, known)
    assert len(all_screens) > 10
    assert not faults + watch.faults, "\n" + "\n".join(faults + watch.faults)


def test_the_pages_before_signing_in_keep_nobody_out(
    world: World, browser: Any, values: dict[str, Any], known: Known
) -> None:
    context = browser.new_context(base_url=world.url, reduced_motion="reduce")
    page = context.new_page()
    faults = looked_at(page, screens(world, page, values, known), known)
    context.close()
    assert not faults, "\n" + "\n".join(faults)
