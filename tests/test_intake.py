"""From raw mail to ticket: stored once, proved, placed; strangers open no doors; bad input stops nothing."""

from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.errors import Refused
from helpdesk.models import (
    FollowUp,
    InboundEvent,
    InboundState,
    Message,
    OutboxItem,
    Participant,
    Reply,
    State,
    Ticket,
)
from helpdesk.models.ticket import header_hash
from helpdesk.queries.counters import ledgers
from queues import intake
from queues.channels.base import Inbound
from queues.channels.email import tokens
from queues.channels.email.compose import compose, plain_text
from queues.channels.email.settings import MailboxSettings
from queues.interpret import OWN_MAIL
from queues.letters import write_letter


class Post:
    """Writes mail to a channel and lets it be understood."""

    def __init__(self, session: Any, channel: Any) -> None:
        self.session, self.channel = session, channel

    def __call__(self, sender: str = "eve@customer.example", text: str = "Помогите, пожалуйста", **headers: str) -> Any:
        mail = EmailMessage()
        mail["From"], mail["To"] = sender, headers.pop("to", self.channel.address)
        mail["Subject"] = headers.pop("subject", "Не приходит код")
        mail["Message-ID"] = headers.pop("message_id", None) or make_msgid(domain="customer.example")
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        return self.raw(bytes(mail))

    def raw(self, raw: bytes, envelope: dict[str, Any] | None = None) -> Any:
        """The event after it was understood."""
        before = self.session.scalar(select(InboundEvent.id).order_by(InboundEvent.id.desc()).limit(1)) or 0
        intake.accept(self.channel.id, Inbound(f"test:{before}", raw, envelope or {}))
        intake.drain()
        self.session.expire_all()
        return self.session.scalar(select(InboundEvent).where(InboundEvent.id > before))


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


def message_of(session: Any, event: InboundEvent) -> Message:
    assert event.state == InboundState.TICKETED, event.reason
    return session.get_one(Message, event.message_id)


def ticket_of(session: Any, event: InboundEvent) -> Ticket:
    return session.get_one(Ticket, message_of(session, event).ticket_id)


def test_mail_becomes_a_ticket_in_its_queue(session: Any, cast: Any, post: Post) -> None:
    event = post(sender="Ева Иванова <eve@customer.example>")
    ticket = ticket_of(session, event)
    assert ticket.queue_id == cast.support.id
    assert ticket.title == "Не приходит код"
    assert ticket.customer.name == "Ева Иванова"
    assert ticket.arrived_at == event.received_at == ticket.first_unanswered_at
    assert message_of(session, event).visible_text.strip() == "Помогите, пожалуйста"


def test_same_key_is_stored_once(session: Any, cast: Any) -> None:
    assert intake.accept(cast.mailbox.id, Inbound("uid:1", b"Subject: x\r\n\r\nx"))
    assert not intake.accept(cast.mailbox.id, Inbound("uid:1", b"Subject: x\r\n\r\nx"))
    assert intake.known(cast.mailbox.id, ["uid:1", "uid:2"]) == {"uid:1"}
    assert len(session.scalars(select(InboundEvent)).all()) == 1


def test_ledger_is_true(session: Any, cast: Any, post: Post) -> None:
    post()
    post.raw(b"")
    intake.accept(cast.mailbox.id, Inbound("waits", b"From: a@b.example\r\n\r\nx"))
    ledger = ledgers([cast.mailbox.id])[cast.mailbox.id]
    assert ledger.balanced
    assert (ledger.received, ledger.waiting) == (3, 1)


def test_customer_answer_joins_by_known_id(session: Any, post: Post) -> None:
    first = post(message_id="<one@customer.example>")
    second = post(text="Ещё вот что", in_reply_to="<one@customer.example>", subject="Re: Не приходит код")
    assert ticket_of(session, first) is ticket_of(session, second)


def test_signed_message_id_joins_from_anywhere(session: Any, cast: Any, post: Post) -> None:
    ticket = ticket_of(session, post())
    ours = tokens.make_message_id(ticket.id, 77, "desk.example")
    event = post(sender="new-address@customer.example", in_reply_to=ours)
    assert ticket_of(session, event) is ticket
    assert message_of(session, event).facts["non_participant"] is True
    assert ticket.customer.identities[0].value == "eve@customer.example"


@pytest.mark.parametrize("how", ["subject", "known id", "forged id", "forged address"])
def test_stranger_opens_a_new_ticket_with_a_hint(session: Any, cast: Any, post: Post, how: str) -> None:
    ticket = ticket_of(session, post(message_id="<one@customer.example>"))
    forged = tokens.make_message_id(ticket.id, 77, "desk.example").replace("t", "t", 1)
    headers = {
        "subject": {"subject": f"Re: [#{ticket.number}]"},
        "known id": {"in_reply_to": "<one@customer.example>"},
        "forged id": {"in_reply_to": forged[:-20] + "aaaa@desk.example>"},
        "forged address": {"to": f"support+t{ticket.id}.k1.aaaaaaaaaaaaaaaa@desk.example"},
    }[how]
    event = post(sender="mallory@evil.example", **headers)
    assert ticket_of(session, event) is not ticket
    if how in {"subject", "known id"}:
        assert message_of(session, event).facts["claims_tickets"] == [ticket.number]


