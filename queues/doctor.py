"""`helpdesk doctor`: finds out what is wrong, also where hardly anything works."""

from collections.abc import Callable, Iterator

import psycopg
from flask import Flask
from flask_babel import Babel

from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.embedded import join_running
from helpdesk.errors import StartError
from queues import checkups, outside
from queues.findings import Finding, Level, examine


def diagnose(factory: Callable[[], Flask], connect: bool) -> list[Finding]:
    """All findings of this installation. `connect`: also try the servers of all channels, which takes a while."""
    found = _find_engines()
    trouble = found or _database_trouble()
    if trouble is None:
        try:
            app = factory()
        except (StartError, OSError, ValueError, KeyError) as error:
            trouble = Finding("program", Level.FAULT, f"The program cannot start: {error}")
        else:
            with app.test_request_context():
                return look(connect)
    bare = Flask("doctor")
    Babel(bare)
    with bare.test_request_context():
        return [trouble, *examine(outside.CHECKS)]


def look(connect: bool) -> list[Finding]:
    """All findings, with the database at hand. Needs an application context, and ends its transaction."""

    def fresh() -> Iterator[Finding]:
        for check in (*outside.CHECKS, *checkups.CHECKS, *(checkups.CONNECTING if connect else ())):
            yield from examine([check])
            db.session.rollback()  # what one check spoiled must not spoil the next

    return list(fresh())


def _find_engines() -> Finding | None:
    """Point this process to the embedded engines, where the environment names none; a finding where they do not run."""
    try:
        join_running()
    except StartError as error:
        return Finding("database", Level.FAULT, str(error))
    return None


def _database_trouble() -> Finding | None:
    """Whether the database can be asked at all."""
    try:
        psycopg.connect(settings().database_url.replace("+psycopg", "", 1), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())[:300]
        return Finding("database", Level.FAULT, f"The database is away: {words}", "Start it, or look at DATABASE_URL.")
    return None
