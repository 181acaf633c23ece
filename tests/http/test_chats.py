"""Messages of another system: one lasting conversation, and at most one active ticket in it."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Conversation, FollowUp, InboundEvent, Message, OutboxItem, State, Tally, Ticket
from helpdesk.models.ticket.states import Kind
from queues import intake
from tests.http.conftest import System, call, lines, message

Hear = Callable[..., Ticket]


def test_a_message_opens_a_ticket(hear: Hear, system: System) -> None:
    ticket = hear(message(language="ru", sent_at="2030-01-01T12:00:00+03:00", facts={"order": 77}, message_id="x1"))
    assert (ticket.title, ticket.queue_id, ticket.state) == ("Где мой заказ?", system.channel.queue_id, State.NEW)
    assert ticket.customer.name == "Ева Иванова"
    assert ticket.customer.language == "ru"
    assert [(one.namespace, one.value) for one in ticket.customer.identities] == [("crm:shop", "4711")]
    assert ticket.first_unanswered_at is not None
    said = db.session.scalars(select(Message)).one()
    assert said.facts["given"] == {"order": 77}
    assert said.facts["written_at"] == "2030-01-01T12:00:00+03:00"
    assert db.session.scalar(select(func.count()).select_from(OutboxItem)) == 0  # nobody is told of numbers in a chat


def test_the_same_conversation_goes_on_in_its_ticket(hear: Hear) -> None:
    first = hear(message())
    again = hear(message(id="m-2", text="Вы тут?"))
    assert again.id == first.id
    assert lines(first) == ["Где мой заказ?", "Вы тут?"]
    other = hear(message(id="m-3", conversation="chat-2"))
    assert other.id != first.id
    assert other.customer_id == first.customer_id


def test_a_burst_in_one_batch_is_one_ticket(system: System) -> None:
    """Two conversations interleaved, all understood together."""
    for n in range(10):
        assert system.post(message(id=f"b-{n}", conversation=f"chat-{n % 2}", text=f"слово {n}")).status_code == 202
    intake.drain()
    assert db.session.scalar(select(func.count()).select_from(Ticket)) == 2
    assert db.session.scalar(select(func.count()).select_from(Conversation)) == 2
    first = db.session.scalars(select(Ticket).order_by(Ticket.id)).first()
    assert lines(first) == [f"слово {n}" for n in range(0, 10, 2)]


def test_a_message_wakes_a_paused_ticket(hear: Hear, cast: Any) -> None:
    ticket = hear(message())
    ticket.claim(cast.ann)
    ticket.pause(cast.ann, clock.now() + timedelta(days=1))
    again = hear(message(id="m-2", text="Уже не надо"))
    assert again.id == ticket.id
    assert again.kind == Kind.ACTIVE


@pytest.mark.parametrize("policy", [FollowUp.NEW, FollowUp.REOPEN])
def test_a_finished_one_follows_its_queue(hear: Hear, cast: Any, policy: FollowUp) -> None:
    ticket = hear(message())
    ticket.queue.follow_up = policy
    ticket.claim(cast.ann)
    ticket.finish(cast.ann, State.SOLVED)
    again = hear(message(id="m-2", text="И ещё вопрос"))
    if policy == FollowUp.REOPEN:
        assert (again.id, again.kind) == (ticket.id, Kind.ACTIVE)
    else:
        assert again.previous_id == ticket.id
        assert again.conversation_id == ticket.conversation_id


def test_two_channels_may_use_the_same_keys(hear: Hear, system: System, make: Any, cast: Any) -> None:
    first = hear(message(message_id="1"))
    other = System(system.app, make.channel(cast.billing, "http", name="Other", address="", door="door-2"))
    other.channel.keep_secrets({"secret": other.secret})
    db.session.flush()
    assert other.post(message(message_id="1")).status_code == 202
    intake.drain()
    second = db.session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
    assert second.id != first.id
    assert second.queue_id == cast.billing.id


def test_numbers_and_ids_of_mail_open_no_door(hear: Hear, make: Any, cast: Any) -> None:
    """A chat that names a mail's ticket stays a chat."""
    mail = make.ticket(cast.support, channel=cast.mailbox)
    said = db.session.scalars(select(Message)).one()
    ticket = hear(message(subject=f"Re: [{mail.number}]", reply_to="x", message_id="y", text=said.header_id))
    assert ticket.id != mail.id


def test_what_a_message_answers_is_known_by_its_name(hear: Hear) -> None:
    hear(message(message_id="x1"))
    hear(message(id="m-2", message_id="x2", text="И адрес"))
    hear(message(id="m-3", message_id="x3", reply_to="x1", text="Про заказ"))
    hear(message(id="m-4", conversation="chat-2", message_id="x4", reply_to="x1", text="Чужое"))
    said = {one.text: one for one in db.session.scalars(select(Message).order_by(Message.id))}
    assert said["Про заказ"].answers_id == said["Где мой заказ?"].id
    assert said["И адрес"].answers_id is None
    assert said["Чужое"].answers_id is None  # the same name in another conversation is another message


def test_known_people_are_known(hear: Hear, make: Any) -> None:
    eve = make.customer("Ева Иванова", "eve@customer.example")
    by_mail = hear(message(sender={"namespace": "email", "value": "EVE@customer.example"}))
    assert by_mail.customer_id == eve.id
    by_phone = hear(message(id="m-2", conversation="c2", sender={"namespace": "phone", "value": "044 123 45 67"}))
    assert [one.value for one in by_phone.customer.identities] == ["+380441234567"]


def test_html_is_cleaned_and_files_are_kept(hear: Hear, system: System) -> None:
    system.channel.settings = {**system.channel.settings, "takes_files": True}
    db.session.flush()
    file = {"name": "../../чек.pdf", "type": "application/pdf", "content": base64.b64encode(b"%PDF-1").decode()}
    html = '<p onclick="x()">Смотрите <script>alert(1)</script><b>чек</b></p>'
    ticket = hear(message(text="", html=html, files=[file]))
    said = db.session.scalars(select(Message).where(Message.ticket_id == ticket.id)).one()
    assert "script" not in (said.html or "")
    assert "onclick" not in (said.html or "")
    assert said.text == "Смотрите чек"
    assert [(one.name, one.size) for one in said.attachments] == [("чек.pdf", 6)]


def test_the_ledger_holds(hear: Hear, system: System) -> None:
    hear(message())
    system.post(message())
    system.post(call("abandoned", 40))
    system.post({"type": "receipt", "id": "r-1", "message_id": "reply-unknown", "state": "read"})
    system.post(message(id="m-9"), Helpdesk_Signature="v1=" + "0" * 64)
    intake.drain()
    states = db.session.execute(select(InboundEvent.state, InboundEvent.reason)).tuples().all()
    assert sorted(states, key=str) == [
        ("dropped", "receipt for an unknown message"),
        ("ticketed", None),
        ("ticketed", None),
    ]
    book = dict(
        db.session.execute(
            select(Tally.name, func.sum(Tally.delta))
            .where(Tally.scope == f"channel:{system.channel.id}")
            .group_by(Tally.name)
        )
        .tuples()
        .all()
    )
    assert book == {"received": 3, "waiting": 0, "ticketed": 2, "dropped": 1}


def test_a_blocked_customer_is_not_heard(hear: Hear, system: System) -> None:
    hear(message()).customer.blocked = True
    db.session.flush()
    system.post(message(id="m-2"))
    intake.drain()
    assert db.session.scalar(select(func.count()).select_from(Message)) == 1
