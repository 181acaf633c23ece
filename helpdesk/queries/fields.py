"""Conditions on what tickets are sorted by, for lists and search. All but ranges are answered by an index alone."""

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Numeric, and_, cast, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk.models import Customer, Ticket
from helpdesk.models.definitions import FieldDefinition
from helpdesk.models.fields import About, FieldKind
from helpdesk.models.lists import ListName

Bound = float | date | None


def field_condition(field: FieldDefinition, value: Any) -> ColumnElement[bool]:
    """Tickets whose field (or whose customer's field) has a value, as it is stored; see `field_values.read_value`.

    For a field of several answers `value` is the id of one of them. None: the field is empty. A pair (from, to), each
    inclusive and either None: a range of numbers or dates.
    """
    column: Any = Ticket.fields if field.about == About.TICKET else Customer.fields
    if isinstance(value, tuple):
        wanted = and_(_has(column, field), *_range(column, field, *value))
    elif value is None:
        wanted = ~column.has_key(field.key)
    else:
        stored = [value] if field.kind == FieldKind.CHOICES and not isinstance(value, list) else value
        wanted = and_(_is_filled(column), column.contains(type_coerce({field.key: stored}, JSONB)))
    if field.about == About.TICKET:
        return wanted
    return Ticket.customer_id.in_(select(Customer.id).where(wanted))


def item_condition(name: ListName, item_id: int) -> ColumnElement[bool]:
    """Tickets that have an item of a managed list: type, category, or one of their reasons or components."""
    match name:
        case ListName.TYPE:
            return Ticket.request_type_id == item_id
        case ListName.CATEGORY:
            return Ticket.category_id == item_id
        case ListName.REASON:
            column: Any = Ticket.reason_ids
        case ListName.COMPONENT:
            column = Ticket.component_ids
    return and_(_is_filled(column), column.contains([item_id]))


def _is_filled(column: Any) -> ColumnElement[bool]:
    """As the partial indexes say it: a parameter would hide from PostgreSQL that they hold the answer."""
    filled: ColumnElement[bool] = column != literal_column("'{}'")
    return filled


def _has(column: Any, field: FieldDefinition) -> ColumnElement[bool]:
    return and_(_is_filled(column), column.has_key(field.key))


def _range(column: Any, field: FieldDefinition, least: Bound, most: Bound) -> list[ColumnElement[bool]]:
    """The index finds who has the field at all; the range is looked at in each of them."""
    value = column[field.key].astext
    if field.kind == FieldKind.NUMBER:
        value = cast(value, Numeric)
        bounds: list[Any] = [least, most]
    else:
        bounds = [bound.isoformat() if isinstance(bound, date) else bound for bound in (least, most)]
    low = [value >= bounds[0]] if bounds[0] is not None else []
    return low + ([value <= bounds[1]] if bounds[1] is not None else [])
