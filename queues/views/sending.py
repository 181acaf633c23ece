"""Trying again to send a reply that failed."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import permissions
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Right
from helpdesk.queries.readable import get_message, ticket_id_of
from helpdesk.views.tickets import may_work, thread_context
from queues import delivery, lanes

pages = Blueprint("sending", __name__)


@pages.post("/messages/<int:message_id>/retries")
@login_required
def retry(message_id: int) -> ResponseReturnValue:
    """Put a failed, deferred, bounced or unknown reply back into the outbox."""
    message = get_message(current_user, message_id)
    ticket_id = ticket_id_of(message)
    if ticket_id is None:
        raise NotFound(_("There is no such message."))
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    delivery.retry_failed(current_user, message)
    lanes.ring_after_commit("outbox")
    db.session.flush()
    if "HX-Request" in request.headers:
        return render_template("tickets/_thread.html", **thread_context(ticket, may_work(ticket)))
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)
