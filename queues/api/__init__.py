"""What the way of a message adds to the REST API."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Add claims to the API."""
    from queues.api import claims

    claims.noun.init_app(app)
