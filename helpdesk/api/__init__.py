"""The REST API: tickets, messages, customers and queues for programs. What takes tickets from the line joins it from
the way of a message (`queues.api`).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

NOUNS = ("caller", "tickets", "messages", "customers", "queues", "definitions", "webhooks")


def init_app(app: "Flask") -> None:
    """Add the nouns of the desk to the API, and its document."""
    from helpdesk.api.reference import pages

    import_module("helpdesk.api.openings")  # adds to the noun of tickets
    import_module("helpdesk.api.client_events")  # and this to the noun of customers
    for name in NOUNS:
        import_module(f"helpdesk.api.{name}").noun.init_app(app)
    app.register_blueprint(pages)
