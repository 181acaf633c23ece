"""Coming, going and taking at the same moment: each actor has a connection of its own."""

import random
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk.db import db, transaction
from helpdesk.errors import Conflict, NotFound, Refused, TooMany
from helpdesk.models import Availability, AvailabilityChange, Channel, Event, Ticket, User
from helpdesk.models.availability import change
from queues import fifo, shifts
from tests.test_races import Other, meanwhile

__all__ = ["meanwhile"]  # a fixture: pytest finds it by its name here


@pytest.fixture
def cast(make_committed: Any) -> Any:
    return make_committed.cast()


def user(user_id: int) -> User:
    return db.session.get_one(User, user_id)


def test_a_limit_of_a_kind_holds_over_two_queues_at_once(
    cast: Any, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    make_committed.allow(cast.front, cast.billing)
    cast.ann.claim_limits = {"email": 1}
    make_committed.ticket(cast.support, channel=cast.mailbox)
    make_committed.ticket(cast.billing, channel=make_committed.channel(cast.billing))
    committed.commit()
    ann_id, billing_id = cast.ann.id, cast.billing.id
    fifo.claim_next(cast.ann, cast.support.id)
    second = meanwhile(lambda: fifo.claim_next(user(ann_id), billing_id))
    committed.commit()
    with pytest.raises(TooMany):
        second.result()


def test_a_limit_of_a_kind_holds_for_many_tabs(app: Any, cast: Any, make_committed: Any, committed: Any) -> None:
    """Eight tabs of one person over two queues and two kinds: never more than the limit, and always the first left."""
    make_committed.allow(cast.front, cast.billing)
    desk = {queue.id: make_committed.channel(queue, kind="http") for queue in (cast.support, cast.billing)}
    mail = {queue.id: make_committed.channel(queue) for queue in (cast.support, cast.billing)}
    for minute in range(24):
        queue = (cast.support, cast.billing)[minute % 2]
        kinds = mail if minute % 3 else desk
        make_committed.ticket(queue, minutes_ago=100 - minute, channel=kinds[queue.id])
    cast.ann.claim_limits = {"email": 5, "http": 3}
    committed.commit()
    ann_id = cast.ann.id

    def take() -> int:
        taken = 0
        for _ in range(6):
            try:
                with transaction():
                    taken += fifo.claim_next(user(ann_id)) is not None
            except (TooMany, Conflict):
                db.session.rollback()
        return taken

    others = [Other(app, take) for _ in range(8)]
    assert sum(other.result() for other in others) == 8
    held = select(Channel.kind, func.count()).join(Ticket, Ticket.channel_id == Channel.id)
    held = held.where(Ticket.owner_id == ann_id).group_by(Channel.kind)
    assert dict(committed.execute(held).tuples().all()) == {"email": 5, "http": 3}
    for kind, most in (("email", 5), ("http", 3)):
        line = select(Ticket.id).join(Channel, Channel.id == Ticket.channel_id).where(Channel.kind == kind)
        line = line.order_by(Ticket.line_at)
        owned = set(committed.scalars(select(Ticket.id).where(Ticket.owner_id == ann_id)))
        assert owned >= set(committed.scalars(line.limit(most))), f"the first {most} of {kind}"


def test_who_comes_back_while_the_chore_works_keeps_the_ticket(
    cast: Any, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    ticket = make_committed.ticket(cast.support)
    ticket.claim(cast.ann)
    change(cast.ann, Availability.OFFLINE)
    committed.commit()
    change(cast.ann, Availability.AVAILABLE, by=cast.ann)
    chore = meanwhile(shifts.return_tickets)
    committed.commit()
    assert chore.result() == 0
    committed.refresh(ticket)
    assert ticket.owner_id == cast.ann.id


def test_nobody_gets_a_ticket_who_goes_at_this_moment(
    cast: Any, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    ticket = make_committed.ticket(cast.support)
    committed.commit()
    ann_id = cast.ann.id
    change(cast.ann, Availability.OFFLINE, by=cast.sue)
    taking = meanwhile(lambda: fifo.claim_next(user(ann_id)))
    committed.commit()
    with pytest.raises(Refused, match="offline"):
        taking.result()
    committed.refresh(ticket)
    assert ticket.owner_id is None


def test_what_goes_back_and_what_is_taken_meet_in_one_order(
    cast: Any, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    """While a ticket is put back into its old place, a claim waits and then takes it: it is the first."""
    old = make_committed.ticket(cast.support, minutes_ago=90)
    make_committed.ticket(cast.support, minutes_ago=10)
    fifo.claim_next(cast.ann)
    committed.commit()
    bob_id, old_id = cast.bob.id, old.id
    fifo.release(cast.ann, old.id)
    committed.flush()
    taking = meanwhile(lambda: fifo.claim_next(user(bob_id)).id)  # type: ignore[union-attr]
    committed.commit()
    assert taking.result() == old_id


def test_chores_and_claims_and_people_who_come_and_go(app: Any, cast: Any, make_committed: Any, committed: Any) -> None:
    """Three chores, three operators, a supervisor: nobody is thrown out, and the history explains every owner."""
    for minute in range(30):
        make_committed.ticket(cast.support, minutes_ago=200 - minute)
    committed.commit()
    ids = {name: getattr(cast, name).id for name in ("ann", "bob", "sue")}

    def work(name: str, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(12):
            try:
                with transaction():
                    me = user(ids[name])
                    act = dice.choice(["take", "take", "go", "back", "home"])
                    if act == "take":
                        fifo.claim_next(me)
                    elif act == "home":
                        mine = select(Ticket.id).where(Ticket.owner_id == me.id).limit(3)
                        if found := list(db.session.scalars(mine)):
                            shifts.release_all(me, me, found, "домой")
                    else:
                        change(me, Availability.OFFLINE if act == "go" else Availability.AVAILABLE, by=me)
            except (Refused, NotFound):  # not here; or what was to be given back just went back
                db.session.rollback()

    def chore() -> int:
        return sum(shifts.return_tickets() for _ in range(10))

    others = [Other(app, lambda name=name, seed=seed: work(name, seed)) for seed, name in enumerate(ids)]
    others += [Other(app, chore) for _ in range(3)]
    for other in others:
        other.result()
    shifts.return_tickets()
    committed.expire_all()
    gone = {person.id for person in committed.scalars(select(User)) if person.availability != "available"}
    for ticket in committed.scalars(select(Ticket)):
        assert ticket.owner_id not in gone, "its customer waits for somebody who is not here"
        kinds = ["ticket.claimed", "ticket.released"]
        events = select(Event).where(Event.ticket_id == ticket.id, Event.kind.in_(kinds)).order_by(Event.id)
        owner = None
        for event in committed.scalars(events):
            if event.kind == "ticket.claimed":
                assert owner is None
                owner = event.payload["owner_id"]
                assert state_at(committed, owner, event.at) == "available"
            else:
                assert event.payload["former_owner_id"] == owner
                if event.payload["cause"] == "owner offline":
                    assert state_at(committed, owner, event.at) == "offline"
                owner = None
        assert owner == ticket.owner_id


def state_at(session: Any, user_id: int, at: Any) -> str:
    """What the history of changes says somebody was at a moment; available is how this test began."""
    query = select(AvailabilityChange.state).where(AvailabilityChange.user_id == user_id, AvailabilityChange.at <= at)
    return session.scalar(query.order_by(AvailabilityChange.id.desc()).limit(1)) or "available"


def test_who_was_marked_absent_meanwhile_is_available_when_they_say_so(
    cast: Any, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    """Their page was loaded before the chore: what they say must be written, though it looks unchanged to it."""
    committed.commit()
    ann_id = cast.ann.id
    assert cast.ann.availability == Availability.AVAILABLE

    def leave() -> None:
        with transaction():
            change(user(ann_id), Availability.OFFLINE, "left")

    meanwhile(leave).result()
    assert change(cast.ann, Availability.AVAILABLE, by=cast.ann)
    committed.commit()
    committed.refresh(cast.ann)
    assert (cast.ann.availability, cast.ann.availability_reason) == (Availability.AVAILABLE, "")
