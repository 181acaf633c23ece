"""Automatic answers: what they say, and every rule by which they keep silent."""

from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.keyring import Keyring
from helpdesk.models import CustomerText, Message, OutboxItem, Project, Queue, Reply, Ticket
from queues import acknowledge, intake, outbox
from queues.channels.base import Inbound
from queues.channels.email import compose, tokens
from queues.channels.email.settings import MailboxSettings
from tests.mail_out.test_compose import LETTER

Post = Callable[..., None]


@pytest.fixture
def post(committed: Any, people: Any) -> Post:
    """Lets a mail come in and be understood."""

    def send(
        sender: str = "eve@customer.example",
        subject: str = "Не приходит код",
        text: str = "Помогите, пожалуйста",
        **headers: str,
    ) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, people.mailbox.address, subject
        mail["Message-ID"] = headers.pop("message_id", None) or make_msgid(domain="customer.example")
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        take(bytes(mail))

    def take(raw: bytes, sender: str | None = None) -> None:
        key = f"test:{make_msgid()}"
        intake.accept(people.mailbox.id, Inbound(key, raw, {} if sender is None else {"sender": sender}))
        intake.drain()
        committed.rollback()
        committed.expire_all()

    send.raw = take  # type: ignore[attr-defined]
    return send


def answers(session: Any) -> list[OutboxItem]:
    return session.query(OutboxItem).filter_by(automatic=True).order_by(OutboxItem.id).all()


def test_new_ticket_is_acknowledged_with_its_number(post: Post, committed: Any, mails: Any) -> None:
    post("Ева Иванова <eve@customer.example>")
    outbox.drain()
    (mail,) = mails()
    ticket = committed.query(Ticket).one()
    body = mail.get_body(("plain",)).get_content()
    assert ticket.number_text in body
    assert mail["to"].addresses[0].addr_spec == "eve@customer.example"
    assert mail["subject"] == f"Re: Не приходит код [#{ticket.number}]"
    assert mail["auto-submitted"] == "auto-replied"
    assert "Помогите" not in body, "nothing of the original is sent back"
    asked = committed.query(Message).filter_by(kind="inbound").one()
    assert mail["in-reply-to"] == asked.header_id
    assert (ticket.state, ticket.last_reply_at) == ("new", None), "an automatic answer answers nothing"
    assert ticket.first_unanswered_at is not None


WRITTEN = {
    "en": ("Hello, I cannot sign in to my account since yesterday, please help me.", "Hello!"),
    "ru": ("Здравствуйте, со вчерашнего дня не могу войти в личный кабинет, помогите.", "Здравствуйте!"),
    "uk": ("Вітаю, від учора не можу увійти до свого кабінету, допоможіть, будь ласка.", "Вітаємо!"),
}


@pytest.mark.parametrize("language", WRITTEN)
def test_language_of_the_customer(post: Post, committed: Any, mails: Any, language: str) -> None:
    written, answer = WRITTEN[language]
    post(text=written)
    outbox.drain()
    assert mails()[0].get_body(("plain",)).get_content().startswith(answer)


def test_language_of_the_project_where_the_customers_is_unknown(post: Post, committed: Any, mails: Any) -> None:
    committed.query(Project).update({"language": "uk"})
    committed.commit()
    post(text="123")
    outbox.drain()
    assert mails()[0].get_body(("plain",)).get_content().startswith("Вітаємо!")


def test_own_text_with_variables(post: Post, committed: Any, people: Any, mails: Any) -> None:
    project = committed.query(Project).one()
    committed.add(
        CustomerText(
            project_id=project.id,
            key="acknowledgement",
            language="ru",
            subject="Ваш номер {number}",
            body="{name}: {number} / {queue} / {unknown} / {number.__class__} / {{number}} / {subject}",
        )
    )
    committed.query(Queue).filter_by(id=people.support.id).update({"signature": "Ваша поддержка"})
    committed.commit()
    post("Ева {queue} <eve@customer.example>", subject="тема {name}")
    outbox.drain()
    (mail,) = mails()
    ticket = committed.query(Ticket).one()
    number = ticket.number_text
    body = mail.get_body(("plain",)).get_content()
    assert body.splitlines()[0] == (
        f"Ева {{queue}}: {number} / {people.support.name} / {{unknown}} / {{number.__class__}} / {{{number}}}"
        " / тема {name}"
    )
    assert "Ваша поддержка" in body
    assert mail["subject"].startswith(f"Ваш номер {number}")


SILENT: list[dict[str, str]] = [
    {"Auto_Submitted": "auto-replied"},
    {"Auto_Submitted": "auto-generated (failure)"},
    {"Precedence": "bulk"},
    {"Precedence": "list"},
    {"List_Id": "<news.example>"},
    {"List_Unsubscribe": "<mailto:x@x.example>"},
    {"X_Auto_Response_Suppress": "All"},
    {"X_Auto_Response_Suppress": "OOF, AutoReply"},
    {"Return_Path": "<>"},
    {"sender": "MAILER-DAEMON@mx.example"},
    {"sender": "postmaster@mx.example"},
    {"sender": "no-reply@shop.example"},
    {"X_Autoreply": "yes"},
]


@pytest.mark.parametrize("headers", SILENT, ids=lambda headers: "-".join(headers.items().__iter__().__next__()))
def test_automatic_mail_is_not_answered(post: Post, committed: Any, headers: dict[str, str]) -> None:
    post(**headers)
    assert answers(committed) == []


