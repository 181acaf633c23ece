"""The supervisor's first page: all queues, and who has which open tickets."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import clock, words
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Forbidden, NotFound
from helpdesk.models import User
from helpdesk.queries.supervision import OwnerLoad, QueueWatch, looks_after, owners, supervises, watched_queues
from helpdesk.shell import url_if
from helpdesk.views import shapes

pages = Blueprint("supervision", __name__)


@pages.get("/supervision")
@login_required
def show() -> ResponseReturnValue:
    """Queues with who waits, and people with what they have in hand; kept up to date while it is open."""
    user = me()
    if not supervises(user):
        raise Forbidden(_("You supervise no queue. A right to supervise is given in the group's settings."))
    clock.hold()
    queues, people = watched_queues(user), owners(user)
    topics = " ".join([f"user:{user.id}", *(f"queue:{watch.figures.queue_id}" for watch in queues)])
    context: dict[str, Any] = {
        "versions": shapes.live_versions(topics),
        "queues": [_queue(watch) for watch in queues],
        "people": [_person(load) for load in people],
        "board_url": url_for("supervision.show"),
        "board_topics": topics,
    }
    part = "HX-Request" in request.headers
    return render_template("supervision/_board.html" if part else "supervision/show.html", **context)


def looked_after(user_id: int) -> User:
    """Somebody of the queues that I look after; people of other teams are none of my business.

    Raises Forbidden for who supervises nothing, NotFound for others' people.
    """
    if not supervises(me()):
        raise Forbidden(_("You supervise no queue. A right to supervise is given in the group's settings."))
    person = db.session.get(User, user_id)
    if person is None or not looks_after(me(), person):
        raise NotFound(_("There is no such person."))
    return person


def _queue(watch: QueueWatch) -> dict[str, Any]:
    figures = watch.figures
    return {
        "name": figures.name,
        "url": url_for("queues.show", queue_id=figures.queue_id),
        "waiting": figures.waiting,
        "in_work": figures.active - figures.waiting,
        "oldest_at": figures.oldest_at,
        "oldest_tone": shapes.tone(figures.oldest_at, clock.now()),
        "overdue": watch.overdue,
        "here": watch.here,
        "people": watch.people,
        "alone": bool(figures.waiting) and not watch.here,
    }


def _person(load: OwnerLoad) -> dict[str, Any]:
    return {
        "load": load,
        "reason": words.away_reason(load.reason),
        "tone": shapes.tone(load.oldest_at, clock.now()) if load.unanswered else "",
        "url": url_if("shifts.show", user_id=load.user_id)
        or url_for("search.show", q=f'owner:"{load.name}" state:active'),
        "stranded": load.availability != "available" and load.active > 0,
    }
