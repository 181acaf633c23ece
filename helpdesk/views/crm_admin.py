"""The panel of an outer system: its settings in each project. For administrators."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk import auth, crm_changes
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import CrmPanel, Project
from helpdesk.models.fields import CrmWay

pages = Blueprint("crm_admin", __name__)

WAYS = {
    CrmWay.FRAME.value: _l("Their page in a frame of the card, by a signed link"),
    CrmWay.TAB.value: _l("A button that opens their page in a new tab, by a signed link"),
    CrmWay.DATA.value: _l("Rows that we ask them for and show ourselves"),
}


@dataclass(frozen=True)
class Once:
    """A secret that the next page shows once."""

    secret: str


@pages.get("/admin/projects/<int:project_id>/crm")
@administrators_only
def show(project_id: int) -> ResponseReturnValue:
    """The settings of one project."""
    project = _project(project_id)
    return _page(project, crm_changes.panel_of(project))


@pages.post("/admin/projects/<int:project_id>/crm")
@administrators_only
def save(project_id: int) -> ResponseReturnValue:
    """Make or change the panel; a new one's secret is shown once."""
    project, form = _project(project_id), request.form
    way, title, url, active = form.get("way", ""), form.get("title", ""), form.get("url", ""), "active" in form
    try:
        secret = crm_changes.save_panel(me(), project, way, title, url, active)
    except Refused as error:
        db.session.rollback()
        project = _project(project_id)
        given = {"way": way, "title": title, "url": url, "active": active}
        return _page(project, crm_changes.panel_of(project), given, error.message), 422
    if secret is not None:
        db.session.flush()
        return _page(project, crm_changes.panel_of(project), once=Once(secret))
    auth.told(_("Saved."))
    return redirect(url_for("crm_admin.show", project_id=project.id), 303)


@pages.post("/admin/projects/<int:project_id>/crm/secret")
@administrators_only
def renew(project_id: int) -> ResponseReturnValue:
    """Another secret, shown once."""
    project = _project(project_id)
    panel = _present(project)
    return _page(project, panel, once=Once(crm_changes.renew_secret(me(), project, panel)))


@pages.post("/admin/projects/<int:project_id>/crm/removal")
@administrators_only
def remove(project_id: int) -> ResponseReturnValue:
    """Take the panel away."""
    project = _project(project_id)
    crm_changes.remove_panel(me(), project, _present(project))
    auth.told(_("The panel is removed."))
    return redirect(url_for("projects.show", project_id=project.id), 303)


def _project(project_id: int) -> Project:
    project = db.session.get(Project, project_id)
    if project is None:
        raise NotFound(_("There is no such project."))
    return project


def _present(project: Project) -> CrmPanel:
    panel = crm_changes.panel_of(project)
    if panel is None:
        raise NotFound(_("This project has no panel."))
    return panel


def _page(
    project: Project,
    panel: CrmPanel | None,
    given: Mapping[str, object] | None = None,
    fault: str = "",
    once: Once | None = None,
) -> str:
    fresh = {"way": CrmWay.DATA.value, "title": "", "url": "", "active": True}
    stored = {name: getattr(panel, name) for name in fresh} if panel is not None else fresh
    return render_template(
        "crm/settings.html", project=project, panel=panel, given=given or stored, ways=WAYS, fault=fault, once=once
    )
