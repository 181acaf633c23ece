"""Sentences that processes without a reader wrote down in English, told again in the reader's language.

Workers store why a mail was not taken or sent as a finished sentence, often with another server's own words in it.
On a screen it is looked up in the catalog: whole, or by the template that it was filled from. What is not found
stays as it is.
"""

import re
from functools import cache

from flask_babel import get_locale, get_translations
from flask_babel import gettext as _

_HOLE = re.compile(r"%\((\w+)\)[sd]")
_BEFORE = re.compile(r"(?:\S+@\S+: )?(?:\d{3} (?:\d\.\d{1,3}\.\d{1,3} )?)?")  # an address, codes
_LEAST_WORDS = 3  # shorter templates would fit anything


def retold(sentence: str) -> str:
    """`sentence` in the language of the present reader, as far as the catalog has it."""
    return "; ".join(_one(part) for part in sentence.split("; "))


def _one(sentence: str) -> str:
    found = _BEFORE.match(sentence)
    start = found.end() if found else 0
    words = sentence[start:]
    whole = str(_(words)) if words else words
    return sentence[:start] + (whole if whole != words else _from_template(words))


def _value(value: str) -> str:
    """A sentence within the sentence is told again too; a name (of a folder, a server) never."""
    return _one(value) if len(value.split()) >= _LEAST_WORDS else value


def _from_template(words: str) -> str:
    for pattern, template in _templates(str(get_locale())):
        filled = pattern.fullmatch(words)
        if filled:
            return str(_(template)) % {name: _value(value) for name, value in filled.groupdict().items()}
    return words


@cache
def _templates(_language: str) -> list[tuple[re.Pattern[str], str]]:
    """Patterns and templates of the catalog of the present language, those with the most words first."""
    catalog = getattr(get_translations(), "_catalog", {})  # gettext has no public way to list what it knows
    templates = [source for source in catalog if isinstance(source, str) and _HOLE.search(source)]
    telling = {source: len(_HOLE.sub(" ", source).split()) for source in templates}
    chosen = sorted((source for source in templates if telling[source] >= _LEAST_WORDS), key=lambda one: -telling[one])
    return [(_pattern(source), source) for source in chosen]


def _pattern(template: str) -> re.Pattern[str]:
    parts = _HOLE.split(template)
    once: set[str] = set()
    pattern = re.escape(parts[0].replace("%%", "%"))
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        pattern += f"(?P={name})" if name in once else f"(?P<{name}>.*?)"
        once.add(name)
        pattern += re.escape(text.replace("%%", "%"))
    return re.compile(pattern, re.DOTALL)
