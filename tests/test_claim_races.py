"""Two people at once: the line, its limits and one owner for each ticket hold whoever comes first."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import before_render_template

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import TooMany
from helpdesk.models import Event, State, Ticket, User
from helpdesk.models.idempotency import IdempotencyKey
from queues import fifo, housekeeping, ledger
from tests import test_races as races
from tests.clients import sign_in

cast, meanwhile, ticket = races.cast, races.meanwhile, races.ticket  # fixtures


def test_a_claim_that_is_given_up_lets_nobody_overtake(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    """Whoever skipped the ticket that is being claimed would leave it behind a younger one."""
    make_committed.ticket(cast.support, minutes_ago=1)
    committed.commit()
    bob_id, queue_id, ticket_id = cast.bob.id, cast.support.id, ticket.id
    assert fifo.claim_next(cast.ann, queue_id) is ticket
    second = meanwhile(lambda: fifo.claim_next(db.session.get_one(User, bob_id), queue_id).id)
    committed.rollback()
    assert second.result() == ticket_id


def test_a_strict_queue_looks_at_the_line_when_nobody_is_taking_from_it(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    """Bob takes the second while ann is taking the first: then it is the next, and no reason is asked for."""
    cast.support.strict = True
    second_id = make_committed.ticket(cast.support, minutes_ago=1).id
    committed.commit()
    bob_id = cast.bob.id
    assert fifo.claim_next(cast.ann, cast.support.id) is ticket
    taking = meanwhile(lambda: fifo.claim_this(db.session.get_one(User, bob_id), second_id))
    committed.commit()
    taking.result()
    claim = sa.select(Event).where(Event.ticket_id == second_id, Event.kind == "ticket.claimed")
    assert "passed_over" not in committed.scalars(claim).one().payload


def test_a_ticket_that_is_being_finished_is_not_handed_out(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    next_id = make_committed.ticket(cast.support, minutes_ago=1).id
    committed.commit()
    bob_id, queue_id = cast.bob.id, cast.support.id
    committed.refresh(ticket, with_for_update={"key_share": True})
    ticket.finish(cast.ann, State.SPAM)
    committed.flush()
    taking = meanwhile(lambda: fifo.claim_next(db.session.get_one(User, bob_id), queue_id).id)
    committed.commit()
    assert taking.result() == next_id
    committed.refresh(ticket)
    assert (ticket.owner_id, ticket.kind) == (None, "finished")
    assert ledger.reconcile() == 0


def test_two_clicks_at_once_are_one_claim(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    other_ticket = make_committed.ticket(cast.support, minutes_ago=1)
    committed.commit()
    ann_id, queue_id, ticket_id = cast.ann.id, cast.support.id, ticket.id
    assert fifo.claim_next(cast.ann, queue_id, key="click") is ticket

    def click() -> int:
        claimed = fifo.claim_next(db.session.get_one(User, ann_id), queue_id, key="click")
        assert claimed is not None
        return claimed.id

    second = meanwhile(click)
    committed.commit()
    assert second.result() == ticket_id
    committed.refresh(other_ticket)
    assert other_ticket.owner_id is None


def test_clicks_are_forgotten_when_they_are_old(cast: Any, ticket: Ticket, committed: Any) -> None:
    for key, age in (("old", 3), ("new", 1)):
        fifo.repeat(cast.ann, key)
        committed.get_one(IdempotencyKey, (cast.ann.id, key)).at = clock.now() - timedelta(days=age)
    committed.commit()
    assert housekeeping.forget_keys() == 1
    assert committed.scalars(sa.select(IdempotencyKey.key)).all() == ["new"]


def test_a_limit_holds_over_two_queues_at_once(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    make_committed.allow(cast.front, cast.billing)
    make_committed.ticket(cast.billing)
    cast.ann.claim_limit = 1
    committed.commit()
    ann_id, billing_id = cast.ann.id, cast.billing.id
    fifo.claim_next(cast.ann, cast.support.id)
    second = meanwhile(lambda: fifo.claim_next(db.session.get_one(User, ann_id), billing_id))
    committed.commit()
    with pytest.raises(TooMany):
        second.result()


def test_finishing_and_taking_the_next_waits_for_nobody_in_a_circle(
    app: Any, cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    """Bob holds the queue and wants the ticket that ann finishes: whoever comes second waits, nobody is thrown out."""
    next_one = make_committed.ticket(cast.support, minutes_ago=1)
    ann = sign_in(app, cast.ann)
    committed.commit()
    bob, ticket_id = cast.bob, ticket.id
    fifo._lock_queue(cast.support.id)
    finishing = meanwhile(lambda: ann.post(f"/tickets/{ticket_id}/closure-and-next", data={"state": "solved"}))
    assert fifo.claim_this(bob, ticket_id).owner_id == bob.id
    committed.commit()
    answer = finishing.result()
    assert answer.location == f"/tickets/{next_one.id}"
    committed.refresh(ticket)
    assert ticket.state == State.SOLVED


def test_nobody_waits_for_the_line_while_the_page_of_a_taken_ticket_is_made(
    app: Any, cast: Any, ticket: Ticket, committed: Any
) -> None:
    ticket_id, queue_id = ticket.id, cast.support.id
    ann = sign_in(app, cast.ann)
    committed.commit()
    seen: list[int] = []

    def look(_app: Any, **_: Any) -> None:
        with db.engine.connect() as other:
            query = sa.text("SELECT owner_id FROM tickets JOIN queues q ON q.id = :queue WHERE tickets.id = :id")
            locked = sa.text(f"{query.text} FOR NO KEY UPDATE NOWAIT")
            seen.append(other.execute(locked, {"queue": queue_id, "id": ticket_id}).scalar_one())

    with before_render_template.connected_to(look, app):
        assert ann.post("/claims", headers={"X-Panes": "1"}).status_code == 200
    assert seen and set(seen) == {cast.ann.id}
