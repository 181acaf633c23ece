"""The state machine of the outbox against a real server: what is stored, shown, tried again, and never doubled."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.errors import Conflict
from helpdesk.models import Breaker, Event, Message, OutboxItem, Reply, Ticket
from queues import delivery, outbox
from queues.channels.email import smtp_wire
from tests.smtp_server import CLOSE, PASSWORD, STALL, TAKE_AND_CLOSE, SmtpServer

Answered = Callable[..., OutboxItem]
Fresh = Callable[[OutboxItem], Message]


@pytest.fixture
def server(serve: Callable[..., SmtpServer], people: Any, make_committed: Any) -> SmtpServer:
    """A server that the cast's mailbox sends through."""
    running = serve()
    connect(people.mailbox, running)
    make_committed.session.commit()
    return running


def connect(channel: Any, server: SmtpServer, **more: Any) -> None:
    channel.settings = server.settings(address=channel.address, **more)
    channel.keep_secrets({"password": PASSWORD})


def make_due(session: Any) -> None:
    """Let the waiting time of everything be over."""
    session.rollback()
    session.execute(text("UPDATE outbox_items SET not_before = helpdesk_now() WHERE state = 'deferred'"))
    session.execute(text("UPDATE breakers SET open_until = helpdesk_now()"))
    session.commit()


def shown(message: Message) -> list[tuple[str, str | None]]:
    from helpdesk.db import db

    events = db.session.query(Event).filter_by(ticket_id=message.ticket_id, kind="message.delivery").order_by(Event.id)
    return [(event.payload["state"], event.payload.get("words")) for event in events]


def test_sent_is_what_the_server_said(server: SmtpServer, answered: Answered, fresh: Fresh) -> None:
    item = answered()
    outbox.drain()
    message = fresh(item)
    assert (item.state, message.delivery, item.lease_token) == ("sent", "sent", None)
    assert item.dot_at is not None
    assert shown(message) == [("sent", "250 2.0.0 queued as ABC123")]
    assert server.received[0].mail["message-id"] == message.header_id


