"""Commands of the desk itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy.exc import OperationalError

from helpdesk import ROOT
from helpdesk.db import db
from helpdesk.errors import StartError

MIGRATIONS = str(ROOT / "migrations")


def needs_app(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command's function inside an application context. The root command carries the factory as its object."""

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        factory = click.get_current_context().find_root().obj
        with factory().app_context():
            return function(*args, **kwargs)

    return inside


def init_app(app: Flask) -> None:
    """Connect Alembic with the application."""
    Migrate(app, db, directory=MIGRATIONS, compare_type=True)


def migrate_database() -> None:
    """Bring the database to this version. Raises StartError when it is of a newer one or cannot be reached.

    Needs an application context.
    """
    known = {revision.revision for revision in ScriptDirectory(MIGRATIONS).walk_revisions()}
    try:
        with db.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        where = db.engine.url.render_as_string(hide_password=True)
        raise StartError(f"The database {where} cannot be used: {' '.join(str(error.orig).split())}") from error
    if present is not None and present not in known:
        raise StartError(
            f"The database is of a newer version of the helpdesk (revision {present}). "
            "Install that version or restore a backup."
        )
    upgrade(directory=MIGRATIONS)


@click.command("migrate")
@needs_app
def migrate() -> None:
    """Bring the database to this version."""
    migrate_database()