def test_null_envelope_sender_is_not_answered(post: Any, committed: Any) -> None:
    post.raw(b"From: eve@customer.example\r\nSubject: x\r\nMessage-ID: <n1@x.example>\r\n\r\nhello\r\n", sender="")
    assert answers(committed) == []


def test_queue_may_keep_silent(post: Post, committed: Any, people: Any) -> None:
    committed.query(Queue).filter_by(id=people.support.id).update({"acknowledge": False})
    committed.commit()
    post()
    assert committed.query(Ticket).count() == 1
    assert answers(committed) == []


def test_our_own_addresses_are_never_answered(post: Post, committed: Any, make_committed: Any, people: Any) -> None:
    other = make_committed.channel(people.billing, settings={"aliases": ["sales@desk.example"]})
    committed.commit()
    for sender in (other.address, other.address.replace("@", "+x@"), other.address.upper(), "sales@desk.example"):
        post(sender)
    assert answers(committed) == []


def test_follow_up_is_not_acknowledged_again(post: Post, committed: Any) -> None:
    post(message_id="<first@customer.example>")
    post(message_id="<second@customer.example>", In_Reply_To="<first@customer.example>")
    assert committed.query(Ticket).count() == 1
    assert len(answers(committed)) == 1


def test_sender_gets_five_a_day(post: Post, committed: Any) -> None:
    for number in range(8):
        post(subject=f"Вопрос {number}")
    assert committed.query(Ticket).count() == 8
    assert len(answers(committed)) == acknowledge.MOST_PER_SENDER
    post("adam@customer.example")
    assert len(answers(committed)) == acknowledge.MOST_PER_SENDER + 1
    committed.execute(text("UPDATE answer_counts SET since = since - interval '25 hours'"))
    committed.commit()
    post(subject="на другой день")
    assert len(answers(committed)) == acknowledge.MOST_PER_SENDER + 2


def test_hundred_a_minute_for_all(post: Post, committed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledge, "MOST_PER_MINUTE", 3)
    for number in range(5):
        post(f"person{number}@customer.example")
    assert len(answers(committed)) == 3
    committed.execute(text("UPDATE outbox_items SET created_at = created_at - interval '2 minutes'"))
    committed.commit()
    post("late@customer.example")
    assert len(answers(committed)) == 4


def test_refusal_of_a_finished_ticket(post: Post, committed: Any, people: Any, mails: Any) -> None:
    post(message_id="<first@customer.example>")
    ticket = committed.query(Ticket).one()
    ticket.queue.follow_up = "refuse"
    ticket.claim(people.ann)
    ticket.finish(people.ann, "solved")
    committed.commit()
    for number in range(3):
        post(message_id=f"<again{number}@customer.example>", In_Reply_To="<first@customer.example>")
    keys = [item.message.facts["automatic"] for item in answers(committed)]
    assert keys == ["acknowledgement", "refusal"], "said once"
    outbox.drain()
    assert "закрыто" in mails()[1].get_body(("plain",)).get_content()
    assert ticket.kind == "finished"


@pytest.mark.parametrize("policy", ["refuse", "new"])
def test_stranger_with_a_signed_address_is_heard_and_told_nothing(
    post: Post, committed: Any, people: Any, policy: str
) -> None:
    post("Ева Иванова <eve@customer.example>", subject="Тайна")
    ticket = committed.query(Ticket).one()
    ticket.queue.follow_up = policy
    ticket.claim(people.ann)
    ticket.finish(people.ann, "solved")
    committed.commit()
    address = tokens.make_reply_address(people.mailbox.address, ticket.id)
    post("mallory@evil.example", subject="", Delivered_To=address)
    heard = committed.query(Message).filter_by(sender="mallory@evil.example").one()
    assert heard.conversation_id == ticket.conversation_id
    assert heard.facts["non_participant"]
    assert len(answers(committed)) == 1, "the acknowledgement of the first mail"


def test_robot_without_any_sign_is_stopped(post: Post, committed: Any, mails: Any) -> None:
    """A robot that answers every mail with a new one, and says nowhere that it is one."""
    post("robot@shop.example", subject="start")
    for round_ in range(12):
        sent = len(mails())
        outbox.drain()
        fresh = mails()[sent:]
        if not fresh:
            break
        for _ in fresh:
            post("robot@shop.example", subject=f"Ваше обращение {round_}")
    assert len(mails()) == acknowledge.MOST_PER_SENDER


def test_another_installation_is_answered_never(
    post: Any, committed: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its acknowledgements reach us, ours reach it; neither answers the other's."""
    theirs = Keyring("k1", {"k1": b"another installation".ljust(32, b"!")})
    monkeypatch.setattr(tokens, "keyring", lambda: theirs)
    letter = replace(
        LETTER,
        automatic=True,
        quoted=None,
        to=[("", people.mailbox.address)],
        cc=[],
        recipients=[people.mailbox.address],
    )
    mail = compose.compose(letter, MailboxSettings(address="help@other.example"))
    monkeypatch.undo()
    post.raw(mail.rendered)
    assert committed.query(Message).filter_by(kind="inbound").count() == 1, "it is kept"
    assert answers(committed) == []


def test_operators_answer_is_not_automatic(post: Post, committed: Any, people: Any, mails: Any) -> None:
    post()
    outbox.drain()
    ticket = committed.query(Ticket).one()
    ticket.claim(people.ann)
    ticket.reply(people.ann, Reply(body="Готово"))
    committed.commit()
    outbox.drain()
    reply = mails()[1]
    assert "auto-submitted" not in reply
    assert "> Помогите, пожалуйста" in reply.get_body(("plain",)).get_content()
