"""What happens when two act at the same moment: each actor has a connection of its own, and one waits for the other.

The test itself is one of the actors. It holds what it has changed, starts the other, waits until PostgreSQL says that
the other stands at a lock, and only then commits. So each race is run in exactly the order that it is about.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.errors import Conflict
from helpdesk.models import Conversation, Customer, Event, FollowUp, Message, OutboxItem, Reply, State, Ticket, User
from helpdesk.models.customer_merge import merge_into, undo_merge
from helpdesk.models.ticket import lock_conversation
from helpdesk.queries.counters import count_of
from queues import bounces, fifo, housekeeping, intake, ledger, outbox
from queues.channels.base import Bounce, Inbound
from queues.channels.email import tokens
from tests.clients import sign_in

PATIENCE = 30.0  # seconds; a limit for what hangs, never waited for


class Other:
    """Somebody else at work, in a thread with its own connection. `result` waits for the end and gives or raises."""

    def __init__(self, app: Any, act: Callable[[], Any]) -> None:
        self.given: Any = None
        self.raised: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(app, act))
        self.thread.start()

    def _run(self, app: Any, act: Callable[[], Any]) -> None:
        with app.app_context():
            try:
                self.given = act()
                db.session.commit()
            except BaseException as error:  # noqa: BLE001  # raised again where the test asks for the result
                self.raised = error
            finally:
                db.session.remove()

    def result(self) -> Any:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "it still waits"
        if self.raised is not None:
            raise self.raised
        return self.given


@pytest.fixture
def meanwhile(app: Any) -> Callable[..., Other]:
    """Starts somebody else and returns once they stand at a lock (`waits`), or at once."""

    def start(act: Callable[[], Any], waits: int = 1) -> Other:
        other = Other(app, act)
        until, engine = time.monotonic() + PATIENCE, db.engine
        at_locks = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as look:
            while look.execute(at_locks).scalar_one() < waits and other.thread.is_alive():
                assert time.monotonic() < until, "it never came to a lock"
                time.sleep(0.01)
        return other

    return start


@pytest.fixture
def cast(make_committed: Any) -> Any:
    cast = make_committed.cast()
    make_committed.session.commit()
    return cast


@pytest.fixture
def ticket(make_committed: Any, cast: Any) -> Ticket:
    """A ticket of the mailbox that waits, from eve."""
    ticket = make_committed.ticket(cast.support, customer=cast.eve, channel=cast.mailbox)
    make_committed.session.commit()
    return ticket


def put(channel_id: int, key: str, sender: str, answers: str | None = None) -> None:
    """A mail that has come in and waits to be understood."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "support@desk.example", "Не приходит код"
    mail["Message-ID"] = f"<{key}@customer.example>"
    if answers is not None:
        mail["In-Reply-To"] = answers
    mail.set_content("Здравствуйте! Код так и не пришёл.")
    intake.accept(channel_id, Inbound(key, bytes(mail)))


def address_of(customer: Customer) -> str:
    return customer.identities[0].value


def first_id(ticket: Ticket) -> str:
    header_id = db.session.scalar(sa.select(Message.header_id).where(Message.ticket_id == ticket.id))
    assert header_id is not None
    return header_id


