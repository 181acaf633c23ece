"""The door: what is taken is stored before it is answered, and everything else is refused with nothing stored."""

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update

from helpdesk import signatures
from helpdesk.db import db
from helpdesk.models import Channel, HookRefusal, InboundEvent, RawInput
from queues import intake
from queues.channels.http.events import schema
from queues.channels.http.settings import CALL_BYTES, MESSAGE_BYTES, HttpSettings, rotated
from tests.http.conftest import EVE, SECRET, System, call, message


def stored() -> int:
    """How many events are stored."""
    return db.session.scalar(select(func.count()).select_from(InboundEvent)) or 0


def set_settings(channel: Channel, **settings: Any) -> None:
    """Change what a door takes."""
    channel.settings = HttpSettings(**{**channel.settings, **settings}).model_dump(mode="json")
    db.session.flush()


def test_what_is_taken_is_stored_as_it_came(system: System) -> None:
    body = json.dumps(message(), ensure_ascii=False).encode()
    answer = system.post_raw(body)
    assert (answer.status_code, answer.json) == (202, {"id": "m-1", "status": "stored"})
    assert "Set-Cookie" not in answer.headers
    assert db.session.scalar(select(RawInput.data)) == body
    db.session.refresh(system.channel)
    assert system.channel.last_contact_at is not None


def test_a_busy_door_notes_its_contact_once_a_minute(system: System) -> None:
    """Nor does it ask each time whether it should: the message itself is enough work."""
    system.post(message())
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert system.post(message(id="m-2")).status_code == 202
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert any(one.startswith("INSERT INTO raw_inputs") for one in asked)
    assert not any(one.startswith("UPDATE channels") for one in asked)


def test_the_same_again_is_taken_once_and_answered_the_same(system: System) -> None:
    first = system.post(message())
    again = system.post(message(), at=int(time.time()) - 60)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.data == again.data
    assert stored() == 1


def test_a_recorded_request_sent_again_changes_nothing(system: System) -> None:
    """An eavesdropper's best: byte for byte the same, within the five minutes."""
    at = int(time.time())
    assert system.post(message(), at=at).status_code == 202
    assert system.post(message(), at=at).status_code == 200
    assert stored() == 1


def test_the_header_may_name_the_event(system: System) -> None:
    assert system.post(message(id=None), Idempotency_Key="k-1").json["id"] == "k-1"
    assert system.post(message(id="k-1"), Idempotency_Key="k-1").status_code == 409  # other bytes
    assert system.post(message(id=None, message_id="x9")).json["id"] == "chat-1 x9"
    assert stored() == 2


def test_one_key_for_two_bodies_is_a_conflict(system: System) -> None:
    system.post(message())
    answer = system.post(message(text="Другое"))
    assert (answer.status_code, answer.json["error"]) == (409, "key_reused")
    assert stored() == 1


def test_a_secret_that_was_replaced_counts_for_a_day(system: System, move_clock: Any) -> None:
    from helpdesk import clock

    fresh = rotated(system.channel.secrets, clock.now())
    system.channel.keep_secrets(fresh)
    db.session.flush()
    assert system.post(message(id="old")).status_code == 202
    system.secret = fresh["secret"]
    assert system.post(message(id="new")).status_code == 202
    move_clock("25 hours")
    later = int(time.time()) + 25 * 3600
    assert system.post(message(id="new-later"), at=later).status_code == 202
    system.secret = SECRET
    assert system.post(message(id="old-later"), at=later).status_code == 401


