"""What tickets and customers are sorted by: managed lists and fields, with the ids that other operations take."""

from typing import Annotated

from pydantic import Field

from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Id, Out
from helpdesk.models import ListName, Scope
from helpdesk.models.definitions import FieldDefinition, Item, definitions
from helpdesk.models.fields import About, FieldKind

noun = Noun("lists and fields", "Request types, reasons, components, categories, and fields of your own.")

QueueIds = Annotated[list[Id], Field(description="The queues whose tickets have it; none means all.")]


class ItemOut(Out):
    """An item of a list. What is not active stays on old tickets and can be chosen no more."""

    id: Id
    name: str
    active: bool
    queue_ids: QueueIds


class ListsOut(Out):
    """All managed lists, each in the order in which people see it."""

    request_types: list[ItemOut]
    reasons: list[ItemOut]
    components: list[ItemOut]
    categories: list[ItemOut]


class OptionOut(Out):
    """One answer of a choice."""

    id: Id
    label: str
    active: bool


class FieldOut(Out):
    """A field of tickets or customers."""

    id: Id
    about: About
    kind: FieldKind
    label: str
    hint: str
    active: bool
    required_on_close: Annotated[bool, Field(description="A ticket is not finished while it is empty.")]
    queue_ids: QueueIds
    options: list[OptionOut]


class FieldsOut(Out):
    """All fields, in the order in which people see them."""

    items: list[FieldOut]


@noun.get("/lists", scope=Scope.TICKETS_READ, answer=ListsOut)
def lists(caller: Caller) -> ListsOut:
    """Read the managed lists."""
    known = definitions().lists
    return ListsOut(
        request_types=[_item(item) for item in known[ListName.TYPE].values()],
        reasons=[_item(item) for item in known[ListName.REASON].values()],
        components=[_item(item) for item in known[ListName.COMPONENT].values()],
        categories=[_item(item) for item in known[ListName.CATEGORY].values()],
    )


@noun.get("/fields", scope=Scope.TICKETS_READ, answer=FieldsOut)
def fields(caller: Caller) -> FieldsOut:
    """Read the fields of tickets and customers."""
    return FieldsOut(items=[_field(field) for field in definitions().fields.values()])


def _item(item: Item) -> ItemOut:
    return ItemOut(id=item.id, name=item.name, active=item.active, queue_ids=list(item.queue_ids))


def _field(field: FieldDefinition) -> FieldOut:
    return FieldOut(
        id=field.id,
        about=field.about,
        kind=field.kind,
        label=field.label,
        hint=field.hint,
        active=field.active,
        required_on_close=field.required_on_close,
        queue_ids=list(field.queue_ids),
        options=[OptionOut(id=one.id, label=one.label, active=one.active) for one in field.options],
    )
