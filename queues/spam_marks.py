"""What the mail server before us thought of a mail, as far as it wrote it into the headers.

SpamAssassin (X-Spam-*), rspamd (X-Spam, X-Rspamd-*, X-Spamd-Result), Microsoft (SCL, X-Forefront-Antispam-Report), and
Authentication-Results (RFC 8601). A sender may put such headers on their own mail; they can only harm themselves, so
any header that says "spam" counts, and none that says the contrary.
"""

import re
from collections.abc import Mapping

SPAM_SCL = 5  # Microsoft: 5 and 6 are spam, 9 is spam for certain
_YES = re.compile(r"\s*(?:yes|true|spam)\b", re.IGNORECASE)
_ACTIONS = re.compile(r"\s*(?:reject|add header|rewrite subject|quarantine)\b", re.IGNORECASE)
_SCL = re.compile(r"(?:^|[\s;])SCL:\s*(-?\d{1,2})", re.IGNORECASE)
_VERDICT = re.compile(r"\bSFV:(?:SPM|SKB)\b", re.IGNORECASE)
_SCORE = re.compile(r"score=\s*(-?\d{1,4}(?:\.\d{1,4})?)", re.IGNORECASE)
_FIRST_NUMBER = re.compile(r"\s*(-?\d{1,4}(?:\.\d{1,4})?)")
_OF_RESULT = re.compile(r"\[\s*(-?\d{1,4}(?:\.\d{1,4})?)\s*/")
_DMARC_FAIL = re.compile(r"\bdmarc\s*=\s*fail\b", re.IGNORECASE)


def is_marked(headers: Mapping[str, str]) -> bool:
    """Whether a server before us called the mail spam. `headers`: lower-case names, values a line each."""
    for name in ("x-spam-flag", "x-spam-status", "x-spam"):
        if any(_YES.match(line) for line in headers.get(name, "").splitlines()):
            return True
    if any(_ACTIONS.match(line) for line in headers.get("x-rspamd-action", "").splitlines()):
        return True
    report = headers.get("x-forefront-antispam-report", "")
    levels = [int(found) for found in _SCL.findall(report)]
    levels += [int(found[1]) for found in _numbers(headers.get("x-ms-exchange-organization-scl", ""))]
    return bool(_VERDICT.search(report)) or any(level >= SPAM_SCL for level in levels)


def score(headers: Mapping[str, str]) -> float | None:
    """The highest score in points that a server gave; None where none said."""
    found = [float(number) for number in _SCORE.findall(headers.get("x-spam-status", ""))]
    for name in ("x-spam-score", "x-rspamd-score"):
        found += [float(match[1]) for match in _numbers(headers.get(name, ""))]
    found += [float(number) for number in _OF_RESULT.findall(headers.get("x-spamd-result", ""))]
    found += [float(len(line.strip())) for line in headers.get("x-spam-level", "").splitlines() if _is_bar(line, "*")]
    found += [float(len(line.strip())) for line in headers.get("x-spamd-bar", "").splitlines() if _is_bar(line, "+")]
    return max(found, default=None)


def dmarc_failed(headers: Mapping[str, str]) -> bool:
    """Whether a server found that the mail does not come from the domain it claims (RFC 7489)."""
    return bool(_DMARC_FAIL.search(headers.get("authentication-results", "")))


def _numbers(value: str) -> list[re.Match[str]]:
    return [found for line in value.splitlines() if (found := _FIRST_NUMBER.match(line)) is not None]


def _is_bar(line: str, mark: str) -> bool:
    return bool(line.strip()) and not line.strip().strip(mark)
