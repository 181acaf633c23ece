"""Malformed header blocks, encoded words, parameters, and the caps before any of them is interpreted."""

from datetime import UTC, datetime

import pytest

from queues.channels.email import limits
from queues.channels.email.headers import decode_value, parse_parameters, read_headers, read_message_headers
from queues.channels.email.parse import parse, parse_date, read_message_ids
from tests.email.build import simple
from tests.email.hostile import hostile_mails

_REPAIRED = [
    "header/bom",
    "header/utf16",
    "header/mbox",
    "header/mbox-escaped",
    "header/blank-first",
    "header/leading-junk",
    "header/leading-junk-joined",
    "header/space-before-colon",
    "header/no-space",
    "header/column-0",
    "header/lf-only",
    "header/cr-only",
    "header/mixed-ends",
    "header/blank-with-space",
    "header/8bit-name",
    "header/colon-only",
    "header/long-line",
    "bomb/headers-100000",
    "bomb/received-100000",
    "bomb/continuations",
    "bomb/column-0",
]


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    return {
        name: raw
        for name, raw in hostile_mails()
        if name in _REPAIRED or name.startswith(("header/", "subject/", "date/"))
    }


@pytest.mark.parametrize("name", _REPAIRED)
def test_a_malformed_block_still_tells_sender_subject_and_text(name: str, hostile: dict[str, bytes]) -> None:
    mail = parse(hostile[name])
    assert (mail.subject, mail.from_addr, mail.text) == ("A question", "eve@example.net", "Hello, this is a text.")


def test_a_block_without_blank_line_ends_at_its_last_field() -> None:
    mail = parse(b"From: eve@example.net\r\nSubject: x\r\nNo blank line here")
    assert (mail.subject, mail.text) == ("x", "No blank line here")


def test_a_text_without_headers_is_all_body() -> None:
    mail = parse("Просто текст\nбез заголовков.".encode())
    assert mail.text == "Просто текст\nбез заголовков."
    assert "no-headers" in {problem.code for problem in mail.problems}


def test_a_continuation_at_column_0_belongs_to_its_field() -> None:
    raw = b'Content-Type: multipart/mixed;\r\nboundary="b"\r\nFrom: a@b.c\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n'
    mail = parse(raw)
    assert (mail.text, mail.from_addr) == ("text", "a@b.c")


def test_a_boundary_line_ends_a_block_that_has_no_blank_line() -> None:
    raw = b'From: a@b.c\r\nContent-Type: multipart/mixed; boundary="b"\r\n--b\r\n\r\ntext\r\n--b--\r\n'
    assert parse(raw).text == "text"


def test_caps_keep_what_the_mail_needs() -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
    headers, _body = read_message_headers(many + b"Subject: kept\r\nX-Late: dropped\r\n\r\n")
    assert headers.text("subject") == "kept"
    assert "x-late" not in headers
    assert "headers-cut" in headers.problems


def test_a_long_references_field_keeps_its_first_and_its_newest_ids() -> None:
    mail = parse(simple(References=" ".join(f"<{number}@x.example>" for number in range(10_000))))
    assert mail.references[0] == "<0@x.example>"
    assert mail.references[-1] == "<9999@x.example>"
    assert len(mail.references) == limits.REFERENCES
    assert mail.thread_hints.message_ids[0] == "<9999@x.example>"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?B?0J/RgNC40LLQ?= =?utf-8?B?tdGC?=", "Привет"),
        (b"=?utf-8?Q?=D0=9F=D1=80=D0?=\r\n =?utf-8?Q?=B8=D0=B2=D0=B5=D1=82?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LI=?= =?koi8-r?Q?=C5=D4?=", "Привет"),
        (b"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        (b"Re: =?utf-8?Q?a?=b", "Re: ab"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC!!?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC0?=", "Привет"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC", "Привет"),
        (b"=?utf-8*ru?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?x-nonsense?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=??B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?utf-8?q?two words_here?=", "two words here"),
        (b"=?us-ascii?Q?=CF=F0=E8=E2=E5=F2_=EC=E8=F0?=", "Привет мир"),
        (b"=?iso-8859-1?Q?B=FCro?=", "Büro"),
        (b"=?windows-1251?B?z/Do4uXy?=", "Привет"),
        (b"=?gb2312?B?suLK1A==?=", "测试"),
        (b"=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト"),
        (b"\x1b$B%F%9%H\x1b(B", "テスト"),
        (b"=?utf-8?Q?x=0D=0ABcc:_victim@example.com?=", "x Bcc: victim@example.com"),
        (b"=?not an encoded word?=", "=?not an encoded word?="),
        ("Привет".encode("cp1251"), "Привет"),
        ("Где мой заказ?".encode("koi8-r"), "Где мой заказ?"),
        ("测试邮件主题".encode("gb2312"), "测试邮件主题"),
        (b"a\x00b\x1b[31mc\xe2\x80\xae", "ab[31mc"),
    ],
)
def test_values_are_decoded_to_one_safe_line(raw: bytes, text: str) -> None:
    headers, _body = read_headers(b"Subject: " + raw + b"\r\n\r\n")
    assert headers.text("subject") == text


