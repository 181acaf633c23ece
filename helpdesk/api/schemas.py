"""Base classes and small types of the API's schemas. What comes in is strict, what goes out is complete."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

BIGGEST = 2**63 - 1  # what a key of the database can be

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


class In(BaseModel):
    """A body: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """Parameters of an address: no unknown ones."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """An answer: all fields, always, and no others."""

    model_config = ConfigDict(extra="forbid")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time such as 2026-03-01T09:30:00Z (RFC 3339)")
    try:
        found = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("there is no such time") from error
    if not 1970 <= found.year <= 9000:
        raise ValueError("must be between the years 1970 and 9000")
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ValueError("must be a whole number")
        return int(value)
    return value


def mail_address(value: str) -> str:
    """The normal form of a mail address. Raises ValueError for what is none."""
    try:
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError("is not a mail address") from error


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Id = Annotated[int, Field(ge=1, le=BIGGEST)]
QueryId = Annotated[int, Field(ge=1, le=BIGGEST), BeforeValidator(_whole)]
Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(_whole)]
# What people write. PostgreSQL stores no NUL.
Words = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Address = Annotated[
    str, Field(max_length=254), AfterValidator(mail_address), WithJsonSchema({"type": "string", "format": "email"})
]


FieldValue = (
    Annotated[str, Field(max_length=5000, pattern=r"^[^\x00]*$")]
    | bool
    | int
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[list[Id], Field(max_length=300)]
    | None
)
FieldValues = Annotated[
    dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$")], FieldValue],
    Field(
        max_length=300,
        description="Fields of your own: the id of a field (see GET /fields) to its value. A text, a number, a date as"
        " 2026-03-31, true for a checkbox; of a choice the id of the answer, of several answers a list. Null"
        " empties a field.",
    ),
]


class Paged(Query):
    """A page of a list: `cursor` is what the page before gave as `next_cursor`."""

    cursor: Annotated[str, Field(max_length=1000)] | None = None
    limit: Limit = 50


class Named(Out):
    """A thing by its id and name."""

    id: Id
    name: str


class FieldFault(Out):
    """One field that is wrong: where it stands, as a JSON pointer, and what is wrong with it."""

    place: Annotated[str, Field(alias="in", description="body, query, path or header")]
    pointer: str
    detail: str


class Problem(Out):
    """Why the request was not done (RFC 9457). `facts` hold what a program may need, such as the present owner."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldFault]
    facts: dict[str, Any]
