"""Mail to the people who work here."""

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.models import InboundEvent, SystemMail, Ticket
from helpdesk.system_mail import send_system_mail
from queues import intake, interpret, outbox, system_mails
from queues.channels.base import Inbound
from queues.channels.email import tokens
from tests.mail_out.test_bounces import report
from tests.mail_out.test_delivery import connect
from tests.smtp_server import TAKE_AND_CLOSE, SmtpServer

Mails = Callable[[], list[EmailMessage]]


def invite(session: Any, to: str = "new@desk.example") -> SystemMail:
    mail = send_system_mail(to, "Приглашение\r\nBcc: x@x.example", "Откройте https://desk.example/link/abc")
    session.commit()
    return mail


def test_without_any_channel_it_lands_in_the_folder(committed: Any, outgoing: Any, mails: Mails) -> None:
    mail = invite(committed)
    assert outbox.drain() == 1
    committed.refresh(mail)
    assert (mail.state, mail.body) == ("sent", ""), "the link is not kept"
    (landed,) = mails()
    assert landed["subject"] == "Приглашение Bcc: x@x.example"
    assert landed["to"] == "new@desk.example"
    assert "bcc" not in landed
    assert landed["auto-submitted"] == "auto-generated"
    assert "https://desk.example/link/abc" in landed.get_body(("plain",)).get_content()
    assert outbox.drain() == 0


def test_mailbox_with_a_server_is_preferred(
    serve: Callable[..., SmtpServer], committed: Any, people: Any, mails: Mails
) -> None:
    server = serve()
    connect(people.mailbox, server)
    mail = invite(committed)
    outbox.drain()
    committed.refresh(mail)
    assert mail.state == "sent"
    assert server.received[0].recipients == ["new@desk.example"]
    assert mails() == []


def test_it_is_tried_again_until_it_leaves(serve: Callable[..., SmtpServer], committed: Any, people: Any) -> None:
    server = serve()
    connect(people.mailbox, server)
    server.say("connect", "421 4.3.2 busy")
    mail = invite(committed)
    outbox.drain()
    committed.refresh(mail)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert "busy" in (mail.last_error or "")
    committed.execute(text("UPDATE system_mails SET not_before = helpdesk_now()"))
    committed.commit()
    outbox.drain()
    committed.refresh(mail)
    assert mail.state == "sent"


def test_refused_is_refused(serve: Callable[..., SmtpServer], committed: Any, people: Any) -> None:
    server = serve()
    connect(people.mailbox, server)
    server.say("rcpt", "550 5.1.1 no such user")
    mail = invite(committed)
    outbox.drain()
    committed.refresh(mail)
    assert (mail.state, mail.body) == ("failed", "")
    assert mail.last_error == "550 5.1.1 no such user"


def test_lost_answer_means_once_more(serve: Callable[..., SmtpServer], committed: Any, people: Any) -> None:
    server = serve()
    connect(people.mailbox, server)
    server.say("dot", TAKE_AND_CLOSE)
    mail = invite(committed)
    outbox.drain()
    committed.execute(text("UPDATE system_mails SET not_before = helpdesk_now()"))
    committed.commit()
    outbox.drain()
    committed.refresh(mail)
    assert mail.state == "sent"
    assert len({received.mail["message-id"] for received in server.received}) == 1


@pytest.mark.parametrize("proof", ["message-id", "recipient"])
def test_a_report_on_it_shows_operators_no_link(committed: Any, people: Any, mails: Mails, proof: str) -> None:
    mail = invite(committed)
    outbox.drain()
    (original,) = mails()
    to = people.mailbox.address
    if proof == "recipient":
        to = tokens.make_bounce_address(to, system_mails.NO_ITEM) or ""
        original.replace_header("message-id", "<rewritten@relay.example>")
    raw = report(original, to).replace(b"Subject: Re", b"Subject: x\r\n\r\nhttps://desk.example/link/abc")
    intake.accept(people.mailbox.id, Inbound("dsn", raw, {"recipients": [to], "sender": ""}))
    intake.drain()
    committed.expire_all()
    event = committed.query(InboundEvent).one()
    assert (event.state, event.reason) == ("dropped", interpret.OWN_REPORT)
    assert committed.query(Ticket).count() == 0
    if proof == "message-id":
        committed.refresh(mail)
        assert mail.state == "failed"
        assert "550 5.1.1" in (mail.last_error or "")


def test_nobody_forges_such_a_report(committed: Any, people: Any, mails: Mails) -> None:
    """A mail that merely looks like one is a ticket as ever."""
    invite(committed)
    outbox.drain()
    (original,) = mails()
    forged = original["message-id"].replace("<s", "<s1")
    original.replace_header("message-id", forged)
    intake.accept(people.mailbox.id, Inbound("dsn", report(original, people.mailbox.address), {}))
    intake.drain()
    assert committed.query(Ticket).count() == 1
