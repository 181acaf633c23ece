"""What another system may post to a door, as models: they check requests, and the published JSON Schema is theirs.

Schema: JSON Schema draft 2020-12, at `GET /hooks/schemas/<name>.json` and in `docs/api/`.
"""

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MOST_FILES = 20
MOST_FACTS = 50
LONGEST_TEXT = 200_000
LONGEST_HTML = 500_000

Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Line = Annotated[str, Field(max_length=500)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Number = Annotated[
    str,
    Field(max_length=80, description="A phone number, best in E.164 such as +380441234567; empty where it is hidden."),
]
Fact = str | int | float | bool | None


def _base64(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("has to be base64 (RFC 4648, with padding, without line breaks)") from error
    return value


def _facts(value: dict[str, Fact]) -> dict[str, Fact]:
    if len(json.dumps(value)) > 20_000:
        raise ValueError("has to be smaller than 20,000 characters")
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("has to be a time with its zone as text, such as 2026-03-29T03:30:00+03:00")
    return value


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text)]
Facts = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=80)], Annotated[Fact, Field(union_mode="left_to_right")]],
    Field(max_length=MOST_FACTS, description="More that operators may want to know; names and plain values."),
    AfterValidator(_facts),
]


class Strict(BaseModel):
    """Nothing is guessed: no unknown fields, no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Sender(Strict):
    """Who writes: an address that other channels know too, or the system's own id of the person."""

    namespace: Annotated[
        str,
        Field(
            pattern=r"^(email|phone|crm:[a-z0-9][a-z0-9._-]{0,39})$",
            description="email, phone, or crm: and a name of the system whose ids these are, e.g. crm:shop.",
        ),
    ]
    value: Annotated[str, Field(min_length=1, max_length=320)]
    name: Annotated[str, Field(max_length=200)] = ""


class PostedFile(Strict):
    """A file that goes with a message."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(max_length=100, pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/octet-stream"
    content: Annotated[str, Field(description="The bytes in base64."), AfterValidator(_base64)]


class Event(Strict):
    """What all events have."""

    id: Annotated[
        Key | None,
        Field(
            description="Names this event: the same event posted again is taken once. "
            "The header Idempotency-Key may name it instead."
        ),
    ] = None


class MessageEvent(Event):
    """A customer wrote something in a conversation of the other system."""

    type: Literal["message"]
    conversation: Annotated[Key, Field(description="The lasting chat or thread; replies name it.")]
    sender: Sender
    message_id: Annotated[Key | None, Field(description="The other system's id of this message.")] = None
    reply_to: Annotated[Key | None, Field(description="The message_id of the message that this one answers.")] = None
    subject: Line = ""
    text: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""
    html: Annotated[
        str | None, Field(max_length=LONGEST_HTML, description="The same as HTML. It is cleaned before it is shown.")
    ] = None
    files: Annotated[list[PostedFile], Field(max_length=MOST_FILES)] = []
    sent_at: Annotated[Time | None, Field(description="When it was written (RFC 3339).")] = None
    language: Annotated[Language | None, Field(description="ISO 639, such as uk, ru or en.")] = None
    facts: Facts = {}

    @model_validator(mode="after")
    def _says_something(self) -> "MessageEvent":
        if not (self.text.strip() or self.html or self.files):
            raise ValueError("One of text, html and files is needed.")
        return self


class CallEvent(Event):
    """Something happened to a phone call. Events of one call may come late, twice or out of order."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    type: Literal["call"]
    call: Annotated[Key, Field(description="The exchange's id of the call; all its events have the same.")]
    phase: Literal["ringing", "answered", "transferred", "ended", "abandoned"]
    at: Annotated[Time, Field(description="When it happened (RFC 3339).")]
    direction: Literal["in", "out"] = "in"
    from_: Annotated[Number, Field(alias="from")] = ""
    to: Number = ""
    name: Annotated[str, Field(max_length=200, description="The other party's name, where it is known.")] = ""
    queue: Annotated[Line, Field(description="The queue or line of the exchange.")] = ""
    agent: Annotated[Line, Field(description="The extension that answered, or that it was transferred to.")] = ""
    started_at: Time | None = None
    answered_at: Time | None = None
    ended_at: Time | None = None
    duration: Annotated[int | None, Field(ge=0, le=7 * 24 * 3600, description="Seconds of talk.")] = None
    recording: Annotated[str, Field(max_length=2000, description="Where the recording is kept.")] = ""
    language: Language | None = None
    facts: Facts = {}


class ReceiptEvent(Event):
    """What became of a reply of ours."""

    type: Literal["receipt"]
    message_id: Annotated[Key, Field(description="The id that the reply was posted with.")]
    state: Literal["delivered", "read", "failed"]
    words: Annotated[str, Field(max_length=1000, description="Why it failed, for people.")] = ""


EVENTS: dict[str, type[Event]] = {"message": MessageEvent, "call": CallEvent, "receipt": ReceiptEvent}


def schema(name: str, address: str = "") -> dict[str, Any]:
    """The JSON Schema of one type of event; `address` is where it is published. Raises KeyError."""
    made = EVENTS[name].model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return head | ({"$id": address} if address else {}) | made
