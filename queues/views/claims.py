"""Taking tickets from the line, giving them back, handing them over, moving them."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.handlers import answer_error, wants_json
from helpdesk.models import Availability, Ticket, User
from helpdesk.models.availability import Cause, change
from helpdesk.views.desk_lists import page_of_list
from helpdesk.views.states import back_to, finish_from_form, locked
from helpdesk.views.tickets import led_to
from queues import fifo

pages = Blueprint("claims", __name__)


@pages.before_request
def come_back() -> None:
    """Whoever takes a ticket with "I am back" is available first. Committed at once: a claim locks the queue before."""
    if request.form.get("back") and current_user.is_authenticated:
        change(me(), Availability.AVAILABLE, by=me(), cause=Cause.BACK)
        db.session.commit()


@pages.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    """Who is not available gets a page with one button; every other refusal is told as usual."""
    db.session.rollback()
    if not error.details.get("away") or "HX-Request" in request.headers or wants_json():
        return answer_error(error.status, error.message, error.details)
    fields = {name: value for name, value in request.form.items() if name not in {"csrf_token", "back"}}
    return render_template("claims/away.html", text=error.message, url=request.path, fields=fields), error.status


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
    return led_to(ticket)


@pages.post("/tickets/<int:ticket_id>/release")
@login_required
def release(ticket_id: int) -> ResponseReturnValue:
    """Give the ticket back to its queue; it keeps its place."""
    ticket = fifo.release(current_user, ticket_id)
    flash(_("Ticket %(number)s is back in its place.", number=ticket.number_text), "success")
    return redirect(page_of_list(url_for("queues.show", queue_id=ticket.queue_id)), 303)


@pages.post("/tickets/<int:ticket_id>/handover")
@login_required
def hand_over(ticket_id: int) -> ResponseReturnValue:
    """Make a colleague, or oneself, the owner."""
    to = db.session.get(User, request.form.get("user_id", type=int) or 0)
    if to is None:
        raise NotFound(_("There is no such person."))
    return back_to(fifo.hand_over(current_user, ticket_id, to, request.form.get("reason")))


@pages.post("/tickets/<int:ticket_id>/joining")
@login_required
def join(ticket_id: int) -> ResponseReturnValue:
    """Take part in the ticket beside its owner, and answer on it from now on."""
    ticket = locked(ticket_id)
    ticket.add_person(current_user, me())
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/move")
@login_required
def move(ticket_id: int) -> ResponseReturnValue:
    """Put the ticket into another queue that one can see; its clocks go with it."""
    queue = permissions.get_queue(current_user, request.form.get("queue_id", type=int) or 0)
    ticket = fifo.move(current_user, ticket_id, queue)
    flash(_("Ticket %(number)s is in %(queue)s now.", number=ticket.number_text, queue=queue.name), "success")
    return redirect(page_of_list(), 303)


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
        if me().availability != Availability.AVAILABLE:
            flash(_("The ticket is finished. You are not available, so no other one is given to you."), "info")
            return redirect(url_for("queues.index"), 303)
        ticket = fifo.claim_next(current_user, key=key)
    return _show(ticket)


def _key() -> str | None:
    """What makes a double click one act: sent by the page with each button."""
    return request.headers.get("Idempotency-Key") or request.form.get("key") or None


def _show(ticket: Ticket | None, queue_id: int | None = None) -> ResponseReturnValue:
    if ticket is not None:
        return led_to(ticket)
    flash(_("Nobody waits. New tickets appear by themselves."), "info")
    return redirect(page_of_list() if queue_id is None else url_for("queues.show", queue_id=queue_id), 303)
