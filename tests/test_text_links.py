"""Addresses in plain text: what becomes a link, where it ends, and what must never be one."""

import re
from typing import Any

import pytest
from markupsafe import Markup

from helpdesk.colleagues import marked
from helpdesk.text_links import MOST_LINKS, linked
from tests.clients import sign_in

LINK = re.compile(r'<a href="([^"]*)"([^>]*)>([^<]*)</a>')


@pytest.fixture(autouse=True)
def page(app: Any) -> Any:
    with app.test_request_context():
        yield


def links(text: str) -> list[str]:
    """The targets, each of which is also the text of its link."""
    found = LINK.findall(linked(text))
    assert all(shown == target for target, rest, shown in found if "target=" in rest)
    return [str(Markup(target).unescape()) for target, _rest, _shown in found]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Смотрите https://shop.example/orders/7.", "https://shop.example/orders/7"),
        ("(https://shop.example/a)", "https://shop.example/a"),
        ("https://ru.wikipedia.org/wiki/Мир_(значения), там", "https://ru.wikipedia.org/wiki/Мир_(значения)"),
        ("«http://пример.рф/путь?q=слово»", "http://пример.рф/путь?q=слово"),
        ("<https://shop.example/?a=1&b=2>", "https://shop.example/?a=1&b=2"),
        ("Так ли это: http://shop.example:8080/x#y?!", "http://shop.example:8080/x#y"),
        ("https://shop.example/a…", "https://shop.example/a"),
        ("HTTPS://Shop.Example/A", "HTTPS://Shop.Example/A"),
        ("http://[2001:db8::1]/a", "http://[2001:db8::1]/a"),
        ("http://intranet/wiki", "http://intranet/wiki"),
        ("[https://shop.example/b]", "https://shop.example/b"),
        ("https://good.example\\@evil.example/", "https://good.example"),
        ("адрес:https://münchen.example/", "https://münchen.example/"),
    ],
)
def test_where_an_address_begins_and_ends(text: str, target: str) -> None:
    assert links(text) == [target]
    assert linked(text).striptags() == Markup.escape(text).striptags()


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "ftp://files.example/a",
        "https://bank.example@evil.example/",
        "https://user:secret@evil.example/",
        "https://bank.example\u202emoc.live/",
        "https://ba\u200bnk.example/",
        "https://раyраl.example/",  # Cyrillic а and р among Latin letters
        "https://аррӏе.com/",  # Cyrillic alone, made to be read as Latin
        "https://bank.example／evil.example/",
        "https://evil。example/",
        "https://",
        "https:///etc/passwd",
        "https://bank.example:99999/",
        "xhttps://shop.example/",
        "https://" + "a" * 3000 + ".example/",
        "a@b",
        "@bob.example",
        "eve@shop",
    ],
)
def test_what_is_no_link(text: str) -> None:
    assert links(text) == []
    assert linked(text) == Markup.escape(text)


def test_everything_else_is_escaped_and_a_link_says_how_it_opens() -> None:
    told = linked('<img src=x onerror=alert(1)> https://shop.example/?q="><script>&x=\'1 </a>')
    assert "<img" not in told and "<script" not in told and told.count("</a>") == 1
    assert 'target="_blank" rel="noopener noreferrer nofollow" dir="ltr"' in told
    assert linked("https://shop.example/'onclick='alert(1)").count("'") == 0


def test_a_host_in_other_letters_tells_its_true_name() -> None:
    assert 'title="xn--e1afmkfd.xn--p1ai"' in linked("https://пример.рф/")
    assert "title=" not in linked("https://shop.example/")


def test_a_mail_address_begins_a_ticket_to_it() -> None:
    told = linked("Пишите на eve.k+shop@mail.shop.example, спасибо")
    assert LINK.findall(told) == [
        ("/tickets/new?who=eve.k%2Bshop@mail.shop.example", ' dir="ltr"', "eve.k+shop@mail.shop.example")
    ]
    assert links("https://shop.example/eve@shop.example") == ["https://shop.example/eve@shop.example"]


def test_mentions_of_a_note_stay_what_they_are() -> None:
    told = linked(marked("@Bob, см. https://shop.example/?a=1&b=2 <b>", [{"id": 1, "name": "Bob"}]))
    assert told.startswith('<b class="mention">@Bob</b>, см. <a href="https://shop.example/?a=1&amp;b=2"')
    assert told.endswith("&lt;b&gt;")


def test_the_longest_texts_are_read_once() -> None:
    for text in ["https://" * 20_000, "a" * 150_000, "a@" * 70_000, "." * 150_000, "https://a/" + ")" * 150_000]:
        assert linked(text) == Markup.escape(text)  # a way that is not straight would never come to its end
    assert linked("https://a.example/ " * 5_000).count("<a ") == MOST_LINKS


def test_the_thread_shows_them(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    make.hear(ticket, "Вот: https://shop.example/1 и <b>всё</b>")
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}").text
    assert '<a href="https://shop.example/1" target="_blank"' in page and "&lt;b&gt;всё" in page
