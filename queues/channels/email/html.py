"""HTML of strangers, made safe: an allow-list, hard caps before it, and no remote picture without consent.

The cleaned HTML is stored. Pictures of the mail itself stay in it as ``src="cid:..."``, remote ones as
``src="remote:https://..."``; no browser loads either scheme, and the desk's frame gives them addresses.
Every layer of the display (this cleaner, the frame's CSP, its sandbox) must hold alone.
"""

import html as stdlib_html
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import nh3

from queues.channels.email import limits
from queues.channels.email.charset import safe_text


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLEANER_VERSION = 1
"""Raise it with every change of what is kept: stored HTML of an older version is cleaned again."""

TAGS = _names(
    "a abbr b blockquote br caption center code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i img"
    " ins li ol p pre s small span strong sub sup table tbody td tfoot th thead tr u ul"
)
_REMOVED_WITH_CONTENT = _names(
    "script style title svg math template iframe object embed noscript noframes xmp plaintext"
    " select textarea button audio video applet"
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
    "table": {"width", "cellpadding", "cellspacing", "border"},
    "font": {"color", "size"},
    "*": {"dir", "lang", "style"},
}
_STYLES = _names(
    "color background-color font-weight font-style font-size text-align text-decoration padding margin border"
    " width max-width white-space"
)
_LINK_SCHEMES = ("http:", "https:", "mailto:", "tel:")

# A style value may name a colour function and nothing else with a parenthesis: url(), image(), expression()
_COLOUR_FUNCTION = re.compile(r"\b(?:rgb|rgba|hsl|hsla)\([\d\s.,%/a-z-]{1,60}\)", re.IGNORECASE)
_STYLE_DANGER = re.compile(r"[(\\@<>]|/\*")


