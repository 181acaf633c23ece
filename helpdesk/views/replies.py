"""Writing on a ticket: to the customer, to colleagues, to somebody else; and taking a reply back."""

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import clock, drafts, permissions
from helpdesk.auth import me
from helpdesk.colleagues import say_to_colleagues
from helpdesk.db import db
from helpdesk.difference import changes
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.files import attach, put
from helpdesk.models import Attachment, Message, MessageKind, OutboxItem, Reply, Right, State, Ticket
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.readable import get_message, ticket_id_of
from helpdesk.shell import url_if
from helpdesk.views.colleagues import named_in_form
from helpdesk.views.composing import addresses, beside_queue, draft_files, recipients, uploads
from helpdesk.views.exchange import exchange_context, newest_id
from helpdesk.views.states import despite_children
from helpdesk.views.tickets import may_work, page_context, thread_context

pages = Blueprint("replies", __name__)

MOST_NEWS = 5
MOST_OF_NEWS = 2000


@pages.post("/tickets/<int:ticket_id>/replies")
@login_required
def create(ticket_id: int) -> ResponseReturnValue:
    """Send a reply, and finish the ticket where the form says so. 409 when something was said meanwhile.

    Nothing is sent where the ticket cannot be finished with it; with open children sending again is consent.
    What its author marked as a note is kept as one, whichever button was pressed: it must not reach the customer.
    """
    if request.form.get("mode") == "note":
        return note(ticket_id)
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK, lock=True)
    then = request.form.get("then")
    finishes = then in {"finish", "next"}
    if finishes:
        try:
            ticket.check_finish(State.SOLVED, despite_children())
        except Refused as refusal:
            return _not_finished(ticket, refusal)
    to, cc = recipients(ticket)
    reply = Reply(
        body=request.form.get("body", ""),
        to=addresses("to") or to,
        cc=addresses("cc") if "cc" in request.form else cc,
        seen_id=request.form.get("seen", type=int),
        files=_files(ticket),
        answers_id=request.form.get("answers", type=int),
    )
    try:
        message = ticket.reply(current_user, reply)
    except Conflict as conflict:
        return _something_came(ticket, conflict)
    drafts.sent(drafts.own_draft(me(), ticket), reply.body)
    if finishes:
        ticket.finish(current_user, State.SOLVED, despite_children=True)
    db.session.flush()
    answer = make_response(_thread(ticket, sent=_undo(message)))
    if then == "next" and (take_url := url_if("claims.take_next")):
        answer.headers["X-Next"] = take_url
    elif then == "finish":
        answer.headers["X-Done"] = url_for("queues.show", queue_id=ticket.queue_id)
    return answer


@pages.post("/tickets/<int:ticket_id>/notes")
@login_required
def note(ticket_id: int) -> ResponseReturnValue:
    """Leave a note for colleagues. Whoever was called in may answer so; others can be called in by who works here."""
    ticket = permissions.get_ticket_to_note(me(), ticket_id, lock=True)
    body = request.form.get("body", "")
    if may_work(ticket):
        say_to_colleagues(ticket, me(), body, _files(ticket), named_in_form())
    else:
        ticket.note(me(), body, _files(ticket))
    drafts.sent(drafts.own_draft(me(), ticket), body)
    db.session.flush()
    return _thread(ticket)


