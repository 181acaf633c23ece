"""Passwords: which are good enough, and how they are hashed without stopping the web server.

Rules after NIST SP 800-63B: length counts, nothing else is prescribed; what everybody tries first is refused. Hashing
is argon2id with the parameters of OWASP's cheat sheet (46 MiB, one pass). It runs outside the event loop, two at a
time, so that a hundred people who sign in at nine in the morning take turns instead of taking the memory.
"""

import re
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import gettext as _

from helpdesk.config import settings
from helpdesk.errors import Refused

SHORTEST = 12
LONGEST = 256

_hasher = PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1)
_slots = threading.BoundedSemaphore(2)
T = TypeVar("T")

# Words that people build passwords around, as they stand after `_core` has undone the usual disguises.
COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split())
_DISGUISES = str.maketrans("0134578@$!", "oieastbasi")
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "абвгдеёжзийклмнопрстуфхцчшщъыьэюя")


def check_new(password: str, *context: str) -> str:
    """The password in its normal form, ready for `hash_password`.

    `context` are the person's name and address. Raises Refused with a sentence when it is too short or too easy.
    """
    if len(password) < SHORTEST:
        raise Refused(_("Use at least %(n)s characters; a few words in a row are easy to remember.", n=SHORTEST))
    if len(password) > LONGEST:
        raise Refused(_("Use at most %(n)s characters.", n=LONGEST))
    plain = normal_form(password)
    if _is_easy(plain, context):
        raise Refused(_("That password is among the first that others would try. Choose another one."))
    return plain


def normal_form(password: str) -> str:
    """One spelling for what keyboards write in several (é as one character or as two)."""
    return unicodedata.normalize("NFKC", password)


def _is_easy(password: str, context: tuple[str, ...]) -> bool:
    lowered = password.casefold()
    if len(set(lowered)) < 5 or any(lowered in run or lowered in run[::-1] for run in _RUNS):
        return True
    if re.fullmatch(r"(.{1,6})\1+.{0,5}", lowered):
        return True
    core = _core(lowered)
    if core in COMMON or _core(core.translate(_DISGUISES)) in COMMON:
        return True
    return _left_without_context(lowered, context) < SHORTEST // 2


def _core(text: str) -> str:
    """The word in the middle: without what people put before and behind it to please a rule."""
    letters = re.sub(r"[\s._-]+", "", text)
    return re.sub(r"^[\d\W_]+|[\d\W_]+$", "", letters)


def _left_without_context(lowered: str, context: tuple[str, ...]) -> int:
    """How many letters and digits remain when the person's own words and the desk's name are taken out."""
    host = urlsplit(settings().public_url).hostname or ""
    words = {"helpdesk", *re.split(r"\W+", host.casefold())}
    for text in context:
        words.update(re.split(r"[\W_]+", text.casefold()))
    for word in sorted((word for word in words if len(word) >= 3), key=len, reverse=True):
        lowered = lowered.replace(word, "")
    return sum(c.isalnum() for c in lowered)


def hash_password(plain: str) -> str:
    """The argon2id hash of a password in its normal form."""
    return _aside(_hasher.hash, plain)


def verify(encoded: str | None, password: str) -> bool:
    """Whether `password` is the one behind `encoded`; takes equally long where there is none to compare with."""
    if len(password) > LONGEST:
        return False
    matches = _aside(_matches, encoded or _nobodys(), normal_form(password))
    return matches and encoded is not None


def is_outdated(encoded: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(encoded)


def one_time_password() -> str:
    """A password that a person types once from a terminal: 100 bits in groups without look-alike characters."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _i in range(5)) for _group in range(4))


def _matches(encoded: str, password: str) -> bool:
    try:
        return _hasher.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def _aside(function: Callable[..., T], *arguments: Any) -> T:
    """Run a hash in its turn; under gevent in the thread pool, because it would stop every other request."""
    with _slots:
        if _is_patched():
            from gevent import get_hub

            result: T = get_hub().threadpool.apply(function, arguments)
            return result
        return function(*arguments)


def _is_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
