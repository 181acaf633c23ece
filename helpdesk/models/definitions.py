"""What administrators defined (lists, fields, panels), as values that a process keeps until somebody changes them.

A page asks one small question, the version; the rest is read again only when it differs. The version is a random word
written by whatever writes these tables, so one that was rolled back is never met again.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, event, func, literal, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import object_session

from helpdesk.db import db, forget, remembered
from helpdesk.models.fields import About, CrmPanel, Field, FieldKind
from helpdesk.models.lists import LONGEST_NAME, ListItem, ListName
from helpdesk.models.project import Project, Setting
from helpdesk.models.queue import Category
from helpdesk.models.user import Group, Membership, Permission, User

VERSION = "definitions_version"


@dataclass(frozen=True)
class Item:
    """An item of a managed list."""

    id: int
    list_name: ListName
    name: str
    position: int
    active: bool
    queue_ids: tuple[int, ...]

    def is_offered(self, queue_id: int) -> bool:
        """Whether tickets of a queue can get it now."""
        return self.active and (not self.queue_ids or queue_id in self.queue_ids)


@dataclass(frozen=True)
class Option:
    """One answer of a choice."""

    id: int
    label: str
    active: bool


@dataclass(frozen=True)
class FieldDefinition:
    """A field as it is defined now. `key` names its value in the column `fields`."""

    id: int
    about: About
    kind: FieldKind
    label: str
    hint: str
    required_on_close: bool
    active: bool
    queue_ids: tuple[int, ...]
    options: tuple[Option, ...]

    @property
    def key(self) -> str:
        """The key of its value."""
        return str(self.id)

    def is_shown(self, queue_id: int) -> bool:
        """Whether tickets of a queue have it now; fields of customers are shown everywhere."""
        return self.active and (not self.queue_ids or queue_id in self.queue_ids)


@dataclass(frozen=True)
class Panel:
    """The outer system of a project; `secret` is sealed."""

    project_id: int
    way: str
    title: str
    url: str
    secret: bytes
    active: bool
    changed_at: datetime


@dataclass(frozen=True)
class Definitions:
    """All of it, in the order in which people see it."""

    lists: dict[ListName, dict[int, Item]]
    fields: dict[int, FieldDefinition]
    panels: dict[int, Panel]
    projects: dict[int, str]  # id to name
    editors: frozenset[int]  # users who may edit all this though they are no administrators

    def items(self, name: ListName, ids: Iterable[int]) -> list[Item]:
        """Items of a list by their ids, in the order of the list; unknown ids are left out."""
        wanted = set(ids)
        return [item for item in self.lists[name].values() if item.id in wanted]

    def offered(self, name: ListName, queue_id: int, chosen: Iterable[int] = ()) -> list[Item]:
        """What a ticket of a queue can get, and what it has already though it is offered no more."""
        kept = set(chosen)
        return [item for item in self.lists[name].values() if item.is_offered(queue_id) or item.id in kept]

    def named(self, name: ListName, word: str) -> Item | None:
        """The item of this name, however its letters are written."""
        wanted = " ".join(word.split()).casefold()
        return next((item for item in self.lists[name].values() if item.name.casefold() == wanted), None)

    def type_names(self) -> list[str]:
        """The types of requests that are offered, for forms that say a type by its name."""
        return [item.name for item in self.lists[ListName.TYPE].values() if item.active]

    def of_ticket(self, queue_id: int) -> list[FieldDefinition]:
        """The fields that tickets of a queue have."""
        return [one for one in self.fields.values() if one.about == About.TICKET and one.is_shown(queue_id)]

    def of_customer(self) -> list[FieldDefinition]:
        """The fields that customers have."""
        return [one for one in self.fields.values() if one.about == About.CUSTOMER and one.active]


_kept: dict[str, Definitions] = {}  # the version that this process read last, and what it was


def definitions() -> Definitions:
    """What is defined now; asked for once in a transaction."""
    return remembered("definitions", _current)


def _current() -> Definitions:
    version = db.session.scalar(select(Setting.value).where(Setting.key == VERSION))
    if version is None:
        return _read()
    known = _kept.get(version)
    if known is None:
        known = _read()
        _kept.clear()
        _kept[version] = known
    return known


def _read() -> Definitions:
    lists: dict[ListName, dict[int, Item]] = {name: {} for name in ListName}
    order = (ListItem.position, func.sort_key(ListItem.name), ListItem.id)
    for row in db.session.scalars(select(ListItem).order_by(*order)):
        lists[ListName(row.list_name)][row.id] = _item(row, ListName(row.list_name))
    by_place = (Category.position, func.sort_key(Category.name), Category.id)
    for category in db.session.scalars(select(Category).order_by(*by_place)):
        lists[ListName.CATEGORY][category.id] = _item(category, ListName.CATEGORY)
    fields = select(Field).order_by(Field.position, Field.id)
    return Definitions(
        lists,
        {row.id: _field(row) for row in db.session.scalars(fields)},
        {row.project_id: _panel(row) for row in db.session.scalars(select(CrmPanel))},
        dict(db.session.execute(select(Project.id, Project.name)).tuples().all()),
        frozenset(db.session.scalars(_editors())),
    )


def _editors() -> Any:
    right = Permission.DIALOG_SETTINGS.value
    own = select(User.id).where(literal(right) == func.any(User.permissions))
    by_group = select(Membership.user_id).join(Group, Group.id == Membership.group_id)
    return union(own, by_group.where(literal(right) == func.any(Group.permissions)))


def _item(row: ListItem | Category, name: ListName) -> Item:
    return Item(row.id, name, row.name, row.position, row.active, tuple(row.queue_ids))


def _field(row: Field) -> FieldDefinition:
    options = tuple(Option(one["id"], one["label"], one["active"]) for one in row.options)
    return FieldDefinition(
        row.id,
        About(row.about),
        FieldKind(row.kind),
        row.label,
        row.hint,
        row.required_on_close,
        row.active,
        tuple(row.queue_ids),
        options,
    )


def _panel(row: CrmPanel) -> Panel:
    return Panel(row.project_id, row.way, row.title, row.url, bytes(row.secret), row.active, row.changed_at)


def ensure_item(name: ListName, word: str) -> int:
    """The id of the item of this name, added at the end of the list where there is none: for rules, which say words."""
    word = " ".join(word.split())[:LONGEST_NAME]
    found = definitions().named(name, word)
    if found is not None:
        return found.id
    last = select(func.coalesce(func.max(ListItem.position), 0) + 1).where(ListItem.list_name == name)
    row = {"list_name": name.value, "name": word, "position": last.scalar_subquery()}
    db.session.execute(insert(ListItem).values(row).on_conflict_do_nothing())
    definitions_changed()
    same = select(ListItem.id).where(ListItem.list_name == name, func.lower(ListItem.name) == func.lower(word))
    return db.session.execute(same).scalar_one()


def definitions_changed(connection: Connection | None = None) -> None:
    """Let every process read the definitions again once the present transaction is committed."""
    version = secrets.token_hex(8)
    statement = insert(Setting).values(key=VERSION, value=version)
    statement = statement.on_conflict_do_update(index_elements=[Setting.key], set_={"value": version})
    (db.session.connection() if connection is None else connection).execute(statement)
    forget("definitions")


def _note_change(_mapper: Any, connection: Connection, row: Any) -> None:
    if object_session(row) is db.session():
        definitions_changed(connection)


for _model in (ListItem, Category, Field, CrmPanel, Project):
    for _moment in ("after_insert", "after_update", "after_delete"):
        event.listen(_model, _moment, _note_change)
