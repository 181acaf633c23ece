"""Who is written to, whose conversation it is, and what an operator begins."""

from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.forwarded import people_in
from helpdesk.models import Event, Message, OutboxItem, Participant, Reply, State, Tally, Ticket
from helpdesk.models.message import DeliveryState
from helpdesk.opening import Entry, customer_for, write_down, write_first
from helpdesk.queries import thread
from helpdesk.queries.thread import last_inbound
from queues import delivery
from queues.channels.base import DeliveryError
from queues.channels.email import tokens
from queues.channels.email.adapter import EmailAdapter
from queues.letters import write_letter
from tests.test_intake import Post, message_of, ticket_of

CANARY = "КАНАРЕЙКА-7731"


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


@pytest.fixture
def ticket(session: Any, cast: Any, post: Post) -> Ticket:
    event = post(sender="Ева Иванова <eve@customer.example>", message_id="<one@customer.example>")
    ticket = ticket_of(session, event)
    ticket.claim(cast.ann)
    session.commit()
    return ticket


def send(session: Any, monkeypatch: pytest.MonkeyPatch, message: Message) -> tuple[str, bytes]:
    """Make the bytes that leave for a message, as a sending worker does; its Message-ID and the bytes."""
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == message.id)).one()
    delivery._render(item, EmailAdapter())
    session.commit()
    assert item.rendered is not None
    return item.envelope["header_id"], item.rendered


def letter_of(session: Any, message: Message) -> Any:
    return write_letter(session.scalars(select(OutboxItem).where(OutboxItem.message_id == message.id)).one())


# --- who takes part


def test_people_in_copy_take_part_and_are_kept_on_replies(app: Any, session: Any, cast: Any, post: Post) -> None:
    from tests.clients import sign_in

    event = post(message_id="<cc@customer.example>", cc=f"boss@customer.example, {plus(cast)}, help@partner.example")
    ticket = ticket_of(session, event)
    ticket.claim(cast.ann)
    client = sign_in(app, cast.ann)
    page = client.get(f"/tickets/{ticket.id}").text
    assert 'name="cc" value="boss@customer.example, help@partner.example"' in page
    assert client.post(f"/tickets/{ticket.id}/replies", data={"body": "Код выслан"}).status_code == 303
    reply = replies(session, ticket)[-1]
    assert reply.recipients == {"to": ["eve@customer.example"], "cc": ["boss@customer.example", "help@partner.example"]}
    client.post(f"/tickets/{ticket.id}/replies", data={"body": "Только вам", "to": "eve@customer.example", "cc": ""})
    assert replies(session, ticket)[-1].recipients["cc"] == []
    assert 'name="cc" value="boss@' in client.get(f"/tickets/{ticket.id}").text, "for one reply alone"


def plus(cast: Any) -> str:
    local, _at, domain = cast.mailbox.address.partition("@")
    return f"{local.upper()}+t1.k1.aaaa@{domain}"


def replies(session: Any, ticket: Ticket) -> list[Message]:
    query = select(Message).where(Message.conversation_id == ticket.conversation_id, Message.kind == "reply")
    return [one for one in session.scalars(query.order_by(Message.id)) if one.nature == "human"]


def test_who_was_taken_out_stays_out(session: Any, cast: Any, post: Post, ticket: Ticket) -> None:
    post(in_reply_to="<one@customer.example>", cc="boss@customer.example", message_id="<two@customer.example>")
    ticket.take_out(cast.ann, "Boss@customer.example")
    session.commit()
    post(in_reply_to="<one@customer.example>", cc="boss@customer.example", message_id="<three@customer.example>")
    parts = dict(session.execute(select(Participant.address, Participant.removed)).tuples().all())
    assert parts["boss@customer.example"] is True
    event = post(sender="boss@customer.example", in_reply_to="<one@customer.example>")
    assert ticket_of(session, event) is not ticket, "whoever was taken out is a stranger again"
    ticket.bring_in(cast.ann, "boss@customer.example")
    session.commit()
    event = post(sender="boss@customer.example", in_reply_to="<one@customer.example>", subject="Re: снова")
    assert ticket_of(session, event) is ticket
    facts = session.scalars(select(Event.payload).where(Event.kind == "ticket.participant").order_by(Event.id)).all()
    assert [fact["added"] for fact in facts] == [False, True]
    with pytest.raises(NotFound):
        ticket.take_out(cast.ann, "nobody@customer.example")


