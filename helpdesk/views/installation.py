"""Settings of the whole installation: ticket numbers, safety, projects. For administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk import auth, clock
from helpdesk.auth import REQUIRE_TOTP, administrators_only, me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices, typed
from helpdesk.models import Project, read_setting, write_setting
from helpdesk.models.event import record_change
from helpdesk.numbers import DEFAULT_PATTERN, format_number, validate_pattern
from helpdesk.staff import apply
from helpdesk.views.preferences import TIME_ZONES

pages = Blueprint("installation", __name__)

NUMBER_PATTERN = "number_pattern"


class InstallationForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What holds for everybody."""

    number_pattern = StringField(_l("Pattern of ticket numbers"), [InputRequired(), Length(max=24)])
    require_totp = BooleanField(
        _l("Administrators must have a second step"),
        description=_l("Whoever has none is asked to set it up before anything else."),
    )


class ProjectForm(FlaskForm):  # type: ignore[misc]
    """A brand or line of business."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    language = SelectField(
        _l("Language"),
        choices=choices(LANGUAGES.items()),
        description=_l("For customers whose own language is not known."),
    )
    time_zone = SelectField(
        _l("Time zone"),
        choices=choices((zone, zone.replace("_", " ")) for zone in TIME_ZONES),
        description=_l("For dates in ticket numbers, and for reports."),
    )


@pages.get("/admin/installation")
@administrators_only
def show() -> ResponseReturnValue:
    """The settings, and all projects."""
    pattern = read_setting(NUMBER_PATTERN, DEFAULT_PATTERN)
    return _page(InstallationForm(number_pattern=pattern, require_totp=read_setting(REQUIRE_TOTP, False)))


@pages.post("/admin/installation")
@administrators_only
def save() -> ResponseReturnValue:
    """Change the settings; former ticket numbers stay findable."""
    form = InstallationForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        pattern = validate_pattern(typed(form.number_pattern).strip().upper())
    except Refused as error:
        return _page(form, error.message), 422
    if form.require_totp.data and not me().has_totp:
        return _page(form, _("Set your own second step up first; otherwise you would shut yourself out.")), 422
    for key, value in ((NUMBER_PATTERN, pattern), (REQUIRE_TOTP, bool(form.require_totp.data))):
        before = read_setting(key, DEFAULT_PATTERN if key == NUMBER_PATTERN else False)
        if before != value:
            write_setting(key, value)
            record_change(me().id, "setting", None, key, {"value": [before, value]})
    auth.told(_("Saved."))
    return redirect(url_for("installation.show"))


@pages.get("/admin/projects/new")
@administrators_only
def new_project() -> ResponseReturnValue:
    """The form of a new project."""
    return render_template("admin/project.html", project=None, form=ProjectForm(time_zone=me().time_zone), fault="")


@pages.post("/admin/projects")
@administrators_only
def create_project() -> ResponseReturnValue:
    """Make a project."""
    return _save_project(Project())


@pages.get("/admin/projects/<int:project_id>")
@administrators_only
def show_project(project_id: int) -> ResponseReturnValue:
    """One project."""
    project = _project(project_id)
    return render_template("admin/project.html", project=project, form=ProjectForm(obj=project), fault="")


@pages.post("/admin/projects/<int:project_id>")
@administrators_only
def save_project(project_id: int) -> ResponseReturnValue:
    """Change one project."""
    return _save_project(_project(project_id))


def _save_project(project: Project) -> ResponseReturnValue:
    form, fault = ProjectForm(), ""
    valid = form.validate_on_submit()
    if valid:
        same = select(Project.id).where(func.lower(Project.name) == typed(form.name).lower())
        if db.session.scalar(same.where(Project.id != (project.id or 0))) is not None:
            fault = _("There is a project with that name already.")
    if fault or not valid:
        shown = project if project.id else None
        return render_template("admin/project.html", project=shown, form=form, fault=fault), 422
    changes = apply(project, {name: form[name].data for name in ("name", "language", "time_zone")})
    db.session.add(project)
    db.session.flush()
    if changes:
        record_change(me().id, "project", project.id, project.name, changes)
    auth.told(_("Saved."))
    return redirect(url_for("installation.show"))


def _project(project_id: int) -> Project:
    project = db.session.get(Project, project_id)
    if project is None:
        raise NotFound(_("There is no such project."))
    return project


def _page(form: InstallationForm, fault: str = "") -> str:
    projects = db.session.scalars(select(Project).order_by(func.sort_key(Project.name))).all()
    try:
        example = format_number(validate_pattern(form.number_pattern.data or ""), 1000042, clock.now())
    except Refused:
        example = ""
    return render_template(
        "admin/installation.html", form=form, projects=projects, example=example, languages=LANGUAGES, fault=fault
    )
