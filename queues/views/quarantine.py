"""What could not be understood: look at it, try it again, or leave it out for good."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from helpdesk.auth import me, supervisors_only
from helpdesk.errors import NotFound
from queues import quarantine

pages = Blueprint("quarantine", __name__)


@pages.get("/quarantine")
@supervisors_only
def index() -> ResponseReturnValue:
    """Entries of the channels that one looks after, the newest first."""
    found = quarantine.page(me(), request.args.get("before", type=int))
    entries, more = found[: quarantine.PAGE], len(found) > quarantine.PAGE
    older = url_for("quarantine.index", before=entries[-1].id) if more else None
    return render_template("quarantine/index.html", entries=entries, older=older)


@pages.get("/quarantine/<int:event_id>/raw")
@supervisors_only
def raw(event_id: int) -> ResponseReturnValue:
    """The bytes as they came, as a download that no browser opens or runs."""
    entry = quarantine.get_entry(me(), event_id)
    if entry.raw is None:
        raise NotFound(_("The raw input of this entry is no longer kept."))
    return Response(
        entry.raw.data,
        mimetype="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="quarantine-{entry.id}.eml"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


@pages.post("/quarantine/<int:event_id>/retry")
@supervisors_only
def retry(event_id: int) -> ResponseReturnValue:
    """Put the entry back in line."""
    quarantine.try_again(quarantine.get_entry(me(), event_id).id, me())
    flash(_("Entry %(id)s is being tried again.", id=event_id), "success")
    return redirect(url_for("quarantine.index"), 303)


@pages.post("/quarantine/<int:event_id>/drop")
@supervisors_only
def drop(event_id: int) -> ResponseReturnValue:
    """Leave the entry out for good, with a reason."""
    quarantine.leave_out(quarantine.get_entry(me(), event_id).id, me(), request.form.get("reason", ""))
    flash(_("Entry %(id)s is left out.", id=event_id), "success")
    return redirect(url_for("quarantine.index"), 303)
