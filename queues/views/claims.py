"""Taking tickets from the line, giving them back, handing them over, moving them."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import permissions
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Ticket, User
from helpdesk.views.states import back_to, finish_from_form, locked
from queues import fifo

pages = Blueprint("claims", __name__)


@pages.post("/claims")
@login_required
def take_next() -> ResponseReturnValue:
    """Take the oldest ticket of all my queues."""
    return _show(fifo.claim_next(current_user, key=_key()))


@pages.post("/queues/<int:queue_id>/claims")
@login_required
def take_next_of(queue_id: int) -> ResponseReturnValue:
    """Take the next ticket of one queue."""
    return _show(fifo.claim_next(current_user, queue_id, key=_key()), queue_id)


@pages.post("/tickets/<int:ticket_id>/claims")
@login_required
def take(ticket_id: int) -> ResponseReturnValue:
    """Take this ticket; a strict queue asks why when it is not the next."""
    try:
        ticket = fifo.claim_this(current_user, ticket_id, request.form.get("reason"), _key())
    except Refused as refusal:
        if not refusal.details.get("needs_reason") or "HX-Request" in request.headers:
            raise
        db.session.rollback()
        return redirect(url_for("dialogs.show", ticket_id=ticket_id, name="reason"), 303)
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/release")
@login_required
def release(ticket_id: int) -> ResponseReturnValue:
    """Give the ticket back to its queue; it keeps its place."""
    ticket = fifo.release(current_user, ticket_id)
    flash(_("Ticket %(number)s is back in its place.", number=ticket.number_text), "success")
    return redirect(url_for("queues.show", queue_id=ticket.queue_id), 303)


@pages.post("/tickets/<int:ticket_id>/handover")
@login_required
def hand_over(ticket_id: int) -> ResponseReturnValue:
    """Make a colleague, or oneself, the owner."""
    to = db.session.get(User, request.form.get("user_id", type=int) or 0)
    if to is None:
        raise NotFound(_("There is no such person."))
    return back_to(fifo.hand_over(current_user, ticket_id, to, request.form.get("reason")))


@pages.post("/tickets/<int:ticket_id>/move")
@login_required
def move(ticket_id: int) -> ResponseReturnValue:
    """Put the ticket into another queue that one can see; its clocks go with it."""
    queue = permissions.get_queue(current_user, request.form.get("queue_id", type=int) or 0)
    ticket = fifo.move(current_user, ticket_id, queue)
    flash(_("Ticket %(number)s stands in %(queue)s now.", number=ticket.number_text, queue=queue.name), "success")
    return redirect(url_for("queues.index"), 303)


@pages.post("/tickets/<int:ticket_id>/closure-and-next")
@login_required
def finish_and_next(ticket_id: int) -> ResponseReturnValue:
    """Finish this ticket and take the oldest of all my queues, in one step."""
    key = _key()
    ticket = fifo.repeat(current_user, key)
    if ticket is None:
        fifo.foresee(current_user)
        finish_from_form(locked(ticket_id))
        db.session.flush()
        ticket = fifo.claim_next(current_user, key=key)
    return _show(ticket)


def _key() -> str | None:
    """What makes a double click one act: sent by the page with each button."""
    return request.headers.get("Idempotency-Key") or request.form.get("key") or None


def _show(ticket: Ticket | None, queue_id: int | None = None) -> ResponseReturnValue:
    if ticket is not None:
        return back_to(ticket)
    flash(_("Nobody waits. New tickets appear by themselves."), "info")
    return redirect(url_for("queues.index") if queue_id is None else url_for("queues.show", queue_id=queue_id), 303)
