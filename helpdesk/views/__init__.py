"""The desk's pages, one file per noun of the URL."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the pages of the desk."""
    from helpdesk import shell
    from helpdesk.views import (
        dialogs,
        drafts,
        facts,
        health,
        live,
        messages,
        queues,
        rail,
        replies,
        states,
        tickets,
    )

    shell.init_app(app)
    rail.init_app(app)
    for view in (dialogs, drafts, facts, health, live, messages, queues, rail, replies, states, tickets):
        app.register_blueprint(view.pages)
