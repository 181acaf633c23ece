"""Ready answers that operators put into what they write. For administrators, and those who may edit texts."""

import re
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload
from wtforms import Field, Form, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from helpdesk import auth, variables
from helpdesk.auth import me, texts_only
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forms import choices, chosen_ids, typed
from helpdesk.models import CannedReply, Group, Queue, TextVariable
from helpdesk.models.event import record_change
from helpdesk.staff import apply

pages = Blueprint("texts", __name__)

SHORTCUT = re.compile(r"[\w-]{1,40}")


def _check_shortcut(_form: Form, field: Field) -> None:
    """Bring a short name into its form: no slash, one word. Raises ValidationError for what is none."""
    field.data = (field.data or "").strip().lstrip("/").lower()
    if field.data and not SHORTCUT.fullmatch(field.data):
        raise ValidationError(_("A short name is one word of letters, digits, “-” and “_”."))


class CannedReplyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A ready answer; its groups are a table of their own."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=120)])
    body = TextAreaField(_l("Text"), [InputRequired(), Length(max=50_000)])
    shortcut = StringField(
        _l("Short name"),
        [Length(max=40), _check_shortcut],
        description=_l("With “hello” people type /hello and a space, and the answer is in."),
    )
    keywords = StringField(
        _l("Other words for it"), [Length(max=300)], description=_l("People find the answer by these too.")
    )
    language = SelectField(_l("Language"), description=_l("Answers in the customer's language are offered first."))
    queue_id = SelectField(_l("In which queue"), coerce=int)


@pages.get("/admin/texts")
@texts_only
def index() -> ResponseReturnValue:
    """All ready answers."""
    rows = db.session.execute(
        select(CannedReply, Queue.name)
        .outerjoin(Queue, Queue.id == CannedReply.queue_id)
        .options(selectinload(CannedReply.groups))
        .order_by(func.sort_key(CannedReply.name), CannedReply.id)
    ).all()
    return render_template("admin/texts.html", rows=rows, languages=LANGUAGES)


@pages.get("/admin/texts/new")
@texts_only
def new() -> ResponseReturnValue:
    """The form of a new ready answer."""
    return _page(CannedReply(name="", body=""), _form(), set())


@pages.post("/admin/texts")
@texts_only
def create() -> ResponseReturnValue:
    """Make a ready answer."""
    return _save(CannedReply())


@pages.get("/admin/texts/<int:text_id>")
@texts_only
def show(text_id: int) -> ResponseReturnValue:
    """One ready answer."""
    text = _text(text_id)
    return _page(text, _form(text), {group.id for group in text.groups})


@pages.post("/admin/texts/<int:text_id>")
@texts_only
def save(text_id: int) -> ResponseReturnValue:
    """Change one ready answer."""
    return _save(_text(text_id))


@pages.post("/admin/texts/<int:text_id>/removal")
@texts_only
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
    form.language.choices = choices([("", _("Any language")), *LANGUAGES.items()])
    if form.queue_id.data is None:
        form.queue_id.data = 0
    form.language.data = form.language.data or ""
    return form


def _save(text: CannedReply) -> ResponseReturnValue:
    form, group_ids = _form(), chosen_ids("groups")
    if not form.validate_on_submit():
        return _page(text, form, group_ids), 422
    values: dict[str, Any] = {name: typed(form[name]).strip() for name in ("name", "shortcut", "keywords", "language")}
    values |= {"queue_id": form.queue_id.data or None, "body": typed(form.body).replace("\r\n", "\n")}
    before = sorted(group.name for group in text.groups) if text.id else []
    changes = apply(text, values)
    text.groups = list(db.session.scalars(select(Group).where(Group.id.in_(group_ids)).order_by(Group.id)))
    after = sorted(group.name for group in text.groups)
    if after != before:
        changes["groups"] = [before, after]
    db.session.add(text)
    db.session.flush()
    if changes:
        record_change(me().id, "canned reply", text.id, text.name, changes)
    auth.told(_("Saved."))
    if unknown := variables.unknown(text.body):
        names = ", ".join(f"{{{name}}}" for name in unknown)
        flash(
            _("Nothing is known that could stand for %(names)s; it will stay in the text like this.", names=names),
            "warning",
        )
    return redirect(url_for("texts.index"))


def _text(text_id: int) -> CannedReply:
    text = db.session.get(CannedReply, text_id)
    if text is None:
        raise NotFound(_("There is no such text."))
    return text


def _page(text: CannedReply, form: CannedReplyForm, group_ids: set[int]) -> str:
    own = db.session.scalars(select(TextVariable).order_by(TextVariable.name)).all()
    known = [*variables.LABELS.items(), *((variable.name, variable.note) for variable in own)]
    groups = db.session.scalars(select(Group).order_by(Group.everyone.desc(), func.sort_key(Group.name))).all()
    return render_template("admin/text.html", text=text, form=form, groups=groups, group_ids=group_ids, variables=known)
