"""Macros: who may make and use them, what they say before, and that they do all of it or nothing."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.errors import Refused
from helpdesk.macros import Actions, macros_for, plan
from helpdesk.models import Draft, Event, Macro, Message, Role, State, Ticket, TicketPerson
from queues.macros import carry_out
from tests.clients import sign_in


def nobody(_ticket: Ticket) -> tuple[list[str], list[str]]:
    """No address but the customer's own."""
    return [], []


@pytest.fixture
def cast(make: Any) -> Any:
    return make.cast()


@pytest.fixture
def ticket(make: Any, cast: Any) -> Ticket:
    ticket = make.ticket(cast.support, cast.eve, "Не пришёл заказ", channel=cast.mailbox)
    make.session.commit()
    return ticket


def save(client: Any, **typed: Any) -> Any:
    """Make a macro by the form."""
    return client.post("/macros", data={"name": "Макрос", "active": "1", **typed})


def test_one_click_does_all_of_it(session: Any, cast: Any, ticket: Ticket) -> None:
    actions = Actions(
        reply="Здравствуйте, {customer_first_name}!",
        send=True,
        note="Ответил по шаблону",
        owner="me",
        add_tags=["Доставка "],
        priority=2,
        colleague_ids=[cast.bob.id],
        follow=True,
        state="snooze",
        until="tomorrow",
    )
    carry_out(cast.ann, ticket.id, actions, nobody)
    session.flush()
    said = session.scalars(select(Message).where(Message.ticket_id == ticket.id).order_by(Message.id)).all()
    assert [message.kind for message in said[-3:]] == ["reply", "note", "system"]  # the line says who was added
    assert said[-3].text == "Здравствуйте, Ева!"
    assert (ticket.owner_id, ticket.tags, ticket.priority) == (cast.ann.id, ["доставка"], 2)
    assert (ticket.state, ticket.is_watched_by(cast.ann)) == (State.PENDING, True)
    assert session.get(TicketPerson, (ticket.id, cast.bob.id)) is not None


def test_all_or_nothing(app: Any, session: Any, cast: Any, ticket: Ticket) -> None:
    macro = Macro(name="Закрыть", actions={"add_tags": ["готово"], "owner": "person", "owner_id": cast.carl.id})
    session.add(macro)
    session.commit()
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/tickets/{ticket.id}/macros/{macro.id}").text
    assert "may not work in that queue" in page
    assert "Do it" not in page
    answer = ann.post(f"/tickets/{ticket.id}/macros/{macro.id}")
    assert answer.status_code == 422
    assert "Carl" in answer.text
    session.refresh(ticket)
    assert (ticket.tags, ticket.owner_id) == ([], None)


def test_a_failure_in_the_middle_leaves_nothing(app: Any, session: Any, make: Any, cast: Any, ticket: Ticket) -> None:
    macro = Macro(name="Ответ", actions={"add_tags": ["готово"], "reply": "Готово", "send": True})
    session.add(macro)
    ticket.claim(cast.ann)
    session.commit()
    ann = sign_in(app, cast.ann)
    late = make.hear(ticket, "Подождите!")
    session.commit()
    answer = ann.post(f"/tickets/{ticket.id}/macros/{macro.id}", data={"seen": late.id - 1})
    assert answer.status_code == 409
    session.refresh(ticket)
    assert ticket.tags == []


def test_answer_waits_in_the_composer_beside_what_was_written(session: Any, cast: Any, ticket: Ticket) -> None:
    session.add(Draft(user_id=cast.ann.id, ticket_id=ticket.id, body="Уже начал"))
    session.flush()
    carry_out(cast.ann, ticket.id, Actions(reply="{unknown} <b>x</b> {ticket_number}"), nobody)
    session.flush()
    draft = session.scalars(select(Draft)).one()
    assert draft.body == f"Уже начал\n\n{{unknown}} <b>x</b> {ticket.number_text}"
    assert session.scalars(select(Message.kind).where(Message.kind == "reply")).all() == []


def test_a_note_that_was_begun_never_stands_in_an_answer(session: Any, cast: Any, ticket: Ticket) -> None:
    session.add(Draft(user_id=cast.ann.id, ticket_id=ticket.id, mode="note", body="Клиент врёт"))
    session.flush()
    carry_out(cast.ann, ticket.id, Actions(reply="Разбираемся"), nobody)
    draft = session.scalars(select(Draft)).one()
    assert (draft.mode, draft.body) == ("reply", "Разбираемся")
    assert [(one["mode"], one["body"]) for one in draft.former] == [("note", "Клиент врёт")]


def test_nothing_is_sent_with_a_variable_that_has_no_value(session: Any, cast: Any, ticket: Ticket) -> None:
    ticket.claim(cast.ann)
    session.flush()
    actions = Actions(reply="Код {unknown}. С уважением, {organisation}", send=True)
    with pytest.raises(Refused, match=r"stand for \{organisation\}\.$"):
        carry_out(cast.ann, ticket.id, actions, nobody)
    carry_out(cast.ann, ticket.id, Actions(reply=actions.reply), nobody)
    assert session.scalars(select(Draft)).one().body == actions.reply
    assert session.scalars(select(Message.kind).where(Message.kind == "reply")).all() == []


