"""Managed lists: request types, reasons, components and categories. For those who may edit dialog settings."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from helpdesk import auth, dialog_settings
from helpdesk.auth import dialog_settings_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forms import chosen_ids
from helpdesk.models import ListName, Queue

pages = Blueprint("managed_lists", __name__)

LISTS = {
    ListName.TYPE: (_l("Request types"), _l("What a customer wants of us. A ticket has one.")),
    ListName.REASON: (_l("Reasons"), _l("Why customers come. A ticket may have several.")),
    ListName.COMPONENT: (_l("Components"), _l("Which part of the product it is about. A ticket may have several.")),
    ListName.CATEGORY: (_l("Categories"), _l("What tickets are about, for reports. A ticket has one.")),
}


@pages.get("/admin/lists")
@dialog_settings_only
def start() -> ResponseReturnValue:
    """The first of the lists."""
    return redirect(url_for("managed_lists.index", list_name=ListName.TYPE.value))


@pages.get("/admin/lists/<list_name>")
@dialog_settings_only
def index(list_name: str) -> ResponseReturnValue:
    """All items of one list."""
    name = _known(list_name)
    queues = select(Queue.id, Queue.name).where(Queue.active).order_by(func.sort_key(Queue.name))
    return render_template(
        "admin/list.html",
        list_name=name.value,
        title=LISTS[name][0],
        text=LISTS[name][1],
        items=dialog_settings.items_of(name),
        queues=db.session.execute(queues).all(),
    )


@pages.post("/admin/lists/<list_name>")
@dialog_settings_only
def create(list_name: str) -> ResponseReturnValue:
    """Add an item at the end of a list."""
    name = _known(list_name)
    dialog_settings.add_item(me(), name, request.form.get("name", ""))
    auth.told(_("Added."))
    return _back(name)


@pages.post("/admin/lists/<list_name>/<int:item_id>")
@dialog_settings_only
def save(list_name: str, item_id: int) -> ResponseReturnValue:
    """Rename an item, switch it off or on, and choose the queues that offer it."""
    name = _known(list_name)
    item = dialog_settings.get_item(name, item_id)
    queue_ids = dialog_settings.known_queues(chosen_ids("queues"))
    values = {"name": request.form.get("name", ""), "active": "active" in request.form, "queue_ids": queue_ids}
    dialog_settings.save_item(me(), name, item, values)
    auth.told(_("Saved."))
    return _back(name)


@pages.post("/admin/lists/<list_name>/<int:item_id>/place")
@dialog_settings_only
def move(list_name: str, item_id: int) -> ResponseReturnValue:
    """Move an item up (`step=-1`) or down (`step=1`)."""
    name = _known(list_name)
    item = dialog_settings.get_item(name, item_id)
    dialog_settings.move_item(me(), name, item, request.form.get("step", 0, type=int))
    return _back(name)


def _known(list_name: str) -> ListName:
    if list_name not in set(ListName):
        raise NotFound(_("There is no such list."))
    return ListName(list_name)


def _back(name: ListName) -> ResponseReturnValue:
    return redirect(url_for("managed_lists.index", list_name=name.value), 303)
