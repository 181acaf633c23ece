"""The rail beside every page: my queues with who waits, and the entries of the navigation."""

from typing import Any

from flask import Blueprint, Flask, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_required

from helpdesk import clock
from helpdesk.queries.counters import QueueFigures, of_several_projects, queue_figures
from helpdesk.queries.saved_views import views_of
from helpdesk.shell import NavItem, add_nav, panes_only, url_if
from helpdesk.views import shapes
from helpdesk.views.list_addresses import list_address

pages = Blueprint("rail", __name__)


def rail_context(figures: list[QueueFigures]) -> dict[str, Any]:
    """What `_rail_queues.html` expects."""
    now, several = clock.now(), of_several_projects(figures)
    return {
        "rail_queues": [
            {
                "id": figure.queue_id,
                "name": figure.name,
                "mark": figure.mark if several else "",
                "url": url_for("queues.show", queue_id=figure.queue_id),
                "waiting": figure.waiting,
                "oldest_at": figure.oldest_at,
                "tone": shapes.tone(figure.oldest_at, now),
            }
            for figure in figures
        ],
        "rail_url": url_for("rail.show"),
    }


def rail_views() -> list[dict[str, Any]]:
    """What `_rail_views.html` expects: the saved views of whoever reads."""
    return [
        {"id": view.id, "name": view.name, "url": list_address(f"view:{view.id}"), "shared": view.group_id is not None}
        for view in views_of(current_user)
    ]


@pages.get("/rail")
@login_required
def show() -> ResponseReturnValue:
    """My queues with their figures, as a fragment."""
    return render_template("_rail_queues.html", **rail_context(queue_figures(current_user)))


def init_app(app: Flask) -> None:
    """Give every whole page of a signed-in person its rail."""
    add_nav(
        app,
        NavItem("work", "queues.index", _l("My queues"), "inbox", key="q"),
        NavItem("work", "tasks.index", _l("My tasks"), "list-check", key="Shift+t"),
        NavItem("work", "drafts.index", _l("My drafts"), "pencil"),
        NavItem("work", "search.show", _l("Search"), "search", key="/"),
        NavItem("work", "customers.index", _l("Customers"), "id", also=("organisations",)),
        NavItem("work", "spam.index", _l("Spam"), "ban", also=("blocked_senders",)),
    )

    @app.context_processor
    def rail() -> dict[str, Any]:
        if "HX-Request" in request.headers or not current_user or not current_user.is_authenticated or panes_only():
            return {}
        return {
            **rail_context(queue_figures(current_user)),
            "rail_views": rail_views(),
            "take_url": url_if("claims.take_next"),
            "live_url": url_if("live.stream"),
        }
