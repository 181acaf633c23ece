"""Addresses in plain text as links: web addresses open in a new tab, mail addresses begin a new ticket to them.

What somebody wrote stays as it is written, and a link leads exactly where its text says. Whatever could read as another
place than it leads to (a name before the host, letters of two scripts in one word, invisible signs) stays plain text.
"""

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from markupsafe import Markup, escape

from helpdesk.shell import url_if

MOST_CHARACTERS = 200_000  # beyond that a text stays as it is
MOST_LINKS = 500
MOST_OF_ONE = 2_000

# Signs that are not seen, or turn the direction of what follows.
_UNSEEN = "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb"
_FOUND = re.compile(
    r"(?<!\w)(?P<web>https?://[^\s<>\"«»“”„`|\\^{}\x00-\x20\x7f]+)"
    r"|(?<![\w.%+/:@-])(?P<mail>[a-z0-9](?:[a-z0-9._%+-]{0,62}[a-z0-9_%+-])?@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?![\w@-])",
    re.IGNORECASE,
)
_HIDES = re.compile(f"[{_UNSEEN}\U000e0000-\U000e007f]")
_HOST = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_ENDS = ".,;:!?…'’"
_BRACKETS = {")": "(", "]": "[", "）": "（"}
# Cyrillic letters that look like Latin ones: a word of them alone before a Latin ending is made to be misread.
_LIKE_LATIN = frozenset("асԁеһіјӏорԛѕԝху-0123456789")
_LINK = Markup('<a href="{}" target="_blank" rel="noopener noreferrer nofollow" dir="ltr"{}>{}</a>')
_OF_ASIA = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_MENTION = re.compile(r'(<b class="mention">[^<]*</b>)')


def linked(text: str) -> Markup:
    """`text`, escaped, with its addresses as links. Of Markup (a note with its mentions) what is set off stays so."""
    if isinstance(text, Markup):
        parts = _MENTION.split(text)
        return Markup("").join(
            Markup(part) if at % 2 else linked(Markup(part).unescape())  # noqa: S704 - our own, see colleagues.marked
            for at, part in enumerate(parts)
        )
    done, at, count = Markup(), 0, 0
    for found in _FOUND.finditer(text, 0, min(len(text), MOST_CHARACTERS)):
        link = _web(found["web"]) if found["web"] else _mail(found["mail"])
        if link is None:
            continue
        shown, anchor = link
        done += escape(text[at : found.start()]) + anchor
        at = found.start() + len(shown)
        count += 1
        if count == MOST_LINKS:
            break
    return done + escape(text[at:])


def _web(written: str) -> tuple[str, Markup] | None:
    """What of it is the address, and its link; None where it shall be none."""
    if len(written) > MOST_OF_ONE or _HIDES.search(written):
        return None
    address = _without_end(written)
    try:
        parts = urlsplit(address)
        title = _ascii_host(parts)
    except ValueError:  # no address that a browser would take for what it looks like
        return None
    told = Markup(' title="{}"').format(title) if title != (parts.hostname or "") else ""
    return address, _LINK.format(address, told, address)


def _mail(address: str) -> tuple[str, Markup] | None:
    url = url_if("openings.new", who=address)
    return (address, Markup('<a href="{}" dir="ltr">{}</a>').format(url, address)) if url else None


def _without_end(written: str) -> str:
    """A sentence's end and a bracket that was opened before the address do not belong to it."""
    while True:
        shorter = written.rstrip(_ENDS)
        opening = _BRACKETS.get(shorter[-1:])
        if opening and shorter.count(shorter[-1]) > shorter.count(opening):
            shorter = shorter[:-1]
        if shorter == written:
            return written
        written = shorter


def _ascii_host(parts: SplitResult) -> str:
    """The host as the network knows it. Raises ValueError for what is no host, or reads as another one."""
    host = parts.hostname or ""
    if "@" in parts.netloc or not _HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")):
        raise ValueError("no plain host")
    if host.isascii():
        return host
    if unicodedata.normalize("NFKC", host) != host:
        raise ValueError("letters that stand for others")
    labels = host.rstrip(".").split(".")
    for label in labels:
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in label if letter.isalpha()}
        if len(scripts - _OF_ASIA) > 1 or (scripts & _OF_ASIA and scripts - _OF_ASIA - {"LATIN"}):
            raise ValueError("two scripts in one word")
        if labels[-1].isascii() and not label.isascii() and set(label) <= _LIKE_LATIN:
            raise ValueError("made to be misread")
    return host.encode("idna").decode()
