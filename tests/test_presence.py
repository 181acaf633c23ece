"""Who is on a ticket: kept in Redis for seconds, told to the others at once, and never a reason to fail."""

import re
import time
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import event
from sqlalchemy.engine import Engine

from helpdesk import live, presence
from helpdesk.presence import Doing, Here
from helpdesk.views.presence import sentences
from tests.clients import sign_in


@pytest.fixture(autouse=True)
def empty(engines: None) -> None:
    for key in live.connection().keys("here:*"):
        live.connection().delete(key)


@pytest.fixture
def told(monkeypatch: Any) -> list[Any]:
    """The live topics that were published."""
    found: list[Any] = []
    monkeypatch.setattr(live, "publish", found.append)
    return found


def doings(ticket_id: int) -> list[tuple[str, str]]:
    return [(one.name, one.doing) for one in presence.on(ticket_id)]


def test_each_person_stands_there_once_with_the_strongest_thing_they_do(cast: Any, told: Any) -> None:
    presence.note(7, cast.ann, "a1", Doing.VIEWING)
    presence.note(7, cast.ann, "a2", Doing.NOTE)
    presence.note(7, cast.bob, "b1", Doing.AWAY)
    here = presence.note(7, cast.bob, "b2", Doing.REPLY)
    assert [(one.name, one.doing) for one in here] == [("Bob", "reply"), ("Ann", "note")]
    assert doings(7) == [("Bob", "reply"), ("Ann", "note")]
    presence.note(7, cast.bob, "b2", None)
    assert doings(7) == [("Ann", "note"), ("Bob", "away")]
    assert doings(8) == []


def test_only_what_changes_for_others_is_told(cast: Any, told: Any) -> None:
    presence.note(7, cast.ann, "a1", Doing.VIEWING)
    assert [set(topics) for topics in told] == [{"viewers:7"}]
    presence.note(7, cast.ann, "a1", Doing.VIEWING)
    presence.note(7, cast.ann, "a2", Doing.AWAY)
    assert len(told) == 1
    presence.note(7, cast.ann, "a1", Doing.REPLY)
    presence.note(7, cast.ann, "a1", None)
    assert len(told) == 3


def test_a_page_that_says_nothing_any_more_is_gone(cast: Any, told: Any, monkeypatch: Any) -> None:
    presence.note(7, cast.ann, "a1", Doing.REPLY)
    began = presence.time.time()
    monkeypatch.setattr(presence.time, "time", lambda: began + 24)
    assert doings(7) == [("Ann", "reply")]
    monkeypatch.setattr(presence.time, "time", lambda: began + 26)
    assert doings(7) == []
    assert [one.name for one in presence.note(7, cast.bob, "b1", Doing.VIEWING)] == ["Bob"]
    assert live.connection().hkeys("here:7") == [f"{cast.bob.id}.b1"]


def test_a_stream_speaks_for_a_page_that_only_looks(cast: Any, told: Any, monkeypatch: Any) -> None:
    presence.note(7, cast.ann, "a1", Doing.VIEWING)
    presence.note(7, cast.bob, "b1", Doing.REPLY)
    began = time.time()
    monkeypatch.setattr(presence.time, "time", lambda: began + 20)
    presence.keep({7: {cast.ann.id, cast.bob.id}})
    del told[:]
    monkeypatch.setattr(presence.time, "time", lambda: began + 40)
    assert doings(7) == [("Ann", "viewing")]  # who writes says so themselves
    presence.keep({7: {cast.ann.id}})
    assert told == [{"viewers:7": None}]  # Bob is gone, and the others hear of it
    monkeypatch.setattr(presence.time, "time", lambda: began + 60)
    presence.keep({7: set()})  # Ann's browser follows the ticket no more
    monkeypatch.setattr(presence.time, "time", lambda: began + 70)
    presence.keep({7: {cast.bob.id}})
    assert doings(7) == []


def test_a_stream_does_not_speak_for_ever(cast: Any, told: Any, monkeypatch: Any) -> None:
    """A tab that crashed says nothing, while another one of the same browser keeps the stream."""
    presence.note(7, cast.ann, "a1", Doing.VIEWING)
    began = time.time()
    for seconds in range(10, 200, 10):
        monkeypatch.setattr(presence.time, "time", lambda seconds=seconds: began + seconds)
        presence.keep({7: {cast.ann.id}})
    assert doings(7) == []