@pytest.mark.parametrize("field", ["to", "cc"])
def test_our_own_addresses_are_refused_whatever_is_typed(session: Any, cast: Any, ticket: Ticket, field: str) -> None:
    cast.mailbox.settings = {"aliases": ["Помощь@desk.example"]}
    session.commit()
    for own in (cast.mailbox.address.upper(), plus(cast), "помощь+x@DESK.example"):
        with pytest.raises(Refused, match="one of our own"):
            ticket.reply(cast.ann, Reply("ответ", **{"to": ["eve@customer.example"], field: [own]}))
        with pytest.raises(Refused):
            ticket.bring_in(cast.ann, own)
    automatic = ticket.reply(None, Reply("ответ", to=["eve@customer.example", plus(cast)], automatic=True))
    assert automatic.recipients["to"] == ["eve@customer.example"]


# --- whose conversation it is


FORWARDED = {
    "en": "---------- Forwarded message ---------\nFrom: Eve Ivanova <eve@new.example>\nTo: b@p.example\n\nHi",
    "outlook": "-----Original Message-----\nFrom: Eve Ivanova [mailto:eve@new.example]\nSent: Monday\n\nHi",
    "ru": "-------- Пересылаемое сообщение --------\nТема: код\nОт: Ева Иванова <eve@new.example>\nКому: x@p.example\n",
    "yandex": '-------- Пересылаемое сообщение --------\n21.11.2026, 10:15, "Ева Иванова" <eve@new.example>:\n\nКод',
    "uk": "> ---------- Переслане повідомлення ----------\n> Від: Єва <eve@new.example>\n> Кому: x@p.example\n",
    "bold": "*From:* Eve <eve@new.example>\n*Sent:* Monday",
}


@pytest.mark.parametrize("how", FORWARDED)
def test_addresses_of_a_forwarded_mail_are_found(how: str) -> None:
    ((name, address),) = people_in(f"Посмотрите, пожалуйста.\n\n{FORWARDED[how]}\n")
    assert address == "eve@new.example"
    assert name.split()[0] in {"Eve", "Ева", "Єва"}


def test_plain_words_name_nobody() -> None:
    assert people_in("Пишите мне: eve@new.example. From now on all is well.\nTo: x@y.example") == []


def test_another_customer_gets_the_answers(session: Any, cast: Any, make: Any, post: Post, ticket: Ticket) -> None:
    colleague = ticket.customer
    eve = customer_for("email", "eve@new.example", "Ева Новая")
    ticket.change_customer(cast.ann, eve)
    session.commit()
    assert (ticket.customer_id, ticket.conversation.customer_id) == (eve.id, eve.id)
    tallies = select(Tally.scope, func.sum(Tally.delta)).where(Tally.name == "tickets").group_by(Tally.scope)
    counted = dict(session.execute(tallies).tuples().all())
    assert (counted[f"customer:{colleague.id}"], counted[f"customer:{eve.id}"]) == (0, 1)
    assert last_inbound(ticket) is None
    letter = letter_of(session, ticket.reply(cast.ann, Reply("Код выслан")))
    assert letter.recipients == ["eve@new.example"] and letter.quoted is None
    event = post(sender="eve@new.example", in_reply_to=tokens.make_message_id(ticket.id, 77, "desk.example"))
    assert ticket_of(session, event) is ticket and "non_participant" not in message_of(session, event).facts
    fact = session.scalars(select(Event.payload).where(Event.kind == "ticket.field")).one()
    assert (fact["field"], fact["before"], fact["after"]) == ("customer", "Ева Иванова", "Ева Новая")


def test_blocked_and_merged_customers(session: Any, cast: Any, make: Any, ticket: Ticket) -> None:
    from helpdesk.models.customer_merge import merge_into

    adam, other = make.customer("Адам"), make.customer("Адам Смит")
    merge_into(adam, other, cast.ann)
    session.commit()
    ticket.change_customer(cast.ann, adam)
    assert ticket.customer_id in {adam.as_merged().id, other.as_merged().id}
    mallory = make.customer("Mallory", blocked=True)
    with pytest.raises(Refused, match="blocked"):
        ticket.change_customer(cast.ann, mallory)


# --- answers to forwards


def forward(session: Any, monkeypatch: pytest.MonkeyPatch, cast: Any, ticket: Ticket, message: Message) -> str:
    sent = ticket.reply(cast.ann, Reply("Посмотрите", to=["expert@partner.example"], forwards_id=message.id))
    session.commit()
    return send(session, monkeypatch, sent)[0]


