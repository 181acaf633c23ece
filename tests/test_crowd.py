"""Everybody at once: people, chores, incoming answers and failed deliveries on the same few tickets, at random.

Whatever they do to each other, nobody may be thrown out by a deadlock, and what is true of tickets stays true.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from helpdesk import permissions, staff
from helpdesk.db import db, transaction
from helpdesk.errors import HelpdeskError
from helpdesk.models import (
    Availability,
    Conversation,
    Customer,
    DeliveryState,
    Event,
    Message,
    Queue,
    Reply,
    Right,
    State,
    Target,
    Ticket,
    User,
)
from helpdesk.models.availability import change
from helpdesk.models.outbox import OutboxItem
from helpdesk.models.promise import change_book
from helpdesk.queries.counters import count_of
from queues import bounces, delivery, fifo, housekeeping, intake, pause, promises, shifts
from queues.channels.base import Bounce, Inbound
from queues.channels.email import tokens
from tests.test_races import PATIENCE, Other

ROUNDS = int(os.environ.get("CROWD_ROUNDS", "12"))  # of each actor; more when somebody looks for trouble
SEED = int(os.environ.get("CROWD_SEED", "11"))
DEADLOCK = "40P01"
CLOSED = {"solved", "unsolved", "spam", "merged"}
OPERATORS = ("ann", "bob", "carl", "sue", "dora")


@pytest.fixture
def deadlocks(app: Any) -> Iterator[list[str]]:
    """What PostgreSQL broke up, wherever it was caught."""
    seen: list[str] = []

    def note(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", "") == DEADLOCK:
            seen.append(f"{context.original_exception} {context.statement}")

    sa_event.listen(db.engine, "handle_error", note)
    yield seen
    sa_event.remove(db.engine, "handle_error", note)


class Actor:
    """Somebody who does one random thing after the other, each in a transaction of its own."""

    def __init__(self, user_id: int, ids: dict[str, list[int]], seed: int) -> None:
        self.user_id, self.ids, self.dice = user_id, ids, random.Random(seed)
        self.done = 0

    def work(self) -> int:
        acts: list[Callable[[], object]] = [
            *(self.take, self.take_this, self.release, self.release_all, self.hand_over, self.hand_over_all),
            *(self.move, self.note, self.reply, self.finish, self.reopen, self.pause, self.wake, self.spam),
            *(self.come_or_go, self.deactivate, self.change_customer, self.bring_in, self.beside, self.undo),
            *(self.finish_and_next, self.finish_and_next),
        ]
        for _round in range(ROUNDS):
            with refusals():
                with transaction():
                    self.dice.choice(acts)()
                self.done += 1
        return self.done

    @property
    def me(self) -> User:
        return db.session.get_one(User, self.user_id)

    def one(self, kind: str) -> int:
        return self.dice.choice(self.ids[kind])

    def mine(self) -> list[int]:
        return list(db.session.scalars(select(Ticket.id).where(Ticket.owner_id == self.user_id).limit(4)))

    def locked(self) -> Ticket:
        owned = self.mine()
        ticket_id = self.dice.choice(owned) if owned and self.dice.random() < 0.6 else self.one("tickets")
        return permissions.get_ticket(self.me, ticket_id, Right.WORK, lock=True)

    def take(self) -> None:
        fifo.claim_next(self.me)

    def take_this(self) -> None:
        fifo.claim_this(self.me, self.one("tickets"))

    def release(self) -> None:
        fifo.release(self.me, self.one("tickets"))

    def release_all(self) -> None:
        shifts.release_all(self.me, self.me, self.mine(), "домой")

    def hand_over(self) -> None:
        fifo.hand_over(self.me, self.one("tickets"), db.session.get_one(User, self.one("people")))

    def hand_over_all(self) -> None:
        to = db.session.get_one(User, self.one("people"))
        shifts.hand_over_all(self.me, self.me, to, self.mine())

    def move(self) -> None:
        fifo.move(self.me, self.one("tickets"), db.session.get_one(Queue, self.one("queues")))

    def note(self) -> None:
        self.locked().note(self.me, "Заметка")

    def reply(self) -> None:
        ticket = self.locked()
        ticket.reply(self.me, Reply("Ответ", [ticket.customer.identities[0].value]))

    def finish(self) -> None:
        self.locked().finish(self.me, State.SOLVED)

    def finish_and_next(self) -> None:
        """As the view does, in one step."""
        fifo.foresee(self.me)
        self.locked().finish(self.me, State.SOLVED)
        db.session.flush()
        fifo.claim_next(self.me)

    def reopen(self) -> None:
        self.locked().reopen(self.me, "by hand")

    def pause(self) -> None:
        self.locked().pause(self.me)

    def wake(self) -> None:
        self.locked().wake(self.me, "by hand")

    def spam(self) -> None:
        ticket = self.locked()
        ticket.rescue(self.me) if ticket.state == State.SPAM else ticket.file_as_spam(self.me)

    def come_or_go(self) -> None:
        change(self.me, self.dice.choice(list(Availability)), by=self.me)

    def deactivate(self) -> None:
        gone = db.session.get_one(User, self.one("spare"))
        if gone.active:
            staff.deactivate(self.me, gone, give_back=True)
        else:
            staff.activate(self.me, gone)

    def change_customer(self) -> None:
        customer_id = self.one("customers")
        hold = select(Customer.id).where(Customer.id == customer_id).with_for_update(read=True, key_share=True)
        db.session.execute(hold)
        self.locked().change_customer(self.me, db.session.get_one(Customer, customer_id))

    def bring_in(self) -> None:
        self.locked().bring_in(self.me, f"cc{self.dice.randrange(4)}@customer.example")

    def beside(self) -> None:
        ticket = self.locked()
        ticket.conversation.write(self.me, Reply("Ещё слово", [ticket.customer.identities[0].value]))

    def undo(self) -> None:
        """As the view does: the ticket is not locked before its outbox item."""
        query = select(Message).join(OutboxItem).where(Message.user_id == self.user_id, Message.ticket_id.is_not(None))
        message = db.session.scalar(query.order_by(Message.id.desc()).limit(1))
        if message is not None and message.ticket is not None:
            message.ticket.undo_reply(self.me, message)


@contextmanager
def refusals() -> Iterator[None]:
    """What a person is told, and what the database refuses because somebody was faster, are no faults."""
    try:
        yield
    except (HelpdeskError, IntegrityError):
        db.session.rollback()


def put(channel_id: int, dice: random.Random, key: str) -> None:
    """An answer of a customer to one of the tickets, or a mail about nothing known."""
    query = select(Message.header_id, Message.sender).where(Message.kind == "inbound", Message.sender != "")
    known = db.session.execute(query.order_by(func.random()).limit(1)).first()
    mail = EmailMessage()
    mail["From"] = known.sender if known else "new@customer.example"
    mail["To"], mail["Subject"] = "support@desk.example", "Код"
    mail["Message-ID"] = f"<{key}@customer.example>"
    if known and known.header_id and dice.random() < 0.8:
        mail["In-Reply-To"] = known.header_id
    mail.set_content(f"Где же код? {key}")
    intake.accept(channel_id, Inbound(f"{key}", bytes(mail)))


def chores(seed: int) -> int:
    dice, done = random.Random(seed), 0
    acts = (
        *(shifts.return_tickets, promises.watch, promises.review, housekeeping.wake_tickets),
        *(housekeeping.promote_tickets, housekeeping.fold_tallies, outbox_fails, report_bounces, shifts.mark_absent),
    )
    for _round in range(ROUNDS):
        with refusals():
            dice.choice(acts)()
            done += 1
    return done


def outbox_fails() -> None:
    """Deliveries that ended badly, as a sender writes them down."""
    with transaction():
        ids = list(db.session.scalars(select(OutboxItem.id).where(OutboxItem.state == "queued").limit(3)))
    for item_id in ids:
        with transaction():
            delivery.set_aside(item_id, DeliveryState.FAILED, "550 no such user", pause.HELD)


def report_bounces() -> None:
    """Reports on mails of ours, each in a transaction like the intake's."""
    with transaction():
        ids = list(db.session.scalars(select(OutboxItem.id).order_by(func.random()).limit(2)))
    for item_id in ids:
        with transaction():
            bounces.note_bounce(Bounce("failed", "5.1.1", "", "no such user", token=tokens.bounce_token(item_id)))


