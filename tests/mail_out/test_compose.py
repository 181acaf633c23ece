"""The bytes of outgoing mail: read back by two parsers, they say what was meant and nothing else."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.keyring import keyring
from queues.channels.base import DeliveryError, Earlier, File, Letter
from queues.channels.email import bodies, tokens, wire
from queues.channels.email.compose import compose, subject_of
from queues.channels.email.html import clean_html
from queues.channels.email.parse import parse
from queues.channels.email.settings import MailboxSettings
from tests.email.payloads import PAYLOADS

BOX = MailboxSettings(address="support@desk.example", from_name='Служба "Помощь", отдел 2')
PLUS = MailboxSettings(address="support@desk.example", plus_addressing=True)
AT = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
ASKED = Earlier(
    sender="eve@customer.example",
    sender_name="Ева Иванова",
    at=AT,
    subject="Не приходит код",
    text="Здравствуйте!\n> старое\nПомогите.",
    to=["support@desk.example"],
)
LETTER = Letter(
    item_id=5,
    message_id=9,
    ticket_id=3,
    number="10000016",
    address="support@desk.example",
    to=[("Ева Иванова", "eve@customer.example")],
    cc=[("Doe, John", "john@customer.example")],
    recipients=["eve@customer.example", "john@customer.example"],
    subject="Re: RE: Не приходит код",
    text="Добрый день!\n\n<b>Код</b> выслан & ждёт: https://desk.example/?a=1&b=2.",
    at=AT,
    time_zone="Europe/Kyiv",
    language="ru",
    opening="Здравствуйте, Ева!",
    closing="С уважением,\nСлужба поддержки",
    quoted=ASKED,
    answers_header_id="<q1@customer.example>",
    references=["<q0@customer.example>"],
)

pytestmark = pytest.mark.usefixtures("app")


def read(letter: Letter, box: MailboxSettings = BOX) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(compose(letter, box).rendered)


def content(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_headers_say_who_and_where() -> None:
    mail = read(LETTER)
    (sender,) = mail["from"].addresses
    assert (sender.display_name, sender.addr_spec) == ('Служба "Помощь", отдел 2', "support@desk.example")
    assert [(one.display_name, one.addr_spec) for one in mail["to"].addresses] == [
        ("Ева Иванова", "eve@customer.example")
    ]
    assert [(one.display_name, one.addr_spec) for one in mail["cc"].addresses] == [
        ("Doe, John", "john@customer.example")
    ]
    assert mail["subject"] == "Re: Не приходит код [#10000016]"
    assert mail["in-reply-to"] == "<q1@customer.example>"
    assert mail["references"].split() == ["<q0@customer.example>", "<q1@customer.example>"]
    assert mail["date"].datetime == AT
    assert "reply-to" not in mail
    assert "bcc" not in mail


def test_our_own_parser_reads_the_same() -> None:
    mail = parse(compose(LETTER, BOX).rendered)
    assert mail.from_addr == "support@desk.example"
    assert mail.subject == "Re: Не приходит код [#10000016]"
    assert mail.kind == "human"
    assert "Добрый день!" in mail.reply_text
    assert "Помогите." not in mail.reply_text, "the quote below is recognised as one"


def test_both_bodies_say_the_same() -> None:
    mail = read(LETTER)
    plain, html = content(mail, "plain"), content(mail, "html")
    assert plain.startswith("Здравствуйте, Ева!\n\nДобрый день!")
    assert "-- \nС уважением,\nСлужба поддержки" in plain
    assert "21.11.2026 20:30, Ева Иванова <eve@customer.example> пишет:\n> Здравствуйте!\n>> старое\n" in plain
    assert "&lt;b&gt;Код&lt;/b&gt; выслан &amp; ждёт" in html
    assert '<a href="https://desk.example/?a=1&amp;b=2">' in html
    assert "<b>" not in html
    for words in ("Здравствуйте, Ева!", "Служба поддержки", "пишет:", "Помогите."):
        assert words in html


def test_bytes_are_plain_ascii_with_short_lines() -> None:
    rendered = compose(LETTER, BOX).rendered
    assert rendered.isascii()
    assert max(map(len, rendered.split(b"\r\n"))) <= 998
    assert b"\n" not in rendered.replace(b"\r\n", b"")


def test_long_ids_are_not_encoded() -> None:
    ids = [f"<{'A' * 90}{number}@eurprd04.prod.outlook.example>" for number in range(30)]
    mail = read(replace(LETTER, references=ids[:-1], answers_header_id=ids[-1]))
    assert mail["references"].split() == [ids[0], *ids[-10:]]
    assert mail["in-reply-to"] == ids[-1]


def test_message_id_is_fixed_signed_and_survives_a_change_of_case() -> None:
    first, second = compose(LETTER, BOX), compose(LETTER, BOX)
    assert first.header_id == second.header_id
    assert tokens.read_message_id(first.header_id) == (3, 9)
    assert tokens.read_message_id(first.header_id.upper()) == (3, 9)
    assert tokens.ticket_of_message_id(first.header_id.replace("t3.9", "t4.9")) is None
    assert tokens.ticket_of_message_id(first.header_id.replace("t3.9", "t3.8")) is None
    assert len(first.header_id.strip("<>").partition("@")[0]) <= 64


def test_plus_addresses_prove_ticket_and_item() -> None:
    outbound = compose(LETTER, PLUS)
    mail = read(LETTER, PLUS)
    (answer_to,) = (one.addr_spec for one in mail["reply-to"].addresses)
    assert tokens.ticket_of_address(answer_to) == 3
    assert tokens.ticket_of_address(answer_to.upper()) == 3
    assert tokens.item_of_bounce_token(outbound.envelope_sender) == 5
    assert tokens.item_of_bounce_token(outbound.envelope_sender.swapcase()) == 5
    assert tokens.item_of_bounce_token(answer_to) is None, "one kind of token is no other"
    assert tokens.ticket_of_address(answer_to.replace("+t3.", "+t4.")) is None
    assert compose(LETTER, BOX).envelope_sender == "support@desk.example"


def test_long_local_part_goes_without_a_token() -> None:
    box = MailboxSettings(address=f"{'a' * 50}@desk.example", plus_addressing=True)
    assert compose(LETTER, box).envelope_sender == box.address
    assert "reply-to" not in read(LETTER, box)
    longest = tokens.make_reply_address("support-department-of-kyiv@x.example", 10**5)
    assert longest is not None
    assert len(longest.partition("@")[0]) <= 64


def test_foreign_signatures_are_worth_nothing() -> None:
    sign = keyring().sign("something-else", 3, length=16)
    assert tokens.ticket_of_address(f"t3.{sign}") is None
    for junk in ("", "t3", "t3.k1", "t.k1.aaaa", "t3.k9.aaaaaaaaaaaaaaaa", "t99999999999999999999.k1.a", "x+y@z"):
        assert tokens.ticket_of_address(junk) is None
        assert tokens.item_of_bounce_token(junk) is None
        assert tokens.read_message_id(junk) is None


@pytest.mark.parametrize(
    ("letter", "subject"),
    [
        (LETTER, "Re: Не приходит код [#10000016]"),
        (replace(LETTER, subject="Re[2]: Ответ: код [#10000016]"), "Re: код [#10000016]"),
        (replace(LETTER, subject="Fwd: счёт"), "Re: Fwd: счёт [#10000016]"),
        (replace(LETTER, subject="Новая тема", own_subject=True), "Новая тема [#10000016]"),
        (replace(LETTER, subject="[#10000016] своё", own_subject=True), "своё [#10000016]"),
        (replace(LETTER, subject="Вопрос", answers_header_id=None), "Вопрос [#10000016]"),
        (replace(LETTER, subject="Вопрос", forwarded=ASKED), "Fwd: Вопрос [#10000016]"),
        (replace(LETTER, subject="", number=""), "Re:"),
    ],
)
def test_subject(letter: Letter, subject: str) -> None:
    assert subject_of(letter) == subject


def test_automatic_mail_says_so() -> None:
    mail = read(replace(LETTER, automatic=True, quoted=None))
    assert mail["auto-submitted"] == "auto-replied"
    assert mail["x-auto-response-suppress"] == "All"
    assert tokens.is_loop_mark(mail["x-loop"])
    assert not tokens.is_loop_mark("helpdesk.k1.aaaaaaaaaaaaaaaa")
    parsed = parse(compose(replace(LETTER, automatic=True, quoted=None), BOX).rendered)
    assert parsed.may_auto_reply is False
    assert parsed.kind != "human"


def test_a_persons_mail_does_not() -> None:
    mail = read(LETTER)
    for header in ("auto-submitted", "x-auto-response-suppress", "precedence", "x-loop"):
        assert header not in mail


def test_forward_holds_the_content_and_no_thread() -> None:
    mail = read(replace(LETTER, quoted=None, forwarded=ASKED))
    plain = content(mail, "plain")
    assert "Пересылаемое сообщение" in plain
    assert "От: Ева Иванова <eve@customer.example>" in plain
    assert "Помогите." in plain
    assert "in-reply-to" not in mail
    assert "references" not in mail


PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 50


def test_pictures_lie_inline_and_files_behind() -> None:
    files = [
        File("снимок.png", "image/png", PNG, inline=True, content_id="p1@desk"),
        File("Договор, «новый» версия.pdf", "application/pdf", b"%PDF-1.7"),
        File("письмо.eml", "message/rfc822", b"Subject: inner\r\n\r\n.\r\n"),
        File("evil\r\nX-Bad: 1.txt", "text/plain", b"a\n.\nb"),
        File("odd", "not a type", b"\x00\xff"),
    ]
    mail = read(replace(LETTER, text="Смотрите: [cid:p1@desk] вот", files=files))
    assert '<img src="cid:p1@desk" alt="">' in content(mail, "html")
    assert "cid:" not in content(mail, "plain")
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [part["content-id"] for part in pictures] == ["<p1@desk>"]
    attached = {part.get_filename(): part for part in mail.iter_attachments()}
    assert list(attached) == ["Договор, «новый» версия.pdf", "письмо.eml", "evil X-Bad: 1.txt", "odd"]
    assert attached["письмо.eml"].get_content() == b"Subject: inner\r\n\r\n.\r\n"
    assert attached["odd"].get_content() == b"\x00\xff"
    assert "x-bad" not in mail


def test_picture_that_the_text_does_not_place_stands_below() -> None:
    picture = File("p.png", "image/png", PNG, inline=True, content_id="p1")
    html = content(read(replace(LETTER, files=[picture])), "html")
    assert html.count('<img src="cid:p1"') == 1


HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">x</a>'
    "<style>*{display:none}</style><iframe src=//evil></iframe><p onclick=x>слова</p></blockquote></body>"
)


def test_nothing_of_a_customer_becomes_markup() -> None:
    earlier = replace(ASKED, sender_name="<img src=x onerror=1>", text=HOSTILE, html=HOSTILE)
    for letter in (
        replace(LETTER, quoted=earlier, text=HOSTILE, opening=HOSTILE, closing=HOSTILE),
        replace(LETTER, quoted=None, forwarded=replace(earlier, subject=HOSTILE)),
        replace(LETTER, quoted=replace(earlier, html=None)),
    ):
        html = content(read(letter), "html")
        tags = {name.lower() for name in re.findall(r"<\s*/?\s*([a-zA-Z]+)", html)}
        assert tags <= {"html", "head", "meta", "body", "div", "br", "a", "blockquote", "p", "doctype"}
        assert not re.search(r"<[^>]*\son\w+\s*=", html)
        assert 'href="javascript' not in html


PIXEL = '<img src="https://evil.example/p.gif?eve" width="1"><p style="background:url(//evil.example/p)">x</p>'


@pytest.mark.parametrize("payload", [*PAYLOADS, PIXEL])
@pytest.mark.parametrize("way", ["quoted", "forwarded"])
def test_quoting_relays_no_script_and_no_tracking_picture(payload: str, way: str) -> None:
    html = clean_html(f"<p>{payload}</p>").html
    letter = replace(LETTER, quoted=None, cc=[])
    mail = read(replace(letter, **{way: replace(ASKED, html=html, text="x")}))
    inner = content(mail, "html").replace(bodies._QUOTE_OPEN, "<blockquote>")
    seen = Seen()
    seen.feed(inner)
    assert seen.tags <= {*bodies._TAGS, "html", "head", "meta", "body"}
    assert {name for name, _value in seen.attributes} <= {
        *("href", "rel", "title", "lang", "colspan", "rowspan", "charset")
    }
    for name, value in seen.attributes:
        assert name != "href" or str(value).lower().startswith(("http://", "https://", "mailto:"))


class Seen(HTMLParser):
    """What is in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


