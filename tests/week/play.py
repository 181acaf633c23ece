"""Plays a week: plans everybody, lets time run, and has the machine do every minute what it does in real life."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from flask import Flask
from sqlalchemy import select

from helpdesk.db import db, transaction
from helpdesk.models import Message, OutboxItem
from helpdesk.models.availability import note_presence
from helpdesk.models.message import DeliveryState
from helpdesk.queries.backlog import outbox_due
from queues import cron, intake, outbox
from tests.week.calls import Exchange
from tests.week.clockwork import Clockwork
from tests.week.customers import Crowd, Intents
from tests.week.operators import Desk
from tests.week.size import Size
from tests.week.world import World, build

PRESENCE, LETTERS = 5, 10  # minutes
LEFT = (DeliveryState.SENT, DeliveryState.UNKNOWN)
# By minutes; what concerns neither tickets nor promises is left out of the week.
CHORES = {
    1: ("wake-tickets", "return-tickets", "mark-absent", "watch-promises"),
    5: ("promote-tickets", "review-promises"),
    60: ("fold-tallies",),
}


@dataclass
class Played:
    """A week that is over."""

    world: World
    intents: Intents
    done: dict[str, int]
    refusals: list[str]
    acts: int
    seconds: float


def play(app: Flask, size: Size, seed: int, tell: Callable[[str], None] = lambda _line: None) -> Played:
    """Play a week on an empty database. Needs an application context; `tell` gets a line for each day."""
    random, began = Random(seed), time.monotonic()
    clock = Clockwork(size.begins)
    try:
        world = build(size, random)
        crowd, desk = Crowd(world, size, random, clock), Desk(world, random, clock)
        Exchange(app, world, size, random, clock, crowd.intents).plan()
        crowd.plan()
        desk.plan()
        machine = Machine(clock, crowd, desk, [worker.user_id for worker in world.workers])
        clock.after(0.5, machine.minute)
        acts = 0
        for day in range(size.days):
            acts += clock.run(size.begins + timedelta(days=day + 1))
            tell(f"day {day + 1}: {len(crowd.intents.mails)} mails, {desk.done.get('claimed', 0)} taken, {acts} acts")
    finally:
        clock.stop()
    return Played(world, crowd.intents, desk.done, desk.refusals, acts, time.monotonic() - began)


class Machine:
    """What the processes of an installation do by themselves, every few minutes of simulated time."""

    def __init__(self, clock: Clockwork, crowd: Crowd, desk: Desk, people: list[int]) -> None:
        self.clock, self.crowd, self.desk, self.people = clock, crowd, desk, people
        self.beat = crowd.size.beat
        self.seen = self.minutes = 0
        self.chores = {chore.name: chore.run for chore in cron.TIMETABLE}

    def minute(self) -> None:
        """Signs of life, chores, letters that leave; and the customers get what left."""
        if self.minutes % PRESENCE == 0:
            note_presence(self.people)
        intake.drain()
        for minutes, names in CHORES.items():
            if self.minutes % minutes == 0:
                for name in names:
                    self.chores[name]()
        if self.minutes % LETTERS == 0 and self._has_letters():
            outbox.drain()
            self._carry()
        self.minutes += self.beat
        self.clock.after(self.beat, self.minute)

    def _has_letters(self) -> bool:
        with transaction() as session:
            return session.scalar(select(select(OutboxItem.id).where(outbox_due()).exists())) or False

    def _carry(self) -> None:
        """Bring to the customers what left since the last look; the outbox empties in the order of its ids here."""
        with transaction():
            query = (
                select(OutboxItem.id, Message.header_id, Message.recipients, Message.text, OutboxItem.automatic)
                .join(Message, Message.id == OutboxItem.message_id)
                .where(OutboxItem.id > self.seen, OutboxItem.state.in_(LEFT))
                .order_by(OutboxItem.id)
            )
            rows = db.session.execute(query).all()
        for row in rows:
            self.seen = row.id
            recipients = [*row.recipients.get("to", []), *row.recipients.get("cc", [])]
            self.crowd.hears(row.header_id or "", recipients, row.text, row.automatic)
