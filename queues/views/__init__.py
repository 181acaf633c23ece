"""Pages that belong to the way of a message, one file per noun of the URL."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Register the pages, and put their entries into the rail."""
    from flask_babel import lazy_gettext as _l

    from helpdesk.shell import NavItem, add_nav
    from queues.views import (
        channels,
        claims,
        hooks,
        http_channels,
        mailbox_reading,
        metrics,
        openings,
        outbox,
        outgoing,
        quarantine,
        rules,
        sending,
        shifts,
        status,
    )

    for view in (
        channels,
        claims,
        hooks,
        http_channels,
        mailbox_reading,
        metrics,
        openings,
        outbox,
        outgoing,
        quarantine,
        rules,
        sending,
        shifts,
        status,
    ):
        app.register_blueprint(view.pages)
    outbox.init_app(app)
    add_nav(
        app,
        NavItem("work", "openings.new", _l("New ticket"), "plus", key="c"),
        NavItem("manage", "channels.index", _l("Channels"), "mail", shows=lambda user: user.is_administrator),
        NavItem("manage", "rules.index", _l("Rules"), "adjustments", shows=lambda user: user.is_administrator),
        NavItem(
            "manage", "outgoing.index", _l("Local outgoing mail"), "send", shows=lambda user: user.is_administrator
        ),
        NavItem("manage", "outbox.show", _l("Sending"), "send", shows=lambda user: user.is_administrator),
        NavItem("watch", "status.show", _l("Status"), "activity", shows=lambda user: user.is_supervisor),
        NavItem("watch", "quarantine.index", _l("Quarantine"), "shield", shows=lambda user: user.is_supervisor),
    )
