"""What a ticket is sorted by: type, category, reasons and components of the managed lists, and its own fields."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _

from helpdesk.errors import Refused
from helpdesk.models.definitions import FieldDefinition, Item, definitions
from helpdesk.models.event import FieldChanged, ItemsChanged, OwnFieldChanged
from helpdesk.models.field_values import changed_values, plain_value
from helpdesk.models.lists import MOST_CHOSEN, ListName
from helpdesk.models.queue import Category
from helpdesk.models.ticket.core import Actor, TicketCore


class Fielded(TicketCore):
    """Verbs that sort a ticket; each change is an event with before and after."""

    def retype(self, by: Actor, request_type: str | int | None) -> None:
        """Make an item of the managed list, by its name or id, the type of the request; "" or None takes it away.

        Raises Refused for what is not in the list, or not offered to tickets of this queue.
        """
        item = self._chosen(ListName.TYPE, request_type, self.request_type_id)
        self._put(by, "request_type", "request_type_id", item, self.request_type)

    def categorise(self, by: Actor, category: Category | int | None) -> None:
        """Put the ticket into a category of the managed list, or into none."""
        wanted = category.id if isinstance(category, Category) else category
        before = definitions().lists[ListName.CATEGORY].get(self.category_id or 0)
        item = self._chosen(ListName.CATEGORY, wanted, self.category_id)
        self._put(by, "category", "category_id", item, before.name if before else "")

    def set_reasons(self, by: Actor, ids: Iterable[int]) -> None:
        """Say why the customer came: at most 20 items of the managed list."""
        self._choose(by, ListName.REASON, "reason_ids", ids)

    def set_components(self, by: Actor, ids: Iterable[int]) -> None:
        """Say what it is about: at most 20 items of the managed list."""
        self._choose(by, ListName.COMPONENT, "component_ids", ids)

    def set_fields(self, by: Actor, given: Mapping[str, Any]) -> None:
        """Fill in fields of one's own: id of the field as text to its value, see `helpdesk.models.field_values`.

        Raises Refused for a wrong value and for a field that tickets of this queue do not have.
        """
        shown = definitions().of_ticket(self.queue_id)
        after = changed_values(shown, self.fields, given)
        changed = [field for field in shown if self.fields.get(field.key) != after.get(field.key)]
        if not changed:
            return
        facts = [_fact(field, self.fields, after) for field in changed]
        with self.changing(by, facts[0]):
            self.fields = after
        for fact in facts[1:]:
            self.record(by, fact)
        self.reindex()

    def _chosen(self, name: ListName, wanted: str | int | None, present: int | None) -> Item | None:
        if wanted is None or wanted == "":
            return None
        known = definitions()
        item = known.named(name, wanted) if isinstance(wanted, str) else known.lists[name].get(wanted)
        if item is None:
            raise Refused(_("“%(name)s” is not in the list. Choose another one.", name=str(wanted)[:100]))
        if item.id != present and not item.is_offered(self.queue_id):
            raise Refused(_("“%(name)s” is not offered here. Choose another one.", name=item.name))
        return item

    def _put(self, by: Actor, field: str, column: str, item: Item | None, before: str) -> None:
        if getattr(self, column) == (item.id if item else None):
            return
        with self.changing(by, FieldChanged(field, before or None, item.name if item else None)):
            setattr(self, column, item.id if item else None)

    def _choose(self, by: Actor, name: ListName, column: str, ids: Iterable[int]) -> None:
        present = set(getattr(self, column))
        wanted = {item.id for one in set(ids) if (item := self._chosen(name, one, one if one in present else None))}
        if len(wanted) > MOST_CHOSEN:
            raise Refused(_("Choose at most %(count)s.", count=MOST_CHOSEN))
        if wanted == present:
            return
        known = definitions()
        added = [item.name for item in known.items(name, wanted - present)]
        removed = [item.name for item in known.items(name, present - wanted)]
        with self.changing(by, ItemsChanged(name.value, added, removed)):
            setattr(self, column, sorted(wanted))


def _fact(field: FieldDefinition, before: Mapping[str, Any], after: Mapping[str, Any]) -> OwnFieldChanged:
    old, new = (plain_value(field, values.get(field.key)) for values in (before, after))
    return OwnFieldChanged(field.id, field.label, old, new)
