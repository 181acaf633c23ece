"""Ready answers that operators put into their replies. For administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forms import choices, typed
from helpdesk.models import CannedReply, Queue
from helpdesk.models.event import record_change
from helpdesk.staff import apply

pages = Blueprint("texts", __name__)


class CannedReplyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A ready answer."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=120)])
    queue_id = SelectField(_l("For"), coerce=int)
    body = TextAreaField(_l("Text"), [InputRequired(), Length(max=50_000)])


@pages.get("/admin/texts")
@administrators_only
def index() -> ResponseReturnValue:
    """All ready answers."""
    rows = db.session.execute(
        select(CannedReply, Queue.name)
        .outerjoin(Queue, Queue.id == CannedReply.queue_id)
        .order_by(func.sort_key(CannedReply.name), CannedReply.id)
    ).all()
    return render_template("admin/texts.html", rows=rows)


@pages.get("/admin/texts/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new ready answer."""
    return _page(CannedReply(name="", body=""), _form())


@pages.post("/admin/texts")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a ready answer."""
    return _save(CannedReply())


@pages.get("/admin/texts/<int:text_id>")
@administrators_only
def show(text_id: int) -> ResponseReturnValue:
    """One ready answer."""
    text = _text(text_id)
    return _page(text, _form(text))


@pages.post("/admin/texts/<int:text_id>")
@administrators_only
def save(text_id: int) -> ResponseReturnValue:
    """Change one ready answer."""
    return _save(_text(text_id))


@pages.post("/admin/texts/<int:text_id>/removal")
@administrators_only
def remove(text_id: int) -> ResponseReturnValue:
    """Delete one ready answer; replies that were made with it stay as they are."""
    text = _text(text_id)
    db.session.delete(text)
    record_change(me().id, "canned reply", text_id, text.name, {"removed": True})
    auth.told(_("The answer is removed."))
    return redirect(url_for("texts.index"))


def _form(text: CannedReply | None = None) -> CannedReplyForm:
    form = CannedReplyForm(obj=text)
    queues = db.session.execute(select(Queue.id, Queue.name).order_by(func.sort_key(Queue.name))).tuples().all()
    form.queue_id.choices = choices([(0, _("All queues")), *queues])
    if form.queue_id.data is None:
        form.queue_id.data = 0
    return form


def _save(text: CannedReply) -> ResponseReturnValue:
    form = _form()
    if not form.validate_on_submit():
        return _page(text, form), 422
    body = typed(form.body).replace("\r\n", "\n")
    values = {"name": typed(form.name), "queue_id": form.queue_id.data or None, "body": body}
    changes = apply(text, values)
    db.session.add(text)
    db.session.flush()
    if changes:
        record_change(me().id, "canned reply", text.id, text.name, changes)
    auth.told(_("Saved."))
    return redirect(url_for("texts.index"))


def _text(text_id: int) -> CannedReply:
    text = db.session.get(CannedReply, text_id)
    if text is None:
        raise NotFound(_("There is no such text."))
    return text


def _page(text: CannedReply, form: CannedReplyForm) -> str:
    return render_template("admin/text.html", text=text, form=form)
