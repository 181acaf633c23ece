"""`helpdesk doctor`: finds out what is wrong, also where hardly anything works."""

import os
from collections.abc import Callable, Iterator

import psycopg
from flask import Flask
from flask_babel import Babel

from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.embedded import Engines
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
    config = settings()
    if config.database_url and config.redis_url:
        return None
    if not config.data.is_dir():
        words = f"There is no folder {config.data}."
        return Finding("database", Level.FAULT, words, "Set HELPDESK_DATA to the folder of the helpdesk.")
    engines = Engines(config.data)
    try:
        if not config.redis_url:
            os.environ["REDIS_URL"] = engines.redis_url
        if not config.database_url:
            os.environ["DATABASE_URL"] = engines.database_url
    except StartError as error:
        return Finding("database", Level.FAULT, str(error))
    settings.cache_clear()
    if not config.database_url and not engines.postgres_ready():
        words = f"The helpdesk does not run on {config.data}."
        return Finding("database", Level.FAULT, words, "Start it with `helpdesk run`, or set DATABASE_URL.")
    return None


def _database_trouble() -> Finding | None:
    """Whether the database can be asked at all."""
    try:
        psycopg.connect(settings().database_url.replace("+psycopg", "", 1), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())[:300]
        return Finding("database", Level.FAULT, f"The database is away: {words}", "Start it, or look at DATABASE_URL.")
    return None
