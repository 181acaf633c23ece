"""First in, first out: order, reasons, limits, and many claimers at once."""

import threading
from typing import Any

import pytest

from helpdesk.errors import Conflict, NotFound, Refused, TooMany
from helpdesk.models import State, Ticket
from queues import fifo
from tests.clients import sign_in


def test_oldest_first(cast: Any, make: Any) -> None:
    younger = make.ticket(cast.support, minutes_ago=5)
    older = make.ticket(cast.support, minutes_ago=50)
    assert fifo.claim_next(cast.ann, cast.support.id) is older
    assert fifo.claim_next(cast.bob, cast.support.id) is younger
    assert fifo.claim_next(cast.bob, cast.support.id) is None


def test_nudge_moves_nobody_back(cast: Any, make: Any) -> None:
    first = make.ticket(cast.support, minutes_ago=50)
    make.ticket(cast.support, minutes_ago=40)
    make.hear(first, "Вы ещё там?")
    assert fifo.claim_next(cast.ann, cast.support.id) is first


def test_given_back_keeps_its_place(cast: Any, make: Any) -> None:
    first = make.ticket(cast.support, minutes_ago=50)
    make.ticket(cast.support, minutes_ago=40)
    fifo.claim_next(cast.ann, cast.support.id)
    fifo.release(cast.ann, first.id)
    assert fifo.claim_next(cast.bob, cast.support.id) is first


def test_oldest_over_all_of_my_queues(cast: Any, make: Any) -> None:
    make.ticket(cast.billing, minutes_ago=90)
    make.allow(cast.front, second := make.queue("Orders"))
    make.ticket(cast.support, minutes_ago=10)
    oldest = make.ticket(second, minutes_ago=30)
    assert fifo.claim_next(cast.ann) is oldest


def test_hidden_queue_is_absent(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.billing)
    with pytest.raises(NotFound):
        fifo.claim_next(cast.ann, cast.billing.id)
    with pytest.raises(NotFound):
        fifo.claim_this(cast.ann, ticket.id)


def test_strict_queue_asks_why(cast: Any, make: Any) -> None:
    cast.support.strict = True
    make.ticket(cast.support, minutes_ago=50)
    second = make.ticket(cast.support, minutes_ago=40)
    with pytest.raises(Refused) as refusal:
        fifo.claim_this(cast.ann, second.id)
    assert refusal.value.details == {"needs_reason": True}
    fifo.claim_this(cast.ann, second.id, "same customer on the phone")
    claim = make.session.query(_events()).filter_by(ticket_id=second.id, kind="ticket.claimed").one()
    assert claim.payload["reason"] == "same customer on the phone"
    assert claim.payload["passed_over"] == 1