@pytest.mark.parametrize("names_it", [True, False])
@pytest.mark.parametrize("what", ["message", "note"])
def test_an_answer_to_a_forward_stays_internal(
    session: Any, cast: Any, post: Post, ticket: Ticket, monkeypatch: pytest.MonkeyPatch, what: str, names_it: bool
) -> None:
    original = last_inbound(ticket) if what == "message" else ticket.note(cast.ann, "Видимо, сбой у оператора связи")
    header = forward(session, monkeypatch, cast, ticket, original)
    ticket.pause(cast.ann)
    session.commit()
    address = tokens.make_reply_address(cast.mailbox.address, ticket.id)
    how = {"in_reply_to": header} if names_it else {"to": address}
    event = post(sender="expert@partner.example", text=f"Дело в шлюзе, {CANARY}", cc="eve@customer.example", **how)
    heard = message_of(session, event)
    assert (heard.kind, heard.ticket_id, heard.is_internal) == ("note", ticket.id, True)
    assert heard.sender == "expert@partner.example"
    session.refresh(ticket)
    assert ticket.state == State.OPEN, "whoever forwarded it waits for this answer"
    people = session.scalars(select(Participant.address).where(~Participant.removed)).all()
    assert "expert@partner.example" not in people
    reply = ticket.reply(cast.ann, Reply("Мы нашли причину", to=["eve@customer.example"]))
    session.commit()
    _header, rendered = send(session, monkeypatch, reply)
    from queues.channels.email.compose import plain_text

    assert CANARY not in plain_text(rendered) and CANARY.encode() not in rendered
    assert header not in rendered.decode("utf-8", "replace")


