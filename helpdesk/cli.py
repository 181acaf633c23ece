"""Commands of the desk itself."""

from functools import cache

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy.exc import OperationalError

from helpdesk import ROOT, files
from helpdesk.commands import needs_app
from helpdesk.db import db
from helpdesk.errors import StartError

MIGRATIONS = str(ROOT / "migrations")
__all__ = ["MIGRATIONS", "init_app", "migrate", "migrate_database", "needs_app", "newest_revision"]


def init_app(app: Flask) -> None:
    """Connect Alembic with the application."""
    Migrate(app, db, directory=MIGRATIONS, compare_type=True)


@cache
def newest_revision() -> str | None:
    """The schema revision that this program needs; read once, because it comes with the code."""
    return ScriptDirectory(MIGRATIONS).get_current_head()


@cache
def known_revisions() -> frozenset[str]:
    """All schema revisions that this program can bring forward."""
    return frozenset(revision.revision for revision in ScriptDirectory(MIGRATIONS).walk_revisions())


def migrate_database() -> None:
    """Bring the database to this version, and see that the store of files belongs to it.

    Raises StartError when the database is of a newer version, cannot be reached, or has its files elsewhere.

    Needs an application context.
    """
    try:
        with db.engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        where = db.engine.url.render_as_string(hide_password=True)
        raise StartError(f"The database {where} cannot be used: {' '.join(str(error.orig).split())}") from error
    if present is not None and present not in known_revisions():
        raise StartError(
            f"The database is of a newer version of the helpdesk (revision {present}). "
            "Install that version or restore a backup."
        )
    upgrade(directory=MIGRATIONS)
    files.store()


@click.command("migrate")
@needs_app
def migrate() -> None:
    """Bring the database to this version."""
    migrate_database()
