"""Ticket numbers: unique, rising, with a check digit, and easy to dictate on the phone.

A pattern such as `#######C` says how the text is made: a run of `#` is the sequence (padded to the run's length,
longer when it outgrows it), `C` a check digit over all digits before it, `YYYY`, `YY`, `MM`, `DD` the project's date;
everything else stands for itself. Numbers are compared by their key (letters and digits
only, upper case), so spaces and dashes never matter and a changed pattern leaves old numbers findable.
"""

import re
from datetime import datetime

from flask_babel import gettext as _

from helpdesk.errors import Refused

DEFAULT_PATTERN = "#######C"

_PARTS = re.compile(r"#+|YYYY|YY|MM|DD|C|.", re.DOTALL)

# The quasigroup of H. Michael Damm's thesis (2004): finds every single wrong digit and every swap of neighbours.
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)


def check_digit(digits: str) -> str:
    """The Damm check digit of a string of digits."""
    state = 0
    for digit in digits:
        state = int(_DAMM[state][int(digit)])
    return str(state)


def has_valid_check(digits: str) -> bool:
    """Whether the last of `digits` is the right check digit of the ones before it."""
    return check_digit(digits) == "0"


def validate_pattern(pattern: str) -> str:
    """The pattern itself. Raises Refused with the reason when it could not give unique, readable numbers."""
    if len(re.findall(r"#+", pattern)) != 1:
        raise Refused(_("A number pattern needs exactly one run of # for the sequence, such as #######C."))
    if not re.fullmatch(r"[A-Z0-9#/. -]{1,24}", pattern):
        raise Refused(
            _("A number pattern may hold capital letters, digits, #, space, dash, dot and slash, 24 at most.")
        )
    return pattern


def format_number(pattern: str, sequence: int, local: datetime) -> str:
    """The number for a value of the sequence on a date (in the project's zone)."""
    made = ""
    for part in _PARTS.findall(pattern):
        if part.startswith("#"):
            made += str(sequence).zfill(len(part))
        elif part == "C":
            made += check_digit(re.sub(r"\D", "", made))
        elif part in {"YYYY", "YY", "MM", "DD"}:
            made += local.strftime({"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d"}[part])
        else:
            made += part
    return made


def number_key(text: str) -> str:
    """What numbers are compared by: letters and digits only, in upper case."""
    return "".join(c for c in text.upper() if c.isascii() and c.isalnum())


_RUN = re.compile(r"\d(?:[ \u00a0\u202f./-]?\d){3,15}")
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,8}[-./ ]?\d(?:[ ./-]?\d){2,15}")


def number_candidates(text: str, most: int = 10) -> list[str]:
    """What in a text may be a ticket number, written together, in groups or with a prefix, as comparison keys."""
    found = [match[0] for match in _WORD.finditer(text[:1000])] + [match[0] for match in _RUN.finditer(text[:1000])]
    return list(dict.fromkeys(number_key(part) for part in found))[:most]


def group_digits(number: str) -> str:
    """The number as people read and dictate it: plain digits in groups, anything else as it stands."""
    if not number.isdigit() or len(number) < 5:
        return number
    groups = [number[i : i + 3] for i in range(0, len(number), 3)]
    if len(groups[-1]) == 1:
        groups[-2:] = ["".join(groups[-2:])]
    return " ".join(groups)
