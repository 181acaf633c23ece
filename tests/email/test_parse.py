"""Whole mails: ordinary ones are understood, hostile ones do no harm, and all survive the wire and PostgreSQL."""

# ruff: noqa: E501 -- lines of mails
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queues.channels.email import limits
from queues.channels.email.describe import as_text, describe
from queues.channels.email.html import html_to_text
from queues.channels.email.parse import parse, parse_headers_only
from queues.channels.email.parsed import ParsedMail, from_wire, to_wire
from tests.email.build import simple
from tests.email.corpus import hostile_mails, ordinary_mails
from tests.email.test_html import assert_safe


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)


def assert_sound(mail: ParsedMail) -> None:
    """What must hold for every mail whatever was in it."""
    for text in _texts(mail):
        assert "\x00" not in text
        text.encode("utf-8")  # raises on a lone surrogate
    for line in (mail.subject, mail.from_name, mail.from_addr or "", *(each.name for each in mail.attachments)):
        assert not set(line) & set("\r\n\x1b\u202e\u2028")
    for html in (mail.html, mail.reply_html):
        if html is not None:
            assert_safe(html[:50_000])
    assert len(mail.subject) <= limits.SUBJECT_CHARS
    assert len(mail.to) <= limits.RECIPIENTS
    assert len(mail.references) <= limits.REFERENCES
    assert len(mail.message_id or "") <= limits.MESSAGE_ID_CHARS + 2
    wire, blobs = to_wire(mail)
    assert from_wire(json.loads(json.dumps(wire)), blobs) == mail
    as_text({"file": "x", **json.loads(json.dumps(describe(mail)))})


def _words(text: str) -> str:
    return " ".join(text.split())


def test_ordinary_mails_are_understood() -> None:
    for made in ordinary_mails(120, seed=7):
        mail = parse(made.raw)
        assert mail.subject == made.subject
        assert (mail.from_addr, mail.from_name) == (made.from_addr, made.from_name)
        assert _words(mail.reply_text) == _words(made.reply), made.client
        assert tuple((each.name, each.size) for each in mail.attachments) == made.files
        assert mail.language == made.language
        assert mail.message_id == made.message_id
        assert mail.thread_hints.message_ids[:1] == ((made.in_reply_to,) if made.in_reply_to else ())
        assert mail.kind == "human"
        assert mail.may_auto_reply
        assert mail.problems == ()
        if mail.reply_html is not None:
            assert _words(html_to_text(mail.reply_html)) == _words(made.reply), made.client
        assert_sound(mail)


def test_the_ordinary_mix_is_what_the_load_tests_count_on() -> None:
    mails = list(ordinary_mails(800, seed=1))
    assert 30_000 < sum(len(made.raw) for made in mails) / len(mails) < 45_000
    assert 0.25 < sum(bool(made.files) for made in mails) / len(mails) < 0.35
    assert 0.35 < sum(made.in_reply_to is not None for made in mails) / len(mails) < 0.45
    assert len({made.message_id for made in mails}) == len(mails)
    assert [made.raw for made in ordinary_mails(5, seed=1)] == [made.raw for made in mails[:5]]


def test_no_hostile_mail_does_harm() -> None:
    names = set()
    for name, raw in hostile_mails():
        names.add(name)
        before = time.process_time()
        try:
            assert_sound(parse(raw))
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        # processor time, far above what any takes: a bomb that goes off takes minutes
        assert time.process_time() - before < 5, name
    assert len(names) >= 300


def test_scripts_stay_text_in_every_field() -> None:
    payload = "<script>alert(1)</script>"
    mail = parse(simple(payload, Subject=payload, From=f'"{payload}" <eve@example.net>'))
    assert mail.subject == payload
    assert mail.from_name == payload
    assert mail.reply_text == payload
    assert mail.html is None


@pytest.mark.parametrize("raw", [b"", b"\n\n\n", b"\x00" * 100, b"   ", b"\xef\xbb\xbf"])
def test_nothing_is_an_empty_mail(raw: bytes) -> None:
    mail = parse(raw)
    assert [problem.code for problem in mail.problems] == ["empty"]
    assert not mail.may_auto_reply