def test_many_tickets_are_asked_for_in_one_round_trip(cast: Any, told: Any, monkeypatch: Any) -> None:
    presence.note(7, cast.bob, "b1", Doing.REPLY)
    presence.note(9, cast.ann, "a1", Doing.REPLY)
    presence.note(9, cast.carl, "c1", Doing.NOTE)
    trips = []
    plain = live.connection().pipeline
    monkeypatch.setattr(live.connection(), "pipeline", lambda **options: trips.append(1) or plain(**options))
    assert presence.replying(presence.who([7, 8, 9]), but=cast.ann) == {7: ["Bob"]}
    assert trips == [1]
    assert presence.who([]) == {}


def test_without_redis_nobody_is_there_and_nothing_breaks(app: Any, cast: Any, make: Any, monkeypatch: Any) -> None:
    ticket = make.ticket(cast.support)
    ann = sign_in(app, cast.ann)
    nowhere = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(live, "connection", lambda: nowhere)
    answer = ann.post(f"/tickets/{ticket.id}/presence", data={"tab": "a1", "doing": "viewing"})
    assert (answer.status_code, answer.text) == (200, "")
    assert ann.get(f"/tickets/{ticket.id}/presence").text == ""
    assert presence.who([ticket.id]) == {}
    assert ann.get(f"/tickets/{ticket.id}").status_code == 200


# --- in words ---------------------------------------------------------------------------------------------------------


def said(*here: Here, to: int = 1) -> list[str]:
    return [line["text"] for line in sentences(here, to)]


def person(number: int, doing: Doing, name: str = "") -> Here:
    return Here(number, name or f"P{number}", doing)


def test_what_is_said_of_the_others(app: Any) -> None:
    with app.test_request_context():
        me = person(1, Doing.VIEWING, "Ann")
        assert said(me) == []
        assert said(person(2, Doing.VIEWING, "Bob"), me) == ["Bob is viewing"]
        assert said(person(2, Doing.REPLY, "Bob"), person(3, Doing.NOTE, "Carl"), me) == [
            "Bob is writing",
            "Carl is writing a note",
        ]
        assert said(person(1, Doing.REPLY), person(2, Doing.REPLY, "Bob")) == ["You and Bob are writing"]
        assert said(person(1, Doing.NOTE), person(2, Doing.REPLY, "Bob")) == ["Bob is writing"]
        many = [person(number, Doing.VIEWING) for number in range(2, 8)]
        assert said(*many) == ["P2, P3, P4 and 3 more are viewing"]


# --- as the browser meets it ------------------------------------------------------------------------------------------


def test_two_people_see_each_other(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ann, bob = sign_in(app, cast.ann), sign_in(app, cast.bob)
    url = f"/tickets/{ticket.id}/presence"
    assert ann.post(url, data={"tab": "a1", "doing": "viewing"}).text == ""
    assert "Ann is viewing" in bob.post(url, data={"tab": "b1", "doing": "reply"}).text
    assert "Bob is writing" in ann.get(url).text
    assert "You and Bob are writing" in ann.post(url, data={"tab": "a1", "doing": "reply"}).text
    assert bob.post(url, data={"tab": "b1", "doing": "gone"}).status_code == 200
    assert ann.get(url).text == ""


def test_names_are_only_text(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    cast.bob.name = "<img src=x onerror=alert(1)>"
    url = f"/tickets/{ticket.id}/presence"
    sign_in(app, cast.bob).post(url, data={"tab": "b1", "doing": "viewing"})
    shown = sign_in(app, cast.ann).get(url).text
    assert "&lt;img" in shown and not re.search("<img", shown)


@pytest.mark.parametrize("data", [{}, {"tab": "a1", "doing": "dancing"}, {"tab": "a b", "doing": "viewing"}])
def test_nonsense_is_refused(app: Any, cast: Any, make: Any, data: dict[str, str]) -> None:
    ticket = make.ticket(cast.support)
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/presence", data=data).status_code == 422


def test_who_does_not_see_the_ticket_does_not_see_who_is_on_it(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    carl = sign_in(app, cast.carl)
    assert carl.get(f"/tickets/{ticket.id}/presence").status_code == 404
    assert carl.post(f"/tickets/{ticket.id}/presence", data={"tab": "c1", "doing": "viewing"}).status_code == 404
    assert doings(ticket.id) == []


def test_a_beat_asks_the_database_only_who_is_signed_in_and_writes_nothing(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ann, said = sign_in(app, cast.ann), []
    beat = {"tab": "a1", "doing": "viewing"}
    url = f"/tickets/{ticket.id}/presence"
    ann.post(url, data=beat, headers={"X-Background": "1"})

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert ann.post(url, data=beat, headers={"X-Background": "1"}).status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [words for words in said if not re.match("SAVEPOINT|RELEASE|ROLLBACK", words)] == [said[1]]
    assert "FROM user_sessions" in said[1]