def test_number_in_the_subject_joins_for_participants(session: Any, post: Post) -> None:
    ticket = ticket_of(session, post())
    event = post(subject=f"Вопрос по {ticket.number_text}")
    assert ticket_of(session, event) is ticket


def participants(session: Any, ticket: Ticket) -> set[str]:
    query = select(Participant.address).where(Participant.conversation_id == ticket.conversation_id)
    return set(session.scalars(query))


def test_those_who_are_addressed_take_part_by_their_address(session: Any, cast: Any, post: Post) -> None:
    """A display name is no address, whatever it looks like."""
    to = f'"mallory@evil.example" <{cast.mailbox.address}>, Адам <adam@customer.example>'
    ticket = ticket_of(
        session, post(to=to, cc='"boss@evil.example" <Boss@Customer.example>', message_id="<1@c.example>")
    )
    assert participants(session, ticket) == {"eve@customer.example", "adam@customer.example", "boss@customer.example"}
    event = post(sender="boss@customer.example", in_reply_to="<1@c.example>")
    assert ticket_of(session, event) is ticket
    assert ticket_of(session, post(sender="mallory@evil.example", in_reply_to="<1@c.example>")) is not ticket


def test_a_guessed_number_in_a_customers_name_brings_nobody(session: Any, cast: Any, post: Post) -> None:
    ticket = ticket_of(session, post())
    forged = post(subject=f"[#{ticket.number}]", cc="mallory@evil.example")
    assert ticket_of(session, forged) is ticket
    assert participants(session, ticket) == {"eve@customer.example"}
    assert ticket_of(session, post(sender="mallory@evil.example", subject=f"[#{ticket.number}]")) is not ticket


def test_answer_wakes_a_paused_ticket_but_automatic_mail_does_not(session: Any, cast: Any, post: Post) -> None:
    ticket = ticket_of(session, post(message_id="<one@customer.example>"))
    ticket.pause(cast.ann)
    post(in_reply_to="<one@customer.example>", auto_submitted="auto-replied", subject="Автоответ")
    session.refresh(ticket)
    assert ticket.state == State.WAITING
    post(in_reply_to="<one@customer.example>")
    session.refresh(ticket)
    assert ticket.state == State.OPEN


def test_follow_up_reopens_or_opens_a_linked_ticket(session: Any, cast: Any, post: Post, move_clock: Any) -> None:
    ticket = ticket_of(session, post(message_id="<one@customer.example>"))
    ticket.finish(cast.ann, State.SOLVED)
    assert ticket_of(session, post(in_reply_to="<one@customer.example>")) is ticket
    assert ticket.state == State.OPEN
    ticket.finish(cast.ann, State.SOLVED)
    session.commit()
    move_clock("15 days")
    later = ticket_of(session, post(in_reply_to="<one@customer.example>"))
    assert later is not ticket
    assert later.previous_id == ticket.id
    assert ticket.state == State.SOLVED


def test_refusing_queue_keeps_the_mail_and_answers_politely(session: Any, cast: Any, post: Post) -> None:
    cast.support.follow_up = FollowUp.REFUSE
    ticket = ticket_of(session, post(message_id="<one@customer.example>"))
    ticket.finish(cast.ann, State.SOLVED)
    event = post(in_reply_to="<one@customer.example>")
    assert ticket_of(session, event) is ticket
    assert ticket.state == State.SOLVED
    answers = session.scalars(select(OutboxItem).where(OutboxItem.automatic)).all()
    assert len(answers) == 2  # the acknowledgement of the first mail, and the refusal


@pytest.fixture
def sent(session: Any, cast: Any, post: Post) -> OutboxItem:
    """A reply of ours as it left: its bytes, and the Message-ID that whoever got it knows."""
    ticket = ticket_of(session, post())
    ticket.claim(cast.ann)
    reply = ticket.reply(cast.ann, Reply(body="Готово, проверьте, пожалуйста"))
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == reply.id)).one()
    mail = compose(write_letter(item), MailboxSettings(address=cast.mailbox.address))
    item.rendered, reply.header_id, reply.header_hash = mail.rendered, mail.header_id, header_hash(mail.header_id)
    session.commit()
    return item


def test_own_mail_that_comes_back_is_dropped_by_name(post: Post, sent: OutboxItem) -> None:
    event = post.raw(b"Received: from a list\r\nX-Spam: no\r\n" + sent.rendered)
    assert (event.state, event.reason) == (InboundState.DROPPED, OWN_MAIL)


