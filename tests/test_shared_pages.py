"""Pages of queues that readers share: the same for a moment, never the wrong reader's, never older than the version."""

import re
from typing import Any

import pytest

from helpdesk.db import db
from helpdesk.models import Draft
from helpdesk.queries.lists import View
from helpdesk.views import list_rows, shapes, shared_pages
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


def fields(page: str, name: str) -> list[str]:
    """What the hidden fields of this name hold."""
    return re.findall(rf'name="{name}" value="([^"]*)"', page)


def test_a_row_is_made_once_and_its_form_is_each_readers_own(
    app: Any, make_committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_committed.cast()
    ticket = make_committed.ticket(people.support, title="Где мой заказ?")
    make_committed.ticket(people.support, title="Когда откроетесь?")
    ann, bob = sign_in(app, people.ann), sign_in(app, people.bob)
    address, headers = f"/queues/{people.support.id}", {"HX-Request": "true"}
    made: list[int] = []
    plain = shapes.url_if

    list_rows._kept.clear()
    monkeypatch.setattr(list_rows.shapes, "url_if", lambda *args, **more: made.append(1) or plain(*args, **more))
    pages = [client.get(address, headers=headers).text for client in (ann, bob, ann)]
    assert len(made) == 2  # one for each row, not for each reader
    assert [len(row["kept"]) for row in list_rows._kept.values()] == [1, 1]
    tokens, keys = [fields(page, "csrf_token") for page in pages], [fields(page, "key") for page in pages]
    assert [len(one) for one in tokens] == [len(one) for one in keys] == [2, 2, 2]
    assert len({key for page in keys for key in page}) == 6  # what is sent twice acts once, and only then
    for page in pages:
        assert page.count("Где мой заказ?") == 1
        assert list_rows.TOKEN not in page and list_rows.ONCE not in page
    token = tokens[1][0]  # bob's form is good for bob, though ann looked first
    answer = bob.post(f"/tickets/{ticket.id}/claims", data={"csrf_token": token, "key": keys[1][0]}, token=False)
    refused = ann.post(f"/tickets/{ticket.id}/claims", data={"csrf_token": token, "key": "x"}, token=False)
    assert (answer.status_code < 400, refused.status_code) == (True, 403)
