"""Connections to PostgreSQL: how a dead one is found out, and reading without transactions of their own.

A page costs a handful of statements, so each further round trip counts: asking a connection whether it lives, and the
BEGIN and COMMIT around mere reading, were half of what a small fragment cost.
"""

import select
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, request
from psycopg import Error
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import Pool

from helpdesk.db import db

View = TypeVar("View", bound=Callable[..., Any])

ASK_AFTER = 10.0  # seconds that a connection may rest unasked
USED_AT = "used_at"


def _plain_poll() -> Any:
    """`select.poll` of the system: it looks and never waits, so gevent need not stand between."""
    if "gevent.monkey" in sys.modules:
        from gevent.monkey import get_original

        return get_original("select", "poll")()
    return select.poll()


def is_quiet(descriptor: int) -> bool:
    """Whether nothing has come on a socket that should be silent: neither words nor its end."""
    poll = _plain_poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


@event.listens_for(Pool, "checkin")
def _note_use(_connection: Any, record: Any) -> None:
    record.info[USED_AT] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _look(connection: Any, record: Any, _proxy: Any) -> None:
    """A server that is gone has closed its sockets, which costs no round trip to see; after a rest it is asked."""
    used_at = record.info.get(USED_AT)
    if used_at is None:
        return  # just made
    try:
        if time.monotonic() - used_at < ASK_AFTER and is_quiet(connection.fileno()):
            return
        connection.execute("")
        connection.rollback()
    except (Error, OSError, ValueError) as error:
        raise InvalidatePoolError("the connection is gone") from error


def reads_only(view: View) -> View:
    """Mark a view that changes nothing."""
    view.reads_only = True  # type: ignore[attr-defined]  # functions may carry what they like
    return view


def begin_reading() -> None:
    """Let a request to a view that only reads do so without transactions: each statement sees what is committed."""
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "reads_only", False) and isinstance(db.session.get_bind(), Engine):
        db.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
