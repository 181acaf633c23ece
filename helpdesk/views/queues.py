"""My queues, and the line of one queue."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from helpdesk import clock, permissions, words
from helpdesk.connections import reads_only
from helpdesk.queries.counters import QueueFigures, of_several_projects, queue_figures
from helpdesk.queries.lists import View, owned_by
from helpdesk.shell import url_if
from helpdesk.views import shapes
from helpdesk.views.desk_lists import MINE, make_list, queue_list, shown_context

pages = Blueprint("queues", __name__)


@pages.get("/queues")
@login_required
@reads_only
def index() -> ResponseReturnValue:
    """My queues with who waits, and my own tickets beside them."""
    return render_template("queues/index.html", **_tiles(), **shown_context(make_list(MINE)))


@pages.get("/queues/tiles")
@login_required
@reads_only
def tiles() -> ResponseReturnValue:
    """The queues with their figures, as a fragment."""
    return render_template("queues/_tiles.html", **_tiles())


@pages.get("/queues/mine")
@login_required
@reads_only
def mine() -> ResponseReturnValue:
    """My own tickets, as a fragment."""
    return render_template("queues/_list.html", **make_list(MINE).context)


@pages.get("/queues/<int:queue_id>")
@login_required
@reads_only
def show(queue_id: int) -> ResponseReturnValue:
    """One queue: its line, or its tickets in work, paused, finished; and who is next where nothing is open."""
    clock.hold()  # one page shows one moment, and asks for it once
    queue = permissions.get_queue(current_user, queue_id)
    asked = request.args.get("view")
    view = View(asked) if asked in list(View) else View.WAITING
    made = queue_list(queue, view, request.args.get("after"))
    if "HX-Request" in request.headers:
        return render_template("queues/_list.html", **made.context)
    works = made.context["may_work"]
    return render_template(
        "queues/show.html",
        queue_id=queue.id,
        queue={"id": queue.id, "name": queue.name, "rule": words.clock_rule(queue.clock, queue.by_priority)},
        note_url=url_for("shift_notes.edit", queue_id=queue.id) if works else None,
        elsewhere=_elsewhere(queue.id),
        **shown_context(made),
    )


def _elsewhere(queue_id: int) -> dict[str, object]:
    """This queue's figures, and where else people wait, the longest first."""
    figures, now = queue_figures(current_user), clock.now()

    def shape(figure: QueueFigures) -> dict[str, object]:
        return {
            "name": figure.name,
            "url": url_for("queues.show", queue_id=figure.queue_id),
            "waiting": figure.waiting,
            "oldest_at": figure.oldest_at,
            "tone": shapes.tone(figure.oldest_at, now),
        }

    others = [figure for figure in figures if figure.queue_id != queue_id and figure.oldest_at is not None]
    others.sort(key=lambda figure: figure.oldest_at or now)
    here = next((shape(figure) for figure in figures if figure.queue_id == queue_id), None)
    return {"here": here, "others": [shape(figure) for figure in others[:5]]}


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
