"""A message as it came: the raw bytes, for those who may see its ticket."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import RawInput
from helpdesk.queries.readable import get_message

pages = Blueprint("messages", __name__)


@pages.get("/messages/<int:message_id>/raw")
@login_required
def raw(message_id: int) -> ResponseReturnValue:
    """The bytes that were received, as a file that no browser renders."""
    message = get_message(current_user, message_id)
    stored = db.session.get(RawInput, message.facts.get("event_id") or 0)
    if stored is None:
        raise NotFound(_("The original of this message is no longer kept."))
    return raw_download(stored.data, f"message-{message.id}.eml")


def raw_download(data: bytes, name: str) -> Response:
    """Bytes from outside as a harmless download; `name` is ours, plain ASCII."""
    response = Response(data, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
