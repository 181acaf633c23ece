"""Views that people save: made from a list as it is narrowed now, shared with a group, renamed, ordered, deleted."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import login_required

from helpdesk import permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.forms import whole
from helpdesk.models import Order, SavedView
from helpdesk.queries import saved_views as reading
from helpdesk.queries.narrowing import read_narrowing, tell
from helpdesk.views.list_addresses import list_address, split_key

pages = Blueprint("saved_views", __name__)

ORDERS = {
    Order.WAIT: _l("The longest wait first (open tickets)"),
    Order.NEWEST: _l("The newest first (all tickets)"),
    Order.DUE: _l("Due first (open tickets)"),
}
# What a list is, said by conditions, and the order that it has.
BY_LIST = {
    "": ("state:active owner:none", Order.WAIT),
    "in-work": ("state:active owner:any", Order.WAIT),
    "due": ("", Order.DUE),
    "paused": ("state:paused", Order.NEWEST),
    "finished": ("state:finished", Order.NEWEST),
}


@pages.get("/views")
@login_required
def index() -> ResponseReturnValue:
    """My views and those of my groups, to be put in order and changed."""
    views = reading.views_of(me())
    return render_template("saved_views/index.html", views=[_shape(view) for view in views])


@pages.get("/views/new")
@login_required
def new() -> ResponseReturnValue:
    """The form that keeps a list as it is narrowed now, as a dialog."""
    conditions, order = _conditions_of(request.args.get("in", "all"))
    return _form(None, {"name": "", "conditions": conditions, "ordering": order, "group_id": None})


@pages.post("/views")
@login_required
def create() -> ResponseReturnValue:
    """Keep a view, and show it."""
    view = _save(None)
    flash(_("The view %(name)s is saved. It stands below your queues.", name=view.name), "success")
    return redirect(list_address(f"view:{view.id}"), 303)


@pages.get("/views/<int:view_id>")
@login_required
def edit(view_id: int) -> ResponseReturnValue:
    """The form of a view, as a dialog."""
    view = reading.get_view(me(), view_id, to_change=True)
    given = {"name": view.name, "conditions": view.conditions, "ordering": view.ordering, "group_id": view.group_id}
    return _form(view, given)


@pages.post("/views/<int:view_id>")
@login_required
def save(view_id: int) -> ResponseReturnValue:
    """Take what the form says."""
    view = _save(reading.get_view(me(), view_id, to_change=True))
    flash(_("The view %(name)s is saved.", name=view.name), "success")
    return redirect(url_for("saved_views.index"), 303)


@pages.post("/views/<int:view_id>/removal")
@login_required
def remove(view_id: int) -> ResponseReturnValue:
    """Delete a view; tickets are not touched."""
    view = reading.get_view(me(), view_id, to_change=True)
    db.session.delete(view)
    flash(_("The view %(name)s is deleted.", name=view.name), "success")
    return redirect(url_for("saved_views.index"), 303)


@pages.post("/views/order")
@login_required
def order() -> ResponseReturnValue:
    """Move one view up or down among those that I see."""
    ids = [view.id for view in reading.views_of(me())]
    view_id = whole(request.form.get("view_id", ""))
    if view_id not in ids:
        raise Refused(_("This view is not among yours any more."))
    place = ids.index(view_id)
    to = max(0, place - 1) if request.form.get("to") == "up" else min(len(ids) - 1, place + 1)
    ids.insert(to, ids.pop(place))
    reading.put_in_order(me(), ids)
    return redirect(url_for("saved_views.index", _anchor=f"view-{view_id}"), 303)


def _save(view: SavedView | None) -> SavedView:
    form = request.form
    return reading.save_view(
        me(),
        form.get("name", ""),
        form.get("conditions", ""),
        form.get("ordering", Order.WAIT),
        whole(form.get("group_id", "")),
        view,
    )


def _form(view: SavedView | None, given: dict[str, Any]) -> ResponseReturnValue:
    return render_template(
        "saved_views/edit.html" if "HX-Request" in request.headers else "saved_views/edit_page.html",
        view=view,
        given=given,
        groups=reading.groups_of(me()),
        orders=ORDERS,
        told=_told(given["conditions"]),
    )


def _shape(view: SavedView) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "url": list_address(f"view:{view.id}"),
        "conditions": _told(view.conditions),
        "order": ORDERS[Order(view.ordering)],
        "group": view.group.name if view.group else "",
        "author": view.author.name if view.user_id != me().id else "",
        "may_change": view.may_be_changed_by(me()),
    }


def _told(conditions: str) -> str:
    try:
        return ", ".join(tell(me(), read_narrowing(me(), conditions).pairs))
    except Refused as refusal:
        return refusal.message


def _conditions_of(key: str) -> tuple[str, Order]:
    """A list as conditions and an order."""
    base, written = split_key(key)
    kind, _colon, rest = base.partition(":")
    if kind == "view":
        view = reading.get_view(me(), rest)
        return view.conditions, Order(view.ordering)
    if kind == "mine":
        return f"owner:me {written}".strip(), Order.WAIT
    if kind != "queue":
        return written, Order.WAIT
    number, _colon, which = rest.partition(":")
    queue = permissions.get_queue(me(), whole(number) or 0)
    conditions, order = BY_LIST.get(which, BY_LIST[""])
    return " ".join(part for part in (f"queue:#{queue.id}", conditions, written) if part), order
