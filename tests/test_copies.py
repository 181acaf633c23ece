"""One mail to several of our addresses: one ticket, in the right queue, whoever reads which copy first."""

import threading
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.history import tell
from helpdesk.models import Event, InboundEvent, InboundState, Message, Project, Queue, Ticket, TicketLink
from helpdesk.queries import thread
from helpdesk.queries.counters import ledgers
from queues import intake, ledger
from queues.channels.base import Inbound
from queues.copies import SAME_MAIL

EVE = "Ева Иванова <eve@customer.example>"


def mail(to: str, cc: str = "", text: str = "Помогите, пожалуйста", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = headers.pop("sender", EVE), "Не приходит код"
    if to:
        message["To"] = to
    if cc:
        message["Cc"] = cc
    message["Message-ID"] = headers.pop("message_id", "<one@customer.example>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return bytes(message)


def hand(channel: Any, raw: bytes, key: str = "") -> int:
    """Store a copy as the channel got it; its id."""
    got = f"Received: by {channel.address}\r\n".encode() + raw
    assert intake.accept(channel.id, Inbound(key or f"{channel.id}:{hash(raw)}", got))
    return db.session.scalars(select(InboundEvent.id).order_by(InboundEvent.id.desc())).first() or 0


def event(event_id: int) -> InboundEvent:
    db.session.expire_all()
    return db.session.get_one(InboundEvent, event_id)


@pytest.fixture
def boxes(session: Any, make: Any, cast: Any) -> tuple[Any, Any]:
    """The mailboxes of support (first) and billing."""
    return cast.mailbox, make.channel(cast.billing)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("named", ["To and Cc", "Cc and To", "both To", "nobody"])
def test_one_mail_is_one_ticket_whichever_copy_is_read_first(
    session: Any, boxes: tuple[Any, Any], cast: Any, named: str, first: int, together: bool
) -> None:
    support, billing = (box.address for box in boxes)
    to, cc = {
        "To and Cc": (support, billing),
        "Cc and To": (billing, support),
        "both To": (f"{billing}, {support}", ""),
        "nobody": ("list@elsewhere.example", ""),
    }[named]
    raw = mail(to, cc)
    one = hand(boxes[first], raw)
    if not together:
        intake.drain()
    two = hand(boxes[1 - first], raw)
    intake.drain()
    (ticket,) = session.scalars(select(Ticket)).all()
    assert ticket.queue_id == (cast.billing.id if named == "Cc and To" else cast.support.id)
    assert (event(one).state, event(two).state) == (InboundState.TICKETED, InboundState.DROPPED)
    assert (event(two).reason, event(two).message_id) == (SAME_MAIL, event(one).message_id)
    for box in boxes:
        book = ledgers([box.id])[box.id]
        assert book.balanced and book.received == 1
    assert "also came to" in " ".join(fact["text"] for fact in tell(thread.events(ticket)))
    shown = thread.copies_of(thread.messages(ticket).messages)
    elsewhere = billing if ticket.queue_id == cast.support.id else support
    assert shown == {event(one).message_id: [elsewhere]}
    assert ticket.conversation.channel.queue_id == ticket.queue_id


def test_other_words_under_the_same_id_are_another_message(session: Any, boxes: tuple[Any, Any]) -> None:
    raw = mail(boxes[0].address, boxes[1].address)
    hand(boxes[0], raw)
    other = hand(boxes[1], mail(boxes[0].address, boxes[1].address, text="Переведите деньги сюда"))
    stranger = hand(boxes[1], mail(boxes[0].address, boxes[1].address, sender="mallory@evil.example"))
    intake.drain()
    assert [event(one).state for one in (other, stranger)] == [InboundState.TICKETED] * 2
    assert len(session.scalars(select(Message).where(Message.kind == "inbound")).all()) == 3


def test_two_projects_get_one_ticket_each_and_a_link(session: Any, make: Any, cast: Any, boxes: Any) -> None:
    brand = make.add(Project(name="Лавка"))
    queue = make.add(Queue(project_id=brand.id, name="Лавка"))
    shop = make.channel(queue)
    raw = mail(f"{boxes[0].address}, {shop.address}", boxes[1].address)
    for channel in (shop, boxes[1], boxes[0]):
        hand(channel, raw)
    intake.drain()
    tickets = session.scalars(select(Ticket).order_by(Ticket.id)).all()
    assert {ticket.queue_id for ticket in tickets} == {queue.id, cast.support.id} and len(tickets) == 2
    (link,) = session.scalars(select(TicketLink)).all()
    assert {link.from_id, link.to_id} == {ticket.id for ticket in tickets}


def test_order_of_the_channels_is_an_administrators(session: Any, boxes: Any, cast: Any) -> None:
    boxes[1].position = -1
    session.commit()
    hand(boxes[0], mail(f"{boxes[0].address}, {boxes[1].address}"))
    intake.drain()
    assert session.scalars(select(Ticket)).one().queue_id == cast.billing.id


def test_what_somebody_works_on_is_not_moved_by_a_blind_copy(session: Any, boxes: Any, cast: Any) -> None:
    raw = mail("friends@elsewhere.example")
    hand(boxes[1], raw)
    intake.drain()
    ticket = session.scalars(select(Ticket)).one()
    ticket.claim(cast.carl)
    session.commit()
    hand(boxes[0], raw)
    intake.drain()
    session.refresh(ticket)
    assert (ticket.queue_id, ticket.owner_id) == (cast.billing.id, cast.carl.id)


def test_a_copy_speaks_for_itself_when_the_first_was_left_out(session: Any, boxes: Any) -> None:
    raw = mail(boxes[0].address, boxes[1].address)
    hand(boxes[0], raw)
    intake.drain()
    first = session.scalars(select(InboundEvent)).one()
    first.state, first.message_id = InboundState.DROPPED, None
    session.commit()
    second = hand(boxes[1], raw)
    intake.drain()
    assert event(second).state == InboundState.TICKETED


def test_two_workers_at_once_make_one_ticket(app: Any, committed: Any, make_committed: Any) -> None:
    """Each worker holds one copy, both are released together; the database decides."""
    cast = make_committed.cast()
    billing = make_committed.channel(cast.billing)
    raws = [mail(cast.mailbox.address, billing.address, message_id=f"<{n}@customer.example>") for n in range(5)]
    committed.commit()
    channels = [cast.mailbox.id, billing.id]
    batches = []
    for channel_id in channels:
        for raw in raws:
            intake.accept(channel_id, Inbound(f"{channel_id}:{hash(raw)}", raw))
        batches.append(intake._understand_all(intake._take()))
    together = threading.Barrier(2)
    faults: list[BaseException] = []

    def work(outcomes: Any) -> None:
        with app.app_context():
            try:
                together.wait(30)
                intake._finish_together(outcomes)
            except BaseException as fault:  # noqa: BLE001  shown below, in the test's own thread
                faults.append(fault)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread_ in threads:
        thread_.start()
    for thread_ in threads:
        thread_.join(60)
    assert not faults
    assert len(committed.scalars(select(Ticket)).all()) == 5
    states = sorted(committed.scalars(select(InboundEvent.state)))
    assert states == [InboundState.DROPPED] * 5 + [InboundState.TICKETED] * 5
    assert committed.scalars(select(Event).where(Event.kind == "message.copy")).all()
    assert ledger.reconcile() == 0


def test_an_answer_waits_for_what_it_answers(session: Any, make: Any, cast: Any, move_clock: Any) -> None:
    """The first worker has the question leased; the second one comes to the answer."""
    question = hand(cast.mailbox, mail(cast.mailbox.address))
    slow = intake._understand_all(intake._take())
    answer = hand(cast.mailbox, mail(cast.mailbox.address, message_id="<2@x>", In_Reply_To="<one@customer.example>"))
    assert intake.drain() == 0
    assert (event(answer).state, event(answer).held, event(answer).attempts) == (InboundState.WAITING, 1, 0)
    intake._finish_together(slow)
    move_clock("3 seconds")
    assert intake.drain() == 1
    messages = [session.get_one(Message, event(one).message_id) for one in (question, answer)]
    assert messages[0].ticket_id == messages[1].ticket_id


def test_an_answer_waits_three_times_at_most(session: Any, cast: Any, move_clock: Any) -> None:
    hand(cast.mailbox, mail(cast.mailbox.address))
    intake._take()
    session.query(InboundEvent).update({"lease_until": "2100-01-01"})
    session.commit()
    answer = hand(cast.mailbox, mail(cast.mailbox.address, message_id="<2@x>", In_Reply_To="<one@customer.example>"))
    for seconds in (0, 3, 10, 26):
        move_clock(f"{seconds} seconds")
        intake.drain()
    assert (event(answer).state, event(answer).held) == (InboundState.TICKETED, 3)


def test_an_answer_to_what_nobody_has_does_not_wait(session: Any, cast: Any) -> None:
    answer = hand(cast.mailbox, mail(cast.mailbox.address, In_Reply_To="<elsewhere@customer.example>"))
    hand(cast.mailbox, mail(cast.mailbox.address, message_id="<later@customer.example>"))
    intake.drain()
    assert (event(answer).state, event(answer).held) == (InboundState.TICKETED, 0)
