"""Merging while others merge the same tickets, answer them, or mail comes for them: each on a connection of its own."""

from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.db import db
from helpdesk.errors import Conflict
from helpdesk.models import InboundEvent, InboundState, Message, Reply, State, Ticket, User
from helpdesk.models.ticket import Kind, lock_for_joining
from queues import intake
from queues.channels.email import tokens
from tests.test_races import Other, address_of, put
from tests.test_races import meanwhile as meanwhile

__all__ = ["Other"]


@pytest.fixture
def cast(make_committed: Any) -> Any:
    cast = make_committed.cast()
    make_committed.session.commit()
    return cast


@pytest.fixture
def two(make_committed: Any, cast: Any) -> tuple[int, int]:
    """Two tickets of eve, in threads of their own."""
    made = [make_committed.ticket(cast.support, cast.eve, channel=cast.mailbox) for _each in range(2)]
    make_committed.session.commit()
    return made[0].id, made[1].id


def merge(one: int, into: int, by: int) -> None:
    """As the page does it."""
    locked = lock_for_joining(Ticket, [one, into])
    locked[one].merge_into(db.session.get_one(User, by), locked[into])


def test_each_into_the_other_at_once_is_one_merge(cast: Any, two: Any, committed: Any, meanwhile: Any) -> None:
    first, second = two
    ann, bob = cast.ann.id, cast.bob.id
    merge(first, second, ann)
    other = meanwhile(lambda: merge(second, first, bob))
    committed.commit()
    with pytest.raises(Conflict, match="merged into another"):
        other.result()
    committed.expire_all()
    states = [committed.get_one(Ticket, id_).state for id_ in two]
    assert states == [State.MERGED, State.NEW]


def test_three_in_a_circle_never_become_one(
    make_committed: Any, cast: Any, two: Any, committed: Any, meanwhile: Any
) -> None:
    third = make_committed.ticket(cast.support, cast.eve, channel=cast.mailbox).id
    committed.commit()
    first, second = two
    ann, bob = cast.ann.id, cast.bob.id
    merge(first, second, ann)
    committed.commit()
    merge(second, third, ann)
    other = meanwhile(lambda: merge(third, first, bob))
    committed.commit()
    with pytest.raises(Conflict):
        other.result()
    committed.expire_all()
    assert [committed.get_one(Ticket, id_).as_merged().id for id_ in (*two, third)] == [third] * 3


def test_mail_that_comes_while_its_ticket_is_merged_is_on_the_other(
    cast: Any, two: Any, committed: Any, meanwhile: Any
) -> None:
    first, second = two
    header = tokens.make_message_id(first, 77, "desk.example")
    put(cast.mailbox.id, "late", address_of(cast.eve), header)
    merge(first, second, cast.ann.id)
    drain = meanwhile(lambda: intake.drain())
    committed.commit()
    drain.result()
    event = committed.scalars(sa.select(InboundEvent)).one()
    assert event.state == InboundState.TICKETED, event.reason
    message = committed.get_one(Message, event.message_id)
    assert (message.ticket_id, message.facts["meant_for"]) == (second, first)
    committed.expire_all()
    assert committed.get_one(Ticket, second).last_customer_at == message.at


def test_answer_that_is_written_while_its_ticket_is_merged_is_refused(
    cast: Any, two: Any, committed: Any, meanwhile: Any
) -> None:
    first, second = two
    ann = cast.ann.id
    committed.get_one(Ticket, first).claim(cast.ann)
    committed.commit()

    def answer() -> None:
        from helpdesk import permissions

        me = db.session.get_one(User, ann)
        permissions.get_ticket(me, first, lock=True).reply(me, Reply("Ваш заказ в пути"))

    merge(first, second, cast.bob.id)
    other = meanwhile(answer)
    committed.commit()
    with pytest.raises(Exception, match="finished"):
        other.result()
    committed.expire_all()
    assert committed.get_one(Ticket, second).kind == Kind.ACTIVE


def test_undone_twice_at_once_is_undone_once(cast: Any, two: Any, committed: Any, meanwhile: Any) -> None:
    first, second = two
    ann, bob = cast.ann.id, cast.bob.id
    merge(first, second, ann)
    committed.commit()

    def undo(by: int) -> None:
        lock_for_joining(Ticket, [first, second])[first].unmerge(db.session.get_one(User, by))

    undo(ann)
    other = meanwhile(lambda: undo(bob))
    committed.commit()
    with pytest.raises(Conflict, match="not merged"):
        other.result()
    committed.expire_all()
    assert committed.get_one(Ticket, first).state == State.NEW
