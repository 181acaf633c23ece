"""Drafts: what an operator is writing, kept on the server as they type, with the files that wait in it."""

from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import permissions, picture_marks
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.drafts import (
    OPENINGS,
    Writing,
    discard,
    draft_of,
    keep,
    opening_of,
    own_draft,
    own_opening,
    read_blocks,
    version_of,
)
from helpdesk.errors import NotFound, Refused
from helpdesk.files import attach, put
from helpdesk.models import Attachment, Draft
from helpdesk.queries.drafts import own_drafts
from helpdesk.views.composing import told_draft, uploads

pages = Blueprint("drafts", __name__)

LARGEST_FILE = 25 * 1024 * 1024
MOST_FILES = 50
# Lists of boxes come as ids with commas.
FIELDS = (
    *("who", "identity_id", "name", "queue_id", "subject", "cc", "state", "way", "direction", "place"),
    *("request_type", "category", "reasons", "components", "user_id", "takes_part"),
)
MOST_FIELD = 2000


@pages.get("/drafts")
@login_required
def index() -> ResponseReturnValue:
    """All that the user has begun to write."""
    return render_template("drafts/index.html", rows=own_drafts(me()))


@pages.get("/tickets/<int:ticket_id>/draft")
@login_required
def show(ticket_id: int) -> ResponseReturnValue:
    """What is kept, as JSON; see `composing.told_draft`. For windows that were left alone for a while."""
    ticket = permissions.get_ticket_to_note(me(), ticket_id)
    return jsonify(told_draft(own_draft(me(), ticket)))


@pages.put("/tickets/<int:ticket_id>/draft")
@login_required
def save(ticket_id: int) -> ResponseReturnValue:
    """Keep what is being written; answers {version, former}.

    The request is a form: mode, body, seen, to, cc, answers (the message that it answers by name), caret, blocks
    (JSON), version (that it was written upon) and window (its name). `settled` says that its author has looked at what
    other windows held. What another window wrote meanwhile is told as `former`, {mode, body, at}.
    """
    ticket = permissions.get_ticket_to_note(me(), ticket_id)
    draft = draft_of(me(), ticket)
    answers = request.form.get("answers", type=int)
    keep(draft, _writing(None if "answers" not in request.form else {"answers": str(answers)} if answers else {}))
    return _kept(draft)


@pages.put("/drafts/<opening>")
@login_required
def save_opening(opening: str) -> ResponseReturnValue:
    """Keep the form of a new ticket (`mail` or `hand`): the fields of the form beside those of `save`."""
    draft = opening_of(me(), _opening(opening))
    fields = {name: request.form[name][:MOST_FIELD] for name in FIELDS if name in request.form}
    keep(draft, _writing(fields, with_recipients=False))
    return _kept(draft)


@pages.post("/drafts/<int:draft_id>/removal")
@login_required
def remove_draft(draft_id: int) -> ResponseReturnValue:
    """Throw a draft of one's own away, with its files."""
    draft = db.session.get(Draft, draft_id)
    if draft is None or draft.user_id != me().id:
        raise NotFound(_("There is no such draft."))
    discard(draft)
    return redirect(url_for("drafts.index"), 303)


@pages.post("/tickets/<int:ticket_id>/draft/files")
@login_required
def upload(ticket_id: int) -> ResponseReturnValue:
    """Keep a file for the message being written; answers {id, name, size, mark}.

    `mark` says where in the text a picture stands that was sent to stand there (`inline`); else it is empty.
    """
    return _take_file(draft_of(me(), permissions.get_ticket_to_note(me(), ticket_id)))


@pages.post("/drafts/<opening>/files")
@login_required
def upload_opening(opening: str) -> ResponseReturnValue:
    """Keep a file for the mail that begins a new ticket; answers as `upload` does."""
    return _take_file(opening_of(me(), _opening(opening)))


@pages.delete("/tickets/<int:ticket_id>/draft/files/<int:file_id>")
@login_required
def remove(ticket_id: int, file_id: int) -> ResponseReturnValue:
    """Take a file out of one's own draft."""
    ticket = permissions.get_ticket_to_note(me(), ticket_id)
    return _drop_file(own_draft(me(), ticket), file_id)


@pages.delete("/drafts/<opening>/files/<int:file_id>")
@login_required
def remove_opening(opening: str, file_id: int) -> ResponseReturnValue:
    """Take a file out of the form of a new ticket."""
    return _drop_file(own_opening(me(), _opening(opening)), file_id)


def _opening(opening: str) -> str:
    if opening not in OPENINGS:
        raise NotFound(_("There is no such draft."))
    return opening


def _writing(fields: dict[str, str] | None, with_recipients: bool = True) -> Writing:
    form = request.form
    recipients = {
        name: [part.strip()[:320] for part in form[name].split(",") if part.strip()][:50]
        for name in ("to", "cc")
        if name in form and with_recipients
    }
    return Writing(
        mode="note" if form.get("mode") == "note" else "reply",
        body=form.get("body", "").replace("\x00", "").replace("\r\n", "\n"),
        known=form.get("version", ""),
        window=form.get("window", "")[:40],
        recipients=recipients,
        seen=form.get("seen", type=int),
        caret=form.get("caret", type=int),
        blocks=read_blocks(form["blocks"]) if "blocks" in form else None,
        fields=fields,
    )


def _kept(draft: Draft) -> ResponseReturnValue:
    if request.form.get("settled"):
        draft.former = []
    db.session.flush()
    return jsonify(version=version_of(draft), former=draft.former[-1] if draft.former else None)


def _take_file(draft: Draft) -> ResponseReturnValue:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Refused(_("Choose a file."))
    content = file.read()
    if len(content) > LARGEST_FILE:
        raise Refused(_("A file may have up to 25 MB."))
    if len(draft.attachments) >= MOST_FILES:
        raise Refused(_("A message has at most %(count)s files.", count=MOST_FILES))
    inline = "inline" in request.form and file.mimetype in picture_marks.TYPES
    content_id = picture_marks.new_content_id() if inline else None
    kept = attach(None, file.filename, file.mimetype or "application/octet-stream", put(content), inline, content_id)
    kept.draft_id = draft.id
    db.session.flush()
    told: dict[str, Any] = uploads([kept])[0]
    return jsonify(told | {"size": kept.size})


def _drop_file(draft: Draft | None, file_id: int) -> ResponseReturnValue:
    file = db.session.get(Attachment, file_id)
    if draft is None or file is None or file.draft_id != draft.id:
        raise NotFound(_("There is no such file in your draft."))
    db.session.delete(file)
    return "", 204
