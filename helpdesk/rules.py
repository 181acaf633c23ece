"""What a rule on the way in may say: conditions that must all hold, and what then happens to the mail.

Conditions look for pieces of text and patterns with `*`, never for regular expressions, and everything is bounded: the
worst two hundred rules take about a second for the longest mail, ordinary ones next to nothing.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from helpdesk.addresses import normalise_domain, normalise_email
from helpdesk.models.ticket.states import Priority

MOST_RULES = 200  # in one list
MOST_CONDITIONS = 20
MOST_VALUES = 30  # of one condition
MOST_RULE_VALUES = 100  # of all conditions of a rule
LONGEST_VALUE = 300
LONGEST_NAME = 100
MOST_RULE_TAGS = 10
MOST_RULE_FIELDS = 20


class Feature(StrEnum):
    """What a condition looks at."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    SUBJECT = "subject"
    TEXT = "text"
    HEADER = "header"
    SIZE = "size"
    LANGUAGE = "language"
    ATTACHMENT = "attachment"
    AUTOMATIC = "automatic"
    SPAM_MARK = "spam_mark"
    SPAM_SCORE = "spam_score"
    DMARC_FAIL = "dmarc_fail"
    BLOCKED = "blocked"
    KNOWN_CUSTOMER = "known_customer"
    ORGANISATION = "organisation"


BARE = frozenset({Feature.AUTOMATIC, Feature.SPAM_MARK, Feature.DMARC_FAIL, Feature.BLOCKED, Feature.KNOWN_CUSTOMER})
NUMERIC = frozenset({Feature.SIZE, Feature.SPAM_SCORE, Feature.ORGANISATION})
ADDRESSES = frozenset({Feature.SENDER, Feature.RECIPIENT})

_HEADER_NAME = re.compile(r"[a-z][a-z0-9-]{0,99}")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,3})?")


def fold(text: str) -> str:
    """Text as it is compared: letters folded, ё as е, any space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("ё", "е").split())


def address_pattern(pattern: str) -> str:
    """A pattern as typed, in its stored form: an address, `@domain`, or either with `*`. Raises ValueError."""
    pattern = pattern.strip().strip("<>").casefold()
    if not pattern or " " in pattern:
        raise ValueError("address")
    if "*" in pattern:
        return pattern
    local, _at, domain = pattern.rpartition("@")
    if not domain or (not local and "." not in domain):
        raise ValueError("address")
    return normalise_email(pattern) if local else f"@{normalise_domain(domain)}"


def _trimmed(value: str) -> str:
    return " ".join(value.split())


Value = Annotated[str, AfterValidator(_trimmed), Field(min_length=1, max_length=LONGEST_VALUE)]


class Condition(BaseModel):
    """One condition: what it looks at, and the values of which one must be met. `negated` turns the result round.

    `values` by `test`: addresses, `@domain` or patterns with `*` (sender, recipient); pieces of text (subject, text;
    header, where `header` names it in lower case and no value means that it is there at all); kilobytes (size) or
    points (spam_score) to be exceeded; language codes; `*.pdf`, `image/*` (attachment; none: any file); the id of an
    organisation. The others take none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Feature
    negated: bool = False
    header: str = ""
    values: Annotated[tuple[Value, ...], Field(max_length=MOST_VALUES)] = ()

    @model_validator(mode="before")
    @classmethod
    def _normal(cls, given: Any) -> Any:
        """Patterns of addresses and names of headers in the one form that they are compared in."""
        if not isinstance(given, dict):
            return given
        given = {**given, "header": str(given.get("header", "")).strip().strip(":").lower()}
        if given.get("test") in ADDRESSES:
            given["values"] = [address_pattern(str(value)) for value in given.get("values", ())]
        return given

    @model_validator(mode="after")
    def _complete(self) -> "Condition":
        if (self.test == Feature.HEADER) != bool(self.header):
            raise ValueError("header")
        if self.header and not _HEADER_NAME.fullmatch(self.header):
            raise ValueError("header")
        if self.test in BARE and self.values:
            raise ValueError("no value")
        if self.test in NUMERIC and (len(self.values) != 1 or not _NUMBER.fullmatch(self.values[0])):
            raise ValueError("number")
        if self.test not in BARE | {Feature.HEADER, Feature.ATTACHMENT} and not self.values:
            raise ValueError("value")
        return self


Fate = Literal["spam", "trusted", "drop"]
Tag = Annotated[str, AfterValidator(lambda value: _trimmed(value).lower()), Field(min_length=1, max_length=50)]

FieldKey = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$")]


class Actions(BaseModel):
    """What happens to a mail that meets all conditions; what is not said is left to later rules and to the channel.

    `fate`: file it as spam, trust it (neither a mark, nor a block, nor a flood makes it spam), or leave it out.
    `fields`: id of a ticket's own field as text to its value as stored, see `helpdesk.models.field_values`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue_id: int | None = None
    priority: int | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=MOST_RULE_TAGS)] = ()
    request_type: Annotated[str, AfterValidator(_trimmed), Field(max_length=100)] = ""
    fields: Annotated[dict[FieldKey, Any], Field(max_length=MOST_RULE_FIELDS)] = {}
    no_acknowledgement: bool = False
    fate: Fate | None = None

    @model_validator(mode="after")
    def _something(self) -> "Actions":
        if self.priority is not None and self.priority not in Priority.ALL:
            raise ValueError("priority")
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("nothing")
        return self


@dataclass(frozen=True)
class LiveRule:
    """A rule as it is applied. `go_on` lets later rules add what this one leaves open."""

    id: int
    name: str
    conditions: tuple[Condition, ...]
    actions: Actions
    go_on: bool = False
