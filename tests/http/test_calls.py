"""Calls that an exchange tells of: one ticket each, whatever order its news come in."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.history import tell
from helpdesk.models import Call, Event, Ticket
from queues import intake
from tests.clients import sign_in
from tests.http.conftest import System, call, lines

Hear = Callable[..., Ticket]

RINGS = "The phone rings: +380 44 123 4567 calls 200"
ANSWERED = "The call was answered by 204"
ENDED = "The call ended after 3:12"
HUNG_UP = "The caller hung up after 0:40 without an answer"


def play(system: System, *events: dict[str, Any]) -> Ticket:
    """Post news of calls, each understood alone, and give the newest ticket."""
    for event in events:
        assert system.post(event).status_code in {200, 202}
        intake.drain()
    db.session.expire_all()
    return db.session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()


def test_an_answered_call(system: System) -> None:
    ticket = play(
        system, call("ringing"), call("answered", 5, agent="204"), call("ended", 197, recording="https://pbx/r/1")
    )
    assert lines(ticket) == [RINGS, ANSWERED, f"{ENDED}; The recording is at https://pbx/r/1"]
    assert lines(ticket, "system") == lines(ticket)
    assert ticket.customer.identities[0].value == "+380441234567"
    assert ticket.title == "+380441234567"
    assert ticket.first_unanswered_at is None
    known = db.session.scalars(select(Call)).one()
    assert (known.phase, known.agent, known.caller, known.callee) == ("ended", "204", "+380441234567", "200")
    assert db.session.scalar(select(func.count()).select_from(Ticket)) == 1


def test_an_abandoned_call_waits_to_be_called_back(system: System) -> None:
    ticket = play(system, call("ringing"), call("abandoned", 40))
    assert lines(ticket) == [RINGS, HUNG_UP]
    assert ticket.kind == "active"
    assert ticket.first_unanswered_at is not None
    events = db.session.scalars(select(Event).where(Event.ticket_id == ticket.id).order_by(Event.id))
    assert [one["text"] for one in tell(events)][-1] == "A call that nobody answered"


def test_hanging_up_before_anybody_answers_is_the_same(system: System) -> None:
    assert lines(play(system, call("ringing"), call("ended", 40))) == [RINGS, HUNG_UP]


def test_a_call_known_only_by_its_end(system: System) -> None:
    ticket = play(system, call("ended", 192, answered_at="2030-01-01T09:00:00Z"))
    assert lines(ticket) == [ENDED]


STORY = [
    call("ringing"),
    call("answered", 5, agent="204"),
    call("transferred", 60, agent="205"),
    call("ended", 197),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_in_whatever_order(system: System, order: tuple[int, ...]) -> None:
    """Together or one by one, twice each: one ticket, an ended call, and each thing said at most once."""
    for index in order:
        system.post(STORY[index])
        if order[0] % 2:
            intake.drain()
        system.post({**STORY[index], "id": f"again-{index}"})
    intake.drain()
    ticket = db.session.scalars(select(Ticket)).one()
    said = lines(ticket)
    assert len(said) == len(set(said))
    known = db.session.scalars(select(Call)).one()
    assert known.phase in {"ended", "abandoned"}
    if order.index(1) < order.index(3) or order.index(2) < order.index(3) or order.index(1) > order.index(3):
        assert known.phase == "ended"
    assert [one for one in said if "ended" in one or "hung up" in one] != []


def test_news_after_the_end_change_nothing(system: System) -> None:
    over = [call("ringing"), call("abandoned", 40)]
    late = [call("ringing", 1), call("answered", 300, agent="204"), call("ended", 301), call("abandoned", 302)]
    ticket = play(system, *over, *late)
    assert lines(ticket) == [RINGS, HUNG_UP]


def test_a_hidden_number(system: System) -> None:
    ticket = play(system, call("ringing", **{"from": "anonymous"}), call("abandoned", 40, **{"from": "anonymous"}))
    assert lines(ticket)[0] == "The phone rings: anonymous calls 200"
    empty = play(system, call("ringing", call="c-2", id="h2", **{"from": ""}))
    assert lines(empty) == ["The phone rings: a hidden number calls 200"]
    assert empty.customer_id == ticket.customer_id


def test_a_call_of_ours(system: System) -> None:
    told = {"direction": "out", "from": "204", "to": "+380671112233", "name": "Ева Иванова"}
    ticket = play(system, call("ringing", **told), call("ended", 30, **told))
    assert lines(ticket) == ["An operator calls the number +380 67 111 2233", "The call ended after 0:30"]
    assert ticket.customer.name == "Ева Иванова"
    assert ticket.first_unanswered_at is None


def test_lines_are_told_in_the_readers_language_and_by_no_one(app: Any, system: System, cast: Any) -> None:
    ticket = play(system, call("ringing"), call("abandoned", 40))
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}").get_data(as_text=True)
    assert HUNG_UP in page


def test_two_calls_of_one_person_are_two_tickets(system: System) -> None:
    play(system, call("ringing"), call("abandoned", 40), call("ringing", call="c-2", id="second"))
    assert db.session.scalar(select(func.count()).select_from(Ticket)) == 2
