"""What comes for merged and split tickets, through the whole way of a message; and the counters of all of it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import HelpdeskError
from helpdesk.models import Message, OutboxItem, Queue, Reply, State, Ticket
from helpdesk.models.ticket import Kind, lock_for_joining
from helpdesk.models.ticket.parted import Place
from helpdesk.queries import thread
from helpdesk.queries.counters import count_of
from queues.channels.email import tokens
from queues.letters import write_letter
from tests.factories import Factories
from tests.test_intake import Post, message_of, ticket_of


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


@pytest.fixture
def two(session: Any, post: Post) -> tuple[Ticket, Ticket]:
    """Two mails of eve, each a ticket."""
    first = ticket_of(session, post(message_id="<one@customer.example>", subject="Первый"))
    second = ticket_of(session, post(message_id="<two@customer.example>", subject="Второй"))
    assert first is not second
    return first, second


def heard_on(ticket: Ticket) -> int:
    """How many mails of customers the ticket shows."""
    return sum(1 for message in thread.messages(ticket).messages if message.kind == "inbound")


def test_all_ways_to_a_merged_ticket_lead_on(session: Any, cast: Any, post: Post, two: Any) -> None:
    first, second = two
    first.merge_into(cast.ann, second)
    session.commit()
    signed = tokens.make_message_id(first.id, 77, "desk.example")
    for how in (
        {"in_reply_to": signed},
        {"in_reply_to": "<one@customer.example>"},
        {"subject": f"Re: [{first.number}]"},
    ):
        event = post(**how)
        assert ticket_of(session, event) is second
        said = message_of(session, event)
        assert (said.facts["meant_for"], said.conversation_id) == (first.id, second.conversation_id)
    assert heard_on(second) == 5
    first.unmerge(cast.ann)
    session.commit()
    assert heard_on(first) == 4
    assert ticket_of(session, post(in_reply_to=signed)) is first


def test_mail_for_a_finished_target_opens_it_by_the_policy_of_its_queue(
    session: Any, cast: Any, post: Post, two: Any
) -> None:
    first, second = two
    first.merge_into(cast.ann, second)
    second.finish(cast.ann, State.SOLVED)
    session.commit()
    assert ticket_of(session, post(in_reply_to="<one@customer.example>")) is second
    assert second.state == State.OPEN


def test_a_reply_that_waits_leaves_as_it_was_written(session: Any, cast: Any, post: Post, two: Any) -> None:
    first, second = two
    first.claim(cast.ann)
    reply = first.reply(cast.ann, Reply("Ваш заказ в пути"))
    first.merge_into(cast.ann, second)
    session.commit()
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == reply.id)).one()
    letter = write_letter(item)
    assert (letter.ticket_id, letter.number) == (first.id, first.number)
    assert ticket_of(session, post(in_reply_to=tokens.make_message_id(first.id, reply.id, "desk.example"))) is second


def test_answers_go_to_whoever_wrote_last_on_either(session: Any, cast: Any, two: Any) -> None:
    first, second = two
    second.claim(cast.ann)
    first.merge_into(cast.ann, second)
    reply = second.reply(cast.ann, Reply("Оба заказа в пути"))
    session.commit()
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == reply.id)).one()
    letter = write_letter(item)
    assert letter.recipients == ["eve@customer.example"]
    assert (letter.number, letter.answers_header_id) == (second.number, "<two@customer.example>")


def test_mail_for_split_messages_follows_them(session: Any, cast: Any, post: Post, two: Any) -> None:
    first = two[0]
    other = message_of(session, post(in_reply_to="<one@customer.example>", message_id="<more@customer.example>"))
    fresh = first.split(cast.ann, [other], cast.support, "Другое дело")
    session.commit()
    assert ticket_of(session, post(in_reply_to="<more@customer.example>")) is fresh
    assert ticket_of(session, post(in_reply_to="<one@customer.example>")) is first
    fresh.claim(cast.ann)
    reply = fresh.reply(cast.ann, Reply("О другом деле"))
    session.commit()
    letter = write_letter(session.scalars(select(OutboxItem).where(OutboxItem.message_id == reply.id)).one())
    assert letter.number == fresh.number
    lock_for_joining(Ticket, [first.id, fresh.id])
    fresh.unsplit(cast.ann)
    session.commit()
    assert ticket_of(session, post(in_reply_to="<more@customer.example>")) is first


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["merge", "undo", "split", "unsplit", "pause", "wake", "finish", "claim", "hear", "reply", "move"]
        ),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_counters_and_clocks_are_true_whatever_is_done(session: Any, acts: list[tuple[str, int, int]]) -> None:
    with session.begin_nested() as savepoint:
        make = Factories(session)
        cast = make.cast()
        tickets = [make.ticket(cast.support, cast.eve, minutes_ago=60 - n, channel=cast.mailbox) for n in range(3)]
        for act, one, other in acts:
            _act(make, cast, tickets, act, tickets[one % len(tickets)], tickets[other % len(tickets)])
            _check(cast, tickets)
        savepoint.rollback()
    session.expire_all()


def _act(make: Any, cast: Any, tickets: list[Ticket], act: str, one: Ticket, other: Ticket) -> None:
    """One thing that somebody does; a refusal changes nothing."""
    lock_for_joining(Ticket, [ticket.id for ticket in tickets])
    try:
        match act:
            case "merge":
                one.merge_into(cast.ann, other)
            case "undo":
                one.unmerge(cast.ann)
            case "split":
                said = thread.messages(one).messages
                tickets.append(one.split(cast.ann, said[-1:], cast.support, "", list(Place)[other.id % 2]))
            case "unsplit":
                one.unsplit(cast.ann)
            case "pause":
                one.pause(cast.ann, clock.now() + timedelta(days=1))
            case "wake":
                one.wake(cast.ann, "by hand")
            case "finish":
                one.finish(cast.ann, State.SOLVED)
            case "claim":
                one.claim(cast.ann)
            case "hear":
                make.hear(one.as_merged(), "Ау?")
            case "reply":
                one.reply(cast.ann, Reply("Уже едет"))
            case "move":
                one.move(cast.ann, cast.billing)
    except HelpdeskError:
        pass
    db.session.flush()


def _check(cast: Any, tickets: list[Ticket]) -> None:
    for queue in (cast.support, cast.billing):
        here = select(func.count()).select_from(Ticket).where(Ticket.queue_id == queue.id, Ticket.kind == Kind.ACTIVE)
        assert count_of(f"queue:{queue.id}", "active") == db.session.scalar(here)
        assert count_of(f"queue:{queue.id}", "waiting") == db.session.scalar(here.where(Ticket.owner_id.is_(None)))
    assert count_of(f"customer:{cast.eve.id}", "tickets") == len(tickets)
    shown = [message.id for t in tickets if t.merged_into_id is None for message in thread.messages(t).messages]
    there = list(db.session.scalars(select(Message.id).where(Message.ticket_id.in_([t.id for t in tickets]))))
    assert sorted(shown) == sorted(there)  # each message is shown on exactly one ticket that is nobody's pointer
    for ticket in tickets:
        end = ticket
        while end.merged_into_id is not None:
            end = db.session.get_one(Ticket, end.merged_into_id)
        assert ticket.as_merged() is end
        assert ticket.has_merged == any(one.merged_into_id == ticket.id for one in tickets)
        assert (ticket.occupies is not None) == (ticket.kind == Kind.ACTIVE)
    assert db.session.get(Queue, cast.support.id) is not None
