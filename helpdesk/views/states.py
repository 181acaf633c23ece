"""Pausing, waking, finishing and reopening a ticket."""

from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import permissions, snoozes
from helpdesk.auth import me
from helpdesk.errors import Refused
from helpdesk.fact_changes import OWN
from helpdesk.forms import local_moment, whole
from helpdesk.models import Right, State, Ticket
from helpdesk.models.definitions import definitions
from helpdesk.models.fields import FieldKind
from helpdesk.views.desk_lists import page_of_list

pages = Blueprint("states", __name__)

def back_to(ticket: Ticket) -> ResponseReturnValue:
    """After a change: the ticket's page again."""
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)


def locked(ticket_id: int) -> Ticket:
    """The ticket, its row held, as the signed-in user may work on it."""
    return permissions.get_ticket(current_user, ticket_id, Right.WORK, lock=True)


def finish_from_form(ticket: Ticket) -> None:
    """Finish the ticket as the closing form says: `state` and an optional `reason`."""
    state = request.form.get("state", State.SOLVED)
    if state not in {State.SOLVED, State.UNSOLVED, State.SPAM}:
        raise Refused(_("A ticket is closed as solved, not solved or spam."))
    reason = " ".join(request.form.get("reason", "").split())[:300] or None
    if own := typed_fields():
        ticket.set_fields(current_user, own)
    ticket.finish(current_user, State(state), reason, despite_children())


def despite_children() -> bool:
    """Whether the form says that the ticket is finished although child tickets are open."""
    return bool(request.form.get("despite_children"))


def typed_fields() -> dict[str, Any]:
    """The fields of one's own that the form carries (`field-<id>`), by their ids as text."""
    known = definitions().fields
    typed: dict[str, Any] = {}
    for name in {*request.form, *request.form.getlist("has")}:
        field = known.get(whole(name.removeprefix(OWN)) or 0) if name.startswith(OWN) else None
        if field is not None:
            is_many = field.kind == FieldKind.CHOICES
            typed[field.key] = request.form.getlist(name) if is_many else request.form.get(name, "")
    return typed


@pages.post("/tickets/<int:ticket_id>/closure")
@login_required
def finish(ticket_id: int) -> ResponseReturnValue:
    """Finish the ticket: solved, not solved or spam."""
    ticket = locked(ticket_id)
    finish_from_form(ticket)
    flash(_("Ticket %(number)s is finished.", number=ticket.number_text), "success")
    return redirect(page_of_list(), 303)


@pages.post("/tickets/<int:ticket_id>/reopening")
@login_required
def reopen(ticket_id: int) -> ResponseReturnValue:
    """Undo the finishing of a ticket."""
    ticket = locked(ticket_id)
    ticket.reopen(current_user, "by hand")
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/pause")
@login_required
def pause(ticket_id: int) -> ResponseReturnValue:
    """Let the ticket wait: for a while, until a moment in the user's zone, or for the customer."""
    ticket = locked(ticket_id)
    ticket.pause(current_user, _until(ticket))
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/waking")
@login_required
def wake(ticket_id: int) -> ResponseReturnValue:
    """End a pause now."""
    ticket = locked(ticket_id)
    if not ticket.wake(current_user, "by hand"):
        raise Refused(_("Another ticket of this conversation is active. Finish or pause that one first."))
    return back_to(ticket)


def _until(ticket: Ticket) -> datetime | None:
    choice = request.form.get("choice", "")
    if choice == "customer":
        return None
    if (offered := snoozes.moment_of(choice, me(), ticket)) is not None:
        return offered
    try:
        return local_moment(request.form.get("until", ""), current_user.time_zone)
    except ValueError as error:
        raise Refused(_("Choose until when the ticket should wait.")) from error