def test_nobody_is_in_anybodys_way(app: Any, make_committed: Any, committed: Any, deadlocks: list[str]) -> None:
    cast = make_committed.cast()
    make_committed.allow(cast.front, cast.billing)
    spare = make_committed.user("Spare")
    cast.front.users.append(spare)
    cast.front.users.append(cast.carl)
    target = Target(first_seconds=60, next_seconds=60, solution_seconds=120, real_time=True)
    target.at_breach = {"raise": "one", "queue_id": cast.billing.id}
    committed.add(target)
    change_book()
    cast.support.by_priority = True
    cast.ann.claim_limits = {"email": 2}
    cast.bob.claim_limit = 3
    desk = make_committed.channel(cast.billing, kind="http")
    tickets = [
        make_committed.ticket(cast.support, minutes_ago=200 - number, channel=cast.mailbox) for number in range(8)
    ]
    tickets += [make_committed.ticket(cast.billing, minutes_ago=199 - number, channel=desk) for number in range(4)]
    for ticket in tickets:
        make_committed.hear(ticket, "Код не пришёл")
    committed.commit()
    ids = {
        "tickets": [ticket.id for ticket in tickets],
        "people": [getattr(cast, name).id for name in OPERATORS] + [spare.id],
        "spare": [spare.id],
        "queues": [cast.support.id, cast.billing.id],
        "customers": [ticket.customer_id for ticket in tickets],
    }
    mailbox_id, people = cast.mailbox.id, [getattr(cast, name).id for name in OPERATORS]
    committed.commit()

    def mail(seed: int) -> int:
        dice = random.Random(seed)
        for number in range(ROUNDS // 2):
            put(mailbox_id, dice, f"m{seed}-{number}")
            intake.drain()
        return ROUNDS

    print("seed", SEED)
    actors = [Actor(user_id, ids, SEED * 100 + number) for number, user_id in enumerate(people)]
    others = [Other(app, actor.work) for actor in actors]
    others += [Other(app, lambda seed=seed: chores(seed)) for seed in (SEED, SEED + 1)]
    others += [Other(app, lambda seed=seed: mail(seed)) for seed in (SEED + 2, SEED + 3)]
    for other in others:
        other.thread.join(PATIENCE * ROUNDS)
    done = [other.result() for other in others]
    assert all(done), "each of them did something"
    assert not deadlocks
    intake.drain()
    _check(committed)


def _check(session: Any) -> None:
    session.rollback()
    session.expire_all()
    tickets = session.scalars(select(Ticket)).all()
    active = [ticket for ticket in tickets if ticket.kind == "active"]
    assert len({ticket.conversation_id for ticket in active}) == len(active), "one active ticket in a conversation"
    for queue in session.scalars(select(Queue)):
        here = [ticket for ticket in active if ticket.queue_id == queue.id]
        assert count_of(f"queue:{queue.id}", "active") == len(here)
        assert count_of(f"queue:{queue.id}", "waiting") == len([one for one in here if one.owner_id is None])
    for customer in session.scalars(select(Customer)):
        theirs = [ticket for ticket in tickets if ticket.customer_id == customer.id]
        assert count_of(f"customer:{customer.id}", "tickets") == len(theirs)
    for conversation in session.scalars(select(Conversation)):
        numbers = session.scalars(select(Message.seq).where(Message.conversation_id == conversation.id)).all()
        assert sorted(numbers) == sorted(set(numbers))
    for ticket in tickets:
        assert _owner_told(session, ticket) == ticket.owner_id, "the history says who owns it"


def _owner_told(session: Any, ticket: Ticket) -> int | None:
    owner, finished = None, False
    for event in session.scalars(select(Event).where(Event.ticket_id == ticket.id).order_by(Event.id)):
        match event.kind:
            case "ticket.claimed":
                assert owner is None, "taken from the line, so nobody's"
                owner = event.payload["owner_id"]
            case "ticket.handed_over":
                assert event.payload.get("former_owner_id") == owner
                owner = event.payload["owner_id"]
            case "ticket.released":
                assert event.payload["former_owner_id"] == owner
                owner = None
            case "ticket.state":
                finished = event.payload["after"] in CLOSED
            case "ticket.moved" if not finished:
                owner = None
    return owner