def _filter_attribute(_tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return _filter_style(value)
    if name == "src":
        return _image_source(value)
    if name == "href":
        url = value.strip()
        return url if url.lower().startswith(_LINK_SCHEMES) else None
    return value


def _filter_style(value: str) -> str | None:
    kept = [
        declaration.strip()
        for declaration in value.split(";")
        if declaration.strip() and not _STYLE_DANGER.search(_COLOUR_FUNCTION.sub("", declaration))
    ]
    return ";".join(kept) or None


def _image_source(value: str) -> str | None:
    url = value.strip()
    lower = url.lower()
    if lower.startswith(("http://", "https://")):
        return "remote:" + url
    if lower.startswith("cid:"):
        return "cid:" + url[4:].strip()
    if lower.startswith(("remote:http://", "remote:https://")):
        return "remote:" + url[7:]
    return None


_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(_REMOVED_WITH_CONTENT),
    attributes=_ATTRIBUTES,
    attribute_filter=_filter_attribute,
    url_schemes={"http", "https", "mailto", "tel", "cid", "remote"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    filter_style_properties=set(_STYLES),
)

# nh3 writes attributes in one form only, and "<" in text always as an entity: on its output these are exact.
_ATTRIBUTE = r' [\w-]+="[^"]*"'
_LINK_TAG = re.compile(rf"<a((?:{_ATTRIBUTE})*)>")
_IMAGE_TAG = re.compile(rf"<img((?:{_ATTRIBUTE})*)>")
_HREF = re.compile(r' href="([^"]*)"')
# a parser drops a byte order mark at the start
_OUTER = " \t\n\r\f\ufeff"
_TITLE = re.compile(r' title="[^"]*"')
_TARGET = re.compile(r' (?:target|rel)="[^"]*"')
_STYLED_TAG = re.compile(rf"<[a-z0-9]+(?:{_ATTRIBUTE})*? style=\"\"(?:{_ATTRIBUTE})*>")
_PRE_BREAKS = re.compile(rf"(<pre(?:{_ATTRIBUTE})*>)\n+")
_SRC = re.compile(r' src="([^"]*)"')
_REMOTE_SRC = re.compile(rf'<img(?:{_ATTRIBUTE})*? src="remote:')


@dataclass(frozen=True, slots=True)
class CleanedHtml:
    """Cleaned HTML, the Content-IDs that it shows, and problem codes."""

    html: str
    has_remote_images: bool = False
    content_ids: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def clean_html(source: str) -> CleanedHtml:
    """Clean HTML of any origin. ``clean_html(clean_html(x).html).html`` is the same again."""
    problems: list[str] = []
    if len(source) > limits.HTML_CHARS:
        source = source[: limits.HTML_CHARS]
        problems.append("html-cut")
    source = safe_text(source)
    if is_too_complex(source):
        return _as_plain(source, problems)
    cleaned = _tidy(_CLEANER.clean(source))
    if len(cleaned) > limits.HTML_CLEANED_CHARS:
        return _as_plain(source, problems)
    ids = dict.fromkeys(
        unquote(stdlib_html.unescape(found[4:]))
        for attributes in _IMAGE_TAG.findall(cleaned)
        for found in _SRC.findall(attributes)
        if found.startswith("cid:")
    )
    return CleanedHtml(cleaned, bool(_REMOTE_SRC.search(cleaned)), tuple(ids), tuple(problems))


def _as_plain(source: str, problems: list[str]) -> CleanedHtml:
    text = stdlib_html.escape(tags_to_text(source), quote=False).replace("\n", "<br>")
    return CleanedHtml(f"<div>{text}</div>", problems=(*problems, "html-too-complex"))


def _tidy(cleaned: str) -> str:
    """What makes the cleaner's output the same when it is cleaned again, and links say where they lead."""
    if ' style=""' in cleaned:
        cleaned = _STYLED_TAG.sub(lambda match: match.group().replace(' style=""', ""), cleaned)
    if "<pre" in cleaned:
        # a parser drops the first line break in a <pre>
        cleaned = _PRE_BREAKS.sub(r"\1", cleaned)
    return _LINK_TAG.sub(_show_host, cleaned).strip(_OUTER)


def _show_host(match: re.Match[str]) -> str:
    """Give a link its true target as its title: the text of a link may lie."""
    attributes = _TITLE.sub("", match.group(1))
    href = _HREF.search(attributes)
    if not href:
        return f"<a{_TARGET.sub('', attributes)}>"
    url = stdlib_html.unescape(href.group(1))
    try:
        shown = urlsplit(url).hostname or url
    except ValueError:
        shown = url
    title = stdlib_html.escape(unquote(shown)[:200])
    return f'<a{href.group(0)} title="{title}"{_HREF.sub("", attributes)}>'


# --- caps before any tree is built ------------------------------------------------------------------------

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,30})")
_VOID = _names("area base br col embed hr img input link meta param source track wbr")
_IMPLIED_END = _names("p li td th tr dd dt option thead tbody tfoot colgroup html head body")
_FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")


# One tag with all its attributes, in linear time: possessive throughout.
_WHOLE_TAG = re.compile(r"""<[a-zA-Z](?:[^<>"'=]|=\s*+"[^"]*+"|=\s*+'[^']*+'|["'=<])*+""")
_ATTRIBUTE_START = re.compile(r"""[\s/"'][^\s/"'=>]""")


def is_too_complex(source: str) -> bool:
    """Whether building a tree of this HTML would cost too much: too deep, too many tags, or too much to reopen.

    Both parsers are quadratic in the depth and in the attributes of one tag, and every unclosed formatting
    element is opened again in each later block. An estimate from the tags alone, never far below the truth.
    """
    open_tags: dict[str, int] = {}
    depth = formatting = worst_formatting = tags = 0
    for match in _TAG.finditer(source):
        slash, name = match.group(1), match.group(2).lower()
        tags += 1
        if name in _VOID:
            continue
        # cells and rows close each other only within their table, and tables are counted
        if slash:
            if open_tags.get(name, 0):
                open_tags[name] -= 1
                depth -= name not in _IMPLIED_END
                formatting -= name in _FORMATTING
            continue
        open_tags[name] = open_tags.get(name, 0) + 1
        if name in _FORMATTING:
            formatting += 1
            worst_formatting = max(worst_formatting, formatting)
        if name not in _IMPLIED_END:
            depth += 1
            if depth > limits.HTML_NESTING:
                return True
        if tags > limits.HTML_TAGS:
            return True
    return worst_formatting * tags > limits.HTML_REOPENED_NODES or _has_huge_tag(source)


