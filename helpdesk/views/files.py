"""Files and HTML mail of strangers: fetched through rights, served under signed links, never trusted.

People open `/attachments/<id>` and `/messages/<id>/html`; both look at the rights and lead to a link that holds ten
minutes, on the separate file origin where there is one.
"""

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, make_response, redirect, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug.exceptions import NotFound as NoSuchPage

from helpdesk import clock, frames
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.file_names import disposition
from helpdesk.files import open_blob
from helpdesk.models import Attachment, Message, User
from helpdesk.queries.readable import get_attachment, get_message
from helpdesk.signed_links import Pass, file_link, frame_link, read_file_token, read_frame_token

pages = Blueprint("files", __name__)

ON_FILE_ORIGIN = {"files.serve", "files.show_frame", "health.health", "health.ready"}


@pages.before_app_request
def keep_origins_apart() -> None:
    """With a separate file origin, files live only there and everything else only here."""
    files_host = settings().files_url.partition("://")[2]
    if not files_host or request.endpoint is None:
        return
    at_files = request.host in {files_host, f"{files_host}:443", f"{files_host}:80"}
    if at_files and request.endpoint not in ON_FILE_ORIGIN:
        raise NoSuchPage
    if not at_files and request.endpoint in {"files.serve", "files.show_frame"}:
        raise NoSuchPage


@pages.get("/attachments/<int:attachment_id>")
@login_required
def attachment(attachment_id: int) -> ResponseReturnValue:
    """Lead to the file as a download."""
    file = get_attachment(current_user, attachment_id)
    return redirect(file_link(file, current_user.id, clock.now()))


@pages.get("/attachments/<int:attachment_id>/picture")
@login_required
def picture(attachment_id: int) -> ResponseReturnValue:
    """Lead to the safe copy of a picture."""
    file = get_attachment(current_user, attachment_id)
    if file.preview_sha256 is None:
        raise NotFound(_("There is no picture of this file."))
    return redirect(file_link(file, current_user.id, clock.now(), picture=True))


@pages.get("/messages/<int:message_id>/html")
@login_required
def frame(message_id: int) -> ResponseReturnValue:
    """Lead to the frame with the message as it was sent."""
    message = get_message(current_user, message_id)
    return redirect(frame_link(message, current_user, clock.now()))


@pages.get("/files/<int:attachment_id>/<token>")
def serve(attachment_id: int, token: str) -> ResponseReturnValue:
    """A file under a signed link: a download always, or a picture that we painted ourselves."""
    file = db.session.get(Attachment, attachment_id)
    allowed = read_file_token(file, token, clock.now()) if file is not None else None
    reader = _reader(allowed)
    if allowed is None or reader is None:
        return _refusal()
    file = get_attachment(reader, attachment_id)
    if not allowed.flag:
        return _download(file)
    if file.preview_sha256 is None:
        return _refusal()
    return _shown(file.preview_sha256)


@pages.get("/messages/<int:message_id>/frame/<token>")
def show_frame(message_id: int, token: str) -> ResponseReturnValue:
    """The frame itself: the stored, cleaned HTML in a document of its own."""
    now = clock.now()
    allowed = read_frame_token(message_id, token, now)
    reader = _reader(allowed)
    if allowed is None or reader is None:
        return _frame_document(404, allowed=None)
    message = get_message(reader, message_id)
    return _frame_document(200, allowed, message, reader, now)


def _reader(allowed: Pass | None) -> User | None:
    """The person a link was made for, if they still work here."""
    if allowed is None:
        return None
    return db.session.scalar(select(User).where(User.id == allowed.user_id, User.active))


def _download(file: Attachment) -> Response:
    response = send_file(
        open_blob(file.sha256), mimetype="application/octet-stream", download_name="file", conditional=False
    )
    response.headers["Content-Disposition"] = disposition(file.name)
    response.headers["Content-Length"] = str(file.size)
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return _guard(response)


def _shown(sha256: str) -> Response:
    with open_blob(sha256) as peek:
        kind = "image/png" if peek.read(4) == b"\x89PNG" else "image/jpeg"
    # Opened anew: the web server hands the descriptor to sendfile(2), which begins where the last read ended.
    response = send_file(open_blob(sha256), mimetype=kind, conditional=False)
    response.headers["Content-Disposition"] = "inline"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return _guard(response)


def _guard(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _refusal() -> Response:
    """The same answer to what is too old, forged, absent or hidden."""
    words = _("This link is no longer valid. Open the ticket again and follow it from there.")
    return _guard(Response(words + "\n", 404, mimetype="text/plain"))


def _frame_document(
    status: int,
    allowed: Pass | None,
    message: Message | None = None,
    reader: User | None = None,
    now: datetime | None = None,
) -> Response:
    body, more_url = "", None
    remote = allowed is not None and allowed.flag
    if message is not None and reader is not None and now is not None:
        cleaned = message.html or ""
        body = frames.rewrite_images(cleaned, _inline_links(message, reader, now), remote)
        if frames.has_remote(cleaned) and not remote:
            more_url = frame_link(message, reader, now, remote=True)
    page = render_template("messages/frame.html", body=body, more_url=more_url, expired=message is None)
    response = make_response(page, status)
    for name, value in frames.headers(remote).items():
        response.headers[name] = value
    return response


def _inline_links(message: Message, reader: User, now: datetime) -> Callable[[str], str | None]:
    """Finds the link to the safe copy of the picture with a Content-ID."""
    by_id = {
        file.content_id: file
        for file in message.attachments
        if file.content_id is not None and file.preview_sha256 is not None
    }

    def link(content_id: str) -> str | None:
        file = by_id.get(content_id.strip("<> "))
        return file_link(file, reader.id, now, picture=True) if file is not None else None

    return link
