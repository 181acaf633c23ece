"""Blocked senders, whose new mail is filed as spam: who blocked whom, and how often it counted. For supervisors."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import blocking
from helpdesk.auth import me, supervisors_only, told
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import BlockedSender, Project

pages = Blueprint("blocked_senders", __name__)


@pages.get("/blocked-senders")
@supervisors_only
def index() -> ResponseReturnValue:
    """All of them, the newest first."""
    return _page()


@pages.post("/blocked-senders")
@supervisors_only
def create() -> ResponseReturnValue:
    """Block an address or a domain."""
    typed = request.form.get("sender", "")[:400]
    project = db.session.get(Project, request.form.get("project_id", 0, type=int))
    try:
        if project is None:
            raise Refused(_("Choose the project."))
        row = blocking.block(me(), project.id, typed)
    except Refused as refusal:
        db.session.rollback()
        return _page(typed, refusal.message), 422
    told(_("%(sender)s is blocked.", sender=row.value))
    return redirect(url_for("blocked_senders.index"), 303)


@pages.post("/blocked-senders/<int:blocked_id>/removal")
@supervisors_only
def remove(blocked_id: int) -> ResponseReturnValue:
    """Hear a sender again."""
    row = db.session.get(BlockedSender, blocked_id)
    if row is None:
        raise NotFound(_("This sender is not blocked any more."))
    value = row.value
    blocking.unblock(me(), row)
    told(_("%(sender)s is heard again.", sender=value))
    return redirect(url_for("blocked_senders.index"), 303)


def _page(typed: str = "", fault: str = "") -> str:
    found = db.session.execute(blocking.page(request.args.get("before", type=int))).tuples().all()
    more = len(found) > blocking.PAGE
    return render_template(
        "spam/blocked.html",
        rows=found[: blocking.PAGE],
        projects=list(db.session.scalars(select(Project).order_by(func.sort_key(Project.name)))),
        typed=typed,
        fault=fault,
        older=url_for("blocked_senders.index", before=found[blocking.PAGE - 1][0].id) if more else None,
    )
