"""Drafts: what an operator is writing, kept on the server as they type, with the files that wait in it."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock, permissions, picture_marks
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.files import attach, put
from helpdesk.models import Attachment, Draft, Message, Right, Ticket
from helpdesk.models.ticket.spoken import MOST_BODY
from helpdesk.views.composing import own_draft

pages = Blueprint("drafts", __name__)

LARGEST_FILE = 25 * 1024 * 1024
MOST_FILES = 50


@pages.put("/tickets/<int:ticket_id>/draft")
@login_required
def save(ticket_id: int) -> ResponseReturnValue:
    """Keep what is being written. The body of the request is a form: mode, body, seen, to, cc."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    body = request.form.get("body", "")
    if len(body) > MOST_BODY:
        raise Refused(_("The draft is longer than 200,000 characters."))
    draft = draft_of(ticket)
    draft.mode = "note" if request.form.get("mode") == "note" else "reply"
    draft.body = body.replace("\x00", "")
    draft.seen_message_id = request.form.get("seen", type=int)
    draft.recipients = {
        field: [part.strip()[:320] for part in request.form[field].split(",") if part.strip()][:50]
        for field in ("to", "cc")
        if field in request.form
    }
    draft.updated_at = clock.now()
    return "", 204


@pages.post("/tickets/<int:ticket_id>/draft/files")
@login_required
def upload(ticket_id: int) -> ResponseReturnValue:
    """Keep a file for the message being written; answers {id, name, size, mark}.

    `mark` says where in the text a picture stands that was sent to stand there (`inline`); else it is empty.
    """
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Refused(_("Choose a file."))
    content = file.read()
    if len(content) > LARGEST_FILE:
        raise Refused(_("A file may have up to 25 MB."))
    draft = draft_of(ticket)
    if len(draft.attachments) >= MOST_FILES:
        raise Refused(_("A message has at most %(count)s files.", count=MOST_FILES))
    inline = "inline" in request.form and file.mimetype in picture_marks.TYPES
    content_id = picture_marks.new_content_id() if inline else None
    kept = attach(None, file.filename, file.mimetype or "application/octet-stream", put(content), inline, content_id)
    kept.draft_id = draft.id
    db.session.flush()
    return jsonify(id=kept.id, name=kept.name, size=kept.size, mark=picture_marks.mark(content_id))


@pages.delete("/tickets/<int:ticket_id>/draft/files/<int:file_id>")
@login_required
def remove(ticket_id: int, file_id: int) -> ResponseReturnValue:
    """Take a file out of one's own draft."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    draft = own_draft(ticket)
    file = db.session.get(Attachment, file_id)
    if draft is None or file is None or file.draft_id != draft.id:
        raise NotFound(_("There is no such file in your draft."))
    db.session.delete(file)
    return "", 204


def take_up_again(ticket: Ticket, message: Message) -> list[Attachment]:
    """Put a reply that was taken back before whatever its author has begun to write meanwhile; gives its files anew."""
    draft = draft_of(ticket)
    draft.mode = "reply"
    draft.body = "\n\n".join(part for part in (message.text, draft.body.strip()) if part)
    draft.recipients = dict(message.recipients)
    draft.seen_message_id = message.id
    draft.updated_at = clock.now()
    kept = ("sha256", "name", "type", "size", "inline", "content_id", "preview_sha256", "preview_state")
    files = [
        Attachment(draft_id=draft.id, **{name: getattr(file, name) for name in kept}) for file in message.attachments
    ]
    db.session.add_all(files)
    db.session.flush()
    return files


def draft_of(ticket: Ticket) -> Draft:
    """The user's draft of the ticket, made when it is missing; two tabs at once make one."""
    values = {"user_id": current_user.id, "ticket_id": ticket.id}
    db.session.execute(insert(Draft).values(**values).on_conflict_do_nothing())
    draft = own_draft(ticket)
    assert draft is not None
    return draft
