"""My queues, and the line of one queue."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import clock, permissions, words
from helpdesk.models import Queue, Right
from helpdesk.queries.counters import of_several_projects, queue_figures
from helpdesk.queries.lists import View, of_queue, owned_by
from helpdesk.shell import url_if
from helpdesk.views import shapes

pages = Blueprint("queues", __name__)


@pages.get("/queues")
@login_required
def index() -> ResponseReturnValue:
    """My queues with who waits, and my own tickets."""
    return render_template("queues/index.html", **_tiles(), **_mine())


@pages.get("/queues/tiles")
@login_required
def tiles() -> ResponseReturnValue:
    """The queues with their figures, as a fragment."""
    return render_template("queues/_tiles.html", **_tiles())


@pages.get("/queues/mine")
@login_required
def mine() -> ResponseReturnValue:
    """My own tickets, as a fragment."""
    context, current = _mine(), request.args.get("current", type=int)
    return render_template(
        "queues/_list.html",
        rows=context["my_tickets"],
        list_id="my-tickets",
        current_id=current,
        list_url=url_for("queues.mine", current=current) if current else context["my_url"],
        list_topics=context["my_topics"],
        empty_mark="inbox",
        empty_title=_("You have no open tickets"),
        empty_text=_("Take the next one: the longest wait comes first."),
    )


@pages.get("/queues/<int:queue_id>")
@login_required
def show(queue_id: int) -> ResponseReturnValue:
    """One queue: its line, or its tickets in work, paused, finished."""
    clock.hold()  # one page shows one moment, and asks for it once
    queue = permissions.get_queue(current_user, queue_id)
    context = _list(queue)
    if "HX-Request" in request.headers:
        return render_template("queues/_list.html", **context)
    figure = next((f for f in queue_figures(current_user) if f.queue_id == queue_id), None)
    now = clock.now()
    return render_template(
        "queues/show.html",
        queue={
            "id": queue.id,
            "name": queue.name,
            "waiting": figure.waiting if figure else 0,
            "oldest_at": figure.oldest_at if figure else None,
            "oldest_tone": shapes.tone(figure.oldest_at if figure else None, now),
            "rule": words.clock_rule(queue.clock, queue.by_priority),
        },
        queue_id=queue.id,
        list_tabs=_tabs(queue, context["view"]),
        note_url=url_for("shift_notes.edit", queue_id=queue.id) if context["may_work"] else None,
        queue_take_url=url_if("claims.take_next_of", queue_id=queue.id) if context["may_work"] else None,
        **context,
    )


def _tabs(queue: Queue, current: View) -> list[tuple[str, str, bool]]:
    names = {
        View.WAITING: _("Waiting"),
        View.IN_WORK: _("In work"),
        View.DUE: _("Due first"),
        View.PAUSED: _("Paused"),
        View.FINISHED: _("Finished"),
    }
    return [
        (url_for("queues.show", queue_id=queue.id, view=view.value), name, view == current)
        for view, name in names.items()
    ]


def _list(queue: Queue) -> dict[str, Any]:
    view = View(request.args.get("view", View.WAITING)) if request.args.get("view") in list(View) else View.WAITING
    after = request.args.get("after")
    version = shapes.live_versions(f"queue:{queue.id}")
    page = of_queue(queue, view, after)
    may_work = permissions.may(current_user, Right.WORK, queue.id)
    now = clock.now()
    current = request.args.get("current", type=int)
    here: dict[str, Any] = {"queue_id": queue.id, "view": view.value}
    topic = f"queue:{queue.id}"
    return {
        "list_version": version,
        "rows": [shapes.row(item, now, may_work) for item in page.rows],
        "current_id": current or 0,
        "list_url": url_for("queues.show", **here, after=after, current=current),
        "list_topics": topic,
        "next_url": url_for("queues.show", **here, after=page.next_after) if page.next_after else None,
        "prev_url": url_for("queues.show", **here) if after else None,
        "list_text": words.clock_rule(queue.clock, queue.by_priority) if view == View.WAITING else "",
        "view": view,
        "may_work": may_work,
        "shift_note": None if current else _shift_note(queue),
        **_empty(view),
    }


def _shift_note(queue: Queue) -> dict[str, Any] | None:
    if not queue.shift_note:
        return None
    author = queue.shift_note_by.name if queue.shift_note_by else ""
    return {"text": queue.shift_note, "author": author, "at": queue.shift_note_at}


def _empty(view: View) -> dict[str, str]:
    if view == View.WAITING:
        return {"empty_url": url_for("queues.index"), "empty_label": _("See my other queues")}
    return {
        "empty_mark": "inbox",
        "empty_title": _("Nothing here"),
        "empty_text": _("No ticket of this queue is in this state."),
    }


def _tiles() -> dict[str, object]:
    figures = queue_figures(current_user)
    now, several = clock.now(), of_several_projects(figures)
    owned = [row.queue_id for row in owned_by(current_user, limit=500).rows]
    return {
        "queues": [
            {
                "id": figure.queue_id,
                "name": figure.name,
                "url": url_for("queues.show", queue_id=figure.queue_id),
                "waiting": figure.waiting,
                "oldest_at": figure.oldest_at,
                "oldest_tone": shapes.tone(figure.oldest_at, now),
                "mine": owned.count(figure.queue_id),
                "take_url": url_if("claims.take_next_of", queue_id=figure.queue_id),
                "project_name": figure.project if several else "",
            }
            for figure in figures
        ],
        "tiles_url": url_for("queues.tiles"),
        "tiles_topics": " ".join([f"user:{current_user.id}", *(f"queue:{figure.queue_id}" for figure in figures)]),
    }


def _mine() -> dict[str, object]:
    now = clock.now()
    return {
        "my_tickets": [shapes.row(item, now) for item in owned_by(current_user).rows],
        "my_url": url_for("queues.mine"),
        "my_topics": f"user:{current_user.id}",
    }