def test_later_is_tried_again_with_the_same_bytes(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    server.say("dot", "451 4.3.0 later")
    outbox.drain()
    message = fresh(item)
    assert (item.state, message.delivery, message.delivery_note) == ("deferred", "deferred", "451 4.3.0 later")
    assert timedelta(seconds=50) < item.not_before - item.tries[0].at <= timedelta(seconds=61)
    first = bytes(item.rendered or b"")
    assert outbox.drain() == 0, "not before its time"
    make_due(committed)
    outbox.drain()
    message = fresh(item)
    assert (message.delivery, item.attempts) == ("sent", 2)
    assert [one.outcome for one in item.tries] == ["deferred", "sent"]
    assert server.received[0].content == first


def test_never_is_shown_and_brings_the_ticket_back(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    ticket = committed.get(Ticket, item.message.ticket_id)
    ticket.pause(ticket.owner)
    committed.commit()
    server.say("rcpt", "550 5.1.1 no such user")
    outbox.drain()
    message = fresh(item)
    assert (item.state, message.delivery) == ("failed", "failed")
    assert shown(message) == [("failed", "550 5.1.1 no such user")]
    assert ticket.state == "open"
    assert outbox.drain() == 0


def test_failed_reply_reopens_a_finished_ticket(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    ticket = committed.get(Ticket, item.message.ticket_id)
    ticket.finish(ticket.owner, "solved")
    committed.commit()
    server.say("rcpt", "550 5.1.1 no such user")
    outbox.drain()
    fresh(item)
    assert ticket.kind == "active"


def test_lost_after_the_dot_is_unknown_and_not_sent_again(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    server.say("dot", TAKE_AND_CLOSE)
    outbox.drain()
    message = fresh(item)
    assert (item.state, message.delivery) == ("unknown", "unknown")
    make_due(committed)
    assert outbox.drain() == 0
    assert len(server.received) == 1


def test_try_again_sends_the_same_message_id(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any, people: Any
) -> None:
    item = answered()
    server.say("dot", TAKE_AND_CLOSE)
    outbox.drain()
    message = fresh(item)
    delivery.retry_failed(people.ann, message)
    committed.commit()
    outbox.drain()
    assert fresh(item).delivery == "sent"
    ids = {received.mail["message-id"] for received in server.received}
    assert (len(server.received), len(ids)) == (2, 1)
    with pytest.raises(Conflict):
        delivery.retry_failed(people.ann, message)


def test_only_those_who_did_not_get_it_are_tried_again(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any, people: Any
) -> None:
    item = answered(to=["eve@customer.example"], cc=["adam@customer.example", "late@customer.example"])
    server.say("rcpt", "250 ok", "550 5.1.1 no such user", "450 4.2.1 busy")
    server._script["rcpt"].pop(0)
    server._script["rcpt"].insert(0, None)  # type: ignore[arg-type]  # the first is answered as usual
    outbox.drain()
    message = fresh(item)
    assert {one.address: one.state for one in item.deliveries} == {
        "eve@customer.example": "sent",
        "adam@customer.example": "failed",
        "late@customer.example": "deferred",
    }
    assert (item.state, message.delivery) == ("deferred", "failed")
    make_due(committed)
    outbox.drain()
    fresh(item)
    assert item.state == "failed"
    assert [received.recipients for received in server.received] == [
        ["eve@customer.example"],
        ["late@customer.example"],
    ]
    delivery.retry_failed(people.ann, item.message)
    committed.commit()
    outbox.drain()
    assert fresh(item).delivery == "sent"
    assert server.received[2].recipients == ["adam@customer.example"]


def test_given_up_after_days(server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any) -> None:
    item = answered()
    committed.execute(text("UPDATE outbox_items SET trying_since = helpdesk_now() - interval '4 days 1 hour'"))
    committed.commit()
    server.say("mail", "451 4.3.0 later")
    outbox.drain()
    message = fresh(item)
    assert message.delivery == "failed"
    assert "Given up after 4 days" in (message.delivery_note or "")


def test_deferred_holds_nobody_up(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any, people: Any
) -> None:
    item = answered("первый")
    server.say("rcpt", "450 4.2.1 busy")
    outbox.drain()
    ticket = committed.get(Ticket, item.message.ticket_id)
    second = answered("второй", ticket=ticket)
    outbox.drain()
    assert fresh(second).delivery == "sent"
    assert fresh(item).delivery == "deferred"


def test_due_again_goes_before_what_was_written_later(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered("первый")
    server.say("rcpt", "450 4.2.1 busy")
    outbox.drain()
    make_due(committed)
    answered("второй", ticket=committed.get(Ticket, item.message.ticket_id))
    outbox.drain()
    bodies = [received.mail.get_body(("plain",)).get_content() for received in server.received]
    assert ["первый" in body for body in bodies] == [True, False]


def test_dead_server_is_tried_by_one_message_at_a_time(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    items = [answered(f"письмо {number}") for number in range(2 * outbox.MOST_PER_CHANNEL)]
    server.always("connect", "421 4.3.2 busy")
    outbox.drain()
    tried = server.connections
    assert tried <= outbox.MOST_PER_CHANNEL
    make_due(committed)
    outbox.drain()
    assert server.connections == tried + 1
    assert committed.query(Breaker).one().failures == 2
    assert {fresh(item).delivery for item in items} == {"queued", "deferred"}
    server.always("connect", None)
    make_due(committed)
    outbox.drain()
    make_due(committed)
    outbox.drain()
    assert {fresh(item).delivery for item in items} == {"sent"}
    assert len(server.received) == len(items)
    assert committed.query(Breaker).count() == 0


def test_order_survives_an_outage(server: SmtpServer, answered: Answered, committed: Any) -> None:
    first = answered("1")
    ticket = committed.get(Ticket, first.message.ticket_id)
    for number in range(2, 7):
        answered(str(number), ticket=ticket)
    server.always("connect", CLOSE)
    for _ in range(3):
        outbox.drain()
        make_due(committed)
    server.always("connect", None)
    for _ in range(3):
        outbox.drain()
        make_due(committed)
    bodies = [received.mail.get_body(("plain",)).get_content().splitlines()[0] for received in server.received]
    assert bodies == ["1", "2", "3", "4", "5", "6"]


def test_dead_server_does_not_stop_another_channel(
    server: SmtpServer, answered: Answered, fresh: Fresh, make_committed: Any, people: Any, mails: Any
) -> None:
    server.always("connect", CLOSE)
    stuck = answered()
    free = answered(channel=make_committed.channel(people.support))
    outbox.drain()
    assert fresh(stuck).delivery == "deferred"
    assert fresh(free).delivery == "sent"
    assert "cannot be used" in (people.mailbox.last_error or "")


def test_stalled_server_does_not_stop_another_channel(
    server: SmtpServer,
    answered: Answered,
    fresh: Fresh,
    make_committed: Any,
    people: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_wire, "DOT_SECONDS", 4)
    server.always("dot", STALL)
    stuck = [answered() for _ in range(5)]
    drain = in_background(stuck[0])
    assert server.at_dot.wait(10)
    free = answered(channel=make_committed.channel(people.support))
    for _ in range(100):
        if fresh(free).delivery == "sent":
            break
        threading.Event().wait(0.05)
    assert fresh(free).delivery == "sent"
    assert {fresh(item).delivery for item in stuck} <= {"sending", "queued"}
    server.always("dot", None)
    drain.join(30)


def in_background(_item: Any) -> threading.Thread:
    from flask import current_app

    app = current_app._get_current_object()

    def run() -> None:
        with app.app_context():
            outbox.drain()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_several_drains_send_each_once(server: SmtpServer, answered: Answered) -> None:
    items = [answered(f"письмо {number}") for number in range(24)]
    drains = [in_background(items[0]) for _ in range(4)]
    for drain in drains:
        drain.join(60)
    ids = [received.mail["message-id"] for received in server.received]
    assert len(ids) == len(set(ids)) == 24


def test_lost_lease_before_the_dot_stops_the_sender(server: SmtpServer, answered: Answered, committed: Any) -> None:
    answered()
    (taken,) = outbox.take(1)
    committed.execute(text("UPDATE outbox_items SET lease_until = helpdesk_now() - interval '1 s'"))
    committed.commit()
    delivery.deliver(taken)
    assert server.received == []
    assert outbox.drain() == 1
    assert len(server.received) == 1


def test_lease_lost_after_the_dot_is_unknown_until_the_truth_comes(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    (taken,) = outbox.take(1)
    delivery._prepare(taken)
    delivery._mark_dot(taken)
    committed.execute(text("UPDATE outbox_items SET lease_until = helpdesk_now() - interval '1 s'"))
    committed.commit()
    assert delivery.settle_lost() == 1
    assert fresh(item).delivery == "unknown"
    from queues.channels.base import Receipt, RecipientResult

    delivery._record(taken, Receipt([RecipientResult(item.deliveries[0].address, "sent", "250", "ok")]))
    assert fresh(item).delivery == "sent"
    assert shown(item.message) == [
        ("unknown", "The connection was lost after the message was handed over."),
        ("sent", "250 ok"),
    ]


def test_fault_of_our_own_is_shown_and_tried_later(
    server: SmtpServer, answered: Answered, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(delivery, "write_letter", broken)
    item = answered()
    outbox.drain()
    message = fresh(item)
    assert (item.state, message.delivery) == ("deferred", "deferred")
    assert "odd" in (message.delivery_note or "")


def test_fault_of_our_own_after_the_dot_is_unknown_and_not_sent_again(
    server: SmtpServer, answered: Answered, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = type(delivery.adapter_for("email"))
    send = adapter.send

    def broken(*args: Any) -> None:
        send(*args)
        raise RuntimeError("odd")

    monkeypatch.setattr(adapter, "send", broken)
    item = answered()
    outbox.drain()
    assert fresh(item).delivery == item.state == "unknown"
    monkeypatch.setattr(adapter, "send", send)
    outbox.drain()
    assert len(server.received) == 1


def test_who_lost_the_item_writes_nothing_down(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    """A sender that froze before the dot wakes up when another one has the item already."""
    from queues.channels.base import DeliveryError

    item = answered()
    (former,) = outbox.take(1)
    committed.execute(text("UPDATE outbox_items SET lease_until = helpdesk_now() - interval '1 s'"))
    committed.commit()
    delivery.settle_lost()
    (present,) = outbox.take(1)
    with pytest.raises(delivery.LeaseLost):
        delivery._record(former, DeliveryError("refused", permanent=True))
    assert fresh(item).delivery == "sending"
    delivery.deliver(present)
    assert fresh(item).delivery == "sent"


def test_reply_is_not_held_by_its_transaction(server: SmtpServer, answered: Answered, committed: Any) -> None:
    """While a server stalls, nobody has an open transaction."""
    server.say("dot", STALL)
    answered()
    drain = in_background(None)
    assert server.at_dot.wait(10)
    committed.rollback()
    idle = committed.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    assert idle == 0
    server.stop()
    drain.join(30)
    server.start()


def test_no_reply_of_a_channel_that_is_off(server: SmtpServer, answered: Answered, people: Any, committed: Any) -> None:
    answered()
    people.mailbox.enabled = False
    committed.commit()
    assert outbox.drain() == 0
    people.mailbox.enabled = True
    committed.commit()
    assert outbox.drain() == 1


def test_reply_without_any_address_fails_in_words(
    server: SmtpServer, make_committed: Any, people: Any, fresh: Fresh
) -> None:
    customer = make_committed.customer()
    session = make_committed.session
    session.execute(text("DELETE FROM identities WHERE customer_id = :id"), {"id": customer.id})
    conversation = make_committed.add(
        __import__("helpdesk.models", fromlist=["Conversation"]).Conversation(
            project_id=people.mailbox.project_id, channel_id=people.mailbox.id, customer_id=customer.id, key="k"
        )
    )
    from helpdesk import clock

    ticket = Ticket.open(conversation, people.support, "без адреса", clock.now())
    ticket.claim(people.ann)
    message = ticket.reply(people.ann, Reply(body="ответ"))
    session.commit()
    item = session.query(OutboxItem).filter_by(message_id=message.id).one()
    outbox.drain()
    assert fresh(item).delivery == "failed"
    assert "no valid address" in (item.message.delivery_note or "")


def test_outcome_is_written_down_when_the_database_stumbles(
    server: SmtpServer, answered: Answered, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadlock or a lost connection after the dot must not turn a sent mail into an unknown one."""
    from sqlalchemy.exc import OperationalError

    record, failures = delivery._record, [1, 2]

    def stumbling(*args: Any) -> None:
        if failures:
            failures.pop()
            raise OperationalError("UPDATE", {}, Exception("deadlock detected"))
        record(*args)

    monkeypatch.setattr(delivery, "_record", stumbling)
    item = answered()
    outbox.drain()
    assert fresh(item).delivery == "sent"


def test_person_may_hurry_what_is_put_off(
    server: SmtpServer, answered: Answered, fresh: Fresh, committed: Any, people: Any
) -> None:
    item = answered()
    server.say("connect", CLOSE)
    outbox.drain()
    message = fresh(item)
    assert message.delivery == "deferred"
    assert outbox.drain() == 0
    delivery.retry_failed(people.ann, message)
    committed.commit()
    outbox.drain()
    assert fresh(item).delivery == "sent"


def test_try_again_by_the_button(server: SmtpServer, answered: Answered, fresh: Fresh, app: Any, people: Any) -> None:
    from tests.clients import sign_in

    item = answered()
    server.say("rcpt", "550 5.1.1 no such user")
    outbox.drain()
    message = fresh(item)
    assert sign_in(app, people.carl).post(f"/messages/{message.id}/retries").status_code == 404
    assert sign_in(app, people.ann).post(f"/messages/{message.id}/retries").status_code == 303
    outbox.drain()
    assert fresh(item).delivery == "sent"
