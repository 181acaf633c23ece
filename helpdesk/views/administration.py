"""What supervisors and administrators find in the rail."""

from flask import Flask
from flask_babel import lazy_gettext as _l

from helpdesk.models.user import User
from helpdesk.shell import NavItem, add_nav


def _administers(user: User) -> bool:
    return user.is_administrator


def init_app(app: Flask) -> None:
    """Add the screens of supervisors and administrators to the rail."""
    add_nav(
        app,
        NavItem("watch", "supervision.show", _l("Supervision"), "eye", shows=lambda user: user.is_supervisor),
        NavItem("manage", "projects.index", _l("Projects"), "building", shows=_administers),
        NavItem("manage", "queues_admin.index", _l("Queues"), "stack-2", shows=_administers),
        NavItem("manage", "people.index", _l("People"), "users", shows=_administers),
        NavItem("manage", "groups.index", _l("Groups"), "users-group", shows=_administers),
        NavItem("manage", "availability.settings", _l("Presence and limits"), "user-check", shows=_administers),
        NavItem("manage", "targets.index", _l("Promises"), "hourglass", shows=_administers),
        NavItem("manage", "texts.index", _l("Texts"), "template", shows=_administers),
        NavItem("manage", "api_admin.index", _l("API and webhooks"), "plug-connected-x", shows=_administers),
        NavItem("manage", "installation.show", _l("Settings"), "settings", shows=_administers),
    )
