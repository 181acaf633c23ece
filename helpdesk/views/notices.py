"""What I should know: the bell on every page, and the list behind it."""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import notice_words, permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Ticket
from helpdesk.models.notice import Notice, count_unseen, see
from helpdesk.shell import panes_only
from helpdesk.views import shapes

pages = Blueprint("notices", __name__)

PAGE = 50
PLACES = ("top", "rail")


@pages.get("/notices")
@login_required
def index() -> ResponseReturnValue:
    """My notices, the newest first."""
    version = shapes.live_versions(f"notices:{current_user.id}")
    query = select(Notice).where(Notice.user_id == current_user.id).options(joinedload(Notice.ticket))
    before = request.args.get("before", type=int)
    if before is not None:
        query = query.where(Notice.id < before)
    found = list(db.session.scalars(query.order_by(Notice.id.desc()).limit(PAGE + 1)))
    shown = found[:PAGE]
    older = url_for("notices.index", before=shown[-1].id) if len(found) > PAGE else None
    context = {
        "notices": _shapes(shown),
        "older_url": older,
        "newer_url": url_for("notices.index") if before is not None else None,
        "has_unseen": any(notice.seen_at is None for notice in shown),
        "list_url": url_for("notices.index", before=before),
        "list_topics": f"notices:{current_user.id}",
        "list_version": version,
    }
    return render_template("notices/_list.html" if "HX-Request" in request.headers else "notices/index.html", **context)


@pages.get("/notices/bell")
@login_required
def bell() -> ResponseReturnValue:
    """The bell with its count, as a fragment."""
    place = request.args.get("place", "rail")
    return render_template("notices/_bell.html", place=place if place in PLACES else "rail", **_bell())


@pages.get("/notices/<int:notice_id>")
@login_required
def show(notice_id: int) -> ResponseReturnValue:
    """Go to what the notice is about; it counts as seen then."""
    notice = db.session.scalar(select(Notice).where(Notice.id == notice_id, Notice.user_id == current_user.id))
    if notice is None:
        raise NotFound(_("There is no such notice."))
    see(me(), [notice.id])
    if notice.ticket_id is None:
        return redirect(url_for("notices.index"))
    return redirect(url_for("tickets.show", ticket_id=notice.ticket_id))


@pages.post("/notices/seen")
@login_required
def seen() -> ResponseReturnValue:
    """Mark all my notices as seen."""
    see(me())
    return redirect(url_for("notices.index"), 303)


def _shapes(notices: list[Notice]) -> list[dict[str, Any]]:
    """The notices as the list shows them; a ticket that went out of sight keeps its title to itself."""
    about = {notice.ticket_id for notice in notices if notice.ticket_id is not None}
    seen = select(Ticket.id).where(Ticket.id.in_(about), permissions.visible(me()))
    in_sight = set(db.session.scalars(seen)) if about else set()
    return [_shape(notice, notice.ticket_id in in_sight) for notice in notices]


def _shape(notice: Notice, in_sight: bool) -> dict[str, Any]:
    mark, tone = notice_words.mark(notice)
    ticket, about = notice.ticket, ""
    if ticket is not None:
        about = f"{ticket.number_text} · {ticket.title}" if in_sight else _("You do not see this ticket any more.")
    return {
        "id": notice.id,
        "text": notice_words.sentence(notice),
        "icon": mark,
        "tone": tone,
        "at": notice.at,
        "seen": notice.seen_at is not None,
        "url": url_for("notices.show", notice_id=notice.id),
        "about": about,
    }


def _bell() -> dict[str, Any]:
    return {"bell_unseen": count_unseen(me()), "bell_topics": f"notices:{current_user.id}"}


def init_app(app: Flask) -> None:
    """Give every whole page of a signed-in person its bell."""

    @app.context_processor
    def ring() -> dict[str, Any]:
        if "HX-Request" in request.headers or panes_only() or not current_user or not current_user.is_authenticated:
            return {}
        return _bell()
