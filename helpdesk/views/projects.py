"""Projects: the brands that queues and channels belong to, with what each says and who works for it."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices, chosen_rights, typed
from helpdesk.models import Channel, CustomerText, Group, Project, Queue, QueueRight
from helpdesk.models.channel import CONNECTED
from helpdesk.project_changes import open_queues_to, save_project
from helpdesk.views.customer_texts import KEYS
from helpdesk.views.groups import RIGHTS
from helpdesk.views.preferences import TIME_ZONES

pages = Blueprint("projects", __name__)


class ProjectForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A brand or line of business."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    mark = StringField(
        _l("Short mark"),
        [Length(max=12)],
        description=_l("Shown beside queues where people work for several projects, such as ACME."),
    )
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


@pages.get("/admin/projects")
@administrators_only
def index() -> ResponseReturnValue:
    """All projects with their queues and channels."""
    projects = db.session.scalars(select(Project).order_by(func.sort_key(Project.name))).all()
    return render_template(
        "projects/index.html", projects=projects, queues=_names(Queue), channels=_names(Channel), languages=LANGUAGES
    )


@pages.get("/admin/projects/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new project."""
    return render_template("projects/new.html", form=ProjectForm(time_zone=me().time_zone), fault="")


@pages.post("/admin/projects")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a project."""
    form, project = ProjectForm(), Project()
    if fault := _save(form, project):
        return render_template("projects/new.html", form=form, fault=fault), 422
    return redirect(url_for("projects.show", project_id=project.id))


@pages.get("/admin/projects/<int:project_id>")
@administrators_only
def show(project_id: int) -> ResponseReturnValue:
    """One project: its settings, and all that belongs to it."""
    project = _project(project_id)
    return _page(project, ProjectForm(obj=project))


@pages.post("/admin/projects/<int:project_id>")
@administrators_only
def save(project_id: int) -> ResponseReturnValue:
    """Change one project."""
    project, form = _project(project_id), ProjectForm()
    if fault := _save(form, project):
        return _page(project, form, fault), 422
    return redirect(url_for("projects.show", project_id=project.id))


@pages.post("/admin/projects/<int:project_id>/rights")
@administrators_only
def save_rights(project_id: int) -> ResponseReturnValue:
    """Give teams the same right in all queues of the project; teams without a choice keep what they have."""
    project = _project(project_id)
    open_queues_to(me(), project, {group_id: right for group_id, right in chosen_rights().items() if right})
    auth.told(_("Saved."))
    return redirect(url_for("projects.show", project_id=project.id))


def _save(form: ProjectForm, project: Project) -> str:
    """Save what the form says. Returns what is wrong with it, "" when it is saved."""
    if not form.validate_on_submit():
        return _("Some fields need another look.")
    try:
        save_project(me(), project, {name: typed(form[name]).strip() for name in form.data if name != "csrf_token"})
    except Refused as error:
        return error.message
    auth.told(_("Saved."))
    return ""


def _project(project_id: int) -> Project:
    project = db.session.get(Project, project_id)
    if project is None:
        raise NotFound(_("There is no such project."))
    return project


def _names(model: type[Queue] | type[Channel]) -> dict[int, list[Any]]:
    """Id and name of all queues or channels, by project."""
    found: dict[int, list[Any]] = {}
    query = select(model.project_id, model.id, model.name).order_by(func.sort_key(model.name), model.id)
    for row in db.session.execute(query):
        found.setdefault(row.project_id, []).append(row)
    return found


def _page(project: Project, form: ProjectForm, fault: str = "") -> str:
    queues = db.session.scalars(
        select(Queue).where(Queue.project_id == project.id).order_by(Queue.active.desc(), func.sort_key(Queue.name))
    ).all()
    channels = db.session.scalars(
        select(Channel).where(Channel.project_id == project.id, CONNECTED).order_by(func.sort_key(Channel.name))
    ).all()
    own = {
        (project.id, key, language)
        for key, language in db.session.execute(
            select(CustomerText.key, CustomerText.language).where(CustomerText.project_id == project.id)
        ).tuples()
    }
    groups = db.session.scalars(select(Group).order_by(Group.everyone.desc(), func.sort_key(Group.name))).all()
    return render_template(
        "projects/show.html",
        project=project,
        form=form,
        fault=fault,
        queues=queues,
        channels=channels,
        texts=KEYS,
        own=own,
        languages=LANGUAGES,
        rows=groups,
        team=_team(groups, queues),
        rights=RIGHTS,
    )


def _team(groups: Sequence[Group], queues: Sequence[Queue]) -> dict[int, dict[int, str]]:
    """What each group may do in each of the queues: group id to queue id to right."""
    ids = [queue.id for queue in queues]
    found: dict[int, dict[int, str]] = {group.id: {} for group in groups}
    for given in db.session.scalars(select(QueueRight).where(QueueRight.queue_id.in_(ids))):
        found[given.group_id][given.queue_id] = given.right
    return found
