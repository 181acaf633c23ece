"""The local folder of outgoing mail: what would have left, had its channel an outgoing server.

For administrators alone: mails of all queues land there, and links that let people set a password.
"""

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from helpdesk.auth import administrators_only
from helpdesk.errors import NotFound
from queues.channels.email import local
from queues.channels.email.letterbox import MOST_READ, read_mail

pages = Blueprint("outgoing", __name__)

PAGE = 50


@pages.get("/admin/outgoing")
@administrators_only
def index() -> ResponseReturnValue:
    """Mails in the folder, the newest first."""
    found = local.landed(request.args.get("before", ""), PAGE + 1)
    mails, more = found[:PAGE], len(found) > PAGE
    shown = [(one, read_mail(local.read(one.name, MOST_READ) or b"")) for one in mails]
    older = url_for("outgoing.index", before=mails[-1].name) if more else None
    return render_template("outgoing/index.html", mails=shown, older=older)


@pages.get("/admin/outgoing/<name>")
@administrators_only
def show(name: str) -> ResponseReturnValue:
    """One mail: its envelope, headers and text."""
    return render_template("outgoing/show.html", name=name, mail=read_mail(_read(name)))


@pages.get("/admin/outgoing/<name>/raw")
@administrators_only
def raw(name: str) -> ResponseReturnValue:
    """The bytes, as a download that no browser opens or runs."""
    return Response(
        _read(name),
        mimetype="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _read(name: str) -> bytes:
    content = local.read(name)
    if content is None:
        raise NotFound(_("There is no such mail."))
    return content
