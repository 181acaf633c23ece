"""Nothing of a stranger's HTML runs, loads or escapes, and what people wrote stays readable."""

# ruff: noqa: E501 -- markup reads better on one line
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.channels.email.html import TAGS, clean_html, html_to_text, is_too_complex, tags_to_text
from tests.email.payloads import PAYLOADS

_ATTRIBUTES = {
    "href", "title", "src", "alt", "width", "height", "colspan", "rowspan", "align", "valign", "cellpadding", "cellspacing",
    "border", "color", "size", "dir", "lang", "style", "rel", "target",
}  # fmt: skip


_DANGEROUS_STYLE = re.compile(
    r"(?:url|expression|image|image-set|element|attr|var)\s*\(|(?:position|behavior|-moz-binding|background-image)\s*:|@|\\"
)


class _Checker(HTMLParser):
    """Reads cleaned HTML with another parser than the cleaner's own, and fails on anything outside the list."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in _ATTRIBUTES, name
            value = (value or "").strip().lower()
            if name == "href":
                assert value.startswith(("http:", "https:", "mailto:", "tel:")), value
            if name == "src":
                assert tag == "img"
                assert value.startswith(("cid:", "remote:http://", "remote:https://")), value
            if name == "style":
                assert not _DANGEROUS_STYLE.search(value), value

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment stayed: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration stayed: {decl}")


def assert_safe(html: str) -> None:
    checker = _Checker(convert_charrefs=True)
    checker.feed(html)
    checker.close()


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_no_payload_survives(number: int) -> None:
    once = clean_html(PAYLOADS[number])
    assert_safe(once.html)
    assert clean_html(once.html).html == once.html


@pytest.mark.parametrize(
    "wrapper",
    ["<div>{}</div>", "<table><tr><td>{}", "<a href='https://x.example'>{}</a>", '<p title="{}', "<svg>{}", "<!-- {}"],
)
def test_no_payload_survives_where_it_is_put(wrapper: str) -> None:
    for payload in PAYLOADS:
        once = clean_html(wrapper.format(payload)).html
        assert_safe(once)
        assert clean_html(once).html == once


_FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["<div>", "</div>", "<p>", "</p>", "<b>", "</b>", "<table>", "<tr>", "<td>", "</td>", "</table>", "<a href='https://x'>", "</a>",
             "<img src='cid:1'>", "<img src='http://e/1'>", "<svg>", "<math>", "<style>", "</style>", "<!--", "-->", "<script>", "</script>",
             "<font color=red>", "<template>", "<select>", "<title>", "<mglyph>", "<mtext>", "&lt;", "&#0;", "&nbsp;", "<", ">", '"', "'",
             "<p style='color:red;width:1px'>", "<blockquote>", "<pre>\n\n", "<li>", "<form>", "<noscript>", "<xmp>", "<br/>", "\x00", "\ud800"]
        ),
        st.sampled_from(PAYLOADS),
        st.text(max_size=5),
    ),
    max_size=14,
)  # fmt: skip


@given(_FRAGMENTS)
def test_cleaning_is_idempotent_and_safe_on_anything(pieces: list[str]) -> None:
    once = clean_html("".join(pieces)).html
    assert_safe(once)
    assert clean_html(once).html == once
    assert "\x00" not in html_to_text(once)


def test_what_people_write_stays() -> None:
    source = (
        '<html><head><title>no</title><style>p{color:red}</style></head><body lang="ru"><p class="MsoNormal" style="color:#f00;mso-x:1">'
        'Здравствуйте, <b>это</b> <a href="https://shop.example/order?a=1&amp;b=2">заказ</a><o:p></o:p></p>'
        "<table border=1 width=100%><tr><td align=center>1</td></tr></table></body></html>"
    )
    assert clean_html(source).html == (
        '<p style="color:#f00">Здравствуйте, <b>это</b> <a href="https://shop.example/order?a=1&amp;b=2" title="shop.example"'
        ' target="_blank" rel="noopener noreferrer nofollow">заказ</a></p>'
        '<table border="1" width="100%"><tbody><tr><td align="center">1</td></tr></tbody></table>'
    )


@pytest.mark.parametrize(
    "style", ["color: rgb(1, 2, 3)", "background-color: rgba(0,0,0,.5)", "font-size: 12px", "white-space: pre-wrap"]
)
def test_harmless_styles_stay(style: str) -> None:
    assert style.partition(":")[0] in clean_html(f'<p style="{style}">x</p>').html


def test_the_text_of_a_form_is_kept_without_its_controls() -> None:
    assert clean_html("<form action=x>Dear customer<input name=a><button>go</button></form>").html == "Dear customer"


def test_a_link_says_where_it_leads() -> None:
    html = clean_html('<a href="https://evil.example/x" title="https://bank.example">https://bank.example</a>').html
    assert 'title="evil.example"' in html


def test_remote_images_wait_and_own_images_are_named() -> None:
    cleaned = clean_html(
        '<img src="https://e.example/p.gif?a=1&b=2" alt="logo"><img src="cid:part1%40x"><img src="//e.example/x">'
    )
    assert cleaned.has_remote_images
    assert cleaned.content_ids == ("part1@x",)
    assert cleaned.html == (
        '<img src="remote:https://e.example/p.gif?a=1&amp;b=2" alt="logo"><img src="cid:part1%40x"><img>'
    )


def test_without_remote_images_there_is_nothing_to_ask() -> None:
    assert not clean_html('<p>src="remote:</p><img src="cid:a" alt=" src=&quot;remote:">').has_remote_images


def test_a_forged_placeholder_never_becomes_an_address() -> None:
    assert (
        clean_html('<img src="remote:javascript:alert(1)"><img src="remote:file:///etc/passwd">').html == "<img><img>"
    )


@pytest.mark.parametrize(
    "source",
    ["<div>" * 5000 + "deep", "<b>" * 3000 + "deep", "<div><table></div>" * 2000 + "deep", "<p>" * 70_000 + "deep", "<p " + "a=1 " * 5000 + ">deep"],
    ids=["div", "b", "scope", "p", "attributes"],
)  # fmt: skip
def test_what_costs_too_much_is_shown_as_text(source: str) -> None:
    assert is_too_complex(source)
    cleaned = clean_html(source)
    assert cleaned.problems == ("html-too-complex",)
    assert "deep" in cleaned.html
    assert_safe(cleaned.html)


def test_ordinary_html_is_not_too_complex() -> None:
    source = (
        '<table><tr><td style="color:red">' * 40 + "x" + "</td></tr></table>" * 40 + "<p>unclosed" * 500 + "<li>" * 500
    )
    assert not is_too_complex(source)


def test_long_html_is_cut_and_said_to_be() -> None:
    assert clean_html("<p>word</p>" * 200_000).problems[0] == "html-cut"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two<br>Three</div>", "One\nTwo\nThree"),
        ("<div>One<div>Two</div>Three</div>", "One\nTwo\nThree"),
        ("a &amp; b &lt;c&gt;&nbsp;d", "a & b <c> d"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<blockquote>quoted<br>lines</blockquote>answer", "> quoted\n> lines\n\nanswer"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("x <b>y</b>, <i>z</i>!", "x y, z!"),
        ('<img alt="logo" src="cid:1">', "logo"),
        ("", ""),
    ],
)
def test_text_of_html(html: str, text: str) -> None:
    assert html_to_text(clean_html(html).html) == text


def test_text_of_deeply_nested_html_is_found() -> None:
    assert tags_to_text("<div>" * 5000 + "deep text" + "</div>" * 5000) == "deep text"


def test_scripts_and_styles_are_no_text() -> None:
    assert tags_to_text("<style>p{}</style><p>a</p><script>var x</script><!-- no --><p>b") == "a\nb"
