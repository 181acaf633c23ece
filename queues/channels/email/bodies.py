"""The two bodies of an outgoing mail, plain text and HTML: what the operator wrote, and what stands below it."""

import re
from html import escape
from zoneinfo import ZoneInfo

import nh3

from helpdesk.picture_marks import MARK
from queues.channels.base import Earlier, Letter

MOST_QUOTED = 50_000  # characters; a longer message is quoted up to here, as plain text
_MOST_QUOTED_HTML = 200_000
_TAGS = {
    *("a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol"),
    *("p", "pre", "s", "small", "span", "strong", "sub", "sup", "u", "ul"),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr"),
}
_ATTRIBUTES = {"a": {"href"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_QUOTE_OPEN = '<blockquote type="cite" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'

_WROTE = {
    "en": "On {when}, {who} wrote:",
    "ru": "{when}, {who} пишет:",
    "uk": "{when}, {who} пише:",
}
_FORWARDED = {
    "en": ("Forwarded message", "From", "Date", "Subject", "To"),
    "ru": ("Пересылаемое сообщение", "От", "Дата", "Тема", "Кому"),
    "uk": ("Переслане повідомлення", "Від", "Дата", "Тема", "Кому"),
}


def plain_body(letter: Letter) -> str:
    """The text version: opening, words, signature, then the quoted or forwarded message."""
    parts = [letter.opening, MARK.sub("", letter.text)]
    if letter.closing.strip():
        parts.append(f"-- \n{letter.closing.strip()}")
    if letter.forwarded is not None:
        parts.append(f"{_forward_head(letter, letter.forwarded)}\n\n{letter.forwarded.text[:MOST_QUOTED]}")
    if letter.quoted is not None:
        lines = letter.quoted.text[:MOST_QUOTED].strip().splitlines()
        quoted = "\n".join(f">{line}" if line.startswith(">") else f"> {line}" for line in lines)
        parts.append(f"{_attribution(letter, letter.quoted)}\n{quoted}")
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def html_body(letter: Letter, pictures: list[str]) -> str:
    """The HTML version. `pictures` are content ids; those the text does not place stand below it."""
    placed = {found for found in MARK.findall(letter.text) if found in pictures}
    words = MARK.sub(lambda found: _image(found[1]) if found[1] in placed else "", as_html(letter.text))
    parts = [as_html(letter.opening), words]
    parts += [_image(content_id) for content_id in pictures if content_id not in placed]
    if letter.closing.strip():
        parts.append("-- <br>" + as_html(letter.closing.strip()))
    if letter.forwarded is not None:
        parts.append(as_html(_forward_head(letter, letter.forwarded)))
        parts.append(_earlier_html(letter.forwarded))
    body = "".join(f"<div>{part}</div><br>" for part in parts if part.strip())
    if letter.quoted is not None:
        head = as_html(_attribution(letter, letter.quoted))
        body += f"<div>{head}</div>{_QUOTE_OPEN}{_earlier_html(letter.quoted)}</blockquote>"
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{body}</body></html>\n'


def as_html(text: str) -> str:
    """Plain text as HTML that looks the same: nothing in it is markup, web addresses are links."""
    made, end = [], 0
    for found in _LINK.finditer(text):
        url = escape(found[0])
        made += [_escape_lines(text[end : found.start()]), f'<a href="{url}">{url}</a>']
        end = found.end()
    return "".join([*made, _escape_lines(text[end:])])


def _escape_lines(text: str) -> str:
    return escape(text).replace("  ", "&nbsp; ").replace("\n", "<br>\n")


def _image(content_id: str) -> str:
    return f'<img src="cid:{escape(content_id)}" alt="">'


def _earlier_html(earlier: Earlier) -> str:
    if not earlier.html or len(earlier.html) > _MOST_QUOTED_HTML:
        return as_html(earlier.text[:MOST_QUOTED].strip())
    return nh3.clean(
        earlier.html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def _attribution(letter: Letter, earlier: Earlier) -> str:
    words = _WROTE.get(letter.language, _WROTE["en"])
    return words.format(when=_when(letter, earlier), who=_who(earlier))


def _forward_head(letter: Letter, earlier: Earlier) -> str:
    title, sender, date, subject, to = _FORWARDED.get(letter.language, _FORWARDED["en"])
    lines = [f"---------- {title} ----------", f"{sender}: {_who(earlier)}", f"{date}: {_when(letter, earlier)}"]
    lines.append(f"{subject}: {earlier.subject}")
    if earlier.to:
        lines.append(f"{to}: {', '.join(earlier.to[:20])}")
    return "\n".join(lines)


def _who(earlier: Earlier) -> str:
    return f"{earlier.sender_name} <{earlier.sender}>" if earlier.sender_name else earlier.sender


def _when(letter: Letter, earlier: Earlier) -> str:
    local = earlier.at.astimezone(ZoneInfo(letter.time_zone))
    return local.strftime("%Y-%m-%d %H:%M" if letter.language == "en" else "%d.%m.%Y %H:%M")
