"""Replies of operators, posted to the other system: signed, once each, tried again, and what receipts say of them."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import outbound_http, signatures
from helpdesk.capabilities import capabilities_of
from helpdesk.db import db
from helpdesk.models import Attempt, Message, OutboxItem, Ticket
from helpdesk.models.message import DeliveryState
from helpdesk.outbound import OutboundRefused
from helpdesk.outbound_http import Answer, PostFailed
from queues import delivery, outbox
from queues.channels.http import send as sending
from tests.clients import sign_in
from tests.http.conftest import SECRET, System, message

Hear = Callable[..., Ticket]
Posted = tuple[str, bytes, dict[str, str]]


class Shop:
    """What the other system answers to posts, one after another, the last one for ever; and what it got."""

    def __init__(self) -> None:
        self.answers: list[Any] = [Answer(200, b'{"id": "shop-9"}', "")]
        self.got: list[Posted] = []

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        self.got.append((url, body, dict(headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def shop(monkeypatch: Any) -> Shop:
    shop = Shop()
    monkeypatch.setattr(sending, "post", shop.post)
    return shop


def write(app: Any, hear: Hear, by: Any, text: str = "Уже едет!") -> Ticket:
    """An operator takes the ticket of a message and replies through the web."""
    ticket = hear(message(message_id="x1"))
    ticket.claim(by)
    answer = sign_in(app, by).post(f"/tickets/{ticket.id}/replies", data={"body": text, "mode": "reply"})
    assert answer.status_code == 303, answer.get_data(as_text=True)[:3000]
    return ticket


def deliver() -> OutboxItem:
    """One try of the only item."""
    for taken in outbox.take(5):
        delivery.deliver(taken)
    db.session.expire_all()
    return db.session.scalars(select(OutboxItem)).one()


def reply_of(ticket: Ticket) -> Message:
    return db.session.scalars(select(Message).where(Message.ticket_id == ticket.id, Message.kind == "reply")).one()


def again() -> None:
    """Let the next try be due."""
    item = db.session.scalars(select(OutboxItem)).one()
    item.not_before = item.created_at
    db.session.flush()


def test_a_reply_is_posted_signed(app: Any, hear: Hear, shop: Shop, cast: Any) -> None:
    ticket = write(app, hear, cast.ann)
    item = deliver()
    assert item.state == DeliveryState.SENT
    (url, body, headers) = shop.got[0]
    assert url == "https://shop.example/hook"
    signatures.check(
        [SECRET.encode()], body, headers["Helpdesk-Timestamp"], headers["Helpdesk-Signature"], int(time.time())
    )
    told = json.loads(body)
    said = reply_of(ticket)
    assert told == {
        "type": "reply",
        "id": f"reply-{said.id}",
        "conversation": "chat-1",
        "ticket": ticket.number,
        "in_reply_to": "x1",
        "text": "Уже едет!",
        "author": "Ann",
        "automatic": False,
        "sent_at": said.at.isoformat(),
        "files": [],
    }
    assert headers["Idempotency-Key"] == told["id"]
    assert said.delivery == DeliveryState.SENT


def test_notes_stay_here(app: Any, hear: Hear, shop: Shop, cast: Any) -> None:
    ticket = hear(message())
    sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/notes", data={"body": "Осторожно с ней"})
    assert outbox.take(5) == []


TEMPORARY = {
    "busy": Answer(503, b"", "", 7200.0),
    "too many": Answer(429, b"", "slow down", 7200.0),
    "conflict": Answer(409, b"", "at it"),
    "request timeout": Answer(408, b"", ""),
    "too early": Answer(425, b"", ""),
    "oops": Answer(500, b"", "<h1>Oops</h1>"),
    "no answer": PostFailed("shop.example took too long to answer.", arrived=True),
}


@pytest.mark.parametrize("case", TEMPORARY)
def test_what_may_pass_is_tried_again_with_the_same_bytes(
    app: Any, hear: Hear, shop: Shop, cast: Any, case: str
) -> None:
    shop.answers = [TEMPORARY[case], Answer(200, b"", "")]
    ticket = write(app, hear, cast.ann)
    item = deliver()
    assert item.state == DeliveryState.DEFERRED
    waits = (item.not_before - item.created_at).total_seconds()
    assert waits >= 7200 if "slow" in case or case in {"busy", "too many"} else 50 < waits < 600
    again()
    assert deliver().state == DeliveryState.SENT
    (_, first, one), (_, second, two) = shop.got
    assert first == second
    assert one["Idempotency-Key"] == two["Idempotency-Key"]
    assert reply_of(ticket).delivery == DeliveryState.SENT


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 422])
def test_what_cannot_pass_is_shown_with_the_servers_words(
    app: Any, hear: Hear, shop: Shop, cast: Any, status: int
) -> None:
    shop.answers = [Answer(status, b"", "no such chat")]
    ticket = write(app, hear, cast.ann)
    assert deliver().state == DeliveryState.FAILED
    note = reply_of(ticket).delivery_note or ""
    assert "redirect" in note if status < 400 else note == f"{status} no such chat"


def test_where_nobody_can_be_reached_all_replies_wait(app: Any, hear: Hear, shop: Shop, cast: Any) -> None:
    shop.answers = [PostFailed("shop.example does not answer.", arrived=False)]
    write(app, hear, cast.ann)
    item = deliver()
    assert item.state == DeliveryState.DEFERRED
    assert item.channel.last_error == "shop.example does not answer."
    page = sign_in(app, cast.dora).get("/admin/channels").get_data(as_text=True)
    assert "in trouble" in page


def test_a_private_address_is_no_address(app: Any, hear: Hear, shop: Shop, cast: Any) -> None:
    shop.answers = [OutboundRefused("10.0.0.1 is private. OUTBOUND_ALLOW")]
    ticket = write(app, hear, cast.ann)
    assert deliver().state == DeliveryState.FAILED
    assert "OUTBOUND_ALLOW" in (reply_of(ticket).delivery_note or "")


def test_without_an_address_for_replies_nobody_is_offered_one(
    app: Any, hear: Hear, system: System, cast: Any
) -> None:
    system.channel.settings = {**system.channel.settings, "callback_url": ""}
    system.channel.queue_id = cast.billing.id  # which has no mailbox to answer from instead
    db.session.flush()
    assert not capabilities_of("http", system.channel.settings).writes
    ticket = hear(message())
    ticket.claim(cast.carl)
    answer = sign_in(app, cast.carl).post(f"/tickets/{ticket.id}/replies", data={"body": "Привет"})
    assert answer.status_code == 422
    assert db.session.scalars(select(OutboxItem)).first() is None


def _receipt(system: System, said: Message, state: str, number: int = 1, **fields: Any) -> None:
    from queues import intake

    event = {"type": "receipt", "id": f"r-{state}-{number}", "message_id": f"reply-{said.id}", "state": state}
    assert system.post(event | fields).status_code == 202
    intake.drain()
    db.session.expire_all()


STATES = [
    (["delivered"], "delivered"),
    (["delivered", "read"], "read"),
    (["read", "delivered"], "read"),
    (["read", "failed"], "read"),
    (["delivered", "failed"], "delivered"),
    (["failed"], "failed"),
    (["failed", "delivered"], "failed"),
    (["read", "read"], "read"),
]


@pytest.mark.parametrize(("states", "last"), STATES)
def test_receipts_go_forward_only(
    app: Any, hear: Hear, shop: Shop, cast: Any, system: System, states: list[str], last: str
) -> None:
    ticket = write(app, hear, cast.ann)
    deliver()
    for number, state in enumerate(states):
        _receipt(system, reply_of(ticket), state, number, words="")
    assert reply_of(ticket).delivery == last


def test_a_receipt_may_be_faster_than_the_answer(
    app: Any, hear: Hear, shop: Shop, cast: Any, system: System
) -> None:
    """The other system has it, its answer got lost, and the next try is answered: it stays read."""
    shop.answers = [PostFailed("took too long", arrived=True), Answer(200, b"", "")]
    ticket = write(app, hear, cast.ann)
    deliver()
    _receipt(system, reply_of(ticket), "read")
    assert reply_of(ticket).delivery == "read"
    again()
    assert deliver().state == DeliveryState.SENT
    assert reply_of(ticket).delivery == "read"


def test_a_receipt_of_another_channel_says_nothing(
    app: Any, hear: Hear, shop: Shop, cast: Any, make: Any, system: System
) -> None:
    ticket = write(app, hear, cast.ann)
    deliver()
    other = System(app, make.channel(cast.support, "http", name="Other", address="", door="door-2"))
    other.channel.keep_secrets({"secret": other.secret})
    db.session.flush()
    _receipt(other, reply_of(ticket), "failed")
    assert reply_of(ticket).delivery == DeliveryState.SENT


def test_a_failed_reply_is_work_again(app: Any, hear: Hear, shop: Shop, cast: Any, system: System) -> None:
    from helpdesk.models import State

    ticket = write(app, hear, cast.ann)
    deliver()
    ticket.finish(cast.ann, State.SOLVED)
    from helpdesk.models import FollowUp

    ticket.queue.follow_up = FollowUp.REOPEN
    db.session.flush()
    _receipt(system, reply_of(ticket), "failed", words="Номер не существует")
    assert reply_of(ticket).delivery_note == "Номер не существует"
    assert ticket.kind == "active"
    delivery.retry_failed(cast.ann, reply_of(ticket))
    assert db.session.scalars(select(OutboxItem)).one().state == DeliveryState.QUEUED


def test_an_odd_answer_is_still_an_answer(app: Any, hear: Hear, shop: Shop, cast: Any) -> None:
    shop.answers = [Answer(200, b"[" * 100_000, "")]
    write(app, hear, cast.ann)
    assert deliver().state == DeliveryState.SENT
    assert [one.outcome for one in db.session.scalars(select(Attempt))] == ["sent"]


def test_the_wire_itself_is_the_checked_one() -> None:
    assert sending.post is outbound_http.post
