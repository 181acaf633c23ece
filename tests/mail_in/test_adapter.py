"""What the mail adapter makes of a mail: the words that all channels share."""

from typing import Any

import pytest

from helpdesk.models import Channel
from queues.channels.base import Inbound
from queues.channels.email import tokens
from queues.channels.email.adapter import EmailAdapter
from queues.held import take_hold
from tests.dovecot import letter, wait_until


@pytest.fixture(scope="module")
def adapter() -> EmailAdapter:
    return EmailAdapter()


def understood(adapter: EmailAdapter, mail: Any, **envelope: Any) -> Any:
    raw = mail if isinstance(mail, bytes) else mail.as_bytes()
    return adapter.parse(Inbound("key", raw, envelope))


def test_a_plain_letter(app: Any, adapter: EmailAdapter) -> None:
    mail = letter(
        "Не приходит код", "Здравствуйте!\n\n> старое", From="Ева <Eve@Customer.example>", Cc="Bob <b@x.example>"
    )
    mail["Reply-To"] = "home@eve.example"
    found = understood(adapter, mail)
    assert (found.namespace, found.sender, found.sender_name) == ("email", "eve@customer.example", "Ева")
    assert found.subject == "Не приходит код"
    assert found.to == [("support@desk.example", "")]
    assert found.cc == [("b@x.example", "Bob")]
    assert found.reply_to == "home@eve.example"
    assert found.nature == "human"
    assert found.may_auto_reply
    assert found.bounce is None


def test_the_envelope_knows_the_signed_address(app: Any, adapter: EmailAdapter) -> None:
    address = tokens.make_reply_address("support@desk.example", 17) or ""
    found = understood(adapter, letter(), recipients=[address], sender="eve@customer.example")
    assert tokens.ticket_of_address(found.claims.tokens[0]) == 17


def test_a_null_sender_is_never_answered(app: Any, adapter: EmailAdapter) -> None:
    assert not understood(adapter, letter(), sender="").may_auto_reply


def test_a_report_names_the_item_by_its_signed_address(app: Any, adapter: EmailAdapter) -> None:
    address = tokens.make_bounce_address("support@desk.example", 5) or ""
    report = (
        b"From: MAILER-DAEMON@mx.example\r\nTo: " + address.encode() + b"\r\nSubject: Undelivered\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        b"Final-Recipient: rfc822; eve@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 no such user\r\n\r\n--b--\r\n"
    )
    bounce = understood(adapter, report).bounce
    assert (bounce.action, bounce.status, bounce.recipient) == ("failed", "5.1.1", "eve@customer.example")
    assert tokens.item_of_bounce_token(bounce.token) == 5


def test_a_header_alone_says_that_the_rest_is_missing(app: Any, adapter: EmailAdapter) -> None:
    found = adapter.parse(
        Inbound("key", b"From: eve@customer.example\r\nSubject: Big\r\n\r\n", {"size": 10**8}, "too-large")
    )
    assert found.subject == "Big"
    assert "too-large" in found.problems
    assert found.facts["size"] == 10**8
    assert not found.may_auto_reply


def test_a_channel_whose_secrets_do_not_open_stops_no_other(
    make_committed: Any, committed: Any, listening: Any, app: Any
) -> None:
    settings = {"address": "a@desk.example", "imap_host": "127.0.0.1", "imap_port": 9}
    broken = make_committed.channel(make_committed.queue(), settings=settings)
    good = make_committed.channel(make_committed.queue(), settings=settings)
    broken.sealed_secrets = b"k9:nonsense that no key opens"
    committed.commit()
    listener = listening()

    def words() -> str:
        committed.rollback()
        return committed.get(Channel, broken.id).last_error or ""

    wait_until(lambda: "keyring" in words())
    wait_until(lambda: good.id in listener.runners)
    assert broken.id not in listener.runners


def test_whoever_takes_a_channel_raises_its_epoch(make_committed: Any, committed: Any) -> None:
    channel = make_committed.channel(make_committed.queue())
    committed.commit()
    first = take_hold(channel.id)
    assert first is not None
    assert first.still_holder()
    second = take_hold(channel.id)
    assert second is not None
    assert second.still_holder()
    assert not first.still_holder()
    first.trouble("an old story")
    committed.expire_all()
    assert channel.last_error is None, "a former holder writes nothing"
    channel.enabled = False
    committed.commit()
    assert take_hold(channel.id) is None
