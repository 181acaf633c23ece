"""Live topics: who may follow what, and the stream as this process gives it; see test_live_streams for real servers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from helpdesk import live, live_hub
from helpdesk.models import TicketPerson
from helpdesk.queries.live import allowed, allowed_by_user, stored_versions
from tests.clients import sign_in

# --- who may follow what ----------------------------------------------------------------------------------------------


def test_topics_are_chosen_by_what_a_user_may_see(cast: Any, make: Any) -> None:
    mine, foreign = make.ticket(cast.support), make.ticket(cast.billing)
    asked = frozenset(
        f"{kind}:{row.id}"
        for kind, row in [
            ("queue", cast.support),
            ("queue", cast.billing),
            ("ticket", mine),
            ("ticket", foreign),
            ("user", cast.ann),
            ("user", cast.bob),
        ]
    )
    own = {f"queue:{cast.support.id}", f"ticket:{mine.id}", f"user:{cast.ann.id}"}
    assert allowed(cast.ann, asked) == own
    make.add(TicketPerson(ticket_id=foreign.id, user_id=cast.ann.id))
    assert allowed(cast.ann, asked) == own | {f"ticket:{foreign.id}"}
    assert allowed(cast.dora, asked) == asked - {f"user:{cast.ann.id}", f"user:{cast.bob.id}"}


def test_many_streams_are_checked_by_a_handful_of_statements(cast: Any, make: Any) -> None:
    """The warden looks every few seconds; each user alone would cost hundreds of statements in a full house."""
    tickets = [make.ticket(cast.support), make.ticket(cast.billing)]
    topics = {f"{kind}:{ticket.id}" for ticket in tickets for kind in ("ticket", "viewers")}
    topics |= {f"queue:{cast.support.id}", f"queue:{cast.billing.id}"}
    users = [cast.ann, cast.bob, cast.carl, cast.sue, cast.dora]
    wanted = {user.id: frozenset(topics | {f"user:{user.id}"}) for user in users}
    alone = {user.id: allowed(user, wanted[user.id]) for user in users}
    assert alone[cast.ann.id] != alone[cast.carl.id] != alone[cast.dora.id]
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert allowed_by_user(wanted) == alone
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) <= 5


@pytest.mark.parametrize("topic", ["", "queue", "queue:", "queue:x", "queue:-1", "channel:1", "ticket:" + "9" * 40])
def test_nonsense_is_left_out(cast: Any, topic: str) -> None:
    assert allowed(cast.dora, frozenset([topic])) == frozenset()


def test_stored_versions_differ_after_any_event(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    session.flush()
    topics = frozenset([f"ticket:{ticket.id}", f"queue:{cast.support.id}"])
    before = stored_versions(topics)
    ticket.claim(cast.ann)
    session.flush()
    after = stored_versions(topics)
    assert {topic for topic in topics if before[topic] != after[topic]} == topics


# --- in this process --------------------------------------------------------------------------------------------------


def test_a_stranger_gets_no_stream_and_no_page(app: Any) -> None:
    answer = app.test_client().get("/live?topic=queue:1")
    assert (answer.status_code, answer.data) == (401, b"")


def test_the_stream_of_the_test_client(app: Any, make_committed: Any, committed: Any) -> None:
    cast = make_committed.cast()
    topic = f"queue:{cast.support.id}"
    answer = sign_in(app, cast.ann).get(f"/live?topics={topic},queue:{cast.billing.id}")
    assert answer.mimetype == "text/event-stream"
    assert "no-store" in answer.headers["Cache-Control"] and answer.headers["X-Accel-Buffering"] == "no"
    told = _events(answer.iter_encoded())
    name, versions = next(told)
    assert name == "versions" and set(versions) == {topic}
    live.publish({topic: None, f"queue:{cast.billing.id}": None})
    changes = (data for name, data in told if name == "change")
    assert next(changes) == {"topic": topic, "version": versions[topic] + 1}
    answer.close()


def test_what_is_on_its_way_is_not_told_as_missed_and_what_is_lost_is_told() -> None:
    stream = live_hub.Stream(1, 1, frozenset({"queue:1", "queue:2"}))
    assert stream.settled({"queue:1": 5, "queue:2": 3}) == {"queue:1": 5, "queue:2": 3}, "nothing was told before"
    assert stream.settled({"queue:1": 6, "queue:2": 3}) == {"queue:2": 3}
    stream.say({"queue:1": 6})  # word of it came
    assert stream.lost() == {}
    assert stream.settled({"queue:1": 7, "queue:2": 3}) == {"queue:2": 3}
    assert stream.lost() == {"queue:1": 7}
    assert stream.lost() == {}
    assert stream.settled({"queue:1": 1}) == {}, "a wiped Redis counts from the beginning"
    assert stream.lost() == {"queue:1": 1}


def _events(chunks: Iterator[bytes]) -> Iterator[tuple[str, Any]]:
    for chunk in chunks:
        lines = chunk.decode().splitlines()
        if lines and lines[0].startswith("event: "):
            yield lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def test_rights_are_looked_at_often_enough() -> None:
    assert live_hub.CHECK_SECONDS + live_hub.NOTICE_SECONDS < 5, "what is revoked must be silent within five seconds"