NOW = "now"
FORGED = {
    "no signature": {"Helpdesk_Signature": None},
    "no time": {"Helpdesk_Timestamp": None},
    "empty signature": {"Helpdesk_Signature": ""},
    "of another body": {"Helpdesk_Signature": signatures.sign(SECRET.encode(), b"{}", int(time.time()))},
    "made up": {"Helpdesk_Signature": "v1=" + "0" * 64},
    "another version": {"Helpdesk_Signature": "v0=" + "0" * 64},
    "not hex": {"Helpdesk_Signature": "v1=" + "z" * 64},
    "words": {"Helpdesk_Timestamp": "yesterday"},
    "another time than was signed": {"Helpdesk_Timestamp": str(int(time.time()) + 7)},
    "milliseconds": {"Helpdesk_Timestamp": str(int(time.time() * 1000))},
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_requests_leave_nothing(system: System, case: str) -> None:
    answer = system.post(message(), **FORGED[case])
    assert (answer.status_code, answer.json["error"]) == (401, "signature")
    assert stored() == 0


@pytest.mark.parametrize("off", [-3600, -302, 302, 10_000_000])
def test_stale_requests_and_those_of_the_future(system: System, off: int) -> None:
    answer = system.post(message(), at=int(time.time()) + off)
    assert answer.status_code == 401
    assert "clock" in answer.json["message"]
    assert stored() == 0


def test_another_secret(system: System) -> None:
    system.secret = "hds_other"
    assert system.post(message()).status_code == 401


def _deep(depth: int) -> bytes:
    return b'{"type":"message","facts":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "not_json"),
    "cut off": (b'{"type":"message","id":"x"', 400, "not_json"),
    "two documents": (b"{}{}", 400, "not_json"),
    "a comment": (b'{"type":"message" /* hi */}', 400, "not_json"),
    "single quotes": (b"{'type':'message'}", 400, "not_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(message()).encode(), 400, "not_json"),
    "utf-16": (json.dumps(message()).encode("utf-16"), 400, "not_json"),
    "windows-1251": (json.dumps(message(), ensure_ascii=False).encode("cp1251"), 400, "not_json"),
    "overlong utf-8": (b'{"type":"\xc0\xaf"}', 400, "not_json"),
    "half a character": (b'{"type":"message","text":"\\ud83d"}', 400, "not_json"),
    "surrogates as bytes": (b'{"type":"\xed\xa0\x80"}', 400, "not_json"),
    "nul": (json.dumps(message(text="a\0b")).encode(), 400, "not_json"),
    "nul in a name": (b'{"type":"message","a\\u0000":1}', 400, "not_json"),
    "NaN": (b'{"type":"message","facts":{"a":NaN}}', 400, "not_json"),
    "Infinity": (b'{"type":"message","facts":{"a":-Infinity}}', 400, "not_json"),
    "a number of 5000 digits": (b'{"a":' + b"9" * 5000 + b"}", 400, "not_json"),
    "a name twice": (b'{"type":"call","type":"message"}', 400, "not_json"),
    "a name twice inside": (b'{"type":"message","sender":{"value":"a","value":"b"}}', 400, "not_json"),
    "a name twice, once escaped": (b'{"type":"call","\\u0074ype":"message"}', 400, "not_json"),
    "deep": (_deep(30), 400, "not_json"),
    "deeper than the stack": (b"[" * 200_000, 400, "not_json"),
    "a list": (b"[]", 422, "schema"),
    "a word": (b'"message"', 422, "schema"),
    "null": (b"null", 422, "schema"),
    "no type": (b"{}", 422, "schema"),
    "a type that is a list": (b'{"type":["message"]}', 422, "schema"),
    "an unknown type": (b'{"type":"reply","id":"x"}', 422, "schema"),
    "a type in capitals": (b'{"type":"MESSAGE"}', 422, "schema"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies_that_are_no_event(system: System, case: str) -> None:
    body, status, code = BODIES[case]
    answer = system.post_raw(body)
    assert (answer.status_code, answer.json["error"]) == (status, code)
    assert stored() == 0


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": (message(colour="red"), "colour"),
    "nobody": (message(sender=None), "sender"),
    "a sender of another kind": (message(sender={"namespace": "telegram:bot", "value": "1"}), "sender.namespace"),
    "a sender in capitals": (message(sender={"namespace": "CRM:shop", "value": "1"}), "sender.namespace"),
    "an empty address": (message(sender={"namespace": "email", "value": ""}), "sender.value"),
    "a number for text": (message(text=5), "text"),
    "nothing said": (message(text="  "), ""),
    "no conversation": (message(conversation=None), "conversation"),
    "a conversation with a space": (message(conversation="a b"), "conversation"),
    "a conversation with a newline": (message(conversation="a\n"), "conversation"),
    "a long conversation": (message(conversation="x" * 201), "conversation"),
    "a long text": (message(text="x" * 200_001), "text"),
    "a time without a zone": (message(sent_at="2030-01-01T09:00:00"), "sent_at"),
    "a time as a number": (message(sent_at=1_893_488_400), "sent_at"),
    "no time at all": (message(sent_at="yesterday"), "sent_at"),
    "a language in words": (message(language="Українська"), "language"),
    "facts in facts": (message(facts={"a": {"b": 1}}), "facts.a.str"),
    "fifty-one facts": (message(facts={str(n): n for n in range(51)}), "facts"),
    "huge facts": (message(facts={"a": "x" * 20_001}), "facts"),
    "broken base64": (message(files=[{"name": "a.txt", "content": "не base64"}]), "files.0.content"),
    "base64 with breaks": (message(files=[{"name": "a.txt", "content": "YQ==\nYQ=="}]), "files.0.content"),
    "a file type that is a header": (
        message(files=[{"name": "a", "type": "text/html\r\nX: y", "content": ""}]),
        "files.0.type",
    ),
    "twenty-one files": (message(files=[{"name": "a", "content": ""}] * 21), "files"),
    "files that are not taken": (message(files=[{"name": "a", "content": "YQ=="}]), "files"),
    "no key": (message(id=None), "id"),
    "a key with a space": (message(id="a b"), "id"),
    "an unknown phase": (call("parked"), "phase"),
    "a call without a time": (call("ringing", at=None), "at"),
    "negative length": (call("ended", duration=-1), "duration"),
    "length as text": (call("ended", duration="60"), "duration"),
    "length of a year": (call("ended", duration=10**9), "duration"),
    "another direction": (call("ringing", direction="sideways"), "direction"),
    "a receipt for nothing": ({"type": "receipt", "id": "r", "state": "read"}, "message_id"),
    "a receipt of another state": ({"type": "receipt", "id": "r", "message_id": "m", "state": "sent"}, "state"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_fault_is_named_with_its_field(system: System, case: str) -> None:
    event, path = FIELDS[case]
    answer = system.post(event)
    assert (answer.status_code, answer.json["error"], answer.json["field"]) == (422, "schema", path)
    assert answer.json["message"].endswith(".")
    assert stored() == 0


HEADERS: dict[str, tuple[dict[str, str | None], int, str]] = {
    "a form": ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "content_type"),
    "a multipart form": ({"Content_Type": "multipart/form-data; boundary=x"}, 415, "content_type"),
    "text": ({"Content_Type": "text/plain"}, 415, "content_type"),
    "no type": ({"Content_Type": None}, 415, "content_type"),
    "another charset": ({"Content_Type": "application/json; charset=windows-1251"}, 415, "content_type"),
    "compressed": ({"Content_Encoding": "gzip"}, 415, "content_type"),
    "a key with a newline in it": ({"Idempotency_Key": "a b"}, 422, "schema"),
    "a key of another event": ({"Idempotency_Key": "m-2"}, 422, "schema"),
    "a long key": ({"Idempotency_Key": "x" * 201}, 422, "schema"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_refused(system: System, case: str) -> None:
    headers, status, code = HEADERS[case]
    answer = system.post(message(), **headers)
    assert (answer.status_code, answer.json["error"]) == (status, code)
    assert stored() == 0


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8"])
def test_the_charset_may_be_said(system: System, charset: str) -> None:
    assert system.post(message(), Content_Type=f"application/json; charset={charset}").status_code == 202


def test_large_bodies(system: System) -> None:
    """Messages up to 1 MB, with files up to 10 MB where they are taken, calls up to 64 kB."""
    html = message(html="x" * 400_000, facts={})
    assert system.post(html).status_code == 202
    padded = json.dumps(message(id="big")).encode() + b" " * MESSAGE_BYTES
    assert system.post_raw(padded).json["error"] == "too_large"
    assert system.post_raw(json.dumps(call("ringing")).encode() + b" " * CALL_BYTES).status_code == 413
    file = {"name": "film.mp4", "content": base64.b64encode(b"x" * 9_000_000).decode()}
    assert system.post(message(id="file", files=[file])).status_code == 413
    set_settings(system.channel, takes_files=True)
    assert system.post(message(id="file", files=[file])).status_code == 202
    assert system.post_raw(padded).status_code == 413
    assert system.post_raw(b" " * 16_000_000).status_code == 413
    assert stored() == 2


def test_a_body_without_a_length_is_bounded_too(system: System, app: Any) -> None:
    """Chunked: the server learns the size only by reading."""
    db.session.commit()
    with app.app_context():
        answer = app.test_client().post(
            system.address,
            input_stream=io.BytesIO(b" " * (2 * MESSAGE_BYTES)),
            headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    assert (answer.status_code, answer.json["error"]) == (413, "too_large")


def test_unknown_doors(system: System) -> None:
    for address in ("/hooks/nowhere", f"/hooks/{system.channel.id}", "/hooks/" + "x" * 3000, "/hooks/%00"):
        assert system.post(message(), address=address).status_code in {400, 404}, address
    assert db.session.scalar(select(func.count()).select_from(HookRefusal)) == 0


def test_only_posting(system: System, app: Any) -> None:
    for method in ("get", "put", "delete", "patch"):
        assert getattr(app.test_client(), method)(system.address).status_code in {404, 405}


def test_a_paused_channel_asks_for_patience(system: System) -> None:
    system.channel.enabled = False
    db.session.flush()
    answer = system.post(message())
    assert (answer.status_code, answer.json["error"], answer.headers["Retry-After"]) == (503, "paused", "300")
    assert stored() == 0


def test_what_a_door_does_not_take(system: System) -> None:
    set_settings(system.channel, takes_calls=False)
    assert system.post(call("ringing")).json["field"] == "type"
    set_settings(system.channel, takes_calls=True, takes_messages=False)
    assert system.post(message()).json["field"] == "type"
    assert system.post(call("ringing")).status_code == 202


def test_too_many(system: System) -> None:
    """Only who knows the secret counts: nobody else can use up what the other system may send."""
    set_settings(system.channel, requests_per_minute=3)
    for _ in range(10):
        assert system.post(message(), Helpdesk_Signature="v1=" + "0" * 64).status_code == 401
    answers = [system.post(message(id=f"m-{n}")) for n in range(5)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429, 429]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert stored() == 3


def test_refusals_are_counted_by_reason(system: System) -> None:
    for _ in range(3):
        system.post(message(text=None))
    system.post(message(), Helpdesk_Signature="v1=" + "0" * 64)
    rows = {row.code: row for row in db.session.scalars(select(HookRefusal))}
    assert {code: row.count for code, row in rows.items()} == {"schema": 3, "signature": 1}
    assert rows["signature"].address == "127.0.0.1"


def test_when_nothing_can_be_stored_the_sender_keeps_it(system: System, monkeypatch: Any) -> None:
    from psycopg.errors import DiskFull
    from sqlalchemy.exc import OperationalError

    def full(*_: Any) -> bool:
        raise OperationalError("INSERT", {}, DiskFull("no space left"))

    monkeypatch.setattr(intake, "accept", full)
    answer = system.post(message())
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_event_without_its_digest_is_taken_for_the_same(system: System) -> None:
    """Whoever tries again after long has no answer to give about bytes that nobody remembers."""
    system.post(message())
    db.session.execute(update(InboundEvent).values(envelope={}))
    assert system.post(message(text="Другое")).status_code == 200


def test_no_cookie_is_needed_and_none_helps(system: System, app: Any) -> None:
    """A page of another site can make a browser post, but not sign."""
    client = app.test_client()
    client.set_cookie("sid", "made-up")
    db.session.commit()
    with app.app_context():
        answer = client.post(system.address, json=message(sender=EVE), headers={"Origin": "https://evil.example"})
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["message", "call", "receipt"])
def test_schemas_are_published(app: Any, session: Any, name: str) -> None:
    with app.app_context():
        answer = app.test_client().get(f"/hooks/schemas/{name}.json")
    assert answer.status_code == 200
    assert answer.mimetype == "application/schema+json"
    found = json.loads(answer.data)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["additionalProperties"] is False
    with app.app_context():
        assert app.test_client().get("/hooks/schemas/other.json").status_code == 404


@pytest.mark.parametrize("name", ["message", "call", "receipt"])
def test_the_docs_hold_the_same_schemas(name: str) -> None:
    """Made by `schema()` of queues/channels/http/events.py; write them anew when the models change."""
    page = Path(__file__).parents[2] / f"docs/api/http-{name}.schema.json"
    assert json.loads(page.read_text(encoding="utf-8")) == schema(name)


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_all_bounds_is_refused(system: System, number: str) -> None:
    """PostgreSQL's JSON has no infinity: taken in, such an event would end in quarantine."""
    body = json.dumps(message(facts={"sum": 1})).replace('"sum": 1', f'"sum": {number}').encode()
    answer = system.post_raw(body)
    assert (answer.status_code, answer.json["error"]) == (400, "not_json")
    assert stored() == 0
