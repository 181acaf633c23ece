"""Whether the web process lives (`/health`) and can work (`/ready`)."""

import shutil

import redis
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from helpdesk import live
from helpdesk.cli import known_revisions, newest_revision
from helpdesk.config import settings
from helpdesk.db import db

pages = Blueprint("health", __name__)

LEAST_ROOM = 50_000_000  # bytes; below it files and mail can no longer be stored


@pages.get("/health")
def health() -> ResponseReturnValue:
    """200 as long as this process answers at all."""
    return jsonify(status="ok")


@pages.get("/ready")
def ready() -> ResponseReturnValue:
    """200 when the database answers in the shape that this program needs, and data can be written.

    Without Redis all works, only slower: that is "degraded" and still 200. Nothing is told that outsiders may not know.
    """
    try:
        present = db.session.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    except ProgrammingError:
        return jsonify(status="down", database="empty"), 503
    except SQLAlchemyError:
        return jsonify(status="down", database="away"), 503
    if newest_revision() not in present and known_revisions() & set(present):  # a newer one is met while upgrading
        return jsonify(status="down", database="of an older version"), 503
    if shutil.disk_usage(settings().data).free < LEAST_ROOM:
        return jsonify(status="down", disk="full"), 503
    try:
        live.connection().ping()
    except redis.RedisError:
        return jsonify(status="degraded", redis="away")
    return jsonify(status="ok")
