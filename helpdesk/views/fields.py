"""Fields of one's own for tickets and customers: defining them. For those who may edit dialog settings."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from helpdesk import auth, dialog_settings
from helpdesk.auth import dialog_settings_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import chosen_ids, whole
from helpdesk.models import Field, Queue
from helpdesk.models.fields import About, FieldKind

pages = Blueprint("fields", __name__)

KINDS = {
    FieldKind.TEXT: _l("Text"),
    FieldKind.NUMBER: _l("A number"),
    FieldKind.DATE: _l("Date"),
    FieldKind.CHOICE: _l("Choice of one answer"),
    FieldKind.CHOICES: _l("Choice of several answers"),
    FieldKind.CHECKBOX: _l("Checkbox"),
}
ABOUT = {About.TICKET: _l("Tickets"), About.CUSTOMER: _l("Customers")}


@pages.get("/admin/fields")
@dialog_settings_only
def index() -> ResponseReturnValue:
    """All fields of tickets and of customers."""
    names = {row.id: row.name for row in _queues()}
    groups = [(about.value, label, dialog_settings.fields_about(about)) for about, label in ABOUT.items()]
    return render_template("admin/fields.html", groups=groups, kinds=KINDS, queue_names=names)


@pages.get("/admin/fields/new")
@dialog_settings_only
def new() -> ResponseReturnValue:
    """The form of a new field."""
    return _page(_fresh(request.args.get("about", ""), ""), new=True)


@pages.post("/admin/fields")
@dialog_settings_only
def create() -> ResponseReturnValue:
    """Make a field; what it is for and its kind never change."""
    field = _fresh(request.form.get("about", ""), request.form.get("kind", ""))
    return _save(field, new=True)


@pages.get("/admin/fields/<int:field_id>")
@dialog_settings_only
def show(field_id: int) -> ResponseReturnValue:
    """One field."""
    return _page(dialog_settings.get_field(field_id))


@pages.post("/admin/fields/<int:field_id>")
@dialog_settings_only
def save(field_id: int) -> ResponseReturnValue:
    """Change one field."""
    return _save(dialog_settings.get_field(field_id))


@pages.post("/admin/fields/<int:field_id>/place")
@dialog_settings_only
def move(field_id: int) -> ResponseReturnValue:
    """Move a field up (`step=-1`) or down (`step=1`)."""
    dialog_settings.move_field(me(), dialog_settings.get_field(field_id), request.form.get("step", 0, type=int))
    return redirect(url_for("fields.index"), 303)


def _fresh(about: str, kind: str) -> Field:
    if about and about not in set(About):
        raise NotFound(_("There is no such field."))
    chosen = FieldKind(kind) if kind in set(FieldKind) else FieldKind.TEXT
    return Field(
        about=About(about or About.TICKET).value,
        kind=chosen.value,
        label="",
        hint="",
        required_on_close=False,
        active=True,
        queue_ids=[],
        options=[],
    )


def _given() -> dict[str, Any]:
    form = request.form
    return {
        "label": form.get("label", ""),
        "hint": form.get("hint", ""),
        "required_on_close": "required_on_close" in form,
        "active": "active" in form,
        "queue_ids": dialog_settings.known_queues(chosen_ids("queues")),
    }


def _given_options() -> list[dict[str, Any]]:
    """One answer a line; the ids of known ones stand beside them in `option_id`."""
    given: list[tuple[int | None, str]] = [(whole(one), label) for one, label in zip(*_pairs(), strict=False)]
    given += [(None, line) for line in request.form.get("more", "").splitlines()]
    return [{"id": option_id, "label": label} for option_id, label in given if label.strip()]


def _pairs() -> tuple[list[str], list[str]]:
    return request.form.getlist("option_id"), request.form.getlist("option")


def _save(field: Field, new: bool = False) -> ResponseReturnValue:
    values, options = _given(), _given_options()
    try:
        dialog_settings.save_field(me(), field, values, options)
    except Refused as error:
        return _page(field, new, error.message, {**values, "options": options, "more": ""}), 422
    auth.told(_("Saved."))
    return redirect(url_for("fields.index"), 303)


def _page(field: Field, new: bool = False, fault: str = "", given: dict[str, Any] | None = None) -> str:
    shown = {name: getattr(field, name) for name in ("label", "hint", "required_on_close", "active", "queue_ids")}
    shown["options"] = [one for one in field.options if one["active"]]
    return render_template(
        "admin/field.html",
        field=field,
        new=new,
        given=given or shown,
        fault=fault,
        kinds=KINDS,
        about=ABOUT[About(field.about)],
        queues=_queues(),
    )


def _queues() -> Sequence[Any]:
    query = select(Queue.id, Queue.name).where(Queue.active).order_by(func.sort_key(Queue.name))
    return db.session.execute(query).all()