def test_a_mail_over_the_cap_gives_its_headers() -> None:
    mail = parse(simple("x" * (limits.RAW_PARSED + 1)))
    assert (mail.subject, mail.from_addr, mail.text) == ("A question", "eve@example.net", "")
    assert mail.headers_only
    assert not mail.may_auto_reply
    assert "too-large" in {problem.code for problem in mail.problems}


def test_headers_alone_say_why() -> None:
    mail = parse_headers_only(simple("text"), problem="parse-timeout")
    assert mail.headers_only
    assert mail.text == ""
    assert "The mail took too long to read" in next(p.sentence for p in mail.problems if p.code == "parse-timeout")


def test_thread_hints_come_from_all_places() -> None:
    mail = parse(
        simple(
            Subject="Re: [Ticket#2024112010000017] заказ 998877 от 12.03",
            To="Support <support+t12.k1.AbC@example.com>",
            Delivered_To="other+x@example.com",
            X_Original_To="support+t13.k1.def@example.com",
            In_Reply_To="<c@x>",
            References="<a@x> <b@x> <c@x>",
        )
    )
    hints = mail.thread_hints
    assert hints.message_ids == ("<c@x>", "<b@x>", "<a@x>")
    assert hints.plus_tokens == ("t12.k1.AbC", "x", "t13.k1.def")
    assert hints.subject_numbers == ("2024112010000017", "998877")
    assert (mail.delivered_to, mail.x_original_to) == (("other+x@example.com",), ("support+t13.k1.def@example.com",))


@pytest.mark.parametrize(
    ("value", "expected"), [("<>", ""), ("<Bounce@Example.COM>", "Bounce@example.com"), ("", None), ("junk", None)]
)
def test_the_envelope_sender(value: str, expected: str | None) -> None:
    assert parse(simple(Return_Path=value)).return_path == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Здравствуйте, где мой заказ?", "ru"),
        ("Добрий день, де моє замовлення?", "uk"),
        ("Привіт! Дякую за відповідь", "uk"),
        ("Hello, where is my order?", "en"),
        ("Guten Tag, wo bleibt meine Bestellung?", None),
        ("12345", None),
        ("", None),
    ],
)
def test_the_language_is_guessed(text: str, language: str | None) -> None:
    assert parse(simple(text, Subject="")).language == language


_LINES = st.one_of(
    st.sampled_from(
        [b"From: a@b.c", b"From: <", b"Subject: =?utf-8?B?0J/RgA==?=", b"Subject: =?x?Q?=00?=", b"To: a:b;,(", b"Date: 1", b"",
         b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/alternative; boundary=\"b\"", b"--b", b"--b--",
         b"Content-Type: text/html; charset=koi8-r", b"Content-Type: message/rfc822", b"Content-Type: message/delivery-status",
         b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: x-uuencode",
         b"Content-Disposition: attachment; filename*0*=utf-8''%00; filename*1=x", b"Content-ID: <x>", b"begin 644 x", b"end",
         b"> quoted", b"On Wed, Apr 30, 2025, a <b@c> wrote:", b"From: x", b"Sent: y", b"Subject: z", b"-- ", b" folded", b"\tx",
         b"<blockquote type=cite>x", b"<div class=gmail_quote><div style='display:none'>", b"</div>text", b"<img src=cid:x>", b"<html id=appendonsend>", b"<body class=gmail_quote>", b"<blockquote>From: x<br>Sent: y<br>To: z",
         b"Message-ID: <[@>", b"References: <a@[", b"Final-Recipient: rfc822; x@y", b"Action: failed", b"Status: 5.1.1",
         b"Return-Path: <>", b"Auto-Submitted: auto-replied (x)", b"X-Failed-Recipients: x@y"]
    ),
    st.binary(max_size=30),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_LINES, max_size=30), st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_anything_at_all_becomes_a_sound_mail(lines: list[bytes], end: bytes) -> None:
    raw = end.join(lines)
    assert_sound(parse(raw))
    assert_sound(parse_headers_only(raw, problem="parse-crashed"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_become_a_sound_mail(raw: bytes) -> None:
    assert_sound(parse(raw))


def test_the_parser_needs_no_web_framework() -> None:
    import subprocess

    program = (
        "import sys, queues.channels.email.inspect; "
        "print([name for name in ('flask', 'sqlalchemy', 'helpdesk', 'redis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
