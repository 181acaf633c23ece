"""Categories: the managed list of what tickets are about. For administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import typed
from helpdesk.models import Category
from helpdesk.models.event import record_change
from helpdesk.staff import apply

pages = Blueprint("categories", __name__)


class CategoryForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A category; one that is off stays on old tickets and is offered no more."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    active = BooleanField(_l("Offered"))


@pages.get("/admin/categories")
@administrators_only
def index() -> ResponseReturnValue:
    """All categories."""
    query = select(Category).order_by(Category.active.desc(), func.sort_key(Category.name))
    return render_template("admin/categories.html", categories=db.session.scalars(query).all())


@pages.post("/admin/categories")
@administrators_only
def create() -> ResponseReturnValue:
    """Add a category."""
    return _save(Category(), active=True)


@pages.post("/admin/categories/<int:category_id>")
@administrators_only
def save(category_id: int) -> ResponseReturnValue:
    """Rename a category, or switch it off or on."""
    category = db.session.get(Category, category_id)
    if category is None:
        raise NotFound(_("There is no such category."))
    return _save(category)


def _save(category: Category, active: bool | None = None) -> ResponseReturnValue:
    form = CategoryForm()
    if not form.validate_on_submit():
        raise Refused(_("A category needs a name of at most 80 characters."))
    name = typed(form.name).strip()
    taken = select(Category.id).where(func.lower(Category.name) == name.lower(), Category.id != (category.id or 0))
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a category with that name already."))
    changes = apply(category, {"name": name, "active": form.active.data if active is None else active})
    db.session.add(category)
    db.session.flush()
    if changes:
        record_change(me().id, "category", category.id, name, changes)
    auth.told(_("Saved."))
    return redirect(url_for("categories.index"))