def test_claim_lost_says_who(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    fifo.claim_this(cast.bob, ticket.id)
    with pytest.raises(Conflict) as refusal:
        fifo.claim_this(cast.ann, ticket.id)
    assert refusal.value.details["owner"] == "Bob"


def test_double_click_is_one_claim(cast: Any, make: Any) -> None:
    first = make.ticket(cast.support, minutes_ago=50)
    make.ticket(cast.support, minutes_ago=40)
    assert fifo.claim_next(cast.ann, cast.support.id, key="click") is first
    assert fifo.claim_next(cast.ann, cast.support.id, key="click") is first
    assert make.session.query(Ticket).filter_by(owner_id=cast.ann.id).count() == 1


def test_limit(cast: Any, make: Any) -> None:
    cast.ann.claim_limit = 1
    make.ticket(cast.support)
    make.ticket(cast.support)
    fifo.claim_next(cast.ann, cast.support.id)
    with pytest.raises(TooMany):
        fifo.claim_next(cast.ann, cast.support.id)


def test_priority_is_a_label_unless_the_queue_says_otherwise(cast: Any, make: Any) -> None:
    older = make.ticket(cast.support, minutes_ago=50)
    urgent = make.ticket(cast.support, minutes_ago=10)
    urgent.prioritise(cast.ann, 1)
    assert fifo.claim_next(cast.ann, cast.support.id) is older
    cast.billing.by_priority = True
    make.ticket(cast.billing, minutes_ago=50)
    paid = make.ticket(cast.billing, minutes_ago=10)
    paid.prioritise(cast.carl, 1)
    assert fifo.claim_next(cast.carl, cast.billing.id) is paid


def test_moved_ticket_keeps_its_clocks(cast: Any, make: Any) -> None:
    make.allow(cast.front, cast.billing)
    make.ticket(cast.billing, minutes_ago=20)
    moved = make.ticket(cast.support, minutes_ago=60)
    fifo.claim_next(cast.ann, cast.support.id)
    fifo.move(cast.ann, moved.id, cast.billing)
    assert moved.owner is None
    assert fifo.claim_next(cast.carl, cast.billing.id) is moved


def test_many_claimers_take_each_ticket_once_and_in_order(app: Any, make_committed: Any) -> None:
    """Real concurrency: with each claim in its own connection nobody gets a ticket twice or out of turn."""
    from helpdesk.db import db, transaction
    from helpdesk.models import User

    cast = make_committed.cast()
    for minute in range(60):
        make_committed.ticket(cast.support, minutes_ago=100 - minute)
    db.session.commit()
    line = [t.id for t in make_committed.session.query(Ticket).order_by(Ticket.line_at, Ticket.id)]
    users, queue_id = [cast.ann.id, cast.bob.id], cast.support.id
    taken: list[int] = []

    def work(user_id: int) -> None:
        while True:
            with app.app_context(), transaction():
                ticket = fifo.claim_next(db.session.get_one(User, user_id), queue_id)
                if ticket is None:
                    return
                taken.append(ticket.id)  # still under the queue's lock: the list is in the order of claims

    threads = [threading.Thread(target=work, args=(users[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == line
    assert State.OPEN in {ticket.state for ticket in make_committed.session.query(Ticket)}


def test_handing_over_is_no_way_around_the_line(cast: Any, make: Any) -> None:
    cast.support.strict = True
    first = make.ticket(cast.support, minutes_ago=50)
    second = make.ticket(cast.support, minutes_ago=40)
    for to in (cast.ann, cast.bob):
        with pytest.raises(Refused) as refusal:
            fifo.hand_over(cast.ann, second.id, to)
        assert refusal.value.details == {"needs_reason": True}
    fifo.hand_over(cast.ann, second.id, cast.bob, "bob speaks Polish")
    event = make.session.query(_events()).filter_by(ticket_id=second.id, kind="ticket.handed_over").one()
    assert (event.payload["reason"], event.payload["passed_over"]) == ("bob speaks Polish", 1)
    fifo.hand_over(cast.bob, second.id, cast.ann)  # what somebody has stands in no line
    fifo.hand_over(cast.ann, first.id, cast.ann)  # nobody is passed over


def test_taking_over_counts_against_the_limit(cast: Any, make: Any) -> None:
    cast.ann.claim_limit = 1
    mine, bobs = make.ticket(cast.support), make.ticket(cast.support)
    fifo.claim_this(cast.ann, mine.id)
    fifo.claim_this(cast.bob, bobs.id)
    with pytest.raises(TooMany):
        fifo.hand_over(cast.ann, bobs.id, cast.ann)
    assert fifo.claim_this(cast.ann, mine.id) is mine, "what one has is no new claim"
    fifo.hand_over(cast.bob, bobs.id, cast.ann)  # a colleague decides otherwise


def test_handing_over_needs_a_right(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    with pytest.raises(Refused, match="Carl"):
        fifo.hand_over(cast.ann, ticket.id, cast.carl)


def test_finish_and_next_clicked_twice_is_one_act(app: Any, cast: Any, make: Any) -> None:
    mine = make.ticket(cast.support, minutes_ago=60)
    fifo.claim_this(cast.ann, mine.id)
    second = make.ticket(cast.support, minutes_ago=50)
    third = make.ticket(cast.support, minutes_ago=40)
    ann = sign_in(app, cast.ann)
    url, form = f"/tickets/{mine.id}/closure-and-next", {"state": "solved", "key": "click"}
    assert ann.post(url, data=form).location == ann.post(url, data=form).location == f"/tickets/{second.id}"
    assert third.owner_id is None


def test_position_is_told(app: Any, cast: Any, make: Any) -> None:
    first = make.ticket(cast.support, minutes_ago=50)
    second = make.ticket(cast.support, minutes_ago=40)
    ann = sign_in(app, cast.ann)
    assert "next in line" in ann.get(f"/tickets/{first.id}/bar").text
    bar = ann.get(f"/tickets/{second.id}/bar").text
    assert "place 2 in line" in bar
    assert f'data-live="ticket:{second.id} queue:{cast.support.id}"' in bar, "the place changes with the queue"
    ann.post(f"/tickets/{second.id}/claims")
    assert "in line" not in ann.get(f"/tickets/{second.id}/bar").text


def _events() -> Any:
    from helpdesk.models import Event

    return Event
