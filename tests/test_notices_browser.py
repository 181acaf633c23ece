"""Notices that make themselves known in Chromium: heard once, told once, and silent where somebody said so."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from helpdesk.auth import cookie_name
from helpdesk.colleagues import say_to_colleagues
from helpdesk.models import Ticket, User
from helpdesk.models.session import Stage, UserSession
from tests.chromium import need_chromium
from tests.dovecot import wait_until
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import serving

pytestmark = pytest.mark.browser

# What a computer would show and play is written down; whether a tab is looked at is for the test to say.
RECORDER = """
window.told = [];
window.played = [];
window.away = false;
const Real = window.Notification;
window.Notification = class {
  static get permission() { return Real.permission; }
  constructor(title, options) { window.told.push([title, options.body]); }
};
window.Audio = class {
  constructor(url) { this.url = url; }
  play() { window.played.push(this.url); return Promise.resolve(); }
};
Object.defineProperty(Document.prototype, "hidden", { get: () => window.away });
"""


@pytest.fixture
def desk(app: Any, make_committed: Any, committed: Any) -> Iterator[Any]:
    """The application on a port, where bob wants to hear of what happens; ann has a ticket that he may see."""
    need_chromium()
    make = make_committed
    cast = make.cast()
    cast.bob.preferences = {"sound": "soft", "desktop": True, "desktop_words": True}
    ticket = make.ticket(cast.support, cast.eve, "Где мой заказ?", channel=cast.mailbox)
    _row, cookie = UserSession.begin(cast.bob, Stage.FULL, "127.0.0.1", "Chromium")
    ids = {"ticket": ticket.id, "ann": cast.ann.id, "bob": cast.bob.id}
    committed.commit()
    with serving(app) as url:
        yield SimpleNamespace(url=url, cookie=cookie, **ids)


@pytest.fixture
def context(desk: Any, browser: Browser) -> BrowserContext:
    """Bob's browser, which he has allowed to tell him of things."""
    context = browser.new_context()
    context.grant_permissions(["notifications"], origin=desk.url)
    context.add_init_script(RECORDER)
    context.add_cookies([{"name": cookie_name(), "value": desk.cookie, "url": desk.url}])
    return context


@pytest.fixture
def mention(desk: Any, committed: Any) -> Callable[[str], None]:
    """Ann mentions bob in a note."""

    def say(words: str) -> None:
        ticket = committed.get(Ticket, desk.ticket, with_for_update=True)
        say_to_colleagues(ticket, committed.get(User, desk.ann), f"@Bob {words}")
        committed.commit()

    return say


def opened(context: BrowserContext, desk: Any, away: bool) -> Page:
    """One more tab that follows what happens; the first one of a browser opens the stream that all share."""
    first = not context.pages
    page = context.new_page()
    if first:
        with page.expect_response(lambda answer: urlsplit(answer.url).path == "/live"):
            page.goto(f"{desk.url}/tasks")
    else:
        page.goto(f"{desk.url}/tasks")
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()
    page.evaluate("away => { window.away = away; }", away)
    return page


def come_back(page: Page) -> None:
    """Look at the tab again: it then shows what it has to show."""
    page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(page.locator(".bell-count:visible")).to_have_text("1")


def recorded(pages: list[Page], what: str) -> list[Any]:
    """All that the tabs told or played."""
    return [one for page in pages for one in page.evaluate(f"window.{what}")]


def is_told(page: Page, context: BrowserContext, mention: Callable[[str], None], words: str) -> None:
    """Mention bob, and wait until a tab that nobody looks at has asked what came and done with it what it does."""
    with context.expect_event("response", lambda answer: urlsplit(answer.url).path == "/notices/arrivals") as asked:
        mention(words)
    asked.value.finished()
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")


@pytest.mark.parametrize("tabs", [1, 2])
def test_who_looks_elsewhere_is_told_once_and_hears_it_once(
    desk: Any, context: BrowserContext, mention: Callable[[str], None], tabs: int
) -> None:
    pages = [opened(context, desk, away=True) for _tab in range(tabs)]
    assert pages[0].evaluate("Notification.permission") == "granted"
    is_told(pages[0], context, mention, "посмотри")
    wait_until(lambda: bool(recorded(pages, "told") and recorded(pages, "played")), 20, "told and played")
    for page in pages:
        come_back(page)
    [[title, body]] = recorded(pages, "told")
    assert title.startswith("Ann mentioned you") and "@Bob посмотри" in body
    [url] = recorded(pages, "played")
    assert "/sounds/soft" in url


def test_where_another_tab_of_ours_is_looked_at_it_is_shown_there(
    desk: Any, context: BrowserContext, mention: Callable[[str], None]
) -> None:
    seen, away = opened(context, desk, away=False), opened(context, desk, away=True)
    mention("посмотри")
    expect(seen.locator(".arrival")).to_contain_text("@Bob посмотри")
    come_back(away)
    assert recorded([seen, away], "told") == []
    assert len(recorded([seen, away], "played")) == 1


@pytest.mark.parametrize(
    ("chosen", "told", "played"),
    [
        ({"desktop": False}, 0, 1),
        ({"sound": "off"}, 1, 0),
        ({"desktop": False, "sound": "off"}, 0, 0),
        ({"notices": {"colleagues": {"desktop": False, "sound": False}}}, 0, 0),
    ],
)
def test_what_is_switched_off_is_silent(
    desk: Any,
    context: BrowserContext,
    committed: Any,
    mention: Callable[[str], None],
    chosen: dict[str, Any],
    told: int,
    played: int,
) -> None:
    committed.get(User, desk.bob).choose(**chosen)
    committed.commit()
    page = opened(context, desk, away=True)
    is_told(page, context, mention, "посмотри")
    wait_until(lambda: len(recorded([page], "told")) == told, 20, "told as chosen")
    come_back(page)
    assert (len(recorded([page], "told")), len(recorded([page], "played"))) == (told, played)
