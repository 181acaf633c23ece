"""Chromium shows a hostile mail: with the cleaner taken away, policy and sandbox hold alone."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from helpdesk import files
from helpdesk.auth import cookie_name
from helpdesk.config import settings
from helpdesk.models.session import Stage, UserSession
from tests.chromium import launch, need_chromium

pytestmark = pytest.mark.browser

HOSTILE = """
<p id="words">Добрый день</p>
<img src="cid:logo@x" alt="logo">
<script>alert('canary')</script><svg onload="alert('canary')"><script>alert('canary')</script></svg>
<img src="EVIL/a.png" onerror="alert('canary')"><img src="remote:EVIL/b.png">
<style>@import "EVIL/c.css"; body { background: url(EVIL/d.png) }
@font-face { font-family: x; src: url(EVIL/e.woff) } p { font-family: x }</style>
<link rel="stylesheet" href="EVIL/f.css"><base href="EVIL/">
<iframe src="EVIL/g" srcdoc="<script>alert('canary')</script>"></iframe>
<object data="EVIL/h"></object><embed src="EVIL/i">
<form action="EVIL/j"><input autofocus onfocus="alert('canary')"><button id="send">x</button></form>
<meta http-equiv="refresh" content="0;url=javascript:alert('canary')">
<video src="EVIL/k" autoplay></video><audio src="EVIL/l" autoplay></audio>
<a id="bad" href="javascript:alert('canary')">link</a>
<img srcset="EVIL/m 2x" src="/logout"><table background="EVIL/n"></table>
"""


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
def evil() -> Iterator[Any]:
    """A server of the sender's, which notes whatever reaches it."""
    hits: list[str] = []

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        hits.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    with serving(answer) as url:
        yield SimpleNamespace(url=url, hits=hits)


@pytest.fixture(params=["one origin", "separate origin"])
def served(
    request: Any, app: Any, make_committed: Any, committed: Any, evil: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The application on a port, with a hostile mail that ann may read."""
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support)
    message = make_committed.hear(ticket, "Добрый день")
    message.html = HOSTILE.replace("EVIL", evil.url)
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    logo = files.attach(message, "logo.png", "image/png", out.getvalue(), inline=True, content_id="logo@x")
    logo.preview_sha256 = files.put(out.getvalue()).sha256
    _row, cookie = UserSession.begin(cast.ann, Stage.FULL, "127.0.0.1", "Chromium")
    committed.commit()
    with serving(app) as url:
        if request.param == "separate origin":
            monkeypatch.setattr(settings(), "base_url", url)
            monkeypatch.setattr(settings(), "files_url", url.replace("127.0.0.1", "localhost"))
        yield SimpleNamespace(url=url, ticket=ticket.id, message=message.id, cookie=cookie)


@pytest.fixture
def page(served: Any) -> Iterator[Page]:
    """A page of Chromium in which ann is signed in."""
    need_chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        context = browser.new_context()
        context.add_cookies([{"name": cookie_name(), "value": served.cookie, "url": served.url}])
        yield context.new_page()
        browser.close()


def test_nothing_runs_and_nothing_leaves(served: Any, evil: Any, page: Page) -> None:
    painted, dialogs = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("response", lambda response: painted.append((response.url, response.headers.get("content-type"))))
    page.goto(f"{served.url}/tickets/{served.ticket}")
    page.locator("details.mail > summary").first.click()
    frame = page.frame_locator("iframe.mail-frame").first
    frame.locator("#words").wait_for()
    frame.locator("#bad").click()
    frame.locator("#send").click()
    page.wait_for_load_state("networkidle")
    assert dialogs == []
    assert evil.hits == []
    assert {kind for url, kind in painted if "/files/" in url} == {"image/png"}
    assert frame.locator('img[alt="logo"]').evaluate("image => image.naturalWidth") == 8
    assert not [url for url, _kind in painted if url.endswith("/logout")]


def test_remote_pictures_come_only_when_asked_for(served: Any, evil: Any, page: Page) -> None:
    page.goto(f"{served.url}/tickets/{served.ticket}")
    page.locator("details.mail > summary").first.click()
    frame = page.frame_locator("iframe.mail-frame").first
    with page.expect_request(lambda request: "/b.png" in request.url) as asked:
        frame.get_by_text("Show pictures").click()
    assert asked.value.url.startswith("https://")
    assert evil.hits == []  # it speaks no TLS


def test_the_frame_has_no_origin_of_ours(served: Any, page: Page) -> None:
    page.goto(f"{served.url}/tickets/{served.ticket}")
    page.locator("details.mail > summary").first.click()
    page.frame_locator("iframe.mail-frame").first.locator("#words").wait_for()
    frame = next(frame for frame in page.frames if "/frame/" in frame.url)
    assert frame.evaluate("() => window.origin") == "null"
    assert frame.url.startswith(settings().files_url or served.url)
