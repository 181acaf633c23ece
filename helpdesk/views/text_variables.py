"""Variables of one's own in ready answers: names, and what stands for them. For those who may edit texts."""

from flask import Blueprint, redirect, render_template, request, url_for
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
from helpdesk.forms import choices, typed
from helpdesk.models import Project, TextVariable, TextVariableValue
from helpdesk.models.event import record_change

pages = Blueprint("text_variables", __name__)


def _check_name(form: Form, field: Field) -> None:
    """Raises ValidationError for a name that is none, that the helpdesk itself uses, or that is taken."""
    field.data = (field.data or "").strip().strip("{}").strip()
    if not variables.NAME.fullmatch(field.data):
        raise ValidationError(_("A name has letters, digits and “_”, begins with a letter, and has no spaces."))
    if field.data in variables.LABELS:
        raise ValidationError(_("The helpdesk itself fills in {%(name)s}. Choose another name.", name=field.data))
    own_id = getattr(form, "own_id", None) or 0
    taken = select(TextVariable.id).where(TextVariable.name == field.data, TextVariable.id != own_id)
    if db.session.scalar(taken) is not None:
        raise ValidationError(_("There is a variable of this name already."))


class TextVariableForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A variable with what stands for it in general."""

    own_id: int | None = None

    name = StringField(
        _l("Name"),
        [InputRequired(), Length(max=60), _check_name],
        description=_l("In a text it stands in braces: {name}."),
    )
    note = StringField(_l("What it is"), [Length(max=200)], description=_l("People read this when they choose it."))
    value = TextAreaField(
        _l("What stands for it"),
        [Length(max=variables.MOST_VALUE)],
        description=_l(
            "In all projects and languages that have no value of their own. Empty: nothing stands for it there."
        ),
    )


class ValueForm(FlaskForm):  # type: ignore[misc]
    """What stands for a variable in one project, in one language, or in both."""

    project_id = SelectField(_l("Project"), coerce=int)
    language = SelectField(_l("Language"))
    value = TextAreaField(_l("What stands for it there"), [InputRequired(), Length(max=variables.MOST_VALUE)])


@pages.get("/admin/variables")
@texts_only
def index() -> ResponseReturnValue:
    """All variables: the administrators' own, and those of the helpdesk."""
    query = select(TextVariable).options(selectinload(TextVariable.values)).order_by(func.sort_key(TextVariable.name))
    rows = [(one, variables.value_of(one.values, 0, "")) for one in db.session.scalars(query)]
    return render_template("admin/text_variables.html", rows=rows, labels=variables.LABELS)


@pages.get("/admin/variables/new")
@texts_only
def new() -> ResponseReturnValue:
    """The form of a new variable."""
    return _page(TextVariable(name=""), TextVariableForm())


@pages.post("/admin/variables")
@texts_only
def create() -> ResponseReturnValue:
    """Make a variable."""
    return _save(TextVariable())


@pages.get("/admin/variables/<int:variable_id>")
@texts_only
def show(variable_id: int) -> ResponseReturnValue:
    """One variable with all its values."""
    variable = _variable(variable_id)
    return _page(variable, TextVariableForm(obj=variable, value=variables.value_of(variable.values, 0, "")))


@pages.post("/admin/variables/<int:variable_id>")
@texts_only
def save(variable_id: int) -> ResponseReturnValue:
    """Change a variable and what stands for it in general."""
    return _save(_variable(variable_id))


@pages.post("/admin/variables/<int:variable_id>/values")
@texts_only
def set_value(variable_id: int) -> ResponseReturnValue:
    """Say what stands for a variable in one project or language; an earlier value there gives way."""
    variable, form = _variable(variable_id), _value_form()
    if not form.validate_on_submit():
        return _page(variable, TextVariableForm(None, obj=variable), form), 422
    project_id, language = form.project_id.data or None, form.language.data
    _put(variable, project_id, language, typed(form.value))
    auth.told(_("Saved."))
    return redirect(url_for("text_variables.show", variable_id=variable.id))


@pages.post("/admin/variables/<int:variable_id>/values/<int:value_id>/removal")
@texts_only
def remove_value(variable_id: int, value_id: int) -> ResponseReturnValue:
    """Take a value away: what stands there in general stands there again."""
    variable = _variable(variable_id)
    value = next((one for one in variable.values if one.id == value_id), None)
    if value is None:
        raise NotFound(_("There is no such value."))
    variable.values.remove(value)
    record_change(me().id, "text variable", variable.id, variable.name, {"value": [value.value, None]})
    return redirect(url_for("text_variables.show", variable_id=variable.id))


@pages.post("/admin/variables/<int:variable_id>/removal")
@texts_only
def remove(variable_id: int) -> ResponseReturnValue:
    """Delete a variable; in texts that name it, its name stays to be seen."""
    variable = _variable(variable_id)
    db.session.delete(variable)
    record_change(me().id, "text variable", variable_id, variable.name, {"removed": True})
    auth.told(_("The variable is removed."))
    return redirect(url_for("text_variables.index"))


def _save(variable: TextVariable) -> ResponseReturnValue:
    form = TextVariableForm()
    form.own_id = variable.id
    if not form.validate_on_submit():
        return _page(variable, form), 422
    before = variable.name if variable.id else None
    variable.name, variable.note = typed(form.name), typed(form.note).strip()
    db.session.add(variable)
    db.session.flush()
    if before != variable.name:
        record_change(me().id, "text variable", variable.id, variable.name, {"name": [before, variable.name]})
    _put(variable, None, "", typed(form.value))
    auth.told(_("Saved."))
    return redirect(url_for("text_variables.show", variable_id=variable.id))


def _put(variable: TextVariable, project_id: int | None, language: str, value: str) -> None:
    """Let `value` stand for the variable there; an empty one is none."""
    value = value.replace("\r\n", "\n").strip()
    here = next((one for one in variable.values if (one.project_id, one.language) == (project_id, language)), None)
    before = here.value if here is not None else None
    if (before or "") == value:
        return
    if here is None:
        variable.values.append(TextVariableValue(project_id=project_id, language=language, value=value))
    elif value:
        here.value = value
    else:
        variable.values.remove(here)
    where = {"project_id": project_id, "language": language}
    record_change(me().id, "text variable", variable.id, variable.name, where | {"value": [before, value or None]})


def _variable(variable_id: int) -> TextVariable:
    variable = db.session.get(TextVariable, variable_id)
    if variable is None:
        raise NotFound(_("There is no such variable."))
    return variable


def _value_form() -> ValueForm:
    form = ValueForm(request.form if request.method == "POST" else None)
    form.project_id.choices = choices([(0, _("All projects")), *_projects().items()])
    form.language.choices = choices([("", _("Any language")), *LANGUAGES.items()])
    form.language.data = form.language.data or ""
    return form


def _projects() -> dict[int, str]:
    rows = db.session.execute(select(Project.id, Project.name).order_by(func.sort_key(Project.name))).tuples()
    return dict(rows.all())


def _page(variable: TextVariable, form: TextVariableForm, value_form: ValueForm | None = None) -> str:
    special = [one for one in variable.values if one.project_id is not None or one.language] if variable.id else []
    return render_template(
        "admin/text_variable.html",
        variable=variable,
        form=form,
        value_form=value_form or _value_form(),
        values=special,
        projects=_projects(),
        languages=LANGUAGES,
    )
