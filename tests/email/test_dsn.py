"""Delivery reports of nine kinds of servers: who, what, why, and which mail."""

import pytest

from queues.channels.email.parse import parse
from tests.email.bounces import BOUNCES, report
from tests.email.build import simple


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_tells_what_happened_to_which_mail(name: str) -> None:
    bounce = BOUNCES[name]
    mail = parse(bounce.raw)
    assert mail.kind == "bounce"
    assert not mail.may_auto_reply
    assert mail.dsn is not None
    assert (mail.dsn.recipient, mail.dsn.action, mail.dsn.status) == (bounce.recipient, bounce.action, bounce.status)
    assert mail.dsn.original_message_id == bounce.original


def test_each_recipient_has_its_own_fate() -> None:
    found = parse(BOUNCES["two-recipients"].raw).dsn
    assert found is not None
    assert [(each.recipient, each.action) for each in found.recipients] == [
        ("fine@example.net", "delivered"),
        ("gone@example.net", "failed"),
    ]


def test_the_reason_is_kept_in_the_words_of_the_server() -> None:
    found = parse(BOUNCES["postfix"].raw).dsn
    assert found is not None
    assert found.diagnostic == "550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown"


def test_the_envelope_id_comes_back() -> None:
    raw = report(
        "Original-Envelope-Id: outbox-42\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\n", "x"
    )
    found = parse(raw).dsn
    assert found is not None
    assert found.envelope_id == "outbox-42"


def test_a_success_report_is_no_bounce() -> None:
    status = (
        "Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: delivered\r\nStatus: 2.1.5\r\n"
    )
    mail = parse(report(status, "Your message was successfully delivered."))
    assert mail.kind == "report"
    assert mail.dsn is not None
    assert mail.dsn.action == "delivered"


def test_the_returned_mail_is_an_attachment_and_not_the_text() -> None:
    mail = parse(BOUNCES["postfix"].raw)
    assert [(each.name, each.nested) for each in mail.attachments] == [("Re_ your order.eml", "message")]
    assert "Dear customer" not in mail.text


@pytest.mark.parametrize(
    "raw",
    [
        simple("My parcel could not be delivered, the courier said. Why?", Subject="Delivery failed again"),
        simple("Ваш курьер не доставил посылку.", Subject="Не доставлен заказ"),
        simple("I got 550 5.1.1 User unknown when writing to you", Subject="Mail problem"),
    ],
)
def test_people_who_write_about_deliveries_are_people(raw: bytes) -> None:
    mail = parse(raw)
    assert mail.kind == "human"
    assert mail.dsn is None
    assert mail.may_auto_reply
