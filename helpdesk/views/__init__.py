"""The desk's pages, one file per noun of the URL."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the pages of the desk."""
    from helpdesk.views import health, live

    for view in (health, live):
        app.register_blueprint(view.pages)
