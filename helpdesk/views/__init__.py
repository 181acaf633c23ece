"""The desk's pages, one file per noun of the URL."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the pages of the desk."""
    from helpdesk import shell
    from helpdesk.views import (
        administration,
        categories,
        customer_texts,
        customers,
        dialogs,
        drafts,
        facts,
        files,
        groups,
        health,
        installation,
        live,
        messages,
        organisations,
        password_links,
        people,
        preferences,
        queues,
        queues_admin,
        rail,
        replies,
        search,
        second_step,
        sessions,
        states,
        texts,
        tickets,
        welcome,
    )

    shell.init_app(app)
    rail.init_app(app)
    administration.init_app(app)
    for view in (
        categories,
        customer_texts,
        customers,
        dialogs,
        drafts,
        facts,
        files,
        groups,
        health,
        installation,
        live,
        messages,
        organisations,
        password_links,
        people,
        preferences,
        queues,
        queues_admin,
        rail,
        replies,
        search,
        second_step,
        sessions,
        states,
        texts,
        tickets,
        welcome,
    ):
        app.register_blueprint(view.pages)
