"""What happens on an open ticket comes to its panes in one request, and disturbs nobody, in Chromium."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from helpdesk.models import Queue, Ticket
from helpdesk.models.session import Stage, UserSession
from tests.chromium import need_chromium
from tests.factories import Factories
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import machine, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(app: Any, make_committed: Any, committed: Any) -> Iterator[Any]:
    """The application on a port; ann has a ticket on which eve wrote."""
    need_chromium()
    make = make_committed
    cast = make.cast()
    ticket = make.ticket(cast.support, cast.eve, "Где мой заказ?", channel=cast.mailbox)
    ticket.claim(cast.ann)
    make.ticket(cast.support, make.customer("Пётр Первый"), "Когда откроетесь?", channel=cast.mailbox)
    _row, cookie = UserSession.begin(cast.ann, Stage.FULL, "127.0.0.1", "Chromium")
    ticket_id, queue_id = ticket.id, cast.support.id
    committed.commit()
    with serving(app) as url:
        at = f"{url}/tickets/{ticket_id}"
        yield SimpleNamespace(url=url, at=at, ticket=ticket_id, queue=queue_id, cookies={"ann": cookie})


def opened(desk: Any, browser: Browser) -> tuple[Page, list[str]]:
    """The ticket's page once it follows what happens, and the addresses that it asks for from then on."""
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    with page.expect_response(lambda answer: urlsplit(answer.url).path == "/live"):
        page.reload()
    expect(page.locator("#card-body[data-live]")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    return page, asked


def hear(committed: Any, desk: Any, text: str) -> None:
    Factories(committed).hear(committed.get(Ticket, desk.ticket), text)
    committed.commit()


def test_all_panes_come_at_once_and_what_is_being_written_stays(desk: Any, browser: Browser, committed: Any) -> None:
    page, asked = opened(desk, browser)
    text = page.locator("#composer textarea")
    text.fill("Уже выясняем")
    hear(committed, desk, "Курьер так и не позвонил")
    expect(page.locator("#thread")).to_contain_text("Курьер так и не позвонил")
    expect(page.locator("#handled .count")).to_have_text("2")
    expect(text).to_have_value("Уже выясняем")
    expect(text).to_be_focused()
    path = f"/tickets/{desk.ticket}"
    assert asked.count(f"{path}/panes") == 1
    assert not {f"{path}/thread", f"{path}/bar", f"{path}/card"} & set(asked)


def test_a_server_that_cannot_answer_now_is_asked_again_in_silence(
    desk: Any, browser: Browser, committed: Any
) -> None:
    page, _asked = opened(desk, browser)
    refused = []

    def refuse_once(route: Route) -> None:
        if refused:
            return route.fallback()
        refused.append(route.request.url)
        return route.fulfill(status=503, body="busy")

    page.route("**/panes?*", refuse_once)
    hear(committed, desk, "Курьер так и не позвонил")
    expect(page.locator("#thread")).to_contain_text("Курьер так и не позвонил", timeout=15_000)
    assert refused
    expect(page.locator("#toasts .notice")).to_have_count(0)


def test_a_list_in_which_nobody_is_does_not_grow_by_what_comes(desk: Any, browser: Browser, committed: Any) -> None:
    """Else each ticket at the end of a long line would be fetched by everybody who looks at its beginning."""
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.goto(f"{desk.url}/queues/{desk.queue}")
    expect(page.locator("#list-pane .row-item")).to_have_count(1)
    make = Factories(committed)
    with page.expect_request(lambda request: "span=" in request.url) as asked:
        make.ticket(committed.get(Queue, desk.queue), make.customer("Борис Годунов"), "Пришла тихо")
        committed.commit()
    assert parse_qs(urlsplit(asked.value.url).query)["span"] == ["1"]
    expect(page.locator("#list-pane .row-item")).to_have_count(2)
