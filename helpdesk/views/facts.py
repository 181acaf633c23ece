"""Changing the plain facts of a ticket: title, priority, type, category, group, tags, people."""

from typing import TypeVar

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import whole
from helpdesk.models import Category, Group, User
from helpdesk.views.states import back_to, locked

pages = Blueprint("facts", __name__)

Chosen = TypeVar("Chosen", Category, Group)


@pages.post("/tickets/<int:ticket_id>/facts")
@login_required
def save(ticket_id: int) -> ResponseReturnValue:
    """Save the fields that the form carries; others stay as they are."""
    ticket, form = locked(ticket_id), request.form
    if "title" in form:
        ticket.retitle(current_user, form["title"])
    if "request_type" in form:
        ticket.retype(current_user, form["request_type"])
    if "category" in form:
        ticket.categorise(current_user, _chosen(Category, form["category"]))
    if "group" in form:
        ticket.give_to_group(current_user, _chosen(Group, form["group"]))
    if "tags" in form:
        ticket.retag(current_user, form["tags"].split(","))
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/priority")
@login_required
def priority(ticket_id: int) -> ResponseReturnValue:
    """Change the priority."""
    ticket = locked(ticket_id)
    ticket.prioritise(current_user, request.form.get("priority", type=int) or 0)
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/people")
@login_required
def people(ticket_id: int) -> ResponseReturnValue:
    """Add an operator to the ticket, or take one out (`remove`)."""
    ticket = locked(ticket_id)
    user = db.session.get(User, request.form.get("user_id", type=int) or 0)
    if user is None or not user.active:
        raise NotFound(_("There is no such person."))
    if request.form.get("remove"):
        ticket.remove_person(current_user, user)
    else:
        ticket.add_person(current_user, user)
    return back_to(ticket)


def _chosen(model: type[Chosen], value: str) -> Chosen | None:
    if not value:
        return None
    found = db.session.get(model, key) if (key := whole(value)) is not None else None
    if found is None:
        raise Refused(_("That choice does not exist any more. Choose another one."))
    return found
