"""Whether the web process lives (`/health`) and can work (`/ready`)."""

import redis
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from helpdesk import live
from helpdesk.db import db

pages = Blueprint("health", __name__)


@pages.get("/health")
def health() -> ResponseReturnValue:
    """200 as long as this process answers at all."""
    return jsonify(status="ok")


@pages.get("/ready")
def ready() -> ResponseReturnValue:
    """200 when the database answers; Redis only degrades what works."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return jsonify(status="down", database="away"), 503
    try:
        live.connection().ping()
    except redis.RedisError:
        return jsonify(status="degraded", redis="away")
    return jsonify(status="ok")
