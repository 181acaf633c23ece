"""Plays the stories: mail through the LMTP door, acts through the verbs, each at its moment of the past week."""

import smtplib
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event, select

from helpdesk import files
from helpdesk.db import db, transaction
from helpdesk.models import Category, Message, OutboxItem, Queue, Reply, State, Ticket, User
from helpdesk.models.ticket import header_hash
from helpdesk.models.ticket.states import Kind
from helpdesk.sign_in import user_by_email
from queues import fifo, intake, outbox
from queues.demo import letters, pictures
from queues.demo.script import Bounce, Echo, Finish, Forward, Mail, Move, Note, Story, Wait
from queues.demo.script import Reply as Answer
from queues.doors import lmtp_server

DOMAIN = "vesna.example"


class Clock:
    """Moves the one clock on every connection that this process takes from its pool."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self.moment = self.began
        event.listen(db.engine, "checkout", self._set)

    def move(self, moment: datetime) -> None:
        """From now on it is `moment`, until the next move."""
        self.moment = moment
        db.session.remove()  # the next use takes a connection anew

    def stop(self) -> None:
        """Let connections have the true time again."""
        event.remove(db.engine, "checkout", self._set)
        db.session.remove()
        db.engine.dispose()

    def _set(self, connection: Any, _record: Any, _proxy: Any) -> None:
        seconds = (self.moment - datetime.now(UTC)).total_seconds()
        connection.execute("SELECT set_config('helpdesk.clock_offset', %s, false)", (f"{seconds:.3f} seconds",))
        connection.commit()


class Telling:
    """Where one story stands: its ticket, and what the customer's next mail answers."""

    def __init__(self, story: Story, begins: datetime) -> None:
        self.story = story
        self.left = list(story.steps)
        self.next_at = begins + timedelta(minutes=self.left[0].after)
        self.ticket_id = 0
        self.answers: tuple[str, str, datetime] | None = None
        self.mails = 0


class Desk:
    """The contact centre while its past is made. Use as a context manager; needs an application context."""

    def __init__(self, app: Flask, clock: Clock) -> None:
        self.clock = clock
        self.port = _free_port()
        self.door = lmtp_server(app, "127.0.0.1", self.port)

    def __enter__(self) -> "Desk":
        self.door.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.door.stop()

    def play(self, stories: list[Story]) -> None:
        """Play all stories at once, each step in its turn."""
        telling = [Telling(story, self.clock.began - timedelta(hours=story.ago)) for story in stories]
        while telling:
            one = min(telling, key=lambda each: each.next_at)
            step = one.left.pop(0)
            moment = min(one.next_at, self.clock.began)
            self.clock.move(moment)
            self._do(one, step, moment)
            if one.left:
                one.next_at += timedelta(minutes=one.left[0].after)
            else:
                telling.remove(one)

    def post(self, raw: bytes, queue: str, sender: str) -> None:
        """Hand a mail over at the door, and have it understood."""
        with smtplib.LMTP("127.0.0.1", self.port) as door:
            door.sendmail(sender, [address_of(queue)], raw, ["SMTPUTF8"] if not sender.isascii() else [])
        intake.drain()

    def _do(self, telling: Telling, step: Any, at: datetime) -> None:
        match step:
            case Mail():
                self._mail(telling, step, at)
            case Bounce():
                assert telling.answers is not None
                story = telling.story
                report = letters.bounce(telling.answers[0], address_of(story.queue), story.address, at)
                self.post(report, story.queue, "")
            case Echo():
                self.post(self._last_sent(telling), telling.story.queue, telling.story.address)
            case _:
                with transaction():
                    self._act(telling, step, at)
                self._send(telling, at)

    def _mail(self, telling: Telling, mail: Mail, at: datetime) -> None:
        story = telling.story
        telling.mails += 1
        own_id = letters.header_id(story.address, story.subject, telling.mails)
        raw = story.raw or letters.letter(story, mail, address_of(story.queue), at, own_id, telling.answers)
        self.post(raw, story.queue, story.address)
        with transaction():
            heard = db.session.scalar(select(Message).where(Message.header_hash == header_hash(own_id)))
            if heard is None or heard.ticket_id is None:
                return
            fresh = telling.ticket_id == 0
            telling.ticket_id = heard.ticket_id
            if fresh:
                self._describe(db.session.get_one(Ticket, heard.ticket_id), story)
        self._send(telling, at)

    def _last_sent(self, telling: Telling) -> bytes:
        assert telling.answers is not None
        sent = select(OutboxItem.rendered).join(Message, Message.id == OutboxItem.message_id)
        with transaction():
            return bytes(db.session.scalars(sent.where(Message.header_id == telling.answers[0])).one() or b"")

    def _describe(self, ticket: Ticket, story: Story) -> None:
        """What a supervisor who looks through the new tickets adds to them."""
        by = person("sue")
        if story.category:
            ticket.categorise(by, db.session.scalars(select(Category).where(Category.name == story.category)).one())
        if story.tags:
            ticket.retag(by, list(story.tags))
        ticket.prioritise(by, story.priority)

    def _act(self, telling: Telling, step: Any, at: datetime) -> None:
        by = person(step.who)
        ticket = db.session.get_one(Ticket, telling.ticket_id)
        if ticket.owner_id != by.id and not isinstance(step, Note | Move):
            ticket = self._own(ticket, by)
        if ticket.kind == Kind.PAUSED and isinstance(step, Answer | Forward):
            ticket.wake(by, "by hand")
        match step:
            case Answer():
                ticket.reply(by, Reply(step.text, to=[telling.story.address], files=_attach(step.files)))
            case Note():
                ticket.note(by, step.text)
            case Finish():
                ticket.finish(by, State(step.state), step.reason or None)
            case Wait():
                ticket.pause(by, at + timedelta(hours=step.hours) if step.hours else None)
            case Move():
                ticket.move(by, db.session.scalars(select(Queue).where(Queue.name == step.queue)).one())
            case Forward():
                ticket.reply(by, Reply(step.text, to=[step.to], forwards_id=_last_heard(ticket).id))

    def _own(self, ticket: Ticket, by: User) -> Ticket:
        if ticket.owner_id is None:
            return fifo.claim_this(by, ticket.id)
        ticket.hand_over(by, by)
        return ticket

    def _send(self, telling: Telling, at: datetime) -> None:
        """Let what is due leave, and remember what the customer would answer to: an operator's reply first."""
        self.clock.move(at + timedelta(seconds=20))
        outbox.drain()
        with transaction():
            query = select(Message).join(OutboxItem, OutboxItem.message_id == Message.id)
            ours = query.where(Message.ticket_id == telling.ticket_id).order_by(OutboxItem.automatic, Message.id.desc())
            last = db.session.scalar(ours.limit(1))
            if last is not None and last.header_id and not last.facts.get("forwards"):
                telling.answers = (last.header_id, last.text, last.at)


def person(name: str) -> User:
    """The member of the staff whose address begins with `name`."""
    found = user_by_email(f"{name}@{DOMAIN}")
    assert found is not None, name
    return found


def address_of(queue: str) -> str:
    """The mail address of a queue."""
    return f"{queue.lower()}@{DOMAIN}"


def _attach(names: tuple[str, ...]) -> list[Any]:
    made = [(name, *pictures.make(name)) for name in names]
    return [files.attach(None, name, kind, files.put(content)) for name, kind, content in made]


def _last_heard(ticket: Ticket) -> Message:
    query = select(Message).where(Message.ticket_id == ticket.id, Message.kind == "inbound")
    return db.session.scalars(query.order_by(Message.id.desc()).limit(1)).one()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
