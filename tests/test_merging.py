"""Merging tickets and undoing it: what is shown where, whose place in line, and that both are as they were."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.errors import Conflict, Refused
from helpdesk.models import Draft, Event, Message, Reply, SearchDocument, State, Ticket, TicketPerson
from helpdesk.models.conversation import Participant
from helpdesk.models.search import write_documents
from helpdesk.models.ticket import Kind, Place, lock_for_joining
from helpdesk.queries import thread
from helpdesk.queries.counters import count_of

STANDING = [
    *("state", "kind", "occupies", "owner_id", "pending_until", "finished_at", "closing_reason", "queue_id"),
    *("first_unanswered_at", "last_customer_at", "last_reply_at", "line_class", "line_at", "due_at"),
    *("merged_into_id", "shown_on_id", "has_merged"),
]


def stand(ticket: Ticket) -> dict[str, Any]:
    """Everything of a ticket that an undo must give back."""
    tags = {"tags": ticket.tags, "people": sorted(person.id for person in thread.people(ticket))}
    said = [message.id for message in thread.messages(ticket).messages]
    return {name: getattr(ticket, name) for name in STANDING} | tags | {"said": said}


def figures(*tickets: Ticket) -> dict[str, int]:
    """The counters that tickets are part of."""
    queues = {ticket.queue_id for ticket in tickets}
    found = {f"{name} {id_}": count_of(f"queue:{id_}", name) for id_ in queues for name in ("active", "waiting")}
    return found | {f"of {t.customer_id}": count_of(f"customer:{t.customer_id}", "tickets") for t in tickets}


def found_on(session: Any, ticket: Ticket) -> set[int]:
    """The messages that a search finds on a ticket."""
    write_documents()
    session.flush()
    here = (SearchDocument.ticket_id == ticket.id, SearchDocument.kind == "message")
    return set(session.scalars(select(SearchDocument.ref_id).where(*here)))


def kinds(session: Any, ticket: Ticket) -> list[str]:
    """The kinds of the ticket's facts, oldest first."""
    session.flush()
    return list(session.scalars(select(Event.kind).where(Event.ticket_id == ticket.id).order_by(Event.id)))


@pytest.fixture
def cast(make: Any) -> Any:
    return make.cast()


@pytest.fixture
def two(make: Any, cast: Any) -> tuple[Ticket, Ticket]:
    """Two tickets of eve in one queue, in threads of their own; the first has waited longer."""
    first = make.ticket(cast.support, cast.eve, "Не пришёл заказ", minutes_ago=180, channel=cast.mailbox)
    second = make.ticket(cast.support, cast.eve, "Где мой заказ?", minutes_ago=60, channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id])
    return first, second