def test_what_is_gone_is_said(session: Any, cast: Any, make: Any, ticket: Ticket) -> None:
    closed = make.queue("Старая", active=False)
    make.allow(cast.front, closed)
    cast.bob.active = False
    session.flush()
    steps = plan(
        cast.ann,
        ticket,
        Actions(queue_id=closed.id, colleague_ids=[cast.bob.id], category_id=987654, owner="person", owner_id=987654),
    )
    assert all(step.refusal for step in steps)
    assert len(steps) == 4
    unseen = plan(cast.ann, ticket, Actions(queue_id=cast.billing.id))
    assert "may not see" in unseen[0].refusal
    with pytest.raises(Refused, match="not possible"):
        carry_out(cast.ann, ticket.id, Actions(queue_id=closed.id), nobody)


def test_moving_goes_with_the_line_of_the_other_queue(session: Any, cast: Any, make: Any, ticket: Ticket) -> None:
    make.allow(cast.front, cast.billing, "see")
    carry_out(cast.ann, ticket.id, Actions(note="Вторая линия", queue_id=cast.billing.id), nobody)
    assert (ticket.queue_id, ticket.owner_id) == (cast.billing.id, None)
    kinds = list(session.scalars(select(Event.kind).where(Event.ticket_id == ticket.id).order_by(Event.id)))
    assert kinds[-2:] == ["message.note", "ticket.moved"]


def test_who_may_use_and_change_which(app: Any, session: Any, make: Any, cast: Any, ticket: Ticket) -> None:
    session.commit()
    ann, sue, dora, bob = (sign_in(app, who) for who in (cast.ann, cast.sue, cast.dora, cast.bob))
    assert save(ann, add_tags="моё", name="Мой").status_code == 303
    assert save(ann, add_tags="моё", whose="all").status_code == 403
    assert save(ann, add_tags="моё", whose=cast.front.id).status_code == 403
    assert save(sue, add_tags="наше", name="Наш", whose=cast.front.id).status_code == 303
    assert save(sue, add_tags="чужое", whose=cast.back.id).status_code == 403
    assert save(sue, add_tags="всем", whose="all").status_code == 403
    assert save(dora, add_tags="всем", name="Всем", whose="all").status_code == 303
    by_name = {macro.name: macro for macro in session.scalars(select(Macro))}
    assert [macro.name for macro in macros_for(cast.ann, ticket)] == ["Всем", "Мой", "Наш"]
    assert [macro.name for macro in macros_for(cast.bob, ticket)] == ["Всем", "Наш"]
    assert macros_for(cast.carl, ticket) == []
    assert bob.get(f"/macros/{by_name['Мой'].id}").status_code == 404
    assert bob.get(f"/macros/{by_name['Наш'].id}").status_code == 403
    assert dora.post(f"/macros/{by_name['Наш'].id}/removal").status_code == 303
    assert bob.post(f"/tickets/{ticket.id}/macros/{by_name['Мой'].id}").status_code == 404
    assert "Всем" in bob.get("/macros").text


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"state": "snooze"},
        {"owner": "person"},
        {"state": "merged", "note": "x"},
        {"state": "waiting", "reply": "x"},
        {"priority": "9", "note": "x"},
        {"add_tags": "x" * 51},
        {"name": "", "note": "x"},
        {"note": "x" * 50_001},
    ],
)
def test_nonsense_is_refused(app: Any, session: Any, cast: Any, typed: dict[str, str]) -> None:
    session.commit()
    assert save(sign_in(app, cast.ann), **typed).status_code == 422
    assert session.scalars(select(Macro)).all() == []


def test_names_and_texts_are_shown_as_text(app: Any, session: Any, cast: Any, ticket: Ticket) -> None:
    session.commit()
    ann = sign_in(app, cast.ann)
    save(ann, name="<script>alert(1)</script>", note="{{ 7 * 7 }}<img src=x onerror=y>")
    macro = session.scalars(select(Macro)).one()
    for url in (
        "/macros",
        f"/macros/{macro.id}",
        f"/tickets/{ticket.id}/macros",
        f"/tickets/{ticket.id}/macros/{macro.id}",
    ):
        page = ann.get(url).text
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
    ann.post(f"/tickets/{ticket.id}/macros/{macro.id}")
    note = session.scalars(select(Message).where(Message.kind == "note")).one()
    assert note.text == "{{ 7 * 7 }}<img src=x onerror=y>"


def test_an_older_program_or_a_stranger_wrote_it(app: Any, session: Any, cast: Any, ticket: Ticket) -> None:
    macro = Macro(name="Странный", actions={"run": "rm -rf /"})
    session.add(macro)
    session.commit()
    ann = sign_in(app, cast.ann)
    assert ann.get(f"/tickets/{ticket.id}/macros/{macro.id}").status_code == 422
    assert ann.post(f"/tickets/{ticket.id}/macros/{macro.id}").status_code == 422


def test_switched_off_is_not_used(app: Any, session: Any, cast: Any, ticket: Ticket) -> None:
    macro = Macro(name="Выключен", actions={"add_tags": ["x"]}, active=False)
    session.add(macro)
    session.commit()
    assert macros_for(cast.ann, ticket) == []
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/macros/{macro.id}").status_code == 404
    assert cast.ann.role == Role.OPERATOR
