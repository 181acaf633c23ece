"""Where the quotation begins in an HTML mail: by the marks that mail programs leave, before they are cleaned away.

Two kinds of marks: containers (everything quoted is inside, so text behind them is an answer below or between
quotes, and then all is shown) and dividers (everything behind them is quoted).
"""

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from queues.channels.email import limits
from queues.channels.email.html import is_too_complex
from queues.channels.email.quotes import attribution_length, fold_text, is_forward, is_forward_header, is_header_block

_CONTAINERS = (
    "div.gmail_quote, div.gmail_quote_container, blockquote.gmail_quote, blockquote[type=cite], "
    "div.yahoo_quoted, div.yahoo-quoted, #yahoo_quoted, "
    "blockquote.protonmail_quote, div.protonmail_quote, .tutanota_quote, div.quote, "
    "#OLK_SRC_BODY_SECTION, blockquote"
)
_DIVIDERS = (
    "#divRplyFwdMsg, #appendonsend, #x_divRplyFwdMsg, #x_appendonsend, hr#stopSpelling, hr#zwchr, "
    "#mail-editor-reference-message-container, .OutlookMessageHeader, "
    'div[style*="border-top:solid #B5C4DF" i], div[style*="border-top:solid #E1E1E1" i], '
    'div[style*="border-top: solid #B5C4DF" i], div[style*="border-top: solid #E1E1E1" i], '
    'div[style*="border-top-color: rgb(181, 196, 223)" i], div[style*="border-top: 1pt solid rgb(225, 225, 225)" i], '
    'div[style*="border:none;border-top:solid" i], '
    "[data-helpdesk-reply-marker]"
)
_MARK = f"{_DIVIDERS}, {_CONTAINERS}"
_SIGNATURES = (
    "div.gmail_signature, div.moz-signature, pre.moz-signature, #Signature, #signature, #x_Signature, "
    "#ms-outlook-mobile-signature, div.ms-outlook-mobile-signature, [data-signature-widget], "
    "div.protonmail_signature_block, span.gmail_signature_prefix"
)
_ATTRIBUTIONS = "div.moz-cite-prefix, div.gmail_attr, p.gmail_attr, div.yahoo-quoted-begin"
_HIDDEN = '[style*="display:none" i], [style*="display: none" i], [hidden]'
_BLOCKS = frozenset(
    ("div", "p", "blockquote", "br", "tr", "table", "li", "ul", "ol", "pre", "hr", "h1", "h2", "h3", "h4", "body")
)
_ROOTS = frozenset(("html", "head", "body"))
_CANDIDATES = 40
_FROM_WORD = re.compile(r"\s*(?:From|От|Від|Von|De|Od)\s*:", re.IGNORECASE)
_FROM_FIELD = re.compile(r">\s*(?:From|От|Від|Von|De|Od)(?:\s|&nbsp;)*:", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
_MARKER = re.compile(r"[\w.+/=-]{4,200}")


@dataclass(frozen=True, slots=True)
class HtmlParts:
    """The whole mail without hidden elements, and the answer alone (None when nothing was folded)."""

    whole: str
    reply: str | None
    markers: tuple[str, ...] = ()


def split_html(source: str, *, subject: str = "") -> HtmlParts:
    """Drop hidden elements and find the visible answer. Input and output are raw, not cleaned, HTML."""
    if len(source) > limits.HTML_CHARS or is_too_complex(source):
        return HtmlParts(source, None)
    tree = LexborHTMLParser(source)
    markers = _reply_markers(tree) if "data-helpdesk" in source else ()
    lowered = source.lower()
    changed = False
    if "display" in lowered or "hidden" in lowered:
        for node in tree.css(_HIDDEN):
            _detach(node)
            changed = True
    whole = (tree.html or "") if changed else source
    if is_forward(subject) or not _might_quote(lowered):
        return HtmlParts(whole, _without_signature(tree, lowered), markers)
    return HtmlParts(whole, _visible_answer(tree), markers)


def _reply_markers(tree: LexborHTMLParser) -> tuple[str, ...]:
    nodes = tree.css("[data-helpdesk-reply-marker]")
    values = (node.attributes.get("data-helpdesk-reply-marker") or "" for node in nodes)
    return tuple(dict.fromkeys(value for value in values if _MARKER.fullmatch(value)))[:20]


def _might_quote(lowered: str) -> bool:
    return any(
        mark in lowered
        for mark in (
            "blockquote", "quote", "divrplyfwdmsg", "appendonsend", "stopspelling", "zwchr", "border-top",
            "olk_src_body", "reference-message", "outlookmessageheader", "data-helpdesk",
        )
    ) or bool(_FROM_FIELD.search(lowered))  # fmt: skip


def _without_signature(tree: LexborHTMLParser, lowered: str) -> str | None:
    if "signature" not in lowered:
        return None
    removed = False
    for node in tree.css(_SIGNATURES):
        _detach(node)
        removed = True
    return tree.html if removed and _text(tree.body) else None


def _visible_answer(tree: LexborHTMLParser) -> str | None:
    """The HTML up to the quotation, or None when everything is to be shown."""
    mark = _first_mark(tree)
    if mark is None:
        return _without_signature(tree, "signature")
    quoted_text = _text(mark)
    if any(is_forward_header(line) for line in quoted_text.split("\n", 3)[:3]) or _introduces_forward(mark):
        return None
    if mark.css_matches(_DIVIDERS) or not mark.css_matches(_CONTAINERS):
        _drop_attribution(mark)
        _drop_from(mark)
    else:
        for attribution in tree.css(_ATTRIBUTIONS):
            if not _inside_quote(attribution):
                _detach(attribution)
        _drop_attribution(mark)
        if _answers_inside(mark) or _answers_behind(mark):
            return None
        _drop_from(mark)
    for node in tree.css(_SIGNATURES):
        _detach(node)
    return tree.html if _text(tree.body) or tree.css_first("img") else None


def _first_mark(tree: LexborHTMLParser) -> LexborNode | None:
    """The first place where a quotation may begin, in the order of the document."""
    marked = None
    for node in tree.css(_MARK)[:_CANDIDATES]:
        # a bare blockquote is a quotation only under a line that says whose (Yandex, Mail.ru)
        bare = node.tag == "blockquote" and not node.css_matches(_CONTAINERS.removesuffix(", blockquote"))
        if node.tag not in _ROOTS and (not bare or _attribution_above(node) or _attribution_inside(node)):
            marked = node
            break
    block = _header_block(tree)
    if marked is None or block is None or tree.body is None:
        return marked or block
    ids = (marked.mem_id, block.mem_id)
    first = next((node.mem_id for node in tree.body.traverse() if node.mem_id in ids), ids[0])
    return marked if first == marked.mem_id else block


def _header_block(tree: LexborHTMLParser) -> LexborNode | None:
    """The block that holds "From: … Sent: … To: …", however its border is drawn (Outlook and its kin)."""
    if tree.body is None or not _FROM_FIELD.search(tree.html or ""):
        return None
    candidates = 0
    for text in tree.body.traverse(include_text=True):
        if not text.is_text_node or not _FROM_WORD.match(text.text() or ""):
            continue
        candidates += 1
        block = text.parent
        for _step in range(6):
            if candidates > _CANDIDATES or block is None or block.tag in _ROOTS:
                break
            lines = _text(block, 2000).split("\n")
            if block.tag in _BLOCKS and is_header_block(lines, 0):
                return block
            block = block.parent
    return None


def _attribution_above(node: LexborNode) -> list[LexborNode]:
    """The nodes before a quotation that say who wrote it: one block, or the loose line above it."""
    before = node.prev
    for _step in range(8):
        if before is None:
            parent = node.parent
            if parent is None or parent.tag in _ROOTS:
                return []
            node, before = parent, parent.prev
        elif _text(before, 600):
            break
        else:
            before = before.prev
    if before is None:
        return []
    line = [before]
    if before.tag not in _BLOCKS:
        while (previous := line[-1].prev) is not None and previous.tag not in _BLOCKS and len(line) < 12:
            line.append(previous)
    text = "".join(_text(part, 600, strip=False) for part in reversed(line))
    lines = [each for each in text.split("\n") if each.strip()][-4:]
    said = len(text) < 500 and any(attribution_length(lines, i) == len(lines) - i for i in range(len(lines)))
    return line if said else []


def _attribution_inside(node: LexborNode) -> bool:
    """Whether a quotation begins with the line that says whose it is (Mail.ru)."""
    return attribution_length(_text(node, 600).split("\n", 6)[:4], 0) > 0


def _drop_attribution(mark: LexborNode) -> None:
    nodes = _attribution_above(mark)
    text = "".join(_text(part, 600, strip=False) for part in reversed(nodes))
    lines = [line for line in text.split("\n") if line.strip()]
    # a block that holds more than the attribution stays
    if lines and attribution_length(lines, 0) == len(lines):
        for node in nodes:
            _detach(node)


def _introduces_forward(mark: LexborNode) -> bool:
    before = mark.prev
    for _step in range(4):
        if before is None:
            return False
        text = _text(before).strip()
        if text:
            return is_forward_header(text.rsplit("\n", 1)[-1]) or is_forward_header(text.split("\n", 1)[0])
        before = before.prev
    return False


def _inside_quote(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag == "blockquote":
            return True
        parent = parent.parent
    return False


def _answers_inside(mark: LexborNode) -> bool:
    """Whether a container holds several quotes with text of its own between or behind them (answers inline)."""
    if mark.tag == "blockquote" or mark.css_first("blockquote") is None:
        return False
    seen = False
    for child in mark.iter(include_text=True):
        if child.tag == "blockquote" or (child.is_element_node and child.css_first("blockquote") is not None):
            seen = True
        elif seen and _is_words(_text(child)):
            return True
    return False


def _answers_behind(mark: LexborNode) -> bool:
    node: LexborNode | None = mark
    while node is not None and node.tag not in ("body", "html"):
        sibling = node.next
        while sibling is not None:
            quotes = sibling.is_element_node and bool(sibling.css_matches(_CONTAINERS))
            signature = sibling.is_element_node and bool(sibling.css_matches(_SIGNATURES))
            if not quotes and not signature and _is_words(_own_text(sibling)):
                return True
            sibling = sibling.next
        node = node.parent
    return False


def _own_text(node: LexborNode) -> str:
    """The text of a sibling without the quotes and signatures inside it."""
    if not node.is_element_node or node.css_first(f"{_CONTAINERS}, {_SIGNATURES}") is None:
        return _text(node)
    copy = LexborHTMLParser(node.html or "")
    for inner in copy.css(f"{_CONTAINERS}, {_SIGNATURES}"):
        _detach(inner)
    return _text(copy.body)


def _is_words(text: str) -> bool:
    """Whether a text is more than an attribution, a signature, or a device's line."""
    text = text.strip()
    if not text:
        return False
    lines = [line for line in text.split("\n") if line.strip()]
    if attribution_length(lines, 0) >= len(lines):
        return False
    # fold_text never folds everything, so a first line of words lets it see a lone signature
    return not fold_text("x\n" + text).found or bool(fold_text("x\n" + text).reply.strip() != "x")


def _drop_from(mark: LexborNode) -> None:
    """Remove a node and everything behind it in the document."""
    node: LexborNode | None = mark
    while node is not None and node.tag not in ("body", "html"):
        sibling = node.next
        while sibling is not None:
            following = sibling.next
            _detach(sibling)
            sibling = following
        node = node.parent
    _detach(mark)


def _detach(node: LexborNode) -> None:
    """Take a node with all in it out of the tree; the roots cannot be taken out."""
    if node.tag not in _ROOTS:
        node.decompose(recursive=False)


def _text(node: LexborNode | None, at_most: int = 20_000, *, strip: bool = True) -> str:
    """Text with a line for each block, good enough to recognise a line by; reading stops after ``at_most``."""
    if node is None:
        return ""
    if node.is_text_node:
        text = _BLANKS.sub(" ", node.text() or "")
        return text.strip() if strip else text
    out: list[str] = []
    length = 0
    for child in node.traverse(include_text=True):
        if child.is_text_node:
            parent = child.parent
            text = _BLANKS.sub(" ", child.text() or "")
            if text and (parent is None or parent.tag not in ("style", "script", "title")):
                out.append(text)
                length += len(text.strip())
                if length > at_most:
                    break
        elif child.tag in _BLOCKS:
            out.append("\n")
    text = "\n".join(line for line in (line.strip() for line in "".join(out).split("\n")) if line)
    # a block next to a loose text is a line of its own
    return text if strip or node.tag not in _BLOCKS else f"\n{text}\n"
