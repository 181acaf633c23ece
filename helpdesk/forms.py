"""Small parts that the forms of the desk share."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from flask import request
from flask_babel import gettext as _
from wtforms import Field, Form, ValidationError
from wtforms.fields import choices as choice_fields

from helpdesk.models.user import Right

EARLIEST_YEAR, LATEST_YEAR = 1970, 9000


def choices(pairs: Iterable[tuple[str | int, Any]]) -> list[Any]:
    """Pairs of value and label as a choice field takes them."""
    choice: Any = vars(choice_fields)["SelectChoice"]  # newer than the library's published types
    return [choice(value, label) for value, label in pairs]


def typed(field: Field) -> str:
    """The text that a validated field holds; "" where nothing was sent."""
    return str(field.data or "")


def checked_address(_form: Form, field: Field) -> None:
    """Bring a mail address into its normal form. Raises ValidationError when it is none.

    Names of a local network (`ann@desk.local`) are fine: a helpdesk may live in one.
    """
    address = (field.data or "").strip()
    try:
        field.data = validate_email(address, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        if not _is_local(address):
            raise ValidationError(_("That is not a mail address.")) from error


def _is_local(address: str) -> bool:
    name, _at, host = address.partition("@")
    return bool(name) and (host in {"localhost", "localhost.localdomain"} or host.endswith((".local", ".lan")))


def chosen_rights(prefix: str = "right-") -> dict[int, Right | None]:
    """The rows of a table of rights as the form sent them: id of the row to its right, None for no right."""
    rights: dict[int, Right | None] = {}
    for name, value in request.form.items():
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and (row_id := whole(number)) is not None and value in {"", *Right}:
            rights[row_id] = Right(value) if value else None
    return rights


def chosen_ids(name: str) -> set[int]:
    """The ids behind ticked boxes of one name."""
    return {found for value in request.form.getlist(name) if (found := whole(value)) is not None}


def whole(written: str) -> int | None:
    """The id or number that a field holds; None for what is none, or too big for any column."""
    return int(written) if written.isascii() and written.isdigit() and len(written) < 19 else None


def local_moment(written: str, zone: str) -> datetime:
    """The moment that a field of day and time holds, as somebody in the time zone `zone` types it.

    Raises ValueError for what is none, and for years that nobody means: near the ends of the calendar a row could be
    written and never be read again.
    """
    local = datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))
    if not EARLIEST_YEAR <= local.year <= LATEST_YEAR:
        raise ValueError(written)
    return local
