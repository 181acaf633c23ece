"""HTML mail and files of strangers on their way to a browser: rights, signatures, headers, names."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from PIL import Image

from helpdesk import clock, file_names, files, frames
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.models import Attachment, Draft, Message
from helpdesk.signed_links import file_link, frame_link, read_file_token
from tests.clients import Client, sign_in

SANDBOX = "sandbox allow-popups allow-popups-to-escape-sandbox"
PNG = b"\x89PNG\r\n\x1a\n"


def directives(response: Any) -> dict[str, str]:
    policy = response.headers["Content-Security-Policy"]
    return {part.split()[0]: " ".join(part.split()[1:]) for part in policy.split(";")}


@pytest.fixture
def mail(cast: Any, make: Any) -> Message:
    """A customer's HTML mail on a ticket of Support."""
    message = make.hear(make.ticket(cast.support), "Здравствуйте")
    message.html = '<p>Здравствуйте</p><img src="cid:logo@x" alt="логотип"><img src="remote:http://spy.example/1.gif">'
    db.session.flush()
    return message


@pytest.fixture
def file_origin(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A separate origin for files."""
    monkeypatch.setattr(settings(), "base_url", "http://localhost")
    monkeypatch.setattr(settings(), "files_url", "http://files.example")
    yield "http://files.example"


def follow(app: Any, user: Any, path: str) -> Any:
    """What `user` gets at the signed address that a page's address leads to, fetched without cookies."""
    answer = sign_in(app, user).get(path)
    assert answer.status_code == 302, answer.status_code
    return Client(app).get(urlsplit(answer.location).path)


# --- the frame


def test_the_frame_has_a_policy_that_holds_alone(app: Any, cast: Any, mail: Message) -> None:
    answer = follow(app, cast.ann, f"/messages/{mail.id}/html")
    assert answer.status_code == 200
    policy = directives(answer)
    assert policy["default-src"] == policy["script-src"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["img-src"] == "'self' http://127.0.0.1:8000 http://localhost"
    assert policy["frame-ancestors"] == "'self' http://127.0.0.1:8000 http://localhost"
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers.getlist("Content-Security-Policy") == [answer.headers["Content-Security-Policy"]]


def test_hostile_html_still_meets_policy_and_sandbox(app: Any, cast: Any, mail: Message) -> None:
    mail.html = "<script>alert(1)</script><img src=x onerror=alert(1)><form action=//evil.example><iframe srcdoc=x>"
    db.session.flush()
    answer = follow(app, cast.ann, f"/messages/{mail.id}/html")
    policy = directives(answer)
    assert (policy["script-src"], policy["form-action"], policy["default-src"]) == ("'none'", "'none'", "'none'")
    assert "allow-scripts" not in policy["sandbox"]
    assert "allow-same-origin" not in policy["sandbox"]


def test_remote_pictures_wait_for_consent(app: Any, cast: Any, mail: Message) -> None:
    answer = follow(app, cast.ann, f"/messages/{mail.id}/html")
    assert "spy.example" not in answer.text
    assert "https:" not in directives(answer)["img-src"].split()
    more = answer.text.partition('<a href="')[2].partition('"')[0]
    shown = Client(app).get(more)
    assert 'src="https://spy.example/1.gif"' in shown.text
    assert "https:" in directives(shown)["img-src"].split()
    assert "Show pictures" not in shown.text


def test_pictures_of_the_mail_are_our_own_copies(app: Any, cast: Any, mail: Message) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    file = files.attach(mail, "logo.png", "image/png", b"what the sender sent", inline=True, content_id="<logo@x>")
    db.session.flush()
    assert "/files/" not in follow(app, cast.ann, f"/messages/{mail.id}/html").text
    file.preview_sha256 = files.put(out.getvalue()).sha256
    db.session.flush()
    page = follow(app, cast.ann, f"/messages/{mail.id}/html").text
    source = page.partition('<img src="/files/')[2].partition('"')[0]
    picture = Client(app).get(f"/files/{source}")
    assert picture.data == out.getvalue()
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"


def test_with_a_file_origin_everything_moves_there(app: Any, cast: Any, mail: Message, file_origin: str) -> None:
    ann = sign_in(app, cast.ann)
    location = ann.get(f"/messages/{mail.id}/html").location
    assert location.startswith(f"{file_origin}/messages/{mail.id}/frame/")
    path = urlsplit(location).path
    answer = Client(app).get(path, base_url=file_origin)
    policy = directives(answer)
    assert answer.status_code == 200
    assert policy["img-src"] == file_origin
    assert policy["frame-ancestors"] == "http://localhost"
    assert ann.get(path).status_code == 404
    for page in ("/sign-in", "/queues", f"/messages/{mail.id}/html", "/static/css/base.css"):
        assert Client(app).get(page, base_url=file_origin).status_code == 404
    assert Client(app).get("/health", base_url=file_origin).status_code == 200


def test_pages_allow_frames_and_pictures_of_both_origins(app: Any, cast: Any, file_origin: str) -> None:
    policy = directives(sign_in(app, cast.ann).get("/customers"))
    assert policy["frame-src"] == "'self' http://files.example"
    assert policy["img-src"] == "'self' http://files.example data: blob:"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('<img src="cid:a%40x" alt="1">', '<img src="/a" alt="1">'),
        ('<img alt="&quot;1&quot;" src="cid:b@x">', '<img alt="&quot;1&quot;">'),
        ('<img src="remote:https://e.example/x?a=1&amp;b=2">', "<img>"),
        ('<img src="remote:javascript:alert(1)">', "<img>"),
        ('<p title=" src=&quot;remote:x">cid:a@x</p>', '<p title=" src=&quot;remote:x">cid:a@x</p>'),
        ("<img>", "<img>"),
    ],
)
def test_only_known_pictures_get_an_address(stored: str, shown: str) -> None:
    assert frames.rewrite_images(stored, {"a@x": "/a"}.get, remote=False) == shown


