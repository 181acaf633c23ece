"""The headers of a mail that rules on the way in may look at: those that say something to people, bounded."""

import re

from queues.channels.email.headers import Headers, decode_value

MOST_HEADERS = 40
MOST_VALUES = 3  # of one name: a server on the way may have added its own
VALUE_CHARS = 400
ALL_CHARS = 6_000

# What servers write about spam (see `queues.spam_marks`): kept whatever else the mail is full of.
SPAM_HEADERS = (
    "x-spam-flag",
    "x-spam-status",
    "x-spam-score",
    "x-spam-level",
    "x-spam",
    "x-rspamd-action",
    "x-rspamd-score",
    "x-spamd-result",
    "x-spamd-bar",
    "x-ms-exchange-organization-scl",
    "x-forefront-antispam-report",
    "authentication-results",
)

# Signatures and traces that only machines read, and what the message tells anyway.
_LEFT_OUT = re.compile(
    r"(?:received|.*signature.*|arc-.*|content-.*|mime-version|from|to|cc|bcc|subject|date|message-id|references|in-reply-to"
    r"|x-received|x-google-smtp-source|x-gm-message-state|x-google-dkim.*|x-ms-exchange-.*-messagedata.*|x-microsoft-antispam.*"
    r"|x-ms-exchange-crosstenant-.*|thread-index|autocrypt|openpgp|face|x-face|user-agent-data)"
)


def rule_headers(headers: Headers, hint: str | None = None) -> dict[str, str]:
    """Names in lower case and what they say, the values of one name a line each; marks of spam checkers come first."""
    names = [name for name in SPAM_HEADERS if name in headers]
    names += [name for name in headers.fields if name not in SPAM_HEADERS and not _LEFT_OUT.fullmatch(name)]
    found: dict[str, str] = {}
    room = ALL_CHARS
    for name in names[:MOST_HEADERS]:
        values = [_shown(value, hint) for value in headers.get_all(name)[:MOST_VALUES]]
        text = "\n".join(values)
        if len(text) > room:
            break
        room -= len(text)
        found[name] = text
    return found


def _shown(value: bytes, hint: str | None) -> str:
    return decode_value(value[: VALUE_CHARS * 4], hint)[:VALUE_CHARS]
