"""Pages that belong to the way of a message, one file per noun of the URL."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

NOUNS = (
    "bulk",
    "channels",
    "claims",
    "hooks",
    "http_channels",
    "macro_runs",
    "mailbox_reading",
    "metrics",
    "openings",
    "outbox",
    "outgoing",
    "quarantine",
    "rules",
    "sending",
    "shifts",
    "status",
)


def init_app(app: "Flask") -> None:
    """Register the pages, and put their entries into the rail."""
    from flask_babel import lazy_gettext as _l

    from helpdesk.shell import NavItem, add_nav
    from helpdesk.views.administration import manages
    from queues.views import outbox

    for noun in NOUNS:
        app.register_blueprint(import_module(f"queues.views.{noun}").pages)
    outbox.init_app(app)
    add_nav(app, NavItem("work", "openings.new", _l("New ticket"), "plus", key="c"), before="search.show")
    add_nav(
        app,
        manages(
            "channels.index",
            _l("Channels"),
            "mail",
            "ways",
            _l("Mailboxes and other systems that customers write through."),
            "http_channels",
            "mailbox_reading",
            often=True,
        ),
        manages(
            "rules.index", _l("Rules"), "adjustments", "ways", _l("Sort, mark or leave out mail before it is a ticket.")
        ),
        manages(
            "outbox.show",
            _l("Sending"),
            "send",
            "ways",
            _l("What waits to leave, and a switch that holds it."),
            "sending",
        ),
        manages(
            "outgoing.index",
            _l("Local outgoing mail"),
            "file",
            "ways",
            _l("Mail of channels without an outgoing server, which stays here."),
        ),
        NavItem("watch", "status.show", _l("Status"), "activity", shows=lambda user: user.is_supervisor),
        NavItem("watch", "quarantine.index", _l("Quarantine"), "shield", shows=lambda user: user.is_supervisor),
    )
