"""Colleagues on a ticket: the list that @ opens, the dialog "Colleague and/or comment", who takes part, who is here."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required
from sqlalchemy import select

from helpdesk import permissions, words
from helpdesk.auth import me
from helpdesk.colleagues import Named, absences_of, everybody_but, groups, offered, say_to_colleagues
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forms import chosen_ids, whole
from helpdesk.models import Right, Ticket, User
from helpdesk.models.absence import Absence
from helpdesk.words import absence_words

pages = Blueprint("colleagues", __name__)


@pages.get("/tickets/<int:ticket_id>/colleagues")
@login_required
def index(ticket_id: int) -> ResponseReturnValue:
    """Whom a note on the ticket can name: a list that the composer opens at an @, as a fragment."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK)
    return render_template("tickets/_mention_list.html", people=people_to_choose(ticket), groups=groups())


@pages.get("/tickets/<int:ticket_id>/colleagues/new")
@login_required
def new(ticket_id: int) -> ResponseReturnValue:
    """The dialog "Colleague and/or comment"."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK)
    return _dialog(ticket)


@pages.post("/tickets/<int:ticket_id>/colleagues")
@login_required
def add(ticket_id: int) -> ResponseReturnValue:
    """Add colleagues (`user_id`, any number), leave a comment (`body`), or both."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK, lock=True)
    ids = chosen_ids("user_id")
    people = list(db.session.scalars(select(User).where(User.id.in_(ids)))) if ids else []
    if len(people) < len(ids):
        raise NotFound(_("There is no such person."))
    say_to_colleagues(ticket, me(), request.form.get("body", ""), chosen=named_in_form(), people=people)
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)


@pages.post("/tickets/<int:ticket_id>/colleagues/<int:colleague_id>/removal")
@login_required
def remove(ticket_id: int, colleague_id: int) -> ResponseReturnValue:
    """Take a colleague out of those who take part."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK, lock=True)
    user = db.session.get(User, colleague_id)
    if user is None:
        raise NotFound(_("There is no such person."))
    ticket.remove_person(me(), user)
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)


def named_in_form() -> list[Named]:
    """The names that were picked from the list, as the fields `mention` hold them: "user:5", "group:2"."""
    found = []
    for value in request.form.getlist("mention")[:100]:
        kind, _colon, number = value.partition(":")
        if kind in {"user", "group"} and (id_ := whole(number)) is not None:
            found.append(Named(kind, id_, ""))
    return found


def people_to_choose(ticket: Ticket) -> list[dict[str, Any]]:
    """The colleagues whom I may add to the ticket, as lists show them; those who may work on it already come first."""
    rows = offered(ticket, me())
    out = absences_of([user for user, _works in rows])
    return [shape(user, out.get(user.id)) | {"works": works} for user, works in rows]


def everybody() -> list[dict[str, Any]]:
    """All my colleagues, as lists show them."""
    people = everybody_but(me())
    out = absences_of(people)
    return [shape(user, out.get(user.id)) for user in people]


def shape(user: User, absence: Absence | None = None) -> dict[str, Any]:
    """A colleague as lists show them: who they are, whether they are here, and who stands in for them."""
    return {
        "id": user.id,
        "name": user.name,
        "availability": words.availability(user.availability, user.availability_reason),
        "out": absence_words(absence) if absence else "",
    }


def _dialog(ticket: Ticket) -> str:
    context = {"ticket": ticket, "people": people_to_choose(ticket)}
    inner = "tickets/dialogs/colleague.html"
    if "HX-Request" in request.headers:
        return render_template(inner, **context)
    return render_template("tickets/dialogs/_page.html", inner=inner, **context)
