"""The outer system's own page in the card, in Chromium, against a small server that checks the link as its docs say."""

import base64
import hashlib
import hmac
import html
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

from helpdesk.models import Ticket
from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import desk as desk
from tests.test_composer_browser import machine

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><meta charset="utf-8"><title>CRM</title>
<p id="who">%(name)s</p><p id="ran"></p>
<script>
  const ran = document.getElementById("ran");
  ran.textContent = "сценарий работает";
  try { if (top !== self) top.location = "/leave"; } catch { ran.textContent += ", увести нельзя"; }
</script>"""


class Crm:
    """Another system: shows a customer's page to whoever comes by a link that is signed with `secret` and fresh."""

    def __init__(self, secret: bytes = b"secret") -> None:
        self.secret = secret
        self.asked: list[str] = []
        self.refused = 0
        crm = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith("/card"):
                    return self.send_error(404)  # the browser asks for an icon
                crm.asked.append(self.path)
                facts = crm.facts_of(self.path)
                crm.refused += facts is None
                body = "signature" if facts is None else PAGE % {"name": html.escape(facts["customer"]["name"])}
                self.send_response(403 if facts is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body.encode())
                return None

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/card?kind=person"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def facts_of(self, path: str) -> dict[str, Any] | None:
        """What the link says, None where it is not ours, was changed, or is older than five minutes."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        data, at = given.get("hd_data", ""), given.get("hd_ts", "0")
        wanted = hmac.new(self.secret, f"{at}.{data}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v1={wanted}", given.get("hd_sig", "")) or abs(time.time() - int(at)) > 300:
            return None
        facts: dict[str, Any] = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
        return facts


@pytest.fixture
def crm() -> Iterator[Crm]:
    running = Crm()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join()


def test_their_page_stands_in_the_card_and_in_a_tab(desk: Any, browser: Browser, crm: Crm, committed: Any) -> None:
    desk.make.crm_panel(desk.cast.support.project_id, "frame", crm.url)
    committed.commit()
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.locator(".crm-frame").scroll_into_view_if_needed()
    theirs = page.frame_locator(".crm-frame").frame_locator("iframe")
    expect(theirs.locator("#who")).to_have_text("Иванова Ева Петровна")
    expect(theirs.locator("#ran")).to_have_text("сценарий работает, увести нельзя")
    expect(page).to_have_url(re.compile(rf"/tickets/{desk.ticket}\b"))
    facts = crm.facts_of(crm.asked[0])
    assert facts is not None and facts["ticket"]["id"] == desk.ticket
    assert facts["user"]["email"] == desk.cast.ann.email
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open in a new tab").last.click()
    expect(opened.value.locator("#who")).to_have_text("Иванова Ева Петровна")
    assert crm.refused == 0


def test_a_link_that_was_changed_or_signed_by_another_is_refused_there(
    desk: Any, browser: Browser, crm: Crm, committed: Any
) -> None:
    crm.secret = b"another"
    desk.make.crm_panel(desk.cast.support.project_id, "frame", crm.url)
    committed.commit()
    page = machine(desk, browser, viewport={"width": 1440, "height": 900})
    page.locator(".crm-frame").scroll_into_view_if_needed()
    expect(page.frame_locator(".crm-frame").frame_locator("iframe").locator("body")).to_have_text("signature")
    expect(page.locator("#composer textarea")).to_be_enabled()  # the desk goes on
    crm.secret = b"secret"
    path = crm.asked[0]
    with urlopen(crm.url.partition("/card")[0] + path) as answer:
        assert answer.status == 200
    given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    other = committed.get(Ticket, desk.ticket).customer_id + 1
    forged = base64.urlsafe_b64encode(json.dumps({"customer": {"id": other, "name": "Чужой"}}).encode()).decode()
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"{crm.url}&{urlencode(given | {'hd_data': forged.rstrip('=')})}")
