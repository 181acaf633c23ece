"""Conditions on what administrators defined: fields of tickets and customers, request types, reasons, components.

`field:12=value` asks the field with the id 12, because names of fields change: a text for words in it, a choice for the
id of its option, all else for the very value. `type:`, `reason:` and `component:` take an item's id (`#3`) or its name.
"""

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from helpdesk.errors import Refused
from helpdesk.models import Customer, ListName, Ticket, User
from helpdesk.models.definitions import FieldDefinition, definitions
from helpdesk.models.field_values import read_value, show_value
from helpdesk.models.fields import About, FieldKind


def field_condition(_user: User, value: str) -> ColumnElement[bool]:
    """The field of the ticket or of its customer holds this. Raises Refused for a field or value that is none."""
    field, asked = _taken_apart(value)
    if field.about == About.TICKET:
        return _holds(Ticket.fields, field, asked)
    owner = aliased(Customer)  # lists join the customer already
    return select(owner.id).where(owner.id == Ticket.customer_id, _holds(owner.fields, field, asked)).exists()


def tell_field(value: str) -> str:
    """Such a condition in words."""
    field, asked = _taken_apart(value)
    told = asked if field.kind == FieldKind.TEXT else show_value(field, _value(field, asked))
    return f"{field.label}: {told}"


def item_condition(name: ListName, value: str, ids: list[int] | None) -> ColumnElement[bool]:
    """The ticket has one of these items of a managed list, by ids or by name."""
    found = ids if ids is not None else [one.id for one in [definitions().named(name, value)] if one]
    if not found:
        raise Refused(_("Nothing here is called “%(value)s”.", value=value))
    if name == ListName.TYPE:
        return Ticket.request_type_id.in_(found)
    column = Ticket.reason_ids if name == ListName.REASON else Ticket.component_ids
    return or_(*(column.contains([one]) for one in found))


def tell_items(name: ListName, ids: list[int]) -> str:
    """Names of items of a managed list."""
    return ", ".join(item.name for item in definitions().items(name, ids))


def _taken_apart(value: str) -> tuple[FieldDefinition, str]:
    number, _equals, asked = value.partition("=")
    number = number.strip().removeprefix("#")
    known = definitions().fields
    field = known.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 19 else None
    if field is None or not asked.strip():
        raise Refused(_("After “field:” stands the number of a field and what it holds, such as field:12=yes."))
    return field, asked.strip()


def _holds(column: Any, field: FieldDefinition, asked: str) -> ColumnElement[bool]:
    if field.kind == FieldKind.TEXT:
        return func.strpos(func.lower(column[field.key].astext), asked.lower()) > 0
    value: ColumnElement[bool] = column.contains({field.key: _value(field, asked)})
    return value


def _value(field: FieldDefinition, asked: str) -> Any:
    """The value as it is stored; choices are asked for by one of their answers."""
    kept = [option.id for option in field.options]  # one that is offered no more can still be looked for
    value = read_value(field, [asked] if field.kind == FieldKind.CHOICES else asked, kept)
    if value is None:
        raise Refused(_("“%(field)s” does not hold “%(value)s”.", field=field.label, value=asked))
    return value