@pages.post("/tickets/<int:ticket_id>/forwards")
@login_required
def forward(ticket_id: int) -> ResponseReturnValue:
    """Send a message of the ticket, with its files, to somebody else."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK, lock=True)
    original = _message(ticket, request.form.get("message_id", type=int))
    to = addresses("to")
    if not to:
        raise Refused(_("Say to whom the message should be forwarded."))
    words = request.form.get("body", "").strip()
    ticket.reply(current_user, Reply(body=words or _("See below."), to=to, forwards_id=original.id))
    db.session.flush()
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)


@pages.post("/tickets/<int:ticket_id>/messages")
@login_required
def beside(ticket_id: int) -> ResponseReturnValue:
    """Write to the customer of a paused or finished ticket without reopening it."""
    ticket = permissions.get_ticket(current_user, ticket_id, lock=True)
    conversation = ticket.conversation
    if ticket.merged_into_id is not None:
        raise Refused(_("This ticket was merged into another one; undo the merge first."))
    if not permissions.may(current_user, Right.WORK, beside_queue(ticket)):
        raise Forbidden(_("You may not write in the channel of this conversation."))
    to, cc = recipients(ticket)
    reply = Reply(
        body=request.form.get("body", ""),
        to=addresses("to") or to,
        cc=addresses("cc") if "cc" in request.form else cc,
        files=_posted_files(),
    )
    conversation.write(current_user, reply)
    return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)


@pages.post("/messages/<int:message_id>/undo")
@login_required
def undo(message_id: int) -> ResponseReturnValue:
    """Take back a reply that has not left yet: its text is the draft again, a ticket finished with it is open again."""
    message = get_message(current_user, message_id)
    ticket_id = ticket_id_of(message)
    if ticket_id is None:
        raise NotFound(_("There is no such message."))
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    ticket.undo_reply(current_user, message)
    if ticket.kind == Kind.FINISHED and message.ticket_id is not None and ticket.rival_id() is None:
        ticket.reopen(current_user, "by hand")  # sent with "and finish": the customer has no answer now
    draft = drafts.take_up_again(me(), ticket, message)
    files = uploads(drafts.files_of(draft))
    return _thread(ticket, restored={"body": message.text, "uploads": files, "version": drafts.version_of(draft)})


def _thread(ticket: Ticket, **more: Any) -> ResponseReturnValue:
    if "HX-Request" not in request.headers:
        return redirect(url_for("tickets.show", ticket_id=ticket.id), 303)
    context = _said(ticket)
    composer = {"seen": context["newest_id"], **_kept(ticket)}
    return render_template("tickets/_spoken.html", composer=composer, **context, **more)


def _said(ticket: Ticket) -> dict[str, Any]:
    """What the page shows on which it was written: the ticket's conversation, or its customer's whole exchange."""
    if "exchange" not in request.form:
        return thread_context(ticket, may_work(ticket))
    return exchange_context(ticket.customer, request.form.get("exchange", type=int)) | {"newest_id": newest_id(ticket)}


def _kept(ticket: Ticket) -> dict[str, Any]:
    """What is left of the draft, for the composer that goes on."""
    draft = drafts.own_draft(me(), ticket)
    return {"version": drafts.version_of(draft), "former": draft.former[-1] if draft and draft.former else None}


def _undo(message: Message) -> dict[str, Any] | None:
    """Where and until when a reply can be taken back; None where it leaves at once."""
    item = db.session.scalar(select(OutboxItem).where(OutboxItem.message_id == message.id))
    if item is None or item.not_before is None or item.not_before <= clock.now():
        return None
    return {
        "url": url_for("replies.undo", message_id=message.id),
        "until": item.not_before,
        "ticket_id": message.ticket_id,
    }


def _something_came(ticket: Ticket, conflict: Conflict) -> ResponseReturnValue:
    """The new messages above the untouched text, a colleague's answer beside it; sending again is consent."""
    notice = {
        "unseen": conflict.details["unseen"],
        "news": _news(conflict.details["unseen"], request.form.get("body", "")),
        "then": request.form.get("then", ""),
        "despite_children": despite_children(),
    }
    return _held_back(ticket, notice), 409


def _not_finished(ticket: Ticket, refusal: Refused) -> ResponseReturnValue:
    """Why the ticket cannot be finished, above the untouched text; with open children, a box to tick."""
    asks = ticket.children_text() if "children" in refusal.details else ""
    return _held_back(ticket, {"notice_text": "" if asks else refusal.message, "asks_children": asks}), refusal.status


def _held_back(ticket: Ticket, notice: dict[str, Any]) -> str:
    """The conversation as it is, and the composer with its text and a notice above it."""
    if "HX-Request" not in request.headers:
        context = page_context(ticket)
        typed = {name: request.form.get(name, "") for name in ("body", "to", "cc")}
        context["composer"] |= typed | {"mode": "reply", "seen": context["newest_id"]}
        return render_template("tickets/show.html", **context, **notice)
    context = _said(ticket)
    composer = {"seen": context["newest_id"], **_kept(ticket)}
    return render_template("tickets/_spoken.html", composer=composer, **context, **notice)


def _news(ids: list[int], mine: str) -> list[dict[str, Any]]:
    """What was said meanwhile, as `_composer_notice.html` expects it: the latest, answers compared with mine."""
    query = select(Message).where(Message.id.in_(ids)).options(joinedload(Message.user), joinedload(Message.customer))
    latest = list(db.session.scalars(query.order_by(Message.seq.desc()).limit(MOST_NEWS)))
    return [
        {
            "id": message.id,
            "kind": message.kind,
            "author_name": message.user.name if message.user else _name(message),
            "at": message.at,
            "text": (message.visible_text or message.text)[:MOST_OF_NEWS],
            "changes": changes(message.text, mine) if message.kind == MessageKind.REPLY else None,
        }
        for message in reversed(latest)
    ]


def _name(message: Message) -> str:
    return message.customer.name if message.customer else message.sender_name or message.sender


def _files(ticket: Ticket) -> list[Attachment]:
    """Files that wait in the draft, and those posted without scripts."""
    return draft_files(ticket) + _posted_files()


def _posted_files() -> list[Attachment]:
    return [
        attach(None, file.filename or "", file.mimetype or "application/octet-stream", put(file.read()))
        for file in request.files.getlist("files")
        if file.filename
    ]


def _message(ticket: Ticket, message_id: int | None) -> Message:
    message = db.session.get(Message, message_id) if message_id else None
    if message is None or message.ticket_id not in ticket.family:
        raise NotFound(_("There is no such message."))
    if message.kind in {MessageKind.SYSTEM, MessageKind.EVENT}:
        raise Refused(_("This line is the helpdesk's own and cannot be forwarded."))
    return message
