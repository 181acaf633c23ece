"""Settings of a door for another system: what `channel.settings` holds for the kind "http".

Secrets (`channel.secrets`): `secret` signs in both directions; `former_secret` counts beside it until `former_until`
(an ISO moment), so that the other system can be changed without a gap.
"""

import re
import secrets as random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from queues.channels.email.problems import N_

MESSAGE_BYTES = 1024 * 1024
CALL_BYTES = 64 * 1024
FILE_BYTES = 10 * 1024 * 1024
WITH_FILES_BYTES = FILE_BYTES * 4 // 3 + MESSAGE_BYTES  # base64 makes four bytes of three
FORMER_KEPT = timedelta(hours=24)


def _web_address(value: str) -> str:
    value = value.strip()
    if value and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError(N_("must be an address that begins with https://"))
    return value


class HttpSettings(BaseModel):
    """A door: what it takes, and where replies are posted ("" keeps operators from writing any)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    takes_messages: bool = True
    takes_calls: bool = True
    takes_files: bool = False
    callback_url: Annotated[str, Field(max_length=2000), AfterValidator(_web_address)] = ""
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 600

    @property
    def types(self) -> frozenset[str]:
        """The types of events that may be posted."""
        messages = {"message", "receipt"} if self.takes_messages else set()
        return frozenset(messages | ({"call"} if self.takes_calls else set()))

    @property
    def largest(self) -> int:
        """Bytes of the largest body that any of its events may have."""
        if not self.takes_messages:
            return CALL_BYTES
        return WITH_FILES_BYTES if self.takes_files else MESSAGE_BYTES

    def largest_of(self, kind: str, with_files: bool) -> int:
        """Bytes of the largest body of one type of event."""
        if kind != "message":
            return CALL_BYTES
        return self.largest if with_files else MESSAGE_BYTES


def fresh_secret() -> str:
    """A new secret for signatures: 256 bits, in letters that any form takes."""
    return "hds_" + random.token_urlsafe(32)


def fresh_door() -> str:
    """The part of a door's address that nobody can guess."""
    return random.token_urlsafe(24)


def valid_secrets(secrets: Mapping[str, str], now: datetime) -> list[bytes]:
    """What signatures are made and checked with at a moment, the present secret first."""
    found = [secrets["secret"].encode()] if secrets.get("secret") else []
    until = secrets.get("former_until")
    if secrets.get("former_secret") and until and datetime.fromisoformat(until) > now:
        found.append(secrets["former_secret"].encode())
    return found


def rotated(secrets: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The secrets after a change: a fresh one, and the present one for a day more."""
    until = (now + FORMER_KEPT).isoformat()
    return {"secret": fresh_secret(), "former_secret": secrets.get("secret", ""), "former_until": until}
