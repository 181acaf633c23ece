"""The desk's pages, one file per noun of the URL."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the pages of the desk."""
    from helpdesk.views import health, live, password_links, preferences, second_step, sessions

    for view in (
        health,
        live,
        sessions,
        password_links,
        preferences,
        second_step,
    ):
        app.register_blueprint(view.pages)