def test_remote_pictures_are_asked_for_over_https() -> None:
    stored = '<img src="remote:http://e.example/x?a=1&amp;b=2"><img src="remote:HTTPS://e.example/&quot;x">'
    shown = '<img src="https://e.example/x?a=1&amp;b=2"><img src="https://e.example/&quot;x">'
    assert frames.rewrite_images(stored, {}.get, remote=True) == shown


# --- rights and signatures


def test_only_who_sees_the_ticket_gets_to_frame_and_files(app: Any, cast: Any, mail: Message) -> None:
    file = files.attach(mail, "secret.txt", "text/plain", b"secret canary")
    db.session.flush()
    for path in (f"/messages/{mail.id}/html", f"/attachments/{file.id}"):
        assert sign_in(app, cast.ann).get(path).status_code == 302
        assert sign_in(app, cast.carl).get(path).status_code == 404
        assert sign_in(app, cast.dora).get(path).status_code == 302
        assert Client(app).get(path).status_code in {302, 401}
        assert "/sign-in" in Client(app).get(path).location
    assert sign_in(app, cast.carl).get(f"/attachments/{file.id + 100}").status_code == 404
    assert sign_in(app, cast.ann).get(f"/attachments/{file.id}/picture").status_code == 404


def test_a_link_dies_with_the_right_it_came_from(app: Any, cast: Any, mail: Message) -> None:
    file = files.attach(mail, "secret.txt", "text/plain", b"secret canary")
    db.session.flush()
    links = [file_link(file, cast.carl.id, clock.now()), frame_link(mail, cast.carl, clock.now())]
    for link in links:
        assert Client(app).get(link).status_code == 404
    links = [file_link(file, cast.ann.id, clock.now()), frame_link(mail, cast.ann, clock.now())]
    assert [Client(app).get(link).status_code for link in links] == [200, 200]
    cast.ann.active = False
    db.session.flush()
    assert [Client(app).get(link).status_code for link in links] == [404, 404]


def test_links_end_after_ten_minutes_and_cannot_be_changed(app: Any, cast: Any, mail: Message) -> None:
    file = files.attach(mail, "a.txt", "text/plain", b"a")
    other = files.attach(mail, "b.txt", "text/plain", b"b")
    db.session.flush()
    now = clock.now()
    token = file_link(file, cast.ann.id, now).rpartition("/")[2]
    until, user_id, flag, signature = token.split(".", 3)
    assert read_file_token(file, token, now) is not None
    assert read_file_token(file, token, now + timedelta(seconds=599)) is not None
    assert read_file_token(file, token, now + timedelta(seconds=600)) is None
    forged = [
        f"{int(until) + 1}.{user_id}.{flag}.{signature}",
        f"{until}.{cast.bob.id}.{flag}.{signature}",
        f"{until}.{user_id}.1.{signature}",
        f"{until}.{user_id}.{flag}.{signature[:-1]}",
        f"{until}.{user_id}.{flag}.",
        f"{until}.{user_id}.{flag}",
        "",
        "a.b.c.d",
        f"{'9' * 400}.{user_id}.{flag}.{signature}",
        f"²{until[1:]}.{user_id}.{flag}.{signature}",
    ]
    assert [read_file_token(file, wrong, now) for wrong in forged] == [None] * len(forged)
    assert read_file_token(other, token, now) is None
    assert Client(app).get(f"/files/{other.id}/{token}").status_code == 404
    assert Client(app).get(f"/files/{file.id}/{forged[0]}").status_code == 404
    assert Client(app).get(f"/messages/{mail.id}/frame/{token}").status_code == 404