def test_the_customers_own_answer_is_never_internal(
    session: Any, cast: Any, post: Post, ticket: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = forward(session, monkeypatch, cast, ticket, last_inbound(ticket))
    assert message_of(session, post(in_reply_to=header)).kind == "inbound"


def test_notes_are_never_forwarded_to_those_who_take_part(session: Any, cast: Any, ticket: Ticket) -> None:
    note = ticket.note(cast.ann, CANARY)
    session.commit()
    with pytest.raises(Refused, match="internal"):
        ticket.reply(cast.ann, Reply("см.", to=["EVE@customer.example"], forwards_id=note.id))


# --- the operator writes first


def test_a_first_mail_is_one_act(session: Any, cast: Any, make: Any) -> None:
    adam = customer_for("email", "adam@new.example", "Адам")
    reply = Reply("Ваш договор готов", to=["adam@new.example"], cc=["boss@new.example"], subject="Договор")
    ticket = write_first(cast.ann, cast.support, adam, reply, waits=True)
    session.commit()
    assert (ticket.owner_id, ticket.state, ticket.queue_id) == (cast.ann.id, State.WAITING, cast.support.id)
    letter = letter_of(session, replies(session, ticket)[0])
    assert letter.recipients == ["adam@new.example", "boss@new.example"]
    assert (letter.subject, letter.quoted, letter.answers_header_id) == ("Договор", None, None)
    answer = Post(session, cast.mailbox)(
        sender="adam@new.example", in_reply_to=tokens.make_message_id(ticket.id, 1, "desk.example")
    )
    assert ticket_of(session, answer) is ticket and ticket.state == State.OPEN


def test_a_first_mail_needs_a_mailbox_a_subject_and_a_free_customer(session: Any, cast: Any, make: Any) -> None:
    adam, reply = make.customer("Адам"), Reply("Здравствуйте", to=["adam@new.example"], subject="Договор")
    with pytest.raises(Refused, match="no mailbox"):
        write_first(cast.carl, cast.billing, adam, reply)
    with pytest.raises(Refused, match="title"):
        write_first(cast.ann, cast.support, adam, Reply("Здравствуйте", to=["adam@new.example"]))
    with pytest.raises(Refused, match="blocked"):
        write_first(cast.ann, cast.support, make.customer("Mallory", blocked=True), reply)
    with pytest.raises(Refused, match="our own"):
        customer_for("email", plus(cast))


@pytest.mark.parametrize("own", [True, False])
def test_a_call_is_written_down(session: Any, cast: Any, own: bool) -> None:
    caller = customer_for("phone", "044 123-45-67", "Ева с телефона")
    assert caller.identities[0].value == "+380441234567"
    ticket = write_down(
        cast.ann, cast.support, caller, Entry("call", "in", "Не приходит код", "Звонила, ждёт код"), own
    )
    session.commit()
    (message,) = thread.messages(ticket).messages
    assert (message.kind, message.facts["by_hand"], message.facts["entered_by"]) == ("inbound", "call", cast.ann.id)
    assert ticket.first_unanswered_at == message.at
    assert ticket.owner_id == (cast.ann.id if own else None)
    assert ticket.conversation.channel.kind == "desk"
    again = write_down(cast.ann, cast.support, caller, Entry("visit", "out", "Счёт", "Отнесли счёт"), own)
    assert again.conversation.channel_id == ticket.conversation.channel_id
    assert again.conversation_id != ticket.conversation_id and again.first_unanswered_at is None


def test_a_call_is_answered_by_mail_where_the_queue_has_a_mailbox(session: Any, cast: Any, make: Any) -> None:
    eve = make.customer("Ева", "eve@new.example")
    ticket = write_down(cast.ann, cast.support, eve, Entry("call", "in", "Код", "Ждёт код"), own=True)
    item = letter_of(session, ticket.reply(cast.ann, Reply("Код выслан")))
    assert (item.recipients, item.address) == (["eve@new.example"], cast.mailbox.address)
    there = write_down(cast.carl, cast.billing, eve, Entry("call", "in", "Счёт", "Ждёт счёт"), own=True)
    with pytest.raises(Refused, match="no mailbox"):
        there.reply(cast.carl, Reply("Вот счёт"))


# --- beside all tickets


def test_writing_without_reopening(session: Any, cast: Any, post: Post, ticket: Ticket, monkeypatch: Any) -> None:
    with pytest.raises(Conflict, match="active"):
        ticket.conversation.write(cast.ann, Reply("Ещё одно", to=["eve@customer.example"]))
    ticket.finish(cast.ann, State.SOLVED)
    session.commit()
    message = ticket.conversation.write(cast.ann, Reply("Ещё одно", to=["eve@customer.example"]))
    session.commit()
    assert (message.ticket_id, ticket.state, message.delivery) == (None, State.SOLVED, DeliveryState.QUEUED)
    assert message in thread.messages(ticket).messages
    header, rendered = send(session, monkeypatch, message)
    assert b"In-Reply-To: <one@customer.example>" in rendered
    event = post(in_reply_to=header, message_id="<answer@customer.example>")
    assert ticket_of(session, event) is ticket and ticket.kind == "active", "the queue reopens"


def test_a_failure_beside_all_tickets_is_seen(session: Any, cast: Any, ticket: Ticket) -> None:
    cast.support.follow_up = "new"
    ticket.finish(cast.ann, State.SOLVED)
    message = ticket.conversation.write(cast.ann, Reply("Ещё одно", to=["eve@customer.example"]))
    session.commit()
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == message.id)).one()
    item.state, item.lease_token, item.attempts = DeliveryState.SENDING, "t", 1
    session.commit()
    fault = DeliveryError("550 5.1.1 no such user", permanent=True)
    delivery._record(delivery.Taken(item.id, item.channel_id, "t"), fault)
    session.expire_all()
    assert session.get_one(Message, message.id).delivery == DeliveryState.FAILED
    facts = session.scalars(select(Event).where(Event.ticket_id == ticket.id, Event.kind == "message.delivery")).all()
    assert facts and facts[-1].payload["state"] == "failed"


def test_a_forward_is_no_part_of_the_customers_thread(
    session: Any, cast: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticket that we began: the next letter to the customer must not answer what only a partner was sent."""
    eve, to = make.customer("Ева", "eve@customer.example"), ["eve@customer.example"]
    first = write_first(cast.ann, cast.support, eve, Reply("Здравствуйте", to, subject="Счёт"))
    session.commit()
    (opening,) = replies(session, first)
    opening_id, _mail = send(session, monkeypatch, opening)
    note = first.note(cast.ann, "Между нами: не платить")
    forward = first.reply(cast.ann, Reply("Взгляните", ["law@partner.example"], forwards_id=note.id))
    session.commit()
    send(session, monkeypatch, forward)
    answer = first.reply(cast.ann, Reply("Есть новости", to))
    session.commit()
    letter = letter_of(session, answer)
    assert letter.answers_header_id == opening_id
    assert letter.subject == "Счёт"
