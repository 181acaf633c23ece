"""What those who may edit dialog settings do with lists and fields. Every change is written into the history."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from flask_babel import gettext as _
from sqlalchemy import exists, func, select, update

from helpdesk.db import db, forget
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Category, Field, ListItem, Queue, Rule, Target, Ticket, User
from helpdesk.models.definitions import definitions_changed
from helpdesk.models.event import record_change
from helpdesk.models.fields import LONGEST_HINT, LONGEST_LABEL, MOST_FIELDS, MOST_OPTIONS, About, FieldKind
from helpdesk.models.lists import LONGEST_NAME, MOST_ITEMS, ListName
from helpdesk.models.promise import change_book
from helpdesk.staff import apply

Listed = ListItem | Category
CHOICES = {FieldKind.CHOICE, FieldKind.CHOICES}
TYPES_BY_LANGUAGE = {
    "en": ("Support", "Refund"),
    "ru": ("Поддержка", "Возврат"),
    "uk": ("Підтримка", "Повернення"),
}  # what the migration made in the language of the first project


def items_of(name: ListName) -> list[Listed]:
    """All items of a list in their order, also those that are off."""
    model = _model(name)
    query = select(model).order_by(model.position, func.sort_key(model.name), model.id)
    return list(db.session.scalars(_within(query, name)))


def get_item(name: ListName, item_id: int) -> Listed:
    """One item of a list. Raises NotFound."""
    model = _model(name)
    item = db.session.scalar(_within(select(model).where(model.id == item_id), name))
    if item is None:
        raise NotFound(_("There is nothing like that in the list."))
    return cast(Listed, item)


def add_item(by: User, name: ListName, word: str) -> Listed:
    """A new item at the end of the list. Raises Refused without a name, for a name that is there, or a full list."""
    present = items_of(name)
    if len(present) >= MOST_ITEMS:
        raise Refused(_("A list has at most %(count)s items.", count=MOST_ITEMS))
    position = max((item.position for item in present), default=0) + 1
    item: Listed = Category() if name == ListName.CATEGORY else ListItem(list_name=name.value)
    item.position, item.active, item.queue_ids = position, True, []
    return save_item(by, name, item, {"name": word})


def save_item(by: User, name: ListName, item: Listed, values: Mapping[str, Any]) -> Listed:
    """Take name, active and queue_ids. What says the former name (rules, promises) says the new one from now on."""
    word = " ".join(str(values.get("name", item.name)).split())
    if not word or len(word) > LONGEST_NAME:
        raise Refused(_("Give it a name of up to %(count)s characters.", count=LONGEST_NAME))
    if any(one.name.lower() == word.lower() and one is not item for one in items_of(name)):
        raise Refused(_("“%(name)s” is in the list already.", name=word))
    before = item.name
    changes = apply(item, {**values, "name": word})
    db.session.add(item)
    db.session.flush()
    if name == ListName.TYPE and before and before != word:
        _rename_type(before, word)
    if changes:
        record_change(by.id, name.value, item.id, word, changes)
    return item


def move_item(by: User, name: ListName, item: Listed, step: int) -> None:
    """Let the item change places with the one before (-1) or after (+1) it; at the ends it stays."""
    if _move(items_of(name), item, step):
        record_change(by.id, name.value, item.id, item.name, {"place": step})


def fields_about(about: About) -> list[Field]:
    """All fields of tickets or customers in their order, also those that are off."""
    return list(db.session.scalars(select(Field).where(Field.about == about).order_by(Field.position, Field.id)))


def get_field(field_id: int) -> Field:
    """One field. Raises NotFound."""
    field = db.session.get(Field, field_id)
    if field is None:
        raise NotFound(_("There is no such field."))
    return field


def save_field(by: User, field: Field, values: Mapping[str, Any], options: Sequence[Mapping[str, Any]]) -> None:
    """Take label, hint, required_on_close, active, queue_ids and the options of a choice; a new field stands last.

    An option that is left out is switched off, for tickets that have it. Raises Refused for what no field may be.
    """
    others = [one for one in fields_about(About(field.about)) if one is not field]
    values = {**values, "label": _checked_label(values, others), "hint": _checked_hint(values)}
    is_new = field.id is None
    if is_new:
        if len(others) >= MOST_FIELDS:
            raise Refused(_("There are %(count)s fields already, which is the most.", count=MOST_FIELDS))
        field.position = max((one.position for one in others), default=0) + 1
        field.options = []
    if FieldKind(field.kind) in CHOICES:
        values["options"] = _merged_options(field.options, options)
    if field.about == About.CUSTOMER:
        values |= {"required_on_close": False, "queue_ids": []}
    changes = apply(field, values)
    db.session.add(field)
    db.session.flush()
    if changes:
        record_change(by.id, "field", field.id, field.label, {"added": True} if is_new else changes)


def move_field(by: User, field: Field, step: int) -> None:
    """Let the field change places with the one before (-1) or after (+1) it; at the ends it stays."""
    if _move(fields_about(About(field.about)), field, step):
        record_change(by.id, "field", field.id, field.label, {"place": step})


def known_queues(ids: Iterable[int]) -> list[int]:
    """Those of the ids that are queues, in order."""
    return list(db.session.scalars(select(Queue.id).where(Queue.id.in_(list(ids))).order_by(Queue.id)))


def name_defaults(language: str) -> None:
    """Call the two types that a fresh installation has as its first administrator's language does."""
    if language not in TYPES_BY_LANGUAGE or db.session.scalar(select(exists().where(Ticket.id.is_not(None)))):
        return
    known = {name: place for words in TYPES_BY_LANGUAGE.values() for place, name in enumerate(words)}
    for item in items_of(ListName.TYPE):
        if item.name in known:
            item.name = TYPES_BY_LANGUAGE[language][known[item.name]]


