"""What narrows a list: conditions of the search, read, taken apart, and told in words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, select

from helpdesk import capabilities, words
from helpdesk.customer_kinds import CustomerKind, kind_name
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Category, Channel, ListName, Project, Queue, User
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import queue_ids
from helpdesk.queries.field_filters import tell_field, tell_items
from helpdesk.queries.search_filters import (
    DUE,
    HAS,
    KINDS,
    ME,
    NOBODY,
    SOMEBODY,
    conditions,
    read_ids,
    read_question,
    write_condition,
)

MOST_WRITTEN = 1000


@dataclass(frozen=True)
class Narrowing:
    """Conditions as they are `written`, taken apart into pairs of code and value, and as conditions on `Ticket`."""

    written: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    where: tuple[ColumnElement[bool], ...] = field(default=(), compare=False)

    @property
    def only_closed(self) -> bool:
        """Whether it asks for states that are not active, so that no order by waiting can hold any of it."""
        active = {*KINDS[Kind.ACTIVE], "new", "open"}
        named = [part for code, value in self.pairs if code == "state" for part in value.lower().split(",")]
        return bool(named) and active.isdisjoint(named)


def read_narrowing(user: User, written: str) -> Narrowing:
    """Read what narrows a list of `user`. Raises Refused where it means nothing here (any more)."""
    question = read_question(written[:MOST_WRITTEN])
    if question.words:
        raise Refused(_("“%(words)s” is no condition of a list. Words are found by the search.", words=question.words))
    return Narrowing(write_pairs(question.filters), tuple(question.filters), tuple(conditions(user, question)))


def write_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Conditions in one line, as `read_narrowing` reads them."""
    return " ".join(filter(None, (write_condition(code, value) for code, value in pairs)))


def tell(user: User, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Each condition in words, such as "Queue: Billing"; ids become names."""
    return [_told(user, code, value) for code, value in pairs]


def _told(user: User, code: str, value: str) -> str:
    asked = value.lower()
    if code == "has":
        return _("has a phone") if asked in HAS["phone"] else _("has an email address")
    if code == "who" and asked in set(CustomerKind):
        return _("Customer: %(value)s", value=kind_name(CustomerKind(asked)))
    if code == "due":
        return _("overdue") if asked in DUE["late"] else _("due soon")
    if code == "owner" and asked in {*ME, *NOBODY, *SOMEBODY}:
        return _("Owner: me") if asked in ME else _("Owner: nobody") if asked in NOBODY else _("Owner: anybody")
    if code == "field":
        return tell_field(value)
    if code in LISTS:
        sentence, name = LISTS[code]
        ids = read_ids(value)
        return str(sentence) % {"value": value if ids is None else tell_items(name, ids)}
    named = {
        "queue": (_("Queue: %(value)s"), Queue),
        "owner": (_("Owner: %(value)s"), User),
        "category": (_("Category: %(value)s"), Category),
        "project": (_("Project: %(value)s"), Project),
        "channel": (_("Channel: %(value)s"), Channel),
    }
    if code in named:
        sentence, model = named[code]
        return sentence % {"value": _names(user, model, value)}
    plain = {
        "state": (_("State: %(value)s"), _state_words(value)),
        "priority": (_("Priority: %(value)s"), _priority_word(value)),
        "kind": (_("Channel kind: %(value)s"), _kind_names(asked)),
        "tag": (_("Tag: %(value)s"), value),
        "from": (_("From: %(value)s"), value),
        "to": (_("To: %(value)s"), value),
        "customer": (_("Customer: %(value)s"), value),
        "number": (_("Number: %(value)s"), value),
    }
    sentence, told = plain.get(code, ("%(value)s", f"{code}: {value}"))
    return sentence % {"value": told}


def _names(user: User, model: Any, value: str) -> str:
    ids = read_ids(value)
    if ids is None:
        return value
    query = select(model.name).where(model.id.in_(ids)).order_by(model.id)
    if model is Queue:
        query = query.where(Queue.id.in_(queue_ids(user)))
    return ", ".join(db.session.scalars(query)) or value


def _kind_names(value: str) -> str:
    names = capabilities.kinds()
    return ", ".join(names.get(part, part) for part in value.split(",") if part)


def _state_words(value: str) -> str:
    kinds = {"active": _("all active"), "paused": _("all paused"), "finished": _("all finished")}
    return ", ".join(kinds.get(part) or _state_word(part) for part in value.lower().split(",") if part)


def _state_word(code: str) -> str:
    return words.state_name(code) if code in set(words.STATES) else code


def _priority_word(value: str) -> str:
    return words.priority_name(int(value)) if value in {"1", "2", "3", "4"} else value


LISTS = {
    "type": (_l("Type: %(value)s"), ListName.TYPE),
    "reason": (_l("Reason: %(value)s"), ListName.REASON),
    "component": (_l("Component: %(value)s"), ListName.COMPONENT),
}
NOTHING = Narrowing()
