"""Texts that customers get by themselves, per project and language. For administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import Field, Form, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.babel import LANGUAGES
from helpdesk.customer_texts import (
    ACKNOWLEDGEMENT,
    FOOTER,
    READY,
    REFUSAL,
    SIGNATURE,
    VARIABLES,
    Text,
    customer_text,
    unknown_variables,
)
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forms import typed
from helpdesk.models import CustomerText, Project
from helpdesk.models.event import record_change
from helpdesk.staff import apply

pages = Blueprint("customer_texts", __name__)

KEYS = {
    ACKNOWLEDGEMENT: (_l("Confirmation"), _l("Sent when a new request arrives, in queues that confirm.")),
    REFUSAL: (_l("Refusal"), _l("Sent when somebody writes to a finished request, in queues that refuse that.")),
    SIGNATURE: (_l("Signature"), _l("Stands below each message, in queues that have no signature of their own.")),
    FOOTER: (_l("Legal footer"), _l("Stands at the end of each message, such as the company's name and register.")),
}
WITHOUT_SUBJECT = {SIGNATURE, FOOTER}


def _check_variables(_form: Form, field: Field) -> None:
    unknown = unknown_variables(field.data or "")
    if unknown:
        raise ValidationError(_("Nothing is known that could stand for %(names)s.", names=", ".join(unknown)))


class CustomerTextForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Subject and body; words in braces are replaced when the mail is made."""

    subject = StringField(
        _l("Subject"),
        [Length(max=200), _check_variables],
        description=_l("Empty: the subject of the customer's own mail."),
    )
    body = TextAreaField(_l("Text"), [InputRequired(), Length(max=20_000), _check_variables])


@pages.get("/admin/customer-texts")
@administrators_only
def index() -> ResponseReturnValue:
    """All texts, and which of them are the administrators' own."""
    projects = db.session.scalars(select(Project).order_by(func.sort_key(Project.name))).all()
    own = {(row.project_id, row.key, row.language) for row in db.session.scalars(select(CustomerText))}
    return render_template("admin/customer_texts.html", projects=projects, own=own, texts=KEYS, languages=LANGUAGES)


@pages.get("/admin/customer-texts/<int:project_id>/<key>/<language>")
@administrators_only
def show(project_id: int, key: str, language: str) -> ResponseReturnValue:
    """One text."""
    project = _project(project_id, key, language)
    return _page(project, key, language, _form(key, customer_text(project_id, key, language)))


@pages.post("/admin/customer-texts/<int:project_id>/<key>/<language>")
@administrators_only
def save(project_id: int, key: str, language: str) -> ResponseReturnValue:
    """Keep a text of one's own."""
    project, form = _project(project_id, key, language), _form(key)
    if not form.validate_on_submit():
        return _page(project, key, language, form), 422
    text = db.session.get(CustomerText, (project_id, key, language))
    text = text or CustomerText(project_id=project_id, key=key, language=language)
    subject = typed(form.subject) if form.subject else ""
    changes = apply(text, {"subject": subject, "body": typed(form.body).replace("\r\n", "\n")})
    db.session.add(text)
    record_change(me().id, "customer text", project_id, f"{key} {language}", changes)
    auth.told(_("Saved."))
    return redirect(url_for("customer_texts.index"))


@pages.post("/admin/customer-texts/<int:project_id>/<key>/<language>/removal")
@administrators_only
def reset(project_id: int, key: str, language: str) -> ResponseReturnValue:
    """Go back to the ready text."""
    _project(project_id, key, language)
    text = db.session.get(CustomerText, (project_id, key, language))
    if text is not None:
        db.session.delete(text)
        record_change(me().id, "customer text", project_id, f"{key} {language}", {"removed": True})
    auth.told(_("The ready text is in use again."))
    return redirect(url_for("customer_texts.index"))


def _form(key: str, text: Text | None = None) -> CustomerTextForm:
    """The form of a text; what stands inside other messages has no subject of its own."""
    form = CustomerTextForm(obj=text)
    if key in WITHOUT_SUBJECT:
        del form.subject
    return form


def _project(project_id: int, key: str, language: str) -> Project:
    project = db.session.get(Project, project_id)
    if project is None or (key, language) not in READY:
        raise NotFound(_("There is no such text."))
    return project


def _page(project: Project, key: str, language: str, form: CustomerTextForm) -> str:
    return render_template(
        "admin/customer_text.html",
        project=project,
        key=key,
        label=KEYS[key],
        text_language=language,
        language_name=LANGUAGES[language],
        is_own=db.session.get(CustomerText, (project.id, key, language)) is not None,
        variables=VARIABLES,
        form=form,
    )