def _model(name: ListName) -> Any:
    return Category if name == ListName.CATEGORY else ListItem


def _within(query: Any, name: ListName) -> Any:
    return query if name == ListName.CATEGORY else query.where(ListItem.list_name == name)


def _move(rows: Sequence[Any], row: Any, step: int) -> bool:
    here = next(place for place, one in enumerate(rows) if one is row)
    there = here + step
    if step not in {-1, 1} or not 0 <= there < len(rows):
        return False
    order = list(rows)
    order[here], order[there] = order[there], order[here]
    for position, one in enumerate(order, 1):
        one.position = position
    return True


def _rename_type(before: str, after: str) -> None:
    """Rules on the way in and promises say a type by its name."""
    same = func.lower(Target.request_type) == before.lower()
    db.session.execute(update(Target).where(same).values(request_type=after))
    for rule in db.session.scalars(select(Rule).where(Rule.actions.has_key("request_type"))):
        if str(rule.actions["request_type"]).lower() == before.lower():
            rule.actions = {**rule.actions, "request_type": after}
    forget("live_rules")
    change_book()
    definitions_changed()


def _checked_label(values: Mapping[str, Any], others: Iterable[Field]) -> str:
    label = " ".join(str(values.get("label", "")).split())
    if not label or len(label) > LONGEST_LABEL:
        raise Refused(_("Give the field a name of up to %(count)s characters.", count=LONGEST_LABEL))
    if any(one.label.lower() == label.lower() and one.active for one in others):
        raise Refused(_("There is a field “%(name)s” already.", name=label))
    return label


def _checked_hint(values: Mapping[str, Any]) -> str:
    hint = " ".join(str(values.get("hint", "")).split())
    if len(hint) > LONGEST_HINT:
        raise Refused(_("The hint is longer than %(count)s characters.", count=LONGEST_HINT))
    return hint


def _merged_options(present: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`wanted` in its order: with an id a known option, perhaps under another label; without one a new option."""
    known = {one["id"]: one for one in present}
    fresh = max(known, default=0)
    merged: list[dict[str, Any]] = []
    for one in wanted:
        label = " ".join(str(one["label"]).split())
        if not label:
            continue
        option_id = one.get("id")
        if option_id not in known:
            fresh = option_id = fresh + 1
        known.pop(option_id, None)
        merged.append({"id": option_id, "label": label[:LONGEST_LABEL], "active": True})
    merged += [{**one, "active": False} for one in known.values()]
    labels = [one["label"].lower() for one in merged if one["active"]]
    if not labels:
        raise Refused(_("A choice needs at least one answer to choose."))
    if len(set(labels)) < len(labels):
        raise Refused(_("Two answers have the same name."))
    if len(merged) > MOST_OPTIONS:
        raise Refused(_("A choice has at most %(count)s answers.", count=MOST_OPTIONS))
    return merged