def test_messages_are_shown_together_and_the_longer_wait_holds(cast: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    waits_since = first.first_unanswered_at
    own = [message.id for ticket in two for message in thread.messages(ticket).messages]
    first.merge_into(cast.ann, second)
    assert (first.state, first.kind, first.as_merged()) == (State.MERGED, Kind.FINISHED, second)
    assert [message.id for message in thread.messages(second).messages] == sorted(own)
    assert second.first_unanswered_at == waits_since == second.line_at


def test_undo_restores_both(make: Any, cast: Any, session: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    first.retag(cast.ann, ["доставка"])
    first.add_person(cast.ann, cast.bob)
    second.claim(cast.ann)
    session.flush()
    before, counted = (stand(first), stand(second)), figures(first, second)
    first.merge_into(cast.ann, second)
    assert second.tags == ["доставка"]
    assert session.get(TicketPerson, (second.id, cast.bob.id)) is not None
    assert figures(first, second) != counted
    lock_for_joining(Ticket, [first.id])
    first.unmerge(cast.ann)
    assert (stand(first), stand(second)) == before
    assert figures(first, second) == counted
    assert "ticket.merged" in kinds(session, first)
    assert "ticket.unmerged" in kinds(session, second)


def test_whoever_merges_their_own_work_goes_on_with_it(cast: Any, session: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    first.claim(cast.ann)
    session.flush()
    before, counted = (stand(first), stand(second)), figures(first, second)
    first.merge_into(cast.ann, second)
    assert (second.owner_id, thread.people(second)) == (cast.ann.id, [])
    first.unmerge(cast.bob)
    assert (stand(first), stand(second)) == before
    assert figures(first, second) == counted


def test_search_finds_on_the_other_and_back(make: Any, cast: Any, session: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    note = first.note(cast.ann, "Проверить склад")
    assert note.id in found_on(session, first)
    first.merge_into(cast.ann, second)
    assert note.id in found_on(session, second)
    late = first.note(cast.ann, "Нашли на складе")
    assert {note.id, late.id} <= found_on(session, second)
    first.unmerge(cast.ann)
    assert found_on(session, second) & {note.id, late.id} == set()
    assert {note.id, late.id} <= found_on(session, first)


def test_paused_one_wakes_where_a_customer_waits(cast: Any, session: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    until = clock.now() + timedelta(days=2)
    second.pause(cast.ann, until)
    session.flush()
    first.merge_into(cast.ann, second)
    assert second.state == State.OPEN
    first.unmerge(cast.ann)
    assert (second.state, second.pending_until) == (State.PENDING, until)


def test_finished_one_takes_nobody_who_waits(cast: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    second.finish(cast.ann, State.SOLVED)
    with pytest.raises(Refused, match="finished"):
        first.merge_into(cast.ann, second)
    first.finish(cast.ann, State.UNSOLVED, "дубль")
    first.merge_into(cast.ann, second)
    assert first.state == State.MERGED
    first.unmerge(cast.ann)
    assert (first.state, first.closing_reason) == (State.UNSOLVED, "дубль")


def test_other_customer_is_refused(make: Any, cast: Any, two: tuple[Ticket, Ticket]) -> None:
    other = make.ticket(cast.support, make.customer("Пётр Сидоров"), channel=cast.mailbox)
    with pytest.raises(Refused, match="different customers"):
        two[0].merge_into(cast.ann, other)


def test_itself_spam_and_what_is_merged_are_refused(make: Any, cast: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    third = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    with pytest.raises(Refused, match="itself"):
        first.merge_into(cast.ann, first)
    third.file_as_spam(cast.ann)
    with pytest.raises(Refused, match="spam"):
        third.merge_into(cast.ann, first)
    first.merge_into(cast.ann, second)
    for one, other in ((first, second), (second, first)):
        with pytest.raises(Conflict, match="merged into another"):
            one.merge_into(cast.ann, other)
    with pytest.raises(Refused, match="undo the merge"):
        first.reopen(cast.ann, "by hand")


def test_chain_of_merges_leads_to_its_end_and_parts_in_any_order(
    make: Any, cast: Any, session: Any, two: tuple[Ticket, Ticket]
) -> None:
    first, second = two
    third = make.ticket(cast.support, cast.eve, "Третий", minutes_ago=5, channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id, third.id])
    before = [stand(one) for one in (first, second, third)]
    first.merge_into(cast.ann, second)
    second.merge_into(cast.ann, third)
    assert first.as_merged() is second.as_merged() is third
    assert len(thread.messages(third).messages) == 3
    assert third.first_unanswered_at == before[0]["first_unanswered_at"]
    second.unmerge(cast.ann)
    assert (first.as_merged(), second.has_merged, third.has_merged) == (second, True, False)
    assert stand(third) == before[2]
    first.unmerge(cast.ann)
    assert [stand(one) for one in (first, second, third)] == before


def test_middle_of_a_chain_is_undone_from_its_beginning(make: Any, cast: Any, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    third = make.ticket(cast.support, cast.eve, "Третий", minutes_ago=5, channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id, third.id])
    before = stand(first)
    first.merge_into(cast.ann, second)
    second.merge_into(cast.ann, third)
    first.unmerge(cast.ann)
    assert stand(first) == before
    assert len(thread.messages(third).messages) == 2
    assert (second.has_merged, second.as_merged(), third.has_merged) == (False, third, True)


def test_who_is_parted_from_the_middle_of_a_chain_waits_at_its_end_no_more(
    make: Any, cast: Any, two: tuple[Ticket, Ticket]
) -> None:
    first, second = two
    third = make.ticket(cast.support, cast.eve, "Третий", minutes_ago=5, channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id, third.id])
    before = [stand(one) for one in (first, second, third)]
    first.merge_into(cast.ann, second)
    second.merge_into(cast.ann, third)
    first.unmerge(cast.ann)
    assert third.first_unanswered_at == before[1]["first_unanswered_at"] == third.line_at
    second.unmerge(cast.ann)
    assert [stand(one) for one in (first, second, third)] == before


def test_place_taken_meanwhile_brings_it_back_paused(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    first.merge_into(cast.ann, second)
    session.flush()
    rival = Ticket.open(first.conversation, cast.support, "Новый", clock.now(), by=cast.eve)
    session.flush()
    first.unmerge(cast.ann)
    assert (first.state, rival.kind) == (State.WAITING, Kind.ACTIVE)
    assert "ticket.state_kept" in kinds(session, first)


def test_queue_closed_meanwhile_brings_it_back_into_the_other_ones(make: Any, cast: Any, session: Any) -> None:
    first = make.ticket(cast.billing, cast.eve, "Счёт", channel=cast.mailbox)
    second = make.ticket(cast.support, cast.eve, "Счёт?", channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id])
    first.claim(cast.carl)
    first.merge_into(cast.dora, second)
    cast.billing.active = False
    session.flush()
    first.unmerge(cast.dora)
    assert (first.kind, first.queue_id, first.owner_id) == (Kind.ACTIVE, cast.support.id, None)
    assert "ticket.moved" in kinds(session, first)


def test_split_is_undone_also_where_another_ticket_took_the_place(make: Any, cast: Any, session: Any) -> None:
    chat = make.channel(cast.support, kind="http", settings={"url": "https://hooks.example/x"})
    ticket = make.ticket(cast.support, cast.eve, "Чат", channel=chat)
    said = make.hear(ticket, "Второе дело")
    lock_for_joining(Ticket, [ticket.id])
    fresh = ticket.split(cast.ann, [said], cast.support, place=Place.SWAP)
    fresh.finish(cast.ann, State.SOLVED)
    session.flush()
    rival = Ticket.open(ticket.conversation, cast.support, "Третье", clock.now(), by=cast.eve)
    session.flush()
    lock_for_joining(Ticket, [ticket.id, fresh.id])
    fresh.unsplit(cast.ann)
    session.flush()
    assert (ticket.state, fresh.state, rival.kind) == (State.WAITING, State.MERGED, Kind.ACTIVE)
    assert "ticket.state_kept" in kinds(session, ticket)


def test_undo_asks_only_where_it_is_not_clear(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    second.claim(cast.ann)
    first.merge_into(cast.ann, second)
    meant = make.hear(second, "Ответ на первый номер")
    meant.facts = {"meant_for": first.id}
    answer = second.reply(cast.ann, Reply("Заказ в пути"))
    unclear = make.hear(second, "Спасибо, а второй?")
    session.flush()
    assert [(message.id, own) for message, own in first.said_since_merge()] == [
        (meant.id, True),
        (answer.id, None),
        (unclear.id, None),
    ]
    first.unmerge(cast.ann, own_ids=[unclear.id])
    assert (meant.ticket_id, answer.ticket_id, unclear.ticket_id) == (first.id, second.id, first.id)
    assert first.last_customer_at == unclear.at
    assert second.first_unanswered_at is None
    assert second.last_reply_at == answer.at


def test_who_waits_is_not_lost_on_a_ticket_that_was_finished(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    first.finish(cast.ann, State.SOLVED)
    first.merge_into(cast.ann, second)
    asked = make.hear(second, "И ещё вопрос")
    asked.facts = {"meant_for": first.id}
    session.flush()
    first.unmerge(cast.ann)
    assert first.state == State.OPEN
    assert first.first_unanswered_at is not None


def test_answer_before_the_merge_answers_nothing_of_the_other(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    second.claim(cast.ann)
    second.reply(cast.ann, Reply("Ваш заказ в пути"))
    session.flush()
    waits_since = first.first_unanswered_at
    first.merge_into(cast.ann, second)
    answer = second.reply(cast.ann, Reply("И первый тоже"))
    session.flush()
    assert second.first_unanswered_at is None
    second.undo_reply(cast.ann, answer)
    assert second.first_unanswered_at == waits_since


def test_drafts_go_where_they_can_be_sent(cast: Any, session: Any, two: Any) -> None:
    first, second = two
    session.add_all(
        [
            Draft(user_id=cast.ann.id, ticket_id=first.id, body="Здравствуйте"),
            Draft(user_id=cast.bob.id, ticket_id=first.id, body="Первый"),
            Draft(user_id=cast.bob.id, ticket_id=second.id, body="Второй"),
        ]
    )
    session.flush()
    first.merge_into(cast.ann, second)
    where = select(Draft.user_id, Draft.body).order_by(Draft.body)
    assert session.execute(where.where(Draft.ticket_id == second.id)).all() == [
        (cast.bob.id, "Второй"),
        (cast.ann.id, "Здравствуйте"),
    ]
    assert session.execute(where.where(Draft.ticket_id == first.id)).all() == [(cast.bob.id, "Первый")]
    first.unmerge(cast.ann)
    assert session.execute(where.where(Draft.ticket_id == first.id)).all() == [
        (cast.ann.id, "Здравствуйте"),
        (cast.bob.id, "Первый"),
    ]


def test_addresses_in_copy_join_but_nobody_who_was_taken_out(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    for address in ("boss@customer.example", "gone@customer.example"):
        first.bring_in(cast.ann, address)
        if address.startswith("gone"):
            second.bring_in(cast.ann, address)
            second.take_out(cast.ann, address)
    first.merge_into(cast.ann, second)
    there = select(Participant.address).where(Participant.conversation_id == second.conversation_id)
    present = set(session.scalars(there.where(~Participant.removed)))
    assert "boss@customer.example" in present
    assert "gone@customer.example" not in present
    first.unmerge(cast.ann)
    assert "boss@customer.example" not in set(session.scalars(there))


def test_same_conversation_shares_its_place(make: Any, cast: Any, session: Any) -> None:
    old = make.ticket(cast.support, cast.eve, "Старый", minutes_ago=100, channel=cast.mailbox)
    old.pause(cast.ann)
    session.flush()
    new = Ticket.open(old.conversation, cast.support, "Новый", clock.now(), by=cast.eve)
    make.hear(new, "Ещё вопрос")
    lock_for_joining(Ticket, [old.id, new.id])
    before = stand(old), stand(new)
    new.merge_into(cast.ann, old)
    assert (old.state, old.occupies, new.occupies) == (State.OPEN, f"conv:{old.conversation_id}", None)
    new.unmerge(cast.ann)
    assert (stand(old), stand(new)) == before


def test_seen_guard_looks_at_both(make: Any, cast: Any, session: Any, two: Any) -> None:
    first, second = two
    second.claim(cast.ann)
    first.merge_into(cast.ann, second)
    seen = thread.messages(second).messages[-1].id
    assert second.unseen_since(seen) == []
    late = make.hear(second, "Ау")
    assert second.unseen_since(seen) == [late]
    assert session.get(Message, late.id).ticket_id == second.id
