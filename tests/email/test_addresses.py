"""Who a mail is from and to: 60 odd forms of From, and lists of recipients."""

import pytest

from queues.channels.email.addresses import normalise, parse_addresses, read_sender
from queues.channels.email.headers import read_headers
from queues.channels.email.parse import parse
from queues.channels.email.parsed import Address
from tests.email.build import simple
from tests.email.hostile import SENDERS


@pytest.mark.parametrize("name", SENDERS)
def test_the_sender_is_the_one_address_that_counts(name: str) -> None:
    value, expected = SENDERS[name]
    assert parse(simple(From=value or " ")).from_addr == expected


@pytest.mark.parametrize(
    "name",
    ["name-is-address", "name-is-address-quoted", "name-encoded-mailbox", "address-comma-angle", "comment-address"],
)
def test_a_name_that_looks_like_another_address_is_reported(name: str) -> None:
    mail = parse(simple(From=SENDERS[name][0]))
    assert "name-is-address" in mail.sender_problems
    assert "name-is-address" in {problem.code for problem in mail.problems}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('"Smith, John" <j@x.example>', "Smith, John"),
        ("Smith, John <j@x.example>", "Smith, John"),
        ("j@x.example (John Smith)", "John Smith"),
        ("'John Smith' <j@x.example>", "John Smith"),
        ("=?koi8-r?B?6dfBziDwxdTSz9c=?= <j@x.example>", "Иван Петров"),
        ('"=?utf-8?B?0JjQstCw0L0=?=" <j@x.example>', "Иван"),
        ("=?utf-8?B?0JjQstCw0L0=?= =?utf-8?B?INCf0LXRgtGA0L7Qsg==?= <j@x.example>", "Иван Петров"),
        ('"John \\"the\\" Smith" <j@x.example>', 'John "the" Smith'),
        ("j@x.example <j@x.example>", ""),
        ("Иван <j@x.example>", "Иван"),
    ],
)
def test_the_name_is_decoded_after_the_split(value: str, name: str) -> None:
    mail = parse(simple(From=value))
    assert (mail.from_name, mail.from_addr) == (name, "j@x.example")


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "utf-8"])
def test_a_raw_8bit_name_is_read(charset: str) -> None:
    raw = b"From: " + "Иван Петров".encode(charset) + b" <ivan@x.example>\r\nSubject: x\r\n\r\nx"
    assert parse(raw).from_name == "Иван Петров"


def test_several_from_headers_are_reported_and_the_first_readable_counts() -> None:
    mail = parse(b"From: nobody\r\n" + simple())
    assert mail.from_addr == "eve@example.net"
    assert "several-from-headers" in mail.sender_problems


@pytest.mark.parametrize(
    ("fallback", "value"), [("Sender", "Eve <eve@example.net>"), ("Return-Path", "<eve@example.net>")]
)
def test_without_a_from_the_sender_is_guessed_and_said_to_be(fallback: str, value: str) -> None:
    headers, _body = read_headers(f"{fallback}: {value}\r\n\r\n".encode())
    sender = read_sender(headers)
    assert sender.addr == "eve@example.net"
    assert sender.problems == ("sender-missing", "sender-guessed")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@x.example, b@x.example", ["a@x.example", "b@x.example"]),
        ('"A, B" <a@x.example>, C <c@x.example>', ["a@x.example", "c@x.example"]),
        ("A, B <a@x.example>; C <c@x.example>", ["a@x.example", "c@x.example"]),
        ("Team: a@x.example, b@x.example; c@x.example", ["a@x.example", "b@x.example", "c@x.example"]),
        ("undisclosed-recipients:;", []),
        ("undisclosed-recipients:", []),
        ("a@x.example,,, ,b@x.example", ["a@x.example", "b@x.example"]),
        ("=?iso-8859-1?Q?B=FCrling,=20Andreas?= <a@x.example>, b@x.example", ["a@x.example", "b@x.example"]),
        ("<a@x.example> <b@x.example>", ["b@x.example"]),
        ("", []),
    ],
)
def test_lists_are_split_before_anything_is_decoded(value: str, expected: list[str]) -> None:
    assert [address.addr for address in parse_addresses(value.encode())] == expected


def test_recipients_are_capped() -> None:
    mail = parse(simple(To=", ".join(f"u{number}@x.example" for number in range(1000))))
    assert len(mail.to) == 200


def test_the_address_replied_to_is_among_the_replies() -> None:
    mail = parse(simple(Reply_To='"Support, Second" <second@x.example>'))
    assert mail.reply_to == (Address("Support, Second", "second@x.example"),)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (" <A@B.Example.> ", "A@b.example"),
        ("mailto:a@b.example", "a@b.example"),
        ("a b@c.example", None),
        ("a@b@c.example", None),
        ("a@-", "a@-"),
        ("a@b..example", None),
        ("a@b.example\nBcc: x@y.z", None),
        ('"a b"@c.example', '"a b"@c.example'),
    ],
)
def test_addresses_are_normalised_or_refused(raw: str, expected: str | None) -> None:
    assert normalise(raw) == expected