def test_own_mail_comes_back_from_a_list_with_a_footer(post: Post, sent: OutboxItem, cast: Any) -> None:
    text = plain_text(sent.rendered) + "\n_____\nСписок рассылки магазина\n"
    listed = {"list_id": "<shop.example>", "list_post": "<mailto:shop@list.example>"}
    event = post(cast.mailbox.address, text, message_id=sent.message.header_id, **listed)
    assert event.reason == OWN_MAIL


@pytest.mark.parametrize(
    ("sender", "same_words"),
    [
        ("eve@customer.example", True),  # a customer's program that keeps the id when it sends our mail back
        ("eve@customer.example", False),
        ("mallory@evil.example", True),
        ("", False),  # under our own address, which is no proof either
    ],
)
def test_our_message_id_makes_no_mail_vanish(
    session: Any, cast: Any, post: Post, sent: OutboxItem, sender: str, same_words: bool
) -> None:
    sender = sender or cast.mailbox.address
    text = plain_text(sent.rendered) if same_words else "А у меня другое: не работает оплата"
    event = post(sender, text, message_id=sent.message.header_id, subject="Re: Не приходит код")
    assert text.split()[0] in message_of(session, event).text


def test_unreadable_is_quarantined_and_can_be_tried_again(
    session: Any, cast: Any, post: Post, monkeypatch: Any
) -> None:
    from queues.channels.base import NotUnderstood
    from queues.channels.email.adapter import EmailAdapter

    real = EmailAdapter.parse

    def broken(self: Any, inbound: Inbound) -> Any:
        raise NotUnderstood("the parser took longer than it may")

    monkeypatch.setattr(EmailAdapter, "parse", broken)
    event = post()
    assert (event.state, event.reason) == (InboundState.QUARANTINED, "the parser took longer than it may")
    monkeypatch.setattr(EmailAdapter, "parse", real)
    intake.retry(event.id, cast.dora)
    session.commit()
    intake.drain()
    session.refresh(event)
    assert event.state == InboundState.TICKETED
    with pytest.raises(Refused):
        intake.retry(event.id, cast.dora)
    assert ledgers([cast.mailbox.id])[cast.mailbox.id].balanced


def test_one_bad_event_does_not_stop_the_batch(session: Any, cast: Any, post: Post) -> None:
    mails = [b"From: eve@customer.example\r\nSubject: a\r\n\r\nx", b"\x00" * 100, b"From: \xff\xfe\r\nTo:\r\n\r\n"]
    for place, raw in enumerate(mails):
        intake.accept(cast.mailbox.id, Inbound(f"b:{place}", raw))
    intake.drain()
    states = session.scalars(select(InboundEvent.state)).all()
    assert InboundState.WAITING not in states
    assert states.count(InboundState.TICKETED) >= 1


def test_acknowledgement_speaks_the_language_of_the_mail(session: Any, post: Post) -> None:
    post(text="Добрий день! Підкажіть, будь ласка, коли чекати на доставку. Дякую за допомогу.")
    answer = session.scalars(select(OutboxItem)).one().message
    assert "Ми отримали" in answer.text


def test_cyrillic_files_are_kept(session: Any, post: Post) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "eve@customer.example", "Договор"
    mail.set_content("во вложении")
    mail.add_attachment(b"%PDF-1.4 hi", maintype="application", subtype="pdf", filename="договор №5.pdf")
    message = message_of(session, post.raw(bytes(mail)))
    assert [file.name for file in message.attachments] == ["договор №5.pdf"]


CONTROL = (
    "Queue",
    "Priority",
    "State",
    "Owner",
    "Customer",
    "TicketNumber",
    "Ticket",
    "Note",
    "Type",
    "Lock",
    "Internal",
)


def test_headers_of_a_stranger_steer_nothing(session: Any, cast: Any, post: Post) -> None:
    """Whatever other helpdesks obey, and names like our own."""
    other = ticket_of(session, post())
    values = {"Queue": cast.billing.name, "Ticket": other.number, "TicketNumber": other.number, "Owner": cast.ann.email}
    headers = {
        f"X_{product}_{name}": values.get(name, "1")
        for product in ("Helpdesk", "OTRS", "Zammad", "Znuny", "FreeScout", "RT")
        for name in CONTROL
    }
    event = post(
        sender="mallory@evil.example", X_Loop="helpdesk", Resent_From=cast.ann.email, Sender=cast.ann.email, **headers
    )
    ticket, message = ticket_of(session, event), message_of(session, event)
    assert ticket is not other
    assert (ticket.queue_id, ticket.owner_id, ticket.state) == (cast.support.id, None, State.NEW)
    assert (ticket.priority, ticket.request_type) == (other.priority, other.request_type)
    assert (message.kind, message.user_id, message.sender) == ("inbound", None, "mallory@evil.example")
