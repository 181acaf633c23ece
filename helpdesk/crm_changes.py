"""What administrators do with the panel of an outer system. Every change is written into the history."""

import secrets

from flask_babel import gettext as _

from helpdesk import clock
from helpdesk.crm import checked_url, forget_answers, seal_scope
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.keyring import keyring
from helpdesk.models import CrmPanel, Project, User
from helpdesk.models.event import record_change
from helpdesk.models.fields import CrmWay
from helpdesk.staff import apply

LONGEST_TITLE = 60


def panel_of(project: Project) -> CrmPanel | None:
    """The panel of a project, if it has one."""
    return db.session.get(CrmPanel, project.id)


def save_panel(by: User, project: Project, way: str, title: str, url: str, active: bool) -> str | None:
    """Make or change the panel. Returns the secret of a new one, which is shown once; None where it had one.

    Raises Refused for what may not be.
    """
    title = " ".join(title.split())
    if way not in set(CrmWay):
        raise Refused(_("Choose how the system is shown."))
    if not title or len(title) > LONGEST_TITLE:
        raise Refused(_("Give the panel a title of up to %(count)s characters.", count=LONGEST_TITLE))
    values = {"way": way, "title": title, "url": checked_url(url, way), "active": active}
    panel = panel_of(project)
    if panel is None:
        panel = CrmPanel(project_id=project.id, **values)
        secret = _fresh_secret(panel)
        db.session.add(panel)
        record_change(by.id, "crm", project.id, project.name, {"added": True, "url": values["url"]})
        return secret
    changes = apply(panel, values)
    if changes:
        panel.changed_at = clock.now()
        record_change(by.id, "crm", project.id, project.name, changes)
        forget_answers()
    return None


def renew_secret(by: User, project: Project, panel: CrmPanel) -> str:
    """Another secret, which is shown once; what the former one signed is worth nothing from now on."""
    record_change(by.id, "crm", project.id, project.name, {"secret": "renewed"})
    return _fresh_secret(panel)


def remove_panel(by: User, project: Project, panel: CrmPanel) -> None:
    """Take the panel away with its secret."""
    record_change(by.id, "crm", project.id, project.name, {"removed": True, "url": panel.url})
    db.session.delete(panel)


def _fresh_secret(panel: CrmPanel) -> str:
    secret = secrets.token_urlsafe(32)
    panel.secret = keyring().seal_json(secret, seal_scope(panel.project_id))
    panel.changed_at = clock.now()
    return secret