def _has_huge_tag(source: str) -> bool:
    if len(source) < 10 * limits.HTML_TAG_ATTRIBUTES:
        return False
    return any(
        match.end() - match.start() > 2 * limits.HTML_TAG_ATTRIBUTES
        and len(_ATTRIBUTE_START.findall(match.group())) > limits.HTML_TAG_ATTRIBUTES
        for match in _WHOLE_TAG.finditer(source)
    )


# --- text -------------------------------------------------------------------------------------------------

_SKIPPED = re.compile(r"<(script|style|title|head|svg|math|template)\b[^>]{0,500}>.*?(?:</\1\s*>|$)", re.I | re.S)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
# nh3 escapes "<" and ">" in attributes, so this is exact on its output and linear on anything else
_ANY_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)([^<>]*)>|<[/!?][^<>]*>")
_SPACES = re.compile(r"[ \t\n\r\f\u00a0\u200b\u200c\u00ad]+")
_BLOCK_TAG = re.compile(r"</?(?:p|div|br|li|tr|h[1-6]|table|blockquote|ul|ol|pre|hr)\b[^<>]{0,2000}>", re.IGNORECASE)
_PARAGRAPHS = _names("p h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre")
_LINES = _names("div li tr dt dd center caption address section article header footer hr form")


def tags_to_text(source: str) -> str:
    """The text of HTML that is too complex for a tree: tags are dropped, blocks become lines."""
    source = _SKIPPED.sub(" ", _COMMENT.sub(" ", source[: limits.HTML_CHARS]))
    text = stdlib_html.unescape(_ANY_TAG.sub(" ", _BLOCK_TAG.sub("\n", source)))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def html_to_text(cleaned: str) -> str:
    """The text of cleaned HTML, block by block; linear in its length whatever the nesting."""
    writer = _TextWriter()
    position = 0
    for match in _ANY_TAG.finditer(cleaned):
        writer.text(cleaned[position : match.start()])
        position = match.end()
        writer.tag((match.group(2) or "").lower(), closing=bool(match.group(1)), attributes=match.group(3) or "")
    writer.text(cleaned[position:])
    return writer.result()


class _TextWriter:
    """Collects lines; knows lists, quotes, cells, and preformatted text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = 0
        self._pre = 0
        self._cell = False

    def text(self, piece: str) -> None:
        if not piece:
            return
        piece = stdlib_html.unescape(piece) if "&" in piece else piece
        if self._pre:
            first, *others = piece.split("\n")
            self._line.append(first)
            for other in others:
                self._break()
                self._line.append(other)
            return
        piece = _SPACES.sub(" ", piece)
        if piece != " " or (self._line and not self._line[-1].endswith(" ")):
            if self._cell and piece != " " and self._line:
                self._line.append(" ")
            self._cell = self._cell and piece == " "
            self._line.append(piece)

    def tag(self, name: str, *, closing: bool, attributes: str) -> None:
        if name == "br":
            self._break(force=True)
        elif name in ("td", "th"):
            self._cell = True
        elif name in _PARAGRAPHS:
            self._break()
            self._nest(name, -1 if closing else 1)
            self._blank()
        elif name in _LINES:
            self._break()
            if name == "li" and not closing:
                self._line.append("- ")
        elif name == "img" and not closing:
            alt = re.search(r'alt="([^"]*)"', attributes)
            if alt and alt.group(1).strip():
                self.text(alt.group(1))

    def _nest(self, name: str, step: int) -> None:
        if name == "blockquote":
            self._quotes = max(0, self._quotes + step)
        elif name == "pre":
            self._pre = max(0, self._pre + step)

    def _break(self, *, force: bool = False) -> None:
        line = "".join(self._line)
        line = line.rstrip() if self._pre else line.strip()
        self._line.clear()
        self._cell = False
        if line or force or self._pre:
            self._lines.append(self._prefixed(line))

    def _blank(self) -> None:
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(self._prefixed(""))

    def _prefixed(self, line: str) -> str:
        return ("> " * min(self._quotes, 10) + line).rstrip() if self._quotes else line

    def result(self) -> str:
        self._break()
        text = "\n".join(self._lines)
        return re.sub(r"\n{3,}", "\n\n", text).strip()