def test_mail_that_comes_while_a_reply_is_sent_holds_it_back(
    app: Any, cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    ticket.claim(cast.ann)
    committed.commit()
    seen = committed.scalar(sa.select(Message.id).where(Message.ticket_id == ticket.id))
    ann, url = sign_in(app, cast.ann), f"/tickets/{ticket.id}/replies"
    committed.commit()
    make_committed.hear(ticket, "Уже не надо, спасибо!")
    form = {"body": "Код выслан", "seen": seen}
    reply = meanwhile(lambda: ann.post(url, data=form, headers={"HX-Request": "true"}))
    committed.commit()
    answer = reply.result()
    assert answer.status_code == 409
    assert "Уже не надо, спасибо!" in answer.text
    assert committed.scalars(sa.select(OutboxItem)).all() == []


def test_the_same_reply_sent_twice_at_once_leaves_once(
    app: Any, cast: Any, ticket: Ticket, committed: Any, meanwhile: Any
) -> None:
    ticket.claim(cast.ann)
    committed.commit()
    seen = committed.scalar(sa.select(Message.id).where(Message.ticket_id == ticket.id))
    ticket_id, ann_id = ticket.id, cast.ann.id

    def send() -> None:
        mine = db.session.get_one(Ticket, ticket_id)
        mine.reply(db.session.get_one(User, ann_id), Reply(body="Код выслан", seen_id=seen))

    send()
    again = meanwhile(send)
    committed.commit()
    with pytest.raises(Conflict):
        again.result()
    assert len(committed.scalars(sa.select(OutboxItem)).all()) == 1


def test_a_ticket_that_wakes_while_its_customer_writes_is_counted_once(
    cast: Any, ticket: Ticket, committed: Any, meanwhile: Any
) -> None:
    header_id = first_id(ticket)
    ticket.pause(None)
    committed.commit()
    put(cast.mailbox.id, "second", address_of(cast.eve), answers=header_id)
    committed.refresh(ticket, with_for_update={"key_share": True})
    assert ticket.wake(None, "time")
    committed.flush()
    reading = meanwhile(intake.drain)
    committed.commit()
    assert reading.result() == 1
    assert count_of(f"queue:{cast.support.id}", "waiting") == 1
    assert ledger.reconcile() == 0
    committed.refresh(ticket)
    assert ticket.kind == "active"
    assert len(committed.scalars(sa.select(Message).where(Message.ticket_id == ticket.id)).all()) == 2


def test_a_claim_is_not_overwritten_by_mail(cast: Any, ticket: Ticket, committed: Any, meanwhile: Any) -> None:
    put(cast.mailbox.id, "second", address_of(cast.eve), answers=first_id(ticket))
    version = ticket.version
    committed.commit()
    assert fifo.claim_next(cast.ann, cast.support.id) is ticket
    committed.flush()
    reading = meanwhile(intake.drain)
    committed.commit()
    assert reading.result() == 1
    committed.refresh(ticket)
    assert (ticket.owner_id, ticket.state) == (cast.ann.id, State.OPEN)
    assert ticket.version == version + 2, "both changes are seen by pages that look for newer versions"
    assert ledger.reconcile() == 0


def test_two_workers_open_one_ticket_for_one_conversation(
    cast: Any, ticket: Ticket, committed: Any, meanwhile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    header_id = first_id(ticket)
    cast.support.follow_up = FollowUp.NEW
    ticket.finish(None, State.SOLVED)
    committed.commit()
    for key in ("second", "third"):
        put(cast.mailbox.id, key, address_of(cast.eve), answers=header_id)
    lock_conversation(ticket.conversation_id)
    workers = [meanwhile(intake.drain), meanwhile(intake.drain, waits=2)]
    committed.commit()
    assert sum(worker.result() for worker in workers) == 2
    opened = committed.scalars(sa.select(Ticket).where(Ticket.previous_id == ticket.id)).all()
    assert [one.kind for one in opened] == ["active"]
    heard = sa.select(Message).where(Message.ticket_id == opened[0].id, Message.kind == "inbound")
    assert len(committed.scalars(heard).all()) == 2


def test_mail_that_waits_for_a_merge_belongs_to_who_stays(cast: Any, committed: Any, meanwhile: Any) -> None:
    adam = Customer.for_identity("email", "adam@customer.example", "Адам")
    committed.commit()
    put(cast.mailbox.id, "of-adam", "adam@customer.example")
    merge = merge_into(adam, cast.eve, cast.dora)
    committed.flush()
    reading = meanwhile(intake.drain)
    committed.commit()
    assert reading.result() == 1
    assert committed.scalars(sa.select(Conversation.customer_id)).all() == [cast.eve.id]

    put(cast.mailbox.id, "of-adam-again", "adam@customer.example")
    undo_merge(merge, cast.dora)
    committed.flush()
    reading = meanwhile(intake.drain)
    committed.commit()
    assert reading.result() == 1
    newest = committed.scalars(sa.select(Conversation).order_by(Conversation.id.desc())).first()
    assert newest.customer_id == adam.id


def test_a_merge_takes_along_the_mail_that_was_just_read(cast: Any, committed: Any, meanwhile: Any) -> None:
    adam = Customer.for_identity("email", "adam@customer.example", "Адам")
    committed.commit()
    put(cast.mailbox.id, "of-adam", "adam@customer.example")
    adam_id, eve_id, dora_id = adam.id, cast.eve.id, cast.dora.id

    def merge() -> None:
        source, target = db.session.get_one(Customer, adam_id), db.session.get_one(Customer, eve_id)
        merge_into(source, target, db.session.get_one(User, dora_id))

    taken = intake._take()
    assert intake._finish(intake._understand_all(taken)) == 1  # read, and not committed yet
    committed.flush()
    merging = meanwhile(merge)
    committed.commit()
    merging.result()
    committed.expire_all()
    assert committed.scalars(sa.select(Ticket.customer_id)).all() == [eve_id]
    assert committed.scalars(sa.select(Conversation.customer_id)).all() == [eve_id]
    assert count_of(f"customer:{eve_id}", "tickets") == 1


def test_nobody_is_left_behind_when_two_become_one_in_the_middle_of_their_mail(
    app: Any, cast: Any, committed: Any
) -> None:
    adam = Customer.for_identity("email", "adam@customer.example", "Адам")
    committed.commit()
    adam_id, eve_id, dora_id, eves = adam.id, cast.eve.id, cast.dora.id, address_of(cast.eve)
    for number in range(40):
        put(cast.mailbox.id, f"mail-{number}", ("adam@customer.example", eves)[number % 2])

    def merge_and_part() -> None:
        for again in (True, True, True, True, False):
            with transaction() as session:
                source, target = session.get_one(Customer, adam_id), session.get_one(Customer, eve_id)
                merge = merge_into(source, target, session.get_one(User, dora_id))
            if again:
                with transaction() as session:
                    undo_merge(merge, session.get_one(User, dora_id))

    others = [Other(app, intake.drain), Other(app, intake.drain), Other(app, merge_and_part)]
    for other in others:
        other.result()
    intake.drain()
    for model in (Ticket, Conversation):
        assert set(committed.scalars(sa.select(model.customer_id))) == {eve_id}
    assert committed.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 40
    assert count_of(f"customer:{eve_id}", "tickets") == 40
    assert ledger.reconcile() == 0


def test_a_report_beside_a_mail_loses_nothing(
    cast: Any, ticket: Ticket, committed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Both are about one ticket and understood in one batch."""
    from helpdesk.config import settings

    monkeypatch.setattr(settings(), "outgoing_folder", tmp_path)
    ticket.claim(cast.ann)
    reply = ticket.reply(cast.ann, Reply(body="Код выслан"))
    committed.commit()
    outbox.drain()
    committed.refresh(ticket)
    ticket.pause(cast.ann)
    committed.commit()
    item = committed.scalars(sa.select(OutboxItem).where(OutboxItem.message_id == reply.id)).one()
    parse = intake.adapter_for("email").parse
    bounce = Bounce("failed", "5.1.1", address_of(cast.eve), "no such user", token=tokens.bounce_token(item.id))

    def understand(inbound: Inbound) -> Any:
        said = parse(inbound)
        if b"MAILER-DAEMON" not in inbound.raw:
            return said
        return type(said)(**{**vars(said), "nature": "bounce", "bounce": bounce})

    monkeypatch.setattr(type(intake.adapter_for("email")), "parse", lambda self, inbound: understand(inbound))
    put(cast.mailbox.id, "second", address_of(cast.eve), answers=first_id(ticket))
    put(cast.mailbox.id, "report", "MAILER-DAEMON@mx.example")
    assert intake.drain() == 2
    committed.expire_all()
    assert reply.delivery == "bounced"
    heard = committed.scalars(sa.select(Message).where(Message.header_id == "<second@customer.example>")).one()
    assert ticket.first_unanswered_at == ticket.last_customer_at == heard.at
    assert ticket.kind == "active"
    assert ledger.reconcile() == 0


def test_a_reply_is_taken_back_or_sent_but_never_both(
    cast: Any, ticket: Ticket, committed: Any, meanwhile: Any
) -> None:
    ticket.claim(cast.ann)
    message = ticket.reply(cast.ann, Reply(body="Код выслан"))
    committed.commit()
    ticket_id, ann_id, message_id = ticket.id, cast.ann.id, message.id

    def undo() -> None:
        mine = db.session.get_one(Ticket, ticket_id)
        mine.undo_reply(db.session.get_one(User, ann_id), db.session.get_one(Message, message_id))

    item = committed.scalars(sa.select(OutboxItem).with_for_update(key_share=True)).one()
    item.attempts += 1  # as a sender leases it
    committed.flush()
    undoing = meanwhile(undo)
    committed.commit()
    with pytest.raises(Conflict):
        undoing.result()
    committed.refresh(message)
    assert message.delivery != "cancelled"


def test_the_outcome_of_a_sending_and_mail_to_the_same_ticket_do_not_block_each_other(
    app: Any, cast: Any, ticket: Ticket, committed: Any
) -> None:
    """Senders, mail, undo and claims on a few tickets at once: the order of locks is one, so nobody is thrown out."""
    ticket.claim(cast.ann)
    header_id, ticket_id, ann_id = first_id(ticket), ticket.id, cast.ann.id
    ids = []
    for number in range(12):
        ids.append(ticket.reply(cast.ann, Reply(body=f"Ответ {number}")).id)
    committed.commit()
    for number in range(12):
        put(cast.mailbox.id, f"mail-{number}", address_of(cast.eve), answers=header_id)
    items = committed.scalars(sa.select(OutboxItem.id)).all()

    def report() -> None:
        for item_id in items:
            with transaction():
                token = tokens.bounce_token(item_id)
                bounces.note_bounce(Bounce("failed", "5.1.1", "eve@customer.example", "no", token=token))

    def undo() -> int:
        undone = 0
        for message_id in ids:
            with transaction():
                mine = db.session.get_one(Ticket, ticket_id)
                mine.undo_reply(db.session.get_one(User, ann_id), db.session.get_one(Message, message_id))
                undone += 1
        return undone

    def prioritise() -> None:
        from helpdesk import permissions
        from helpdesk.models import Right

        for number in range(24):
            with transaction():
                mine = permissions.get_ticket(db.session.get_one(User, ann_id), ticket_id, Right.WORK, lock=True)
                mine.prioritise(None, number % 4 + 1)

    others = [Other(app, act) for act in (intake.drain, intake.drain, report, undo, prioritise)]
    for other in others:
        other.result()
    committed.refresh(ticket)
    assert len(committed.scalars(sa.select(Message).where(Message.kind == "inbound")).all()) == 13
    assert ledger.reconcile() == 0


def test_a_new_tag_of_two_people_is_one_tag(
    cast: Any, ticket: Ticket, make_committed: Any, committed: Any, meanwhile: Any
) -> None:
    other_id = make_committed.ticket(cast.support).id
    committed.commit()
    ticket.retag(cast.ann, ["возврат"])
    tagging = meanwhile(lambda: db.session.get_one(Ticket, other_id).retag(None, ["возврат"]))
    committed.commit()
    tagging.result()
    assert committed.get_one(Ticket, other_id).tags == ticket.tags == ["возврат"]


def test_chores_and_mail_wake_a_ticket_once(app: Any, cast: Any, ticket: Ticket, committed: Any) -> None:
    header_id = first_id(ticket)
    ticket.pause(None, clock.now() + timedelta(hours=1))
    ticket.pending_until = ticket.arrived_at  # the hour is over
    committed.commit()
    put(cast.mailbox.id, "second", address_of(cast.eve), answers=header_id)
    others = [Other(app, act) for act in (housekeeping.wake_tickets, intake.drain, housekeeping.wake_tickets)]
    for other in others:
        other.result()
    housekeeping.wake_tickets()
    intake.drain()
    committed.refresh(ticket)
    assert ticket.kind == "active"
    woken = sa.select(Event).where(Event.ticket_id == ticket.id, Event.kind == "ticket.state")
    assert [event.payload["after"] for event in committed.scalars(woken.order_by(Event.id))][1:] == ["open"]
    assert ledger.reconcile() == 0


REFUSALS = [
    ("40P01", 409, "Somebody else changed the same thing"),
    ("40001", 409, "Somebody else changed the same thing"),
    ("23505", 409, "Somebody else changed the same thing"),
    ("55P03", 503, "takes too long"),
    ("57014", 503, "takes too long"),
    ("57P01", 503, "does not answer"),
]


@pytest.mark.parametrize(("state", "status", "words"), REFUSALS)
def test_what_the_database_refuses_is_told_in_words(
    app: Any, session: Any, make: Any, state: str, status: int, words: str
) -> None:
    """PostgreSQL itself raises each of these, by a trigger that lives as long as the test's transaction."""
    people = make.cast()
    ticket = make.ticket(people.support)
    ann = sign_in(app, people.ann)
    raising = f"BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END"
    session.execute(sa.text(f"CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$"))
    each = "BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
    session.execute(sa.text(f"CREATE TRIGGER refuse {each}"))
    answer = ann.post(f"/tickets/{ticket.id}/priority", data={"priority": 1})
    assert answer.status_code == status
    assert words in answer.text
