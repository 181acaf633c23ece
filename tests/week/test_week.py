"""A short run of the simulated week: the Sunday on which clocks go back. The whole one: `make week`."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from helpdesk.db import db
from tests.week.check import check
from tests.week.line import Line
from tests.week.oracle import Oracle
from tests.week.owners import Owners
from tests.week.play import play
from tests.week.size import SMALL

NOON = datetime(2026, 10, 26, 10, tzinfo=UTC)


@pytest.mark.fault
def test_a_day_keeps_every_promise(app, committed):
    played = play(app, SMALL, seed=7)
    report = check(played, SMALL.beat)
    assert report.broken == {}
    assert played.done["claimed"] > 40
    db.session.execute(text("UPDATE messages SET ticket_id = NULL WHERE id = (SELECT min(id) FROM messages)"))
    assert "every message is in exactly one place" in check(played, SMALL.beat).broken


def fact(number, kind, ticket_id=1, minutes=0, **payload):
    return SimpleNamespace(
        id=number,
        at=NOON + timedelta(minutes=minutes),
        kind=kind,
        ticket_id=ticket_id,
        payload=payload,
        actor_kind="system",
        actor_id=None,
    )


def opened(number, ticket_id, line_at, line_class=0):
    payload = {"queue_id": 1, "line_at": line_at.isoformat(), "line_class": line_class}
    return fact(number, "ticket.opened", ticket_id, **payload)


def test_the_checker_sees_who_was_overtaken():
    line = Line(rights={5: {1}}, kinds={1: "email", 2: "email"})
    first, second = opened(1, 1, NOON), opened(2, 2, NOON + timedelta(minutes=1))
    line.tell(iter([first, second, fact(3, "ticket.claimed", 2, owner_id=5)]))
    assert len(line.overtaken) == 1
    fair = Line(rights={5: {1}}, kinds={1: "email", 2: "email"})
    fair.tell(iter([first, second, fact(3, "ticket.claimed", 1, owner_id=5)]))
    assert fair.overtaken == []


def test_the_checker_sees_who_was_left_with_an_absent_owner():
    gone = SimpleNamespace(user_id=5, state="offline", at=NOON)
    facts = [
        opened(1, 1, NOON),
        fact(2, "ticket.claimed", owner_id=5, waited_seconds=0),
        fact(3, "message.inbound", minutes=1, nature="human"),
    ]
    for minutes, stranded in ((20, 1), (2, 0)):
        owners = Owners({1: 15}, timedelta(minutes=3))
        later = fact(4, "ticket.released", minutes=minutes, cause="owner offline")
        owners.tell((row.at, number, row) for number, row in enumerate([gone, *facts, later]))
        assert len(owners.stranded) == stranded


def test_the_oracle_knows_the_night_that_is_an_hour_longer():
    night = Oracle("Europe/Kyiv", [[[0, 1440]]] * 7, {})
    begins = datetime(2026, 10, 24, 21, tzinfo=UTC)
    assert night.due(begins, 25 * 3600) == begins + timedelta(hours=25)
    days = Oracle("Europe/Kyiv", [[[540, 1080]]] * 7, {"2026-10-26": {"hours": []}})
    assert days.due(datetime(2026, 10, 25, 15, tzinfo=UTC), 2 * 3600) == datetime(2026, 10, 27, 8, tzinfo=UTC)
