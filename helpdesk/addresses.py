"""One way to write each address, so that the same person is found however the address was typed.

Mail addresses: letters are folded, the domain is in its ASCII form (RFC 5891); nothing provider-specific is guessed.
Phone numbers: E.164, by Google's numbering data.
"""

import re
import unicodedata
from functools import lru_cache

import idna
import phonenumbers

EMAIL = "email"
PHONE = "phone"
LONGEST = 320

_LOOKS_LIKE_PHONE = re.compile(r"^\+?[\d\s().\-/]{5,25}$")


def normalise(namespace: str, value: str, region: str = "UA") -> str:
    """The stored form of an identity's value; never fails, because customers write from odd addresses too."""
    value = " ".join(unicodedata.normalize("NFKC", value).split())[: LONGEST * 2]
    if namespace == EMAIL:
        value = normalise_email(value)
    elif namespace == PHONE:
        value = normalise_phone(value, region) or re.sub(r"[^\d+]", "", value) or value
    return value[:LONGEST]


def normalise_email(address: str) -> str:
    """The address with folded letters and an ASCII domain where IDNA knows one."""
    local, at, domain = address.strip().strip("<>").rpartition("@")
    if not at:
        return domain.casefold()
    return f"{local.casefold()}@{normalise_domain(domain)}"


def base_address(address: str) -> str:
    """The address in lower case without its sub-address, the part of the local part behind a plus (RFC 5233)."""
    local, at, domain = address.strip().lower().rpartition("@")
    base, _plus, _tag = local.partition("+")
    return f"{base or local}{at}{domain}"


def normalise_domain(domain: str) -> str:
    """The ASCII form of a domain (`пошта.укр` is `xn--80a1acn3a.xn--j1amh`), or its folded letters."""
    domain = domain.strip().strip(".").casefold()
    return _ascii_domain(domain) if len(domain) <= LONGEST else _ascii_domain.__wrapped__(domain)


@lru_cache(4096)  # few domains write most of the mail
def _ascii_domain(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain


def readable_domain(domain: str) -> str:
    """A stored domain as people know it."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def readable(value: str) -> str:
    """A stored address as people know it, its domain in its own letters."""
    local, at, domain = value.rpartition("@")
    return f"{local}{at}{readable_domain(domain)}" if at else value


def normalise_phone(number: str, region: str = "UA") -> str | None:
    """The number in E.164, read as if dialled in `region` (ISO 3166) where it has no country; None when it is none."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def readable_phone(number: str) -> str:
    """An E.164 number in groups, as it is dialled from abroad."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def looks_like_phone(text: str) -> bool:
    """Whether somebody who typed this meant a phone number rather than words."""
    return bool(_LOOKS_LIKE_PHONE.match(text.strip()))


def parent_domains(domain: str) -> list[str]:
    """The domain and the ones above it, nearest first, down to two labels: `a.b.c` gives `a.b.c` and `b.c`."""
    labels = domain.split(".")
    return [".".join(labels[i:]) for i in range(max(1, len(labels) - 1))]


def name_key(name: str) -> str:
    """What two names are compared by: folded letters, ё as е, words in alphabetical order."""
    folded = unicodedata.normalize("NFKC", name).casefold().replace("ё", "е").replace("’", "'")
    return " ".join(sorted(re.findall(r"[\w'@.+-]+", folded)))
