"""Several panes of a ticket in one answer: each as it would come alone, asked for with one session and one ticket."""

import re
from typing import Any

import pytest
from flask import has_request_context
from sqlalchemy import event

from helpdesk.db import db
from tests.clients import sign_in

ALONE = {"thread": "thread", "ticket-bar": "bar", "card-body": "card"}


def without_once(page: str) -> str:
    """A fragment without what is new in each answer: keys of forms and tokens."""
    return re.sub(r'name="(key|csrf_token)" value="[^"]*"', "", page)


@pytest.fixture
def ticket(cast: Any, make: Any) -> Any:
    """A ticket of ann's on which eve wrote twice."""
    ticket = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    make.hear(ticket, "Жду третий день")
    ticket.claim(cast.ann)
    return ticket


def test_each_part_is_what_it_is_alone(app: Any, cast: Any, ticket: Any) -> None:
    client = sign_in(app, cast.ann)
    together = without_once(client.get(f"/tickets/{ticket.id}/panes?of=thread,ticket-bar,card-body,handled").text)
    for name, path in ALONE.items():
        alone = without_once(client.get(f"/tickets/{ticket.id}/{path}").text).strip()
        assert f'id="{name}"' in alone
        assert alone in together
    assert together.count('id="handled"') == 1


def test_only_what_was_asked_for_comes(app: Any, cast: Any, ticket: Any) -> None:
    client = sign_in(app, cast.ann)
    page = client.get(f"/tickets/{ticket.id}/panes?of=handled,composer").text
    assert 'id="handled"' in page
    assert "data-message" not in page and "composer" not in page
    assert client.get(f"/tickets/{ticket.id}/panes").text.strip() == ""


def test_what_is_loaded_above_stays(app: Any, cast: Any, make: Any, ticket: Any) -> None:
    """The browser says from which message on it shows the thread, as it does for the thread alone."""
    said = [make.hear(ticket, f"Сообщение {number}") for number in range(40)]
    client = sign_in(app, cast.ann)
    first = said[1].id
    page = client.get(f"/tickets/{ticket.id}/panes?of=thread", headers={"X-Thread-From": str(first)}).text
    assert f'id="message-{first}"' in page


def test_session_ticket_and_rights_are_asked_for_once(app: Any, cast: Any, ticket: Any) -> None:
    client = sign_in(app, cast.ann)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if has_request_context():
            asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        client.get(f"/tickets/{ticket.id}/panes?of=thread,ticket-bar,card-body,handled")
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert sum("FROM user_sessions" in one for one in asked) == 1
    assert not any(one.startswith("SELECT queue_rights") for one in asked)  # they came with the session
    assert sum("FROM tickets" in one and "tickets.number_key" in one for one in asked) == 1
