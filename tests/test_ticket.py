"""Verbs of a ticket on real rows."""

from typing import Any

import pytest

from helpdesk.errors import Conflict, Refused
from helpdesk.models import Reply, State


def test_claim_makes_owner_and_opens(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    assert (ticket.state, ticket.kind) == (State.NEW, "active")
    ticket.claim(cast.ann)
    assert ticket.owner is cast.ann
    assert ticket.state == State.OPEN


def test_second_claim_says_who_has_it(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    with pytest.raises(Conflict) as refusal:
        ticket.claim(cast.bob)
    assert refusal.value.details["owner"] == "Ann"


def test_finished_is_terminal(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.finish(cast.ann, State.SOLVED, "answered")
    with pytest.raises(Refused):
        ticket.reply(cast.ann, Reply(body="Ещё одно"))
    with pytest.raises(Refused):
        ticket.pause(cast.ann)
    ticket.note(cast.ann, "Заметка разрешена всегда")


def test_reply_guard(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    seen = make.hear(ticket, "первое")
    later = make.hear(ticket, "второе")
    with pytest.raises(Conflict) as refusal:
        ticket.reply(cast.ann, Reply(body="ответ", seen_id=seen.id))
    assert refusal.value.details["unseen"] == [later.id]
    assert ticket.reply(cast.ann, Reply(body="ответ", seen_id=later.id)).delivery == "queued"


def test_only_owner_and_participants_answer(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    with pytest.raises(Refused):
        ticket.reply(cast.ann, Reply(body="ответ"))
    ticket.claim(cast.ann)
    with pytest.raises(Refused, match="Ann"):
        ticket.reply(cast.bob, Reply(body="ответ"))
    ticket.add_person(cast.ann, cast.bob)
    ticket.reply(cast.bob, Reply(body="ответ"))
