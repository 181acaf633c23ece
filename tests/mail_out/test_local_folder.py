"""From an operator's reply to a file in the local folder."""

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from helpdesk.models import DeliveryState, Message, OutboxItem
from queues import outbox
from queues.channels.base import Outbound
from queues.channels.email import local, tokens

Answered = Callable[..., OutboxItem]
Fresh = Callable[[OutboxItem], Message]
Mails = Callable[[], list[EmailMessage]]


def test_reply_lands_once(answered: Answered, fresh: Fresh, mails: Mails) -> None:
    item = answered("Добрый день! Код выслан.")
    assert outbox.drain() == 1
    assert outbox.drain() == 0
    (mail,) = mails()
    assert "Добрый день! Код выслан." in mail.get_body(("plain",)).get_content()
    message = fresh(item)
    assert message.delivery == DeliveryState.SENT
    assert mail["message-id"] == message.header_id
    assert tokens.read_message_id(mail["message-id"]) == (message.ticket_id, message.id)
    assert [one.state for one in item.deliveries] == ["sent"]
    assert [one.outcome for one in item.tries] == ["sent"]


def test_thread_headers_and_quote(answered: Answered, committed: Any, mails: Mails) -> None:
    item = answered()
    asked = committed.query(Message).filter_by(ticket_id=item.message.ticket_id, kind="inbound").one()
    outbox.drain()
    (mail,) = mails()
    assert mail["in-reply-to"] == asked.header_id
    assert mail["references"] == asked.header_id
    assert mail["subject"].startswith("Re: Не приходит код подтверждения [#")
    assert [(one.display_name, one.addr_spec) for one in mail["to"].addresses] == [("Ева Иванова", asked.sender)]
    assert "> Здравствуйте! Помогите, пожалуйста." in mail.get_body(("plain",)).get_content()
    assert "<blockquote" in mail.get_body(("html",)).get_content()
    assert "auto-submitted" not in mail


def test_missing_address_is_the_customers(answered: Answered, fresh: Fresh, mails: Mails) -> None:
    item = answered(to=[])
    outbox.drain()
    message = fresh(item)
    assert message.recipients["to"] == [mails()[0]["to"].addresses[0].addr_spec]


def test_conversation_leaves_in_order(answered: Answered, committed: Any, people: Any, mails: Mails) -> None:
    from helpdesk.models import Reply, Ticket

    item = answered("первый")
    ticket = committed.get(Ticket, item.message.ticket_id)
    for body in ("второй", "третий"):
        ticket.reply(people.ann, Reply(body=body))
    committed.commit()
    assert len(outbox.take(10)) == 1, "only the head of the conversation may be taken"


def test_all_of_a_conversation_leave(answered: Answered, committed: Any, people: Any, mails: Mails) -> None:
    from helpdesk.models import Attempt, Reply, Ticket

    item = answered("первый")
    ticket = committed.get(Ticket, item.message.ticket_id)
    for body in ("второй", "третий"):
        ticket.reply(people.ann, Reply(body=body))
    committed.commit()
    assert outbox.drain() == 3
    committed.rollback()
    sent = [try_.item_id for try_ in committed.query(Attempt).order_by(Attempt.id)]
    assert sent == sorted(sent)
    assert len(mails()) == 3


def test_undone_reply_stays(answered: Answered, committed: Any, people: Any, mails: Mails) -> None:
    from helpdesk.models import Ticket

    item = answered()
    ticket = committed.get(Ticket, item.message.ticket_id)
    ticket.undo_reply(people.ann, item.message)
    committed.commit()
    assert outbox.drain() == 0
    assert mails() == []


def test_unwritable_folder_is_tried_again(answered: Answered, fresh: Fresh, outgoing: Path) -> None:
    outgoing.parent.mkdir(exist_ok=True)
    outgoing.write_text("a file where the folder should be")
    item = answered()
    outbox.drain()
    message = fresh(item)
    assert (message.delivery, item.state, item.attempts) == ("deferred", "deferred", 1)
    assert "could not be written" in (message.delivery_note or "")
    assert item.not_before > item.trying_since


def test_listing_knows_only_its_own_files(answered: Answered, outgoing: Path) -> None:
    answered()
    outbox.drain()
    (outgoing / "secret.txt").write_text("not a mail")
    (one,) = local.landed()
    assert local.read(one.name) is not None
    assert local.read("../../etc/passwd") is None
    assert local.read("secret.txt") is None


@pytest.mark.parametrize("mark", ["\r\nBcc: evil@x.example", "\n\nx", "\u2028Bcc: e@x.example"])
def test_no_recipient_can_add_a_line(outgoing: Path, mails: Mails, mark: str) -> None:
    local.put(
        Outbound(1, "<x@desk>", "us@desk.example", [f"eve{mark}@x.example"], b"Subject: s\r\n\r\nx"), lambda: None
    )
    (mail,) = mails()
    assert sorted(mail.keys()) == ["Return-Path", "Subject", "X-Envelope-To"]
