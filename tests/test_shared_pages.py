"""Pages of queues that readers share: the same for a moment, never the wrong reader's, never older than the version."""

from typing import Any

import pytest

from helpdesk.db import db
from helpdesk.models import Draft
from helpdesk.queries.lists import View
from helpdesk.views import shared_pages
from helpdesk.views.shared_pages import queue_page
from tests.clients import sign_in


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_pages, "KEEP_SECONDS", 60.0)
    shared_pages._kept.clear()


def test_a_page_is_read_once_for_a_version(cast: Any, make: Any, session: Any) -> None:
    make.ticket(cast.support)
    first = queue_page(cast.support, View.WAITING, None, 25, "7")
    make.ticket(cast.support)
    assert queue_page(cast.support, View.WAITING, None, 25, "7") is first
    assert len(queue_page(cast.support, View.WAITING, None, 25, "8").rows) == 2
    assert len(queue_page(cast.support, View.WAITING, None, 25, "").rows) == 2, "without Redis nothing is shared"


def test_another_order_is_another_page(cast: Any, make: Any, session: Any) -> None:
    make.ticket(cast.support)
    first = queue_page(cast.support, View.WAITING, None, 25, "7")
    cast.support.by_priority = True
    assert queue_page(cast.support, View.WAITING, None, 25, "7") is not first


def test_what_is_a_readers_own_stays_theirs(app: Any, make_committed: Any) -> None:
    people = make_committed.cast()
    ticket = make_committed.ticket(people.support)
    db.session.add(Draft(user_id=people.ann.id, ticket_id=ticket.id, body="Только моё", mode="note"))
    db.session.commit()
    ann, bob, sue = (sign_in(app, person) for person in (people.ann, people.bob, people.sue))
    address = f"/queues/{people.support.id}"
    headers = {"HX-Request": "true"}
    assert "Только моё" in ann.get(address, headers=headers).text
    assert "Только моё" not in bob.get(address, headers=headers).text
    people.bob.language = "uk"
    db.session.commit()
    assert ann.get(address, headers=headers).text != bob.get(address, headers=headers).text
    assert sue.get(address, headers=headers).status_code in {200, 404}
