"""The desk: what is true, and what people see. Knows nothing of channels or jobs.

Importing this package is cheap on purpose: the parent of all processes imports parts of it and must stay small.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from helpdesk.config import Settings

ROOT = Path(__file__).resolve().parent.parent


def create_app(config: "Settings | None" = None) -> "Flask":
    """The desk as a Flask application; `queues.init_app` adds the way of a message."""
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from helpdesk import api, auth, babel, bodies, cli, compression, handlers, headers, logs, models, shell, views
    from helpdesk.config import settings
    from helpdesk.db import db
    from helpdesk.keyring import keyring
    from helpdesk.turns import Turns

    config = config or settings()
    logs.configure(config.log_level)
    app = Flask(
        "helpdesk", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "helpdesk/static")
    )
    app.config.update(
        SECRET_KEY=keyring().derive("flask"),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(),
        MAX_CONTENT_LENGTH=32 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        MAX_FORM_PARTS=200,
        WTF_CSRF_TIME_LIMIT=None,
        PREFERRED_URL_SCHEME="https" if config.secure else "http",
    )
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.wsgi_app = Turns(app.wsgi_app)  # type: ignore[method-assign]
    db.init_app(app)
    models.configure()
    bodies.init_app(app)
    babel.init_app(app)
    auth.init_app(app)
    cli.init_app(app)
    headers.init_app(app)
    handlers.init_app(app)
    compression.init_app(app)
    shell.init_app(app)
    views.init_app(app)
    api.init_app(app)
    return app


def engine_options() -> dict[str, object]:
    """How connections to PostgreSQL are made: short time-outs, so that no page waits for a lock or a lost server."""
    options = "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000"
    return {
        "pool_size": 10,
        "max_overflow": 10,
        "pool_timeout": 10,
        "hide_parameters": True,  # what people wrote, and hashes, stay out of logs and of the reasons of failed input
        "connect_args": {"connect_timeout": 5, "options": options + " -c timezone=UTC"},
    }
