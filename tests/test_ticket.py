"""Verbs of a ticket on real rows."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.errors import Conflict, Refused
from helpdesk.models import Event, Message, Participant, Reply, State
from helpdesk.queries.thread import last_inbound


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


def test_paused_takes_notes_and_no_letters(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    ticket.pause(cast.ann)
    with pytest.raises(Refused, match="Wake it up"):
        ticket.reply(cast.ann, Reply(body="ответ"))
    ticket.note(cast.ann, "Заметка разрешена всегда")
    assert ticket.wake(cast.ann, "by hand")
    ticket.reply(cast.ann, Reply(body="ответ"))


def test_four_clocks(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, minutes_ago=50)
    arrived = ticket.arrived_at
    nudge = make.hear(ticket, "Вы ещё там?", at=arrived + timedelta(minutes=20))
    assert (ticket.first_unanswered_at, ticket.last_customer_at) == (arrived, nudge.at)
    ticket.claim(cast.ann)
    reply = ticket.reply(cast.ann, Reply(body="ответ"))
    assert (ticket.first_unanswered_at, ticket.last_reply_at) == (None, reply.at)
    late = make.hear(ticket, "понятое позже", at=arrived + timedelta(minutes=10))
    assert ticket.last_customer_at == nudge.at, "the newest counts, in whatever order they are understood"
    assert (ticket.first_unanswered_at, ticket.arrived_at) == (late.at, arrived)


def test_automatic_mail_runs_no_clock(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, minutes_ago=50)
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply(body="ответ"))
    before = (ticket.first_unanswered_at, ticket.last_customer_at, ticket.line_at)
    make.hear(ticket, "Меня нет в офисе", nature="auto-reply")
    assert (ticket.first_unanswered_at, ticket.last_customer_at, ticket.line_at) == before


def test_undo_gives_every_clock_back(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, minutes_ago=50)
    ticket.claim(cast.ann)
    waits = ticket.first_unanswered_at
    reply = ticket.reply(cast.ann, Reply(body="ой"))
    make.hear(ticket, "Спасибо, но код не пришёл")
    ticket.undo_reply(cast.ann, reply)
    assert (ticket.first_unanswered_at, ticket.last_reply_at) == (waits, None)
    assert reply.delivery == "cancelled"


def test_undo_of_the_first_of_two_answers_leaves_the_second_standing(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    first = ticket.reply(cast.ann, Reply(body="раз"))
    second = ticket.reply(cast.ann, Reply(body="два"))
    ticket.undo_reply(cast.ann, first)
    assert (ticket.first_unanswered_at, ticket.last_reply_at) == (None, second.at)


def test_spam_by_mistake_comes_back_to_its_place(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, minutes_ago=50)
    make.hear(ticket, "Вы ещё там?")
    place = ticket.line_at
    ticket.finish(cast.ann, State.SPAM)
    assert ticket.first_unanswered_at is None
    ticket.reopen(cast.ann, "by hand")
    assert (ticket.first_unanswered_at, ticket.line_at) == (place, place)


def test_a_ticket_of_a_closed_queue_is_moved_before_it_is_opened_again(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.finish(cast.ann, State.SOLVED)
    cast.support.active = False
    with pytest.raises(Refused, match="Move the ticket"):
        ticket.reopen(cast.ann, "by hand")
    ticket.move(cast.ann, cast.billing)
    ticket.reopen(cast.ann, "by hand")


def test_who_has_seen_a_message_of_elsewhere_has_seen_nothing(cast: Any, make: Any) -> None:
    ticket, other = make.ticket(cast.support), make.ticket(cast.support)
    ticket.claim(cast.ann)
    elsewhere = make.session.scalars(select(Message).where(Message.ticket_id == other.id)).one()
    for seen_id in (0, elsewhere.id, 10**9):
        with pytest.raises(Conflict):
            ticket.reply(cast.ann, Reply(body="ответ", seen_id=seen_id))


def test_whoever_we_write_to_takes_part(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    eve = ticket.customer.identities[0].value
    ticket.reply(cast.ann, Reply(body="ответ", to=[eve.upper()], cc=["Boss@customer.example"]))
    ticket.reply(cast.ann, Reply(body="см. ниже", to=["partner@elsewhere.example"], forwards_id=1))
    parts = select(Participant.address).where(Participant.conversation_id == ticket.conversation_id)
    assert sorted(make.session.scalars(parts)) == sorted([eve, "Boss@customer.example"])


def test_a_strangers_mail_does_not_say_where_answers_go(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    first = last_inbound(ticket)
    stranger = make.hear(ticket, "Нам переслали ваше письмо")
    stranger.facts = {"non_participant": True}
    make.session.flush()
    assert last_inbound(ticket) is first


def test_a_woken_ticket_obeys_the_rule_that_its_queue_has_now(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.pause(cast.ann)
    cast.support.by_priority = True
    ticket.wake(cast.ann, "by hand")
    assert ticket.line_class == ticket.priority, "0 would put it before all that is urgent"


def test_every_verb_leaves_an_event(cast: Any, make: Any) -> None:
    """One of each; the kinds are a closed list, and the last event of the ticket says what was done just now."""
    ticket = make.ticket(cast.support)
    category, group = make.add(_category()), make.group("Люди")
    make.item("request_type", "Вопрос")
    reason, field = make.item("reason", "Брак"), make.field("text", "Договор")
    hour = clock.now() + timedelta(hours=1)
    acts = [
        (lambda: ticket.claim(cast.ann), "ticket.state", "ticket.claimed"),
        (lambda: ticket.retitle(cast.ann, "Новое имя"), "ticket.field"),
        (lambda: ticket.prioritise(cast.ann, 1), "ticket.field"),
        (lambda: ticket.retype(cast.ann, "вопрос"), "ticket.field"),
        (lambda: ticket.categorise(cast.ann, category), "ticket.field"),
        (lambda: ticket.set_reasons(cast.ann, [reason.id]), "ticket.items"),
        (lambda: ticket.set_fields(cast.ann, {str(field.id): "17/А"}), "ticket.own_field"),
        (lambda: ticket.give_to_group(cast.ann, group), "ticket.field"),
        (lambda: ticket.retag(cast.ann, ["возврат"]), "ticket.tagged"),
        (lambda: ticket.add_person(cast.ann, cast.bob), "ticket.people"),
        (lambda: ticket.remove_person(cast.ann, cast.bob), "ticket.people"),
        (lambda: ticket.note(cast.ann, "заметка"), "message.note"),
        (lambda: ticket.reply(cast.ann, Reply(body="ответ")), "message.reply"),
        (lambda: ticket.undo_reply(cast.ann, _last(make, ticket)), "message.reply_undone"),
        (lambda: ticket.note_delivery(None, _last(make, ticket), "failed", "550"), "message.delivery"),
        (lambda: ticket.pause(cast.ann, hour), "ticket.state"),
        (lambda: ticket.wake(cast.ann, "by hand"), "ticket.state"),
        (lambda: ticket.hand_over(cast.ann, cast.bob), "ticket.handed_over"),
        (lambda: ticket.release(cast.bob), "ticket.released"),
        (lambda: ticket.promote(), "ticket.promoted"),
        (lambda: make.hear(ticket, "ещё"), "message.inbound"),
        (lambda: ticket.move(cast.ann, cast.billing), "ticket.moved"),
        (lambda: ticket.finish(cast.ann, State.SPAM), "ticket.state"),
        (lambda: ticket.reopen(cast.ann, "by hand"), "ticket.state"),
    ]
    for act, *kinds in acts:
        make.session.flush()
        before = make.session.scalars(_events(ticket)).all()
        version = ticket.version
        act()
        make.session.flush()
        new = [event.kind for event in make.session.scalars(_events(ticket)) if event not in before]
        assert sorted(new) == sorted(kinds)
        assert ticket.version > version


def _events(ticket: Any) -> Any:
    return select(Event).where(Event.ticket_id == ticket.id).order_by(Event.id)


def _last(make: Any, ticket: Any) -> Message:
    query = select(Message).where(Message.ticket_id == ticket.id, Message.kind == "reply")
    message = make.session.scalars(query.order_by(Message.id.desc())).first()
    assert message is not None
    return message


def _category() -> Any:
    from helpdesk.models import Category

    return Category(name="Доставка")
