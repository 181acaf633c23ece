"""Changing the plain facts of a ticket: the panel with its one Save, the priority, and colleagues who take part."""

import json
from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import fact_changes, permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Conflict, HelpdeskError, Refused
from helpdesk.fact_changes import OWN, Values
from helpdesk.forms import chosen_ids, whole
from helpdesk.models import Right, Ticket
from helpdesk.models.definitions import definitions
from helpdesk.models.fields import FieldKind
from helpdesk.queries import thread as reading
from helpdesk.views import fact_shapes
from helpdesk.views.dialogs import colleagues
from helpdesk.views.states import back_to, despite_children, locked

pages = Blueprint("facts", __name__)

TEXTS = ("title", "state", "tags")
AT_OPENING = ("request_type", "category", "reasons", "components")
CHOSEN = ("request_type", "category", "group", "priority")
MANY = ("reasons", "components", "people")


@pages.get("/tickets/<int:ticket_id>/facts")
@login_required
def form(ticket_id: int) -> ResponseReturnValue:
    """The facts to be changed (`focus` names a field); with `shown=1` as the panel reads, for who leaves it."""
    if "shown" in request.args:
        return _panel(permissions.get_ticket(current_user, ticket_id))
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    values = fact_changes.current(ticket)
    return _form(ticket, values, values)


@pages.post("/tickets/<int:ticket_id>/facts")
@login_required
def save(ticket_id: int) -> ResponseReturnValue:
    """Save what the form carries, all or nothing; what was typed is kept where that cannot be."""
    ticket = locked(ticket_id)
    now = fact_changes.current(ticket)
    shown, typed = _shown(now), typed_facts()
    try:
        changed = fact_changes.save(me(), ticket, shown, typed, despite_children())
    except (Conflict, Refused) as refusal:
        db.session.rollback()
        return _refused(ticket_id, typed, refusal)
    if "HX-Request" not in request.headers:
        return back_to(ticket)
    db.session.flush()
    answer = make_response(_panel(ticket, saved=True))
    answer.headers["HX-Trigger"] = json.dumps({"facts:saved": {"visit": "state" in changed}})
    return answer


def _refused(ticket_id: int, typed: Values, refusal: HelpdeskError) -> ResponseReturnValue:
    """The form again with what was typed; where colleagues changed the same, both values, and theirs as now known."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    now = fact_changes.current(ticket)
    fields = refusal.details.get("fields", [])
    clashes = {name: fact_shapes.told(ticket, name, now.get(name)) for name in fields if isinstance(name, str)}
    return _form(ticket, {**now, **typed}, now, refusal, clashes), refusal.status


def _first_wrong(refusal: HelpdeskError) -> str:
    """The name of the field to begin in: the first that clashes, is refused, or is missing."""
    if "children" in refusal.details:
        return "state"
    named = [*refusal.details.get("fields", []), *filter(None, [refusal.details.get("field")])]
    return next((one if isinstance(one, str) else f"{OWN}{one}" for one in named), "title")


@pages.post("/tickets/<int:ticket_id>/priority")
@login_required
def priority(ticket_id: int) -> ResponseReturnValue:
    """Change the priority."""
    ticket = locked(ticket_id)
    ticket.prioritise(current_user, request.form.get("priority", type=int) or 0)
    return back_to(ticket)


def typed_facts() -> Values:
    """What the form carries, in the shape of `fact_changes.current`; own fields as they were typed.

    Boxes that are all empty send nothing, so the form names its lists of boxes in `has`.
    """
    sent, has = request.form, set(request.form.getlist("has"))
    typed: Values = {name: sent[name] for name in TEXTS if name in sent}
    if "title" in typed:
        typed["title"] = " ".join(typed["title"].split())
    if "tags" in typed:
        words = {" ".join(word.split()).lower() for word in typed["tags"].split(",")}
        typed["tags"] = sorted(words - {""})
    for name in CHOSEN:
        if name in sent:
            typed[name] = whole(sent[name]) if sent[name].isdigit() else sent[name] or None
    for name in (name for name in MANY if name in has or name in sent):
        typed[name] = sorted(chosen_ids(name))
    return typed | {name: _own(name) for name in {*sent, *has} if name.startswith(OWN)}


def sort_new(ticket: Ticket) -> None:
    """Give a ticket that was just begun the type, category, reasons and components that its form carries."""
    typed = {name: value for name, value in typed_facts().items() if name in AT_OPENING}
    fact_changes.save(me(), ticket, fact_changes.current(ticket), typed)


def _own(name: str) -> Any:
    key = whole(name.removeprefix(OWN))
    field = definitions().fields.get(key) if key is not None else None
    if field is None:
        raise Refused(_("That field does not exist any more. Open the form again."))
    if field.kind == FieldKind.CHOICES:
        return request.form.getlist(name)
    return request.form.get(name, "")


def _shown(now: Values) -> Values:
    """What the form showed when it was made; a form that does not say so takes the present as its ground."""
    try:
        was = json.loads(request.form.get("was", ""))
    except ValueError:
        return now
    return was if isinstance(was, dict) else now


def _panel(ticket: Ticket, saved: bool = False) -> str:
    names = [person.name for person in reading.people(ticket)]
    works = Right.WORK in permissions.rights(current_user, ticket.queue_id)
    return render_template(
        "tickets/_facts.html", ticket={"id": ticket.id}, facts=fact_shapes.panel(ticket, works, names), saved=saved
    )


def _form(
    ticket: Ticket,
    values: Values,
    was: Values,
    refusal: HelpdeskError | None = None,
    clashes: dict[str, str] | None = None,
) -> str:
    people = {user.id: user for user in [*reading.people(ticket), *colleagues(ticket.queue_id)]}
    known = sorted(people.values(), key=lambda user: user.name.casefold())
    context: dict[str, Any] = {
        "ticket": ticket,
        "rows": fact_shapes.form(ticket, values, known),
        "was": json.dumps(was, sort_keys=True),
        "fault": refusal.message if refusal else "",
        "children": ticket.children_text() if refusal and "children" in refusal.details else "",
        "clashes": clashes or {},
        "focus": _first_wrong(refusal) if refusal else request.args.get("focus", "title"),
    }
    if "HX-Request" in request.headers:
        return render_template("tickets/_facts_form.html", **context)
    return render_template("tickets/dialogs/_page.html", inner="tickets/_facts_form.html", **context)
