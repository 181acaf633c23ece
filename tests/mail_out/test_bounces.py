"""Delivery reports: only what proves that it saw our mail marks a message."""

from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from helpdesk.models import Event, InboundEvent, Message, OutboxItem, Queue, Ticket
from queues import bounces, intake, outbox
from queues.channels.base import Bounce, Inbound
from queues.channels.email import tokens

Answered = Callable[..., OutboxItem]
Fresh = Callable[[OutboxItem], Message]


@pytest.fixture
def sent(answered: Answered, mails: Any) -> OutboxItem:
    """A reply that has left."""
    item = answered()
    outbox.drain()
    assert len(mails()) == 1
    return item


def bounce(item: OutboxItem, action: str = "failed", **proof: str | None) -> Bounce:
    return Bounce(
        action=action,
        status="5.1.1",
        recipient=item.deliveries[0].address,
        words="550 5.1.1 no such user",
        **proof,
    )


def test_token_marks_the_message(sent: OutboxItem, fresh: Fresh, committed: Any) -> None:
    message = fresh(sent)
    found = bounces.note_bounce(bounce(sent, token=tokens.bounce_token(sent.id)))
    committed.commit()
    assert found is message
    assert (message.delivery, message.delivery_note) == ("bounced", "5.1.1 550 5.1.1 no such user")
    assert sent.deliveries[0].state == "bounced"
    assert sent.state == "sent", "the server did take it"
    last = committed.query(Event).filter_by(ticket_id=message.ticket_id).order_by(Event.id.desc()).first()
    assert (last.kind, last.payload["state"]) == ("message.delivery", "bounced")


def test_signed_message_id_marks_the_message(sent: OutboxItem, fresh: Fresh) -> None:
    message = fresh(sent)
    assert bounces.note_bounce(bounce(sent, original_header_id=message.header_id)) is message
    assert message.delivery == "bounced"


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"token": "b1.k1.aaaaaaaaaaaaaaaa"},
        {"token": "b1"},
        {"original_header_id": "<t1.1.k1.aaaaaaaaaaaaaaaaaaaaaaaaaa@desk.example>"},
        {"original_header_id": "<someone@else.example>"},
    ],
)
def test_forged_report_marks_nothing(sent: OutboxItem, fresh: Fresh, proof: dict[str, str]) -> None:
    message = fresh(sent)
    assert bounces.note_bounce(bounce(sent, **proof)) is None
    assert message.delivery == "sent"


def test_token_of_another_item_is_no_proof(sent: OutboxItem, fresh: Fresh) -> None:
    message = fresh(sent)
    token = tokens.bounce_token(sent.id + 1).replace(f"b{sent.id + 1}.", f"b{sent.id}.")
    assert bounces.note_bounce(bounce(sent, token=token)) is None
    assert message.delivery == "sent"


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_other_reports_only_belong_to_it(sent: OutboxItem, fresh: Fresh, action: str) -> None:
    message = fresh(sent)
    assert bounces.note_bounce(bounce(sent, action, token=tokens.bounce_token(sent.id))) is message
    assert message.delivery == "sent"


def test_second_report_changes_nothing_more(sent: OutboxItem, fresh: Fresh, committed: Any) -> None:
    message = fresh(sent)
    for _ in range(2):
        bounces.note_bounce(bounce(sent, token=tokens.bounce_token(sent.id)))
    committed.commit()
    told = committed.query(Event).filter_by(ticket_id=message.ticket_id, kind="message.delivery")
    events = told.order_by(Event.id).all()
    assert [event.payload["state"] for event in events] == ["sent", "bounced"]


def test_only_the_named_recipient_bounced(answered: Answered, fresh: Fresh) -> None:
    item = answered(to=["eve@customer.example"], cc=["adam@customer.example"])
    outbox.drain()
    message = fresh(item)
    report = Bounce("failed", "5.1.1", "ADAM@customer.example", "gone", token=tokens.bounce_token(item.id))
    bounces.note_bounce(report)
    assert {one.address: one.state for one in item.deliveries} == {
        "eve@customer.example": "sent",
        "adam@customer.example": "bounced",
    }
    assert message.delivery == "bounced"
    assert (message.delivery_note or "").startswith("adam@customer.example: ")


POLICIES = [("reopen", 1, "active"), ("reopen", 30, "finished"), ("new", 1, "finished"), ("refuse", 1, "active")]


@pytest.mark.parametrize(("follow_up", "days_ago", "kind"), POLICIES)
def test_late_bounce_follows_the_queues_policy(
    sent: OutboxItem, fresh: Fresh, committed: Any, follow_up: str, days_ago: int, kind: str
) -> None:
    message = fresh(sent)
    ticket = committed.get(Ticket, message.ticket_id)
    committed.get(Queue, ticket.queue_id).follow_up = follow_up
    ticket.finish(ticket.owner, "solved")
    ticket.finished_at -= timedelta(days=days_ago)
    committed.commit()
    bounces.note_bounce(bounce(sent, token=tokens.bounce_token(sent.id)))
    committed.commit()
    expected = "finished" if follow_up == "refuse" else kind
    assert ticket.kind == expected
    assert message.delivery == "bounced", "whatever the ticket's state"


def test_paused_ticket_wakes(sent: OutboxItem, fresh: Fresh, committed: Any) -> None:
    ticket = committed.get(Ticket, fresh(sent).ticket_id)
    ticket.pause(ticket.owner)
    committed.commit()
    bounces.note_bounce(bounce(sent, token=tokens.bounce_token(sent.id)))
    assert ticket.state == "open"


def test_bounce_of_an_automatic_answer_makes_no_work(sent: OutboxItem, fresh: Fresh, committed: Any) -> None:
    ticket = committed.get(Ticket, fresh(sent).ticket_id)
    sent.automatic = True
    ticket.pause(ticket.owner)
    committed.commit()
    bounces.note_bounce(bounce(sent, token=tokens.bounce_token(sent.id)))
    assert sent.message.delivery == "bounced"
    assert ticket.kind == "paused"


def report(original: EmailMessage, to: str, envelope_id: str = "") -> bytes:
    """A delivery report as mail servers write it (RFC 3464)."""
    envelope = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    text = f"""From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn-1@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=BB

--BB
Content-Type: text/plain

I could not deliver your mail.
--BB
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
{envelope}
Final-Recipient: rfc822; {original["to"].addresses[0].addr_spec}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--BB
Content-Type: text/rfc822-headers

Message-ID: {original["message-id"]}
Subject: Re

--BB--
"""
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("proof", ["message-id", "envelope-id", "recipient"])
def test_report_by_mail_marks_its_message(
    sent: OutboxItem, fresh: Fresh, committed: Any, mails: Any, people: Any, proof: str
) -> None:
    (original,) = mails()
    original_id = original["message-id"]
    if proof != "message-id":
        del original["message-id"]
        original["message-id"] = "<rewritten@relay.example>"
    envelope_id = tokens.bounce_token(sent.id) if proof == "envelope-id" else ""
    to = people.mailbox.address
    if proof == "recipient":
        to = tokens.make_bounce_address(to, sent.id)
    raw = report(original, to, envelope_id)
    intake.accept(people.mailbox.id, Inbound("dsn", raw, {"recipients": [to], "sender": ""}))
    intake.drain()
    message = fresh(sent)
    assert message.header_id == original_id
    assert message.delivery == "bounced"
    event = committed.query(InboundEvent).one()
    assert event.state == "ticketed", event.reason
    assert committed.get(Message, event.message_id).ticket_id == message.ticket_id
    assert committed.query(OutboxItem).count() == 1, "nobody answers a report"