def test_the_character_set_of_the_body_helps_with_raw_headers() -> None:
    # too short to be detected with any certainty
    assert decode_value("ЁЖ".encode("koi8-r"), "koi8-r") == "ЁЖ"


def test_only_so_many_words_are_decoded() -> None:
    subject = parse(simple(Subject=" ".join(["=?utf-8?Q?a?="] * 20_000))).subject
    assert subject.startswith("a" * limits.ENCODED_WORDS + " =?")


@pytest.mark.parametrize(
    ("value", "main", "parameters"),
    [
        ('text/plain; charset="utf-8"', "text/plain", {"charset": "utf-8"}),
        ("TEXT/Plain;charset=utf-8;format=flowed", "text/plain", {"charset": "utf-8", "format": "flowed"}),
        ("text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("attachment; filename=my report final.pdf", "attachment", {"filename": "my report final.pdf"}),
        ('attachment; filename="a;b=c.pdf"', "attachment", {"filename": "a;b=c.pdf"}),
        ("attachment; filename*=utf-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf", "attachment", {"filename": "отчёт.pdf"}),
        (
            "attachment; filename*1*=%D1%87%D1%91%D1%82; filename*0*=utf-8''%D0%BE%D1%82; filename*2=.pdf",
            "attachment",
            {"filename": "отчёт.pdf"},
        ),
        ('attachment; filename="=?utf-8?B?0L7RgtGH0ZHRgg==?=.pdf"', "attachment", {"filename": "отчёт.pdf"}),
        ('attachment; filename="C:\\dir\\file.txt"', "attachment", {"filename": "C:\\dir\\file.txt"}),
        ('attachment; filename="never closed.pdf', "attachment", {"filename": "never closed.pdf"}),
        ("attachment; filename=a.pdf; filename=b.exe", "attachment", {"filename": "a.pdf"}),
        ("", "", {}),
    ],
)
def test_parameters(value: str, main: str, parameters: dict[str, str]) -> None:
    assert parse_parameters(value.encode()) == (main, parameters)


def test_raw_8bit_parameters_are_detected() -> None:
    value = b'attachment; filename="' + "отчёт за март.pdf".encode("cp1251") + b'"'
    assert parse_parameters(value)[1] == {"filename": "отчёт за март.pdf"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Wed, 30 Apr 2025 15:19:54 +0300", datetime(2025, 4, 30, 12, 19, 54, tzinfo=UTC)),
        ("30 Apr 2025 15:19:54 GMT", datetime(2025, 4, 30, 15, 19, 54, tzinfo=UTC)),
        ("Wed, 30 Apr 2025 15:19:54 +0300 (MSK)", datetime(2025, 4, 30, 12, 19, 54, tzinfo=UTC)),
        ("Wed, 30 Apr 2025 15:19", datetime(2025, 4, 30, 15, 19, tzinfo=UTC)),
        ("2025-04-30T15:19:54+03:00", datetime(2025, 4, 30, 12, 19, 54, tzinfo=UTC)),
        ("Wed, 30 Apr 99999999 15:19:54 +0300", None),
        ("Wed, 30 Apr 2025 15:19:99 +0300", None),
        ("Thu, 01 Jan 1970 00:00:00 +0000", None),
        ("yesterday", None),
        ("(" * 100, None),
    ],
)
def test_dates_are_moments_in_utc_or_nothing(value: str, expected: datetime | None) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b> <c@d>", ["<a@b>", "<c@d>"]),
        ("<a\t@b>", ["<a@b>"]),
        ("a@b", ["<a@b>"]),
        ('"Eve" <eve@x.example>\'s message of Monday <a@b>', ["<eve@x.example>", "<a@b>"]),
        ("<>", []),
        ("", []),
        (f"<{'x' * 5000}@y>", []),
    ],
)
def test_message_ids(value: str, expected: list[str]) -> None:
    assert read_message_ids(value) == expected


def test_every_broken_header_yields_a_mail(hostile: dict[str, bytes]) -> None:
    for name, raw in hostile.items():
        assert "\x00" not in repr(parse(raw)), name
