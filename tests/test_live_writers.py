"""Who writes to a customer is told to those who follow the ticket's queue: at once when it changes, else in passing."""

from typing import Any

import pytest

from helpdesk import live, live_hub, live_writers, presence
from helpdesk.live_writers import Writers
from helpdesk.presence import Doing
from tests.clients import sign_in


@pytest.fixture(autouse=True)
def empty(engines: None) -> None:
    for key in live.connection().keys("here:*"):
        live.connection().delete(key)


@pytest.fixture
def told(monkeypatch: Any) -> list[Writers]:
    """What lists were told."""
    found: list[Writers] = []
    monkeypatch.setattr(live_writers, "publish", found.append)
    return found


def test_lists_hear_of_whoever_writes_to_the_customer(cast: Any, told: list[Writers]) -> None:
    presence.note(7, cast.ann, "a1", Doing.VIEWING, 3)
    presence.note(7, cast.ann, "a1", Doing.NOTE, 3)
    assert told == []
    presence.note(7, cast.ann, "a1", Doing.REPLY, 3)
    presence.note(7, cast.bob, "b1", Doing.VIEWING, 3)
    presence.note(7, cast.ann, "a1", Doing.REPLY, 3)
    presence.note(7, cast.ann, "a1", Doing.VIEWING, 3)
    writes = {cast.ann.id: "Ann"}
    assert told == [Writers(3, 7, writes, True), Writers(3, 7, writes, False), Writers(3, 7, {}, True)]


def test_a_page_says_it_by_its_beat(app: Any, cast: Any, make: Any, told: list[Writers]) -> None:
    ticket = make.ticket(cast.support)
    sign_in(app, cast.bob).post(f"/tickets/{ticket.id}/presence", data={"tab": "b1", "doing": "reply"})
    assert told == [Writers(cast.support.id, ticket.id, {cast.bob.id: "Bob"}, True)]


def test_what_is_heard_is_what_was_said(engines: None) -> None:
    with live.connection().pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(live_writers.CHANNEL)
        subscription.get_message(timeout=5)
        live_writers.publish(Writers(3, 7, {5: "Боб"}, True))
        message = subscription.get_message(timeout=5)
    assert message is not None and live_writers.heard(message["data"]) == Writers(3, 7, {5: "Боб"}, True)


def test_only_who_follows_the_queue_is_told_and_nobody_of_themselves() -> None:
    hub = live_hub.Hub()
    theirs, other = (live_hub.Stream(number, number, frozenset()) for number in (1, 2))
    hub.follow(theirs, frozenset({"queue:3"}))
    hub.follow(other, frozenset({"queue:4"}))
    hub._spread_writers(Writers(3, 7, {1: "Ann", 2: "Bob"}, True))
    assert other.writers() == []
    (heard,) = theirs.writers()
    assert (heard.but(1), heard.but(9)) == (["Bob"], ["Ann", "Bob"])
    assert theirs.writers() == []


def test_that_somebody_still_writes_wakes_no_stream() -> None:
    stream = live_hub.Stream(1, 1, frozenset())
    stream.tell_writers(Writers(3, 7, {2: "Bob"}, False))
    assert not stream._stirred.is_set()
    stream.tell_writers(Writers(3, 7, {}, True))
    assert stream._stirred.is_set()
    assert stream.writers() == [Writers(3, 7, {}, True)]
