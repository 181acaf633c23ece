"""Connections of the pool: dead ones are found out before they are used, and reading needs no transaction."""

from typing import Any

from flask import has_request_context
from sqlalchemy import event, text

from helpdesk.db import db
from tests.clients import sign_in


def test_a_connection_whose_server_ended_is_replaced(app: Any) -> None:
    with app.app_context():
        engine = db.engine
        with engine.connect() as one, engine.connect() as other:
            mine = one.scalar(text("SELECT pg_backend_pid()"))
            dead = one.connection.dbapi_connection
            one.close()
            other.execute(text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": mine})
            assert dead is not None and not dead.closed  # nobody has told it yet
            with engine.connect() as third:
                assert third.scalar(text("SELECT pg_backend_pid()")) != mine


def test_reading_a_pane_opens_no_transaction(app: Any, committed: Any, make_committed: Any) -> None:
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support)
    client = sign_in(app, cast.ann)
    levels = []

    def note(connection: Any, *_: Any) -> None:
        if has_request_context():
            levels.append(connection.connection.dbapi_connection.autocommit)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert client.get(f"/tickets/{ticket.id}/thread", headers={"X-Background": "1"}).status_code == 200
        seen, levels = levels, []
        client.post(f"/tickets/{ticket.id}/notes", data={"body": "Позвонить завтра"})
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert seen and all(seen)
    assert levels and not any(levels)
