"""Marks that a former system put into subjects, such as `[Ticket#2024010112345678]`: how they are written and found.

Nobody types regular expressions. A template is the mark with `{number}` where its number stands. People may also give
an example out of an old subject, or write the number as a run of `#`; `read_template` makes a template of either.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from flask_babel import gettext as _

from helpdesk.errors import Refused
from helpdesk.numbers import number_key

PLACE = "{number}"
MOST_TEMPLATE = 60
MOST_NUMBER = 40
MOST_SUBJECT = 1000
MOST_FOUND = 5

DIGITS, MIXED = "digits", "mixed"
_ALPHABETS = {
    DIGITS: r"[0-9]{1,40}(?![0-9])",
    # A code such as ABC-123: letters and digits, joined by single dashes, dots or slashes.
    MIXED: r"[A-Za-z0-9]{1,20}(?:[-./_][A-Za-z0-9]{1,20}){0,4}(?![A-Za-z0-9])",
}
_RUN_OF_PLACES = re.compile(r"#{2,}")
_RUN_OF_DIGITS = re.compile(r"[0-9]{2,}")


@dataclass(frozen=True)
class FormerMark:
    """A number of a former system as a subject bears it, and the key by which it is compared."""

    number: str
    key: str


def read_template(written: str, alphabet: str = DIGITS) -> str:
    """The template that somebody means who wrote a template, a run of `#`, or an example from an old subject.

    Raises Refused with the reason when no number can be told from the rest, or every number would do.
    """
    written = " ".join(written.split())
    if len(written) > MOST_TEMPLATE:
        raise Refused(_("A pattern has at most 60 characters: only the mark, not the whole subject."))
    if alphabet not in _ALPHABETS:
        raise Refused(_("A number is made of digits, or of letters and digits."))
    template = written if PLACE in written else _place_in_example(written)
    if template.count(PLACE) != 1 or "{" in template.replace(PLACE, "") or "}" in template.replace(PLACE, ""):
        raise Refused(
            _("Write the mark with {number} where its number stands, or copy an example: [Ticket#2024010112345678].")
        )
    if not template.replace(PLACE, "").strip():
        raise Refused(_("There must be something around the number, such as [ ] or #: else every number would do."))
    return template


def _place_in_example(example: str) -> str:
    """Put the place of the number where the longest run of `#` or digits stands."""
    for run in (_RUN_OF_PLACES, _RUN_OF_DIGITS):
        found = max(run.finditer(example), key=lambda match: len(match[0]), default=None)
        if found is not None:
            return example[: found.start()] + PLACE + example[found.end() :]
    return example


@lru_cache(maxsize=256)
def _compiled(template: str, alphabet: str) -> re.Pattern[str]:
    """Every part is bounded, and no part can begin where another may go on: a subject is read in one pass."""
    before, _place, after = template.partition(PLACE)
    parts = [r"\s{0,3}".join(re.escape(word) for word in part.split()) for part in (before, after)]
    glue = [r"\s{0,3}" if part.strip() != part else "" for part in (before, after)]
    return re.compile(f"{parts[0]}{glue[0]}({_ALPHABETS[alphabet]}){glue[1]}{parts[1]}", re.IGNORECASE)


def find_marks(templates: Iterable[tuple[str, str]], subject: str) -> list[FormerMark]:
    """The numbers of a former system in a subject, in the order of (template, alphabet) pairs; MOST_FOUND at most."""
    found: dict[str, FormerMark] = {}
    for template, alphabet in templates:
        for match in _compiled(template, alphabet).finditer(subject[:MOST_SUBJECT]):
            number = match[1]
            if len(number) <= MOST_NUMBER and any(character.isdigit() for character in number):
                found.setdefault(number_key(number), FormerMark(number, number_key(number)))
    return list(found.values())[:MOST_FOUND]
