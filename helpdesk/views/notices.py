"""What I should know: the bell on every page, and the list behind it."""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import clock, notice_words, permissions
from helpdesk.auth import me
from helpdesk.colleagues import marked
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Message, MessageKind, Ticket, User
from helpdesk.models.notice import Notice, see, unseen_and_newest
from helpdesk.models.ticket.consulted import MENTIONS
from helpdesk.shell import panes_only
from helpdesk.views import shapes

pages = Blueprint("notices", __name__)

PAGE = 50
MOST_ARRIVALS = 20
MOST_EXCERPT = 200
PLACES = ("top", "rail")


@pages.get("/notices")
@login_required
def index() -> ResponseReturnValue:
    """My notices, the newest first."""
    clock.hold()  # each sentence asks what is today
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


@pages.get("/notices/arrivals")
@login_required
def arrivals() -> ResponseReturnValue:
    """Notices that came after the one with the id `after` and were not seen yet: a corner of any page shows them."""
    query = select(Notice).where(Notice.user_id == current_user.id, Notice.id > request.args.get("after", 0, type=int))
    newest = query.where(Notice.seen_at.is_(None)).options(joinedload(Notice.ticket)).order_by(Notice.id.desc())
    clock.hold()
    found = list(db.session.scalars(newest.limit(MOST_ARRIVALS)))[::-1]
    return render_template("notices/_arrivals.html", arrivals=_arrivals(found))


@pages.get("/notices/<int:notice_id>")
@login_required
def show(notice_id: int) -> ResponseReturnValue:
    """Go to what the notice is about; it counts as seen then."""
    notice = _own(notice_id)
    see(me(), [notice.id])
    if notice.ticket_id is None:
        return redirect(url_for(_page_of(notice)))
    said = notice.payload.get("message_id")
    anchor = f"message-{said}" if said else None
    return redirect(url_for("tickets.show", ticket_id=notice.ticket_id, _anchor=anchor))


@pages.get("/notices/<int:notice_id>/words")
@login_required
def full(notice_id: int) -> ResponseReturnValue:
    """All that a colleague wrote to me, in a dialog over the page that I am on."""
    notice = _own(notice_id)
    message = _words_of([notice]).get(notice.id)
    ticket = permissions.get_ticket(me(), notice.ticket_id or 0)
    if message is None:
        raise NotFound(_("There is no such message."))
    see(me(), [notice.id])
    return render_template(
        "notices/full.html" if "HX-Request" in request.headers else "notices/full_page.html",
        text=notice_words.sentence(notice, _absent([notice]).get(notice.id, "")),
        words=marked(message.text, message.facts.get(MENTIONS, [])),
        at=notice.at,
        about=f"{ticket.number_text} · {ticket.title}",
        url=url_for("notices.show", notice_id=notice.id),
    )


@pages.post("/notices/seen")
@login_required
def seen() -> ResponseReturnValue:
    """Mark all my notices as seen."""
    see(me())
    return redirect(url_for("notices.index"), 303)


def _own(notice_id: int) -> Notice:
    notice = db.session.scalar(select(Notice).where(Notice.id == notice_id, Notice.user_id == current_user.id))
    if notice is None:
        raise NotFound(_("There is no such notice."))
    return notice


def _page_of(notice: Notice) -> str:
    """The endpoint of the page that a notice without a ticket is about."""
    if notice.kind.startswith("absence.") and "for_id" not in notice.payload:
        return "absences.show"
    return "tasks.index" if "task_id" in notice.payload else "notices.index"


def _shapes(notices: list[Notice]) -> list[dict[str, Any]]:
    """The notices as the list shows them; a ticket that went out of sight keeps its title to itself."""
    in_sight, absent = _in_sight(notices), _absent(notices)
    return [_shape(notice, notice.ticket_id in in_sight, absent.get(notice.id, "")) for notice in notices]


def _arrivals(notices: list[Notice]) -> list[dict[str, Any]]:
    """The notices as they appear in the corner; how each makes itself known is its reader's choice."""
    in_sight, absent, said, chosen = _in_sight(notices), _absent(notices), _words_of(notices), me().settings
    found = []
    for notice in notices:
        sees = notice.ticket_id in in_sight
        shape = _shape(notice, sees, absent.get(notice.id, ""))
        message, choice = said.get(notice.id) if sees else None, chosen.choice(notice_words.choice_of(notice.kind))
        words = " ".join(message.text.split())[:MOST_EXCERPT] if message else ""
        told = " · ".join(part for part in (shape["about"], words) if part)
        found.append(
            shape
            | {
                "excerpt": words,
                "full_url": url_for("notices.full", notice_id=notice.id) if message else None,
                "shown": choice.shown,
                "loud": choice.sound,
                "title": shape["text"] if chosen.desktop_words else _("Helpdesk"),
                "desktop": ((told or shape["text"]) if chosen.desktop_words else notice_words.choice_name(notice.kind))
                if chosen.desktop and choice.desktop
                else "",
            }
        )
    return found


def _in_sight(notices: list[Notice]) -> set[int]:
    about = {notice.ticket_id for notice in notices if notice.ticket_id is not None}
    seen = select(Ticket.id).where(Ticket.id.in_(about), permissions.visible(me()))
    return set(db.session.scalars(seen)) if about else set()


def _absent(notices: list[Notice]) -> dict[int, str]:
    """For whom I stood in, by the ids of the notices that I got in their place."""
    whose = {notice.id: notice.payload["for_id"] for notice in notices if "for_id" in notice.payload}
    if not whose:
        return {}
    names = dict(db.session.execute(select(User.id, User.name).where(User.id.in_(whose.values()))).tuples().all())
    return {notice_id: names.get(user_id, "?") for notice_id, user_id in whose.items()}


def _words_of(notices: list[Notice]) -> dict[int, Message]:
    """The notes that notices speak of, by the ids of the notices."""
    said = {notice.id: notice.payload["message_id"] for notice in notices if "message_id" in notice.payload}
    if not said:
        return {}
    query = select(Message).where(Message.id.in_(said.values()), Message.kind == MessageKind.NOTE)
    notes = {message.id: message for message in db.session.scalars(query)}
    return {notice_id: notes[message_id] for notice_id, message_id in said.items() if message_id in notes}


def _shape(notice: Notice, in_sight: bool, absent: str) -> dict[str, Any]:
    mark, tone = notice_words.mark(notice)
    ticket, about = notice.ticket, ""
    if ticket is not None:
        about = f"{ticket.number_text} · {ticket.title}" if in_sight else _("You do not see this ticket any more.")
    return {
        "id": notice.id,
        "text": notice_words.sentence(notice, absent),
        "icon": mark,
        "tone": tone,
        "at": notice.at,
        "seen": notice.seen_at is not None,
        "url": url_for("notices.show", notice_id=notice.id),
        "about": about,
    }


def _bell() -> dict[str, Any]:
    unseen, newest = unseen_and_newest(me())
    return {"bell_unseen": unseen, "bell_newest": newest, "bell_topics": f"notices:{current_user.id}"}


def init_app(app: Flask) -> None:
    """Give every whole page of a signed-in person its bell."""

    @app.context_processor
    def ring() -> dict[str, Any]:
        if "HX-Request" in request.headers or panes_only() or not current_user or not current_user.is_authenticated:
            return {}
        return _bell()