BREAKS = ["\r\nBcc: evil@x.example", "\nBcc: evil@x.example", "\r", "\0", "\u2028Bcc: e@x.example", "\x85x", "\ud800"]


@pytest.mark.parametrize("mark", BREAKS)
def test_no_field_can_add_a_line(mark: str) -> None:
    letter = replace(
        LETTER,
        subject=f"тема{mark}",
        own_subject=True,
        to=[(f"Ева{mark}", "eve@customer.example"), ("x", f"bad{mark}@x.example")],
        cc=[],
        answers_header_id=f"<q1{mark}@customer.example>",
        references=[f"<q0@x.example>{mark}"],
    )
    rendered = compose(letter, BOX).rendered
    mail = BytesParser(policy=policy.default).parsebytes(rendered)
    head = rendered.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert b"bcc" not in names
    assert len(names) == len(set(names))
    assert [one.addr_spec for one in mail["to"].addresses] == ["eve@customer.example"]


@given(st.text(min_size=1, max_size=120), st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_name_and_subject_come_back(name: str, subject: str) -> None:
    letter = replace(LETTER, to=[(name, "eve@customer.example")], subject=subject, own_subject=True)
    mail = BytesParser(policy=policy.default).parsebytes(compose(letter, BOX).rendered)
    assert [one.addr_spec for one in mail["to"].addresses] == ["eve@customer.example"]
    expected = f"{wire.one_line(subject.replace('[#10000016]', ' '), 400)} [#10000016]".strip()
    assert " ".join(mail["subject"].split()) == " ".join(expected.split())


def test_nobody_to_send_to_is_final() -> None:
    with pytest.raises(DeliveryError) as fault:
        compose(replace(LETTER, to=[("", "not an address")], cc=[]), BOX)
    assert fault.value.permanent


def test_long_text_and_odd_line_ends(app: Any) -> None:
    letter = replace(LETTER, text="a" * 5000 + "\r\n.\r\nFrom here\rend", quoted=None)
    rendered = compose(letter, BOX).rendered
    assert max(map(len, rendered.split(b"\r\n"))) <= 998
    assert "a" * 5000 in content(read(letter), "plain")