def test_files_of_a_draft_are_their_authors(app: Any, cast: Any, mail: Message) -> None:
    draft = Draft(user_id=cast.ann.id, ticket_id=mail.ticket_id)
    db.session.add(draft)
    db.session.flush()
    file = files.attach(None, "entwurf.txt", "text/plain", b"draft")
    file.draft_id = draft.id
    db.session.flush()
    assert follow(app, cast.ann, f"/attachments/{file.id}").data == b"draft"
    assert sign_in(app, cast.bob).get(f"/attachments/{file.id}").status_code == 404
    assert sign_in(app, cast.dora).get(f"/attachments/{file.id}").status_code == 404


def test_a_message_beside_a_ticket_is_seen_with_it(app: Any, cast: Any, mail: Message) -> None:
    db.session.execute(sa.update(Message).where(Message.id == mail.id).values(ticket_id=None))
    db.session.flush()
    assert sign_in(app, cast.ann).get(f"/messages/{mail.id}/html").status_code == 302
    assert sign_in(app, cast.carl).get(f"/messages/{mail.id}/html").status_code == 404


# --- downloads


HOSTILE_TYPES = [
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/html\r\nX-Evil: 1",
    "",
    "x" * 10_000,
]
HOSTILE_NAMES = [
    "a.html",
    'a"b.txt',
    "a\r\nSet-Cookie: evil=1.txt",
    "..\\..\\windows\\system32\\cmd.exe",
    "../../etc/passwd",
    "invoice\u202efdp.exe",
    "zero\u200bwidth.txt",
    "x" * 10_000 + ".pdf",
    "договір №1; filename=evil.html",
    "",
    ".",
    "CON.txt",
    "a%0d%0aX-Evil: 1",
]


@pytest.mark.parametrize("type", HOSTILE_TYPES)
def test_every_type_is_the_same_download(app: Any, cast: Any, mail: Message, type: str) -> None:
    content = b"<html><script>alert(document.domain)</script>"
    file = files.attach(mail, "page.html", type, content)
    db.session.flush()
    answer = follow(app, cast.ann, f"/attachments/{file.id}")
    assert answer.data == content
    ours = {name.lower() for name in answer.headers.keys()}  # noqa: SIM118  # headers are no dict
    assert "x-evil" not in ours
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_stay_names(app: Any, cast: Any, mail: Message, name: str) -> None:
    file = files.attach(mail, name, "text/plain", b"x")
    db.session.flush()
    answer = follow(app, cast.ann, f"/attachments/{file.id}")
    value = answer.headers["Content-Disposition"]
    assert answer.headers.getlist("Content-Disposition") == [value]
    assert "Set-Cookie" not in answer.headers
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert len(value) < 800
    assert not {"/", "\\"} & set(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("report.pdf", "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf"),
        (
            "Счёт №7.pdf",
            "attachment; filename=\"____ No7.pdf\"; filename*=UTF-8''%D0%A1%D1%87%D1%91%D1%82%20%E2%84%967.pdf",
        ),
        ("a/b\\c.txt", "attachment; filename=\"c.txt\"; filename*=UTF-8''c.txt"),
        (" . ", "attachment; filename=\"file\"; filename*=UTF-8''file"),
        ("con", "attachment; filename=\"_con\"; filename*=UTF-8''_con"),
    ],
)
def test_names_in_headers(name: str, value: str) -> None:
    assert file_names.disposition(name) == value


def test_a_lost_file_is_a_sentence(app: Any, cast: Any, mail: Message) -> None:
    file = files.attach(mail, "a.txt", "text/plain", b"soon to be lost")
    db.session.flush()
    link = file_link(file, cast.ann.id, clock.now())
    files.store().remove(file.sha256)
    answer = Client(app).get(link)
    assert answer.status_code == 404
    assert "administrator" in answer.text


def test_the_ticket_page_shows_pictures_only_as_our_copies(app: Any, cast: Any, mail: Message) -> None:
    file = files.attach(mail, "photo.png", "image/png", PNG + b"raw")
    db.session.flush()
    page = sign_in(app, cast.ann).get(f"/tickets/{mail.ticket_id}").text
    assert f'href="/attachments/{file.id}"' in page
    assert f"/attachments/{file.id}/picture" not in page
    db.session.get(Attachment, file.id).preview_sha256 = files.put(PNG + b"ours").sha256
    db.session.flush()
    page = sign_in(app, cast.ann).get(f"/tickets/{mail.ticket_id}").text
    assert f'src="/attachments/{file.id}/picture"' in page
    assert f'src="/messages/{mail.id}/html"' in page
