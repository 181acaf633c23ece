"""The outer system beside a ticket: what it is told and how it is proved, what it may answer, and that nobody waits."""

import base64
import html
import importlib.util
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from sqlalchemy import select

from helpdesk import crm, signatures
from helpdesk.config import settings
from helpdesk.models import CrmPanel, Ticket
from tests.clients import Client, sign_in

HX = {"HX-Request": "true"}


class Outer:
    """A system outside: answers `reply` (status, body) and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.reply: tuple[int, bytes] = (200, b'{"title": "", "rows": []}')
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((dict(self.headers), body))
                outer.hold.wait(20)
                self.send_response(outer.reply[0])
                self.end_headers()
                self.wfile.write(outer.reply[1])

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/card"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answers(self, value: Any, status: int = 200) -> None:
        crm.forget_answers()
        self.reply = (status, value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.fixture
def outer(monkeypatch: Any) -> Any:
    crm.forget_answers()
    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])
    made = Outer()
    yield made
    made.hold.set()
    made.server.shutdown()
    made.server.server_close()
    crm.forget_answers()


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


@pytest.fixture
def dora(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.dora)


@pytest.fixture
def asked_for(ann: Client, make: Any, cast: Any, outer: Outer) -> Any:
    """What the panel shows of a ticket of eve."""
    make.crm_panel(cast.support.project_id, "data", outer.url)
    ticket = make.ticket(cast.support, cast.eve)
    return lambda: ann.get(f"/tickets/{ticket.id}/outside", headers=HX)


def test_rows_are_asked_for_with_a_signature_and_kept_a_moment(asked_for: Any, outer: Outer, cast: Any) -> None:
    rows = [{"label": "Договор", "value": "17/А", "link": "https://crm.example/17"}, {"label": "Долг", "value": 12.5}]
    outer.answers({"title": "ТОВ «Весна»", "rows": rows, "more": 1})
    page = asked_for().text
    assert "ТОВ «Весна»" in page and "12.5" in page
    assert 'href="https://crm.example/17" target="_blank" rel="noopener noreferrer"' in page
    asked_for()
    assert len(outer.asked) == 1
    headers, body = outer.asked[0]
    at = headers[signatures.TIMESTAMP_HEADER]
    signatures.check([b"secret"], body, at, headers[signatures.SIGNATURE_HEADER], int(at))
    said = json.loads(body)
    assert said["customer"]["id"] == cast.eve.id
    assert said["customer"]["identities"][0]["value"] == cast.eve.identities[0].value
    assert said["user"]["email"] == cast.ann.email


HOSTILE = [
    b"",
    b"<html>no</html>",
    b"[]",
    b"null",
    b'{"rows": 5}',
    b'{"rows": [{"value": "x"}]}',
    b'{"rows": [{"label": {"a": 1}}]}',
    b'{"rows": [{"label": "a", "value": [1]}]}',
    b'{"rows": [{"label": "' + b"a" * 101 + b'"}]}',
    b'{"title": "' + b"a" * 201 + b'"}',
    json.dumps({"rows": [{"label": "a"}] * 51}).encode(),
    b'{"rows": ' + b"[" * 50_000,
    b" " * 200_000 + b"{}",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_an_answer_that_is_none_is_a_sentence(asked_for: Any, outer: Outer, body: bytes) -> None:
    outer.answers(body)
    page = asked_for()
    assert page.status_code == 200
    assert "crm-fault" in page.text and "<dl" not in page.text


def test_what_it_says_is_text_and_never_markup(asked_for: Any, outer: Outer) -> None:
    evil = "<img src=x onerror=alert(1)>"
    links = ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https:evil", 7, "x" * 3000]
    outer.answers({"title": evil, "rows": [{"label": evil, "value": evil, "link": link} for link in links]})
    page = asked_for().text
    assert "<img" not in page and html.escape(evil, quote=False) in page
    assert "href" not in page


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_a_refusal_is_a_sentence(asked_for: Any, outer: Outer, status: int) -> None:
    outer.answers({"rows": [{"label": "a", "value": "b"}]}, status)
    page = asked_for()
    assert page.status_code == 200 and "crm-fault" in page.text


def test_who_does_not_answer_is_not_asked_again_at_once(asked_for: Any, outer: Outer, monkeypatch: Any) -> None:
    monkeypatch.setattr(crm, "ASK_SECONDS", 0.2)
    outer.hold.clear()
    assert "crm-fault" in asked_for().text
    assert "crm-fault" in asked_for().text
    outer.hold.set()
    assert len(outer.asked) == 1


def test_private_addresses_are_not_reached(
    asked_for: Any, dora: Client, outer: Outer, monkeypatch: Any, session: Any
) -> None:
    monkeypatch.setattr(settings(), "outbound_allow", [])
    page = asked_for()
    assert page.status_code == 200 and "crm-fault" in page.text
    assert "OUTBOUND_ALLOW" not in page.text and "127.0.0.1" not in page.text
    crm.forget_answers()
    ticket = session.scalars(select(Ticket)).one()
    assert "OUTBOUND_ALLOW" in dora.get(f"/tickets/{ticket.id}/outside", headers=HX).text
    assert outer.asked == []


def test_the_page_of_a_ticket_waits_for_nobody(ann: Client, make: Any, cast: Any, outer: Outer) -> None:
    make.crm_panel(cast.support.project_id, "data", outer.url)
    ticket = make.ticket(cast.support, cast.eve)
    outer.hold.clear()
    page = ann.get(f"/tickets/{ticket.id}").text
    assert f'hx-get="/tickets/{ticket.id}/outside"' in page
    assert outer.asked == []


def signed(url: str) -> dict[str, Any]:
    """What a signed link tells, once its signature was checked."""
    query = parse_qs(urlsplit(url).query)
    data, at, signature = (query[name][0] for name in ("hd_data", "hd_ts", "hd_sig"))
    signatures.check([b"secret"], data.encode(), at, signature, int(at))
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
    return told


def test_their_page_stands_in_a_frame_of_its_own_policy(ann: Client, make: Any, cast: Any) -> None:
    make.crm_panel(cast.support.project_id, "frame", "https://crm.example/card?a=1")
    ticket = make.ticket(cast.support, cast.eve)
    fragment = ann.get(f"/tickets/{ticket.id}/outside", headers=HX).text
    assert f'src="/tickets/{ticket.id}/outside/frame"' in fragment
    page = ann.get(f"/tickets/{ticket.id}/outside/frame")
    policy = page.headers["Content-Security-Policy"]
    assert "frame-src https://crm.example;" in policy and "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "allow-top-navigation" not in page.text and "sandbox=" in page.text
    found = re.search(r'<iframe src="([^"]+)"', page.text)
    assert found
    url = html.unescape(found[1])
    assert url.startswith("https://crm.example/card?a=1&hd_data=")
    assert signed(url)["customer"]["id"] == cast.eve.id


def test_a_tab_is_opened_by_a_link_signed_at_that_moment(ann: Client, make: Any, cast: Any) -> None:
    make.crm_panel(cast.support.project_id, "tab")
    ticket = make.ticket(cast.support, cast.eve)
    fragment = ann.get(f"/tickets/{ticket.id}/outside", headers=HX).text
    assert "<iframe" not in fragment and 'rel="noopener noreferrer"' in fragment
    answer = ann.get(f"/tickets/{ticket.id}/outside/link")
    assert answer.status_code == 302 and answer.headers["Referrer-Policy"] == "no-referrer"
    assert signed(answer.location)["ticket"]["number"] == ticket.number
    assert ann.get(f"/tickets/{ticket.id}/outside/frame").status_code == 404


def test_without_a_panel_there_is_nothing(ann: Client, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support, cast.eve)
    assert ann.get(f"/tickets/{ticket.id}/outside").status_code == 404
    assert "card-crm" not in ann.get(f"/tickets/{ticket.id}").text
    make.crm_panel(cast.support.project_id).active = False
    assert ann.get(f"/tickets/{ticket.id}/outside").status_code == 404


def test_an_administrator_sets_it_up(dora: Client, cast: Any, session: Any) -> None:
    url = f"/admin/projects/{cast.support.project_id}/crm"
    form = {"way": "data", "title": "CRM", "url": "https://CRM.example/card", "active": "y"}
    made = dora.post(url, data=form)
    assert made.status_code == 200
    panel = session.get(CrmPanel, cast.support.project_id)
    found = re.search(r'id="made" value="([^"]+)"', made.text)
    assert found
    secret = crm.keyring().open_json(panel.secret, f"crm:{panel.project_id}")
    assert secret == found[1] and secret.encode() not in panel.secret
    assert panel.url == "https://crm.example/card"
    assert found[1] not in dora.get(url).text
    assert dora.post(url, data={**form, "way": "tab", "title": "Карта"}).status_code == 303
    assert (panel.way, panel.title) == ("tab", "Карта")
    renewed = dora.post(f"{url}/secret").text
    assert crm.keyring().open_json(panel.secret, f"crm:{panel.project_id}") in renewed
    assert dora.post(f"{url}/removal").status_code == 303
    assert dora.post(f"{url}/removal").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example/card",
        "ftp://crm.example/",
        "javascript:alert(1)",
        "http://crm.example/",
        "http://10.0.0.1/",
        "https://crm.example; script-src *",
        "https://crm.example'/x",
        "https://user:pass@crm.example/",
        "https://crm.example/#x",
        "https://crm.example/\nX: y",
        "https://почта.рф/",
        "https://crm.example/" + "a" * 500,
        "https://",
    ],
)
def test_what_is_no_address_of_another_system(dora: Client, cast: Any, session: Any, url: str) -> None:
    form = {"way": "frame", "title": "CRM", "url": url, "active": "y"}
    assert dora.post(f"/admin/projects/{cast.support.project_id}/crm", data=form).status_code == 422
    assert session.query(CrmPanel).count() == 0


def test_our_own_pages_never_stand_in_the_frame(monkeypatch: Any) -> None:
    monkeypatch.setattr(settings(), "base_url", "https://desk.example")
    with pytest.raises(crm.Refused):
        crm.checked_url("https://desk.example/admin", "frame")
    assert crm.checked_url("http://localhost:8080/card", "data") == "http://localhost:8080/card"


@pytest.fixture
def example(monkeypatch: Any) -> Any:
    """The example of the documentation, running."""
    spec = importlib.util.spec_from_file_location("crm_panel", "docs/examples/crm_panel.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SECRET = b"secret"
    crm.forget_answers()
    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), module.Crm)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield SimpleNamespace(module=module, url=f"http://127.0.0.1:{server.server_port}/card")
    server.shutdown()
    server.server_close()
    crm.forget_answers()


def test_the_example_answers_as_documented(ann: Client, make: Any, cast: Any, example: Any, session: Any) -> None:
    example.module.CUSTOMERS[cast.eve.identities[0].value] = {"Plan": "Large"}
    panel = make.crm_panel(cast.support.project_id, "data", example.url)
    ticket = make.ticket(cast.support, cast.eve)
    assert "Large" in ann.get(f"/tickets/{ticket.id}/outside", headers=HX).text
    panel.way = "tab"
    link = ann.get(f"/tickets/{ticket.id}/outside/link").location
    with urlopen(link) as page:
        assert "Large" in page.read().decode()
    with pytest.raises(HTTPError):
        urlopen(link[:-1] + ("0" if link[-1] != "0" else "1"))
