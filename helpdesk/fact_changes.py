"""One Save of a ticket's facts: what was typed is compared with what was shown and with what is true now.

Fields that nobody touched are left alone, whatever happened to them meanwhile. A field that was typed in and that a
colleague changed to something else is a clash: nothing is saved, and both values are shown.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models import Group, State, Ticket, TicketPerson, User
from helpdesk.models.definitions import definitions
from helpdesk.models.field_values import read_value
from helpdesk.models.fields import About
from helpdesk.models.ticket.states import Kind

Values = dict[str, Any]
OWN = "field-"  # followed by the id of a field of one's own

# What a Save may make of each kind of state, beside leaving it.
NEXT_STATES = {
    Kind.ACTIVE: (State.WAITING, State.SOLVED, State.UNSOLVED),
    Kind.PAUSED: (State.OPEN, State.SOLVED, State.UNSOLVED),
    Kind.FINISHED: (State.OPEN,),
}
# In this order: fields before the state, so that what closing requires can be filled in with it.
ORDER = (
    *("title", "request_type", "category", "reasons", "components", "priority", "group", "people", "tags"),
    *(OWN, "state"),
)


def next_states(ticket: Ticket) -> tuple[State, ...]:
    """The states that a Save may give the ticket now."""
    if ticket.state in {State.SPAM, State.MERGED}:
        return ()
    return NEXT_STATES[Kind(ticket.kind)]


def current(ticket: Ticket) -> Values:
    """The facts as they are, JSON-safe: ids, lists of ids in order, texts; own fields under `field-<id>`."""
    people = select(TicketPerson.user_id).where(TicketPerson.ticket_id == ticket.id).order_by(TicketPerson.user_id)
    own = {f"{OWN}{key}": value for key, value in ticket.fields.items()}
    return {
        "title": ticket.title,
        "state": ticket.state,
        "request_type": ticket.request_type_id,
        "category": ticket.category_id,
        "reasons": sorted(ticket.reason_ids),
        "components": sorted(ticket.component_ids),
        "priority": ticket.priority,
        "group": ticket.group_id,
        "people": list(db.session.scalars(people)),
        "tags": ticket.tags,
        **own,
    }


def save(
    by: User, ticket: Ticket, shown: Mapping[str, Any], typed: Mapping[str, Any], despite_children: bool = False
) -> set[str]:
    """Change what was typed anew, in the present transaction. Returns the names of what changed.

    `shown` is `current` as it was when the form was made, `typed` the same names with what the form holds now; what is
    left out of `typed` stays. Raises Conflict with `details["fields"]` where colleagues changed the same fields to
    something else, and Refused where a verb refuses: a ticket with open children is finished only `despite_children`.
    """
    now = current(ticket)
    wanted, clashes = {}, []
    for name, value in typed.items():
        mine = _own_value(name, value, now.get(name)) if name.startswith(OWN) else value
        before = shown.get(name)
        if mine in (before, now.get(name)):
            continue
        if now.get(name) != before:
            clashes.append(name)
        wanted[name] = mine
    if clashes:
        raise Conflict(
            _("Somebody changed the same fields meanwhile. Look at both values, then save again."), fields=clashes
        )
    for name in ORDER:
        if name == OWN:
            own = {key.removeprefix(OWN): value for key, value in wanted.items() if key.startswith(OWN)}
            if own:
                ticket.set_fields(by, own)
        elif name == "state" and name in wanted:
            _set_state(ticket, by, wanted[name], despite_children)
        elif name in wanted:
            VERBS[name](ticket, by, wanted[name])
    return set(wanted)


def _own_value(name: str, given: Any, present: Any) -> Any:
    key = name.removeprefix(OWN)
    field = definitions().fields.get(int(key)) if key.isascii() and key.isdigit() and len(key) < 19 else None
    if field is None or field.about != About.TICKET:
        raise Refused(_("That field does not exist any more. Open the form again."))
    return read_value(field, given, present)


def _give_to_group(ticket: Ticket, by: User, group_id: int | None) -> None:
    group = db.session.get(Group, group_id) if isinstance(group_id, int) else None
    if group_id and group is None:
        raise Refused(_("That choice does not exist any more. Choose another one."))
    ticket.give_to_group(by, group)


def _set_people(ticket: Ticket, by: User, ids: list[int]) -> None:
    present = set(current(ticket)["people"])
    wanted = set(ids)
    changed = list(db.session.scalars(select(User).where(User.id.in_(present ^ wanted)).order_by(User.id)))
    for user in changed:
        if user.id in present:
            ticket.remove_person(by, user)
    ticket.call_in(by, [user for user in changed if user.id in wanted])


def _set_state(ticket: Ticket, by: User, state: str, despite_children: bool) -> None:
    if state not in next_states(ticket):
        raise Refused(_("The ticket cannot get this state now. Choose another one."))
    match state:
        case State.WAITING:
            ticket.pause(by)
        case State.OPEN if ticket.kind == Kind.PAUSED:
            if not ticket.wake(by, "by hand"):
                raise Refused(_("Another ticket of this conversation is active. Finish or pause that one first."))
        case State.OPEN:
            ticket.reopen(by, "by hand")
        case _:
            ticket.finish(by, State(state), despite_children=despite_children)


VERBS: dict[str, Callable[[Ticket, User, Any], None]] = {
    "title": lambda ticket, by, value: ticket.retitle(by, value),
    "request_type": lambda ticket, by, value: ticket.retype(by, value),
    "category": lambda ticket, by, value: ticket.categorise(by, value),
    "reasons": lambda ticket, by, value: ticket.set_reasons(by, value),
    "components": lambda ticket, by, value: ticket.set_components(by, value),
    "priority": lambda ticket, by, value: ticket.prioritise(by, value),
    "group": _give_to_group,
    "people": _set_people,
    "tags": lambda ticket, by, value: ticket.retag(by, value),
}
