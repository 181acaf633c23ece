"""What was filed as spam, by people, rules, blocks, the mail server, or in a flood; and the way back."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import blocking, clock, permissions, words
from helpdesk.db import db
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.forms import chosen_ids
from helpdesk.models import Right, Ticket
from helpdesk.models.ticket import lock_conversations
from helpdesk.queries import spam as reading
from helpdesk.views import shapes
from helpdesk.views.states import back_to, locked

pages = Blueprint("spam", __name__)


@pages.get("/spam")
@login_required
def index() -> ResponseReturnValue:
    """Spam of my queues, the newest first; of one queue or with one cause where asked for."""
    queue_id, cause = request.args.get("queue_id", type=int), request.args.get("cause", "")
    cause = cause if cause in words.SPAM_CAUSES else ""
    page = reading.list_spam(current_user, queue_id, cause, request.args.get("before", type=int))
    workable = set(db.session.scalars(permissions.queue_ids(current_user, Right.WORK)))
    here: dict[str, Any] = {"queue_id": queue_id, "cause": cause or None}
    now = clock.now()
    return render_template(
        "spam/index.html",
        rows=[
            shapes.row(row, now) | {"cause": words.spam_cause(row.spam_cause), "may_work": row.queue_id in workable}
            for row in page.rows
        ],
        queues=list(db.session.scalars(permissions.queues(current_user))),
        queue_id=queue_id or 0,
        cause=cause,
        causes=words.SPAM_CAUSES,
        floods=reading.floods(current_user),
        next_url=url_for("spam.index", **here, before=page.next_before) if page.next_before else None,
        first_url=url_for("spam.index", **here) if "before" in request.args else None,
    )


@pages.post("/spam/rescues")
@login_required
def rescue_many() -> ResponseReturnValue:
    """Put the chosen tickets back into their lines; those that cannot be are named."""
    ids = sorted(chosen_ids("ticket_id"))[: reading.PAGE]
    if not ids:
        raise Refused(_("Choose the tickets that are not spam."))
    chosen = select(Ticket.conversation_id).where(Ticket.id.in_(ids), permissions.visible(current_user))
    lock_conversations(list(db.session.scalars(chosen)))
    done, refused = 0, []
    for ticket_id in ids:
        try:
            ticket = locked(ticket_id)
            _rescue(ticket)
            done += 1
        except (NotFound, Forbidden, Refused, Conflict) as refusal:
            refused.append(refusal.message)
    if done:
        flash(ngettext("%(num)s ticket is back in line.", "%(num)s tickets are back in line.", done), "success")
    for sentence in dict.fromkeys(refused):
        flash(sentence, "error")
    return redirect(url_for("spam.index"), 303)


@pages.post("/tickets/<int:ticket_id>/rescue")
@login_required
def rescue(ticket_id: int) -> ResponseReturnValue:
    """It is no spam: back into line, with its sender heard again where the form says so."""
    ticket = locked(ticket_id)
    _rescue(ticket)
    flash(_("Ticket %(number)s is back in line.", number=ticket.number_text), "success")
    return back_to(ticket)


def _rescue(ticket: Ticket) -> None:
    ticket.rescue(current_user)
    if request.form.get("unblock"):
        for row in blocking.blocks_of(ticket.project_id, blocking.sender_of(ticket)):
            blocking.unblock(current_user, row)


@pages.post("/tickets/<int:ticket_id>/spam")
@login_required
def file(ticket_id: int) -> ResponseReturnValue:
    """Finish the ticket as spam: nothing is ever answered. Its sender is blocked where the form says so."""
    ticket = locked(ticket_id)
    ticket.file_as_spam(current_user)
    wanted = request.form.get("block", "")
    if wanted and wanted in blocking.blockable(blocking.sender_of(ticket)):
        blocking.block(current_user, ticket.project_id, wanted)
        told = _("Ticket %(number)s is spam, and %(sender)s is blocked.", number=ticket.number_text, sender=wanted)
    else:
        told = _("Ticket %(number)s is marked as spam.", number=ticket.number_text)
    flash(told, "success")
    return redirect(url_for("queues.show", queue_id=ticket.queue_id), 303)
