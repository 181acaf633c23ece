"""What supervisors and administrators find in the rail, and the page from which every setting is reached."""

from flask import Blueprint, Flask, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk import permissions
from helpdesk.auth import administrators_only
from helpdesk.models.user import User
from helpdesk.shell import NavItem, add_nav, navigation

pages = Blueprint("administration", __name__)


@pages.get("/admin")
@administrators_only
def show() -> ResponseReturnValue:
    """All settings on one page, in groups."""
    names = {
        "ways": _("Where messages come in and leave"),
        "work": _("How work is shared"),
        "people": _("People"),
        "installation": _("Other programs, and this installation"),
    }
    entries = navigation("manage")
    groups = [(name, [entry for entry in entries if entry.group == code]) for code, name in names.items()]
    return render_template("admin/index.html", groups=[group for group in groups if group[1]])


def manages(
    endpoint: str, label: object, icon: str, group: str, hint: object, *also: str, often: bool = False
) -> NavItem:
    """An entry for administrators; `group` is one of "ways", "work", "people" and "installation"."""
    return NavItem("manage", endpoint, label, icon, shows=_administers, also=also, often=often, group=group, hint=hint)


def _administers(user: User) -> bool:
    return user.is_administrator


def _edits_only_settings(user: User) -> bool:
    return not user.is_administrator and permissions.edits_dialog_settings(user)


def init_app(app: Flask) -> None:
    """Add the screens of supervisors and administrators to the rail."""
    add_nav(
        app,
        NavItem("watch", "supervision.show", _l("Supervision"), "eye", key="v", shows=lambda user: user.is_supervisor),
        manages(
            "queues_admin.index",
            _l("Queues"),
            "stack-2",
            "work",
            _l("Where tickets wait and in which order."),
            often=True,
        ),
        manages(
            "projects.index",
            _l("Projects"),
            "building",
            "work",
            _l("Brands, each with its channels, queues, language and texts."),
            "former",
            "crm_admin",
        ),
        manages(
            "targets.index",
            _l("Promises"),
            "hourglass",
            "work",
            _l("How soon customers are answered, and the calendars of working hours and holidays."),
            "calendars",
        ),
        manages(
            "texts.index",
            _l("Texts"),
            "template",
            "work",
            _l("Ready answers, signatures and other texts for customers."),
            "customer_texts",
        ),
        manages("macros.index", _l("Macros"), "bolt", "work", _l("Several changes of a ticket with one click.")),
        manages(
            "managed_lists.start",
            _l("Dialog settings"),
            "tag",
            "work",
            _l("Request types, reasons, components, categories, and fields of your own."),
            "fields",
        ),
        NavItem(
            "watch", "managed_lists.start", _l("Dialog settings"), "tag", shows=_edits_only_settings, also=("fields",)
        ),
        manages(
            "people.index", _l("People"), "users", "people", _l("Invite, change roles, reset what is lost."), often=True
        ),
        manages(
            "groups.index", _l("Groups"), "users-group", "people", _l("Teams, and what each may do in which queue.")
        ),
        manages(
            "availability.settings",
            _l("Presence and limits"),
            "user-check",
            "people",
            _l("Reasons to be away, and how much one person may have at once."),
        ),
        manages(
            "handled.everything",
            _l("Mark everything as handled"),
            "checks",
            "work",
            _l("Unread marks of the whole company go at once; it can be undone for an hour."),
        ),
        manages(
            "api_admin.index",
            _l("API and webhooks"),
            "api",
            "installation",
            _l("Tokens for programs, and systems that are told of events."),
            "webhooks",
        ),
        manages(
            "installation.show",
            _l("This installation"),
            "settings",
            "installation",
            _l("Ticket numbers, and the second step of administrators."),
        ),
    )
