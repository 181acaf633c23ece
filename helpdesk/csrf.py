"""Requests that change something must come from our own pages.

Two guards, each enough alone: a token that belongs to the session's row (it lives as long as the session does, so a
reply written for two hours still goes out), and what the browser itself says of where the request comes from.
"""

from urllib.parse import urlsplit

from flask import g, request, session
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect

from helpdesk.config import settings
from helpdesk.keyring import keyring
from helpdesk.models.session import UserSession


class PageGuard(CSRFProtect):  # type: ignore[misc]  # Flask-WTF has no types
    """Flask-WTF's token, and the origin that the browser states. Routes may be exempted as with CSRFProtect."""

    def protect(self, apply_exemptions: bool = False) -> None:
        """Refuse an unsafe request without a good token, or from another site."""
        super().protect(apply_exemptions)
        if g.get("csrf_valid") and not comes_from_us():
            raise CSRFError(_("This request came from another site."))


def comes_from_us() -> bool:
    """Whether the browser says that one of our pages sent the request; a client that says nothing is no browser."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    ours = urlsplit(settings().public_url)
    return parts.netloc in {request.host, ours.netloc} and parts.scheme in {"http", "https"}


def bind_token(row: UserSession) -> None:
    """Let this request's token be the one of the session's row, in whichever tab the page was opened."""
    secret = row_secret(row)
    if session.get("csrf_token") != secret:
        session["csrf_token"] = secret


def row_secret(row: UserSession) -> str:
    """What tokens of a session are compared with; it follows from the row's id and our key, and is stored nowhere."""
    return keyring().sign("csrf", row.id, length=40)
