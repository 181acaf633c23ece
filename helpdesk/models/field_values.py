"""Values of fields: how each kind is read from what people and programs send, stored, and shown.

Stored in a jsonb column under the field's id: text and date (ISO) as strings, number as a number, choice as the id of
its option, choices as a sorted list of ids, checkbox as true. What is empty is not stored at all.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask_babel import format_date, format_decimal
from flask_babel import gettext as _

from helpdesk.errors import Refused
from helpdesk.models.definitions import FieldDefinition, definitions
from helpdesk.models.fields import FieldKind

LONGEST_TEXT = 5_000
BIGGEST_NUMBER = 1e15
Values = Mapping[str, Any]


def read_value(field: FieldDefinition, given: Any, before: Any = None) -> Any:
    """What is stored for `given`: text of a form, or a JSON value of a program. None says that the field is empty.

    `before` is the value so far: an option that is switched off may stay, but not be chosen. Raises Refused with a
    sentence that names the field.
    """
    if given is None or given == "" or given == []:
        return None
    match field.kind:
        case FieldKind.TEXT:
            return _text(field, given)
        case FieldKind.NUMBER:
            return _number(field, given)
        case FieldKind.DATE:
            return _date(field, given)
        case FieldKind.CHOICE:
            return _options(field, [given], before)[0]
        case FieldKind.CHOICES:
            if not isinstance(given, (list, tuple)):
                raise Refused(_("“%(field)s” takes a list of answers.", field=field.label), field=field.id)
            return _options(field, given, before)
    return _tick(field, given)


def _text(field: FieldDefinition, given: Any) -> str | None:
    if not isinstance(given, str) or "\x00" in given:
        raise Refused(_("“%(field)s” takes a text.", field=field.label), field=field.id)
    text = given.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_TEXT:
        raise Refused(_("“%(field)s” takes up to 5,000 characters.", field=field.label), field=field.id)
    return text or None


def _number(field: FieldDefinition, given: Any) -> int | float | None:
    refusal = Refused(_("“%(field)s” takes a number, such as 12 or 3.5.", field=field.label), field=field.id)
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise refusal
    try:
        number = float("".join(given.split()).replace(",", ".")) if isinstance(given, str) else float(given)
    except (ValueError, OverflowError) as error:
        raise refusal from error
    if not math.isfinite(number) or abs(number) > BIGGEST_NUMBER:
        raise refusal
    return int(number) if number.is_integer() else number


def _date(field: FieldDefinition, given: Any) -> str:
    try:
        if not isinstance(given, str) or len(given) != 10:
            raise ValueError(given)
        return date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise Refused(_("“%(field)s” takes a date, such as 2026-03-31.", field=field.label), field=field.id) from error


def _options(field: FieldDefinition, given: Iterable[Any], before: Any) -> list[int]:
    kept = set(before) if isinstance(before, list) else {before}
    allowed = {option.id for option in field.options if option.active or option.id in kept}
    refusal = Refused(_("“%(field)s” does not offer this answer. Choose another.", field=field.label), field=field.id)
    chosen = set()
    for one in given:
        number = int(one) if isinstance(one, str) and one.isascii() and one.isdigit() and len(one) < 10 else one
        if isinstance(number, bool) or not isinstance(number, int) or number not in allowed:
            raise refusal
        chosen.add(number)
    return sorted(chosen)


def _tick(field: FieldDefinition, given: Any) -> bool | None:
    if given in (True, "1", "on", "true"):
        return True
    if given in (False, "0", "off", "false"):
        return None
    raise Refused(_("“%(field)s” is either ticked or not.", field=field.label), field=field.id)


def changed_values(fields: Iterable[FieldDefinition], stored: Values, given: Values) -> dict[str, Any]:
    """All values as they are once `given` (field id as text to value) is taken; the same when nothing changes.

    Raises Refused for a value that its field does not take, and for a field that is none of `fields`.
    """
    known = {field.key: field for field in fields}
    after = dict(stored)
    for key, value in given.items():
        field = known.get(key)
        if field is None:
            raise Refused(_("There is no such field here."), field=key)
        read = read_value(field, value, stored.get(key))
        if read is None:
            after.pop(key, None)
        else:
            after[key] = read
    return after


def show_value(field: FieldDefinition, value: Any) -> str:
    """A stored value as people read it, "" where there is none."""
    if value is None:
        return ""
    match field.kind:
        case FieldKind.NUMBER:
            return format_decimal(value)
        case FieldKind.DATE:
            return format_date(date.fromisoformat(value), "medium")
        case FieldKind.CHOICE | FieldKind.CHOICES:
            ids = value if isinstance(value, list) else [value]
            return ", ".join(option.label for option in field.options if option.id in ids)
        case FieldKind.CHECKBOX:
            return _("yes") if value else ""
    return str(value)


def plain_value(field: FieldDefinition, value: Any) -> str | None:
    """A stored value as the history keeps it: the words of choices as they are now, dates and numbers as they are."""
    if value is None:
        return None
    if field.kind in {FieldKind.CHOICE, FieldKind.CHOICES}:
        return show_value(field, value)
    return "✓" if value is True else str(value)[:200]


def missing_on_close(queue_id: int, stored: Values) -> list[FieldDefinition]:
    """The fields of tickets in a queue that must be filled in before one is closed, and are not."""
    return [one for one in definitions().of_ticket(queue_id) if one.required_on_close and one.key not in stored]


def check_complete(queue_id: int, stored: Values) -> None:
    """Raises Refused, naming the fields (`details["fields"]`), while what closing requires is not filled in."""
    missing = missing_on_close(queue_id, stored)
    if missing:
        names = ", ".join(f"“{field.label}”" for field in missing)
        raise Refused(
            _("Fill in %(fields)s first, then finish the ticket.", fields=names),
            fields=[field.id for field in missing],
        )


def searchable(stored: Values) -> str:
    """The words of text fields and choices, by which the ticket or customer can be found."""
    if not stored:
        return ""
    known = definitions().fields
    words = []
    for key, value in stored.items():
        field = known.get(int(key))
        if field is not None and field.kind in {FieldKind.TEXT, FieldKind.CHOICE, FieldKind.CHOICES}:
            words.append(show_value(field, value))
    return " ".join(words)
