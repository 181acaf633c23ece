"""Who is to blame when a worker dies or the database goes away: never the mail that happened to be there."""

from typing import Any

import psycopg.errors
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from helpdesk.models import InboundEvent, InboundState
from queues import intake
from queues.channels.base import Inbound

MAIL = b"From: eve@customer.example\r\nSubject: Hello\r\n\r\nHelp me, please.\r\n"


def wait_for(cast: Any, count: int) -> None:
    for place in range(count):
        intake.accept(cast.mailbox.id, Inbound(f"blame:{place}", MAIL + str(place).encode()))


def states(session: Any) -> list[str]:
    session.expire_all()
    return list(session.scalars(select(InboundEvent.state).order_by(InboundEvent.id)))


def test_what_a_killed_worker_held_is_taken_alone(session: Any, cast: Any, move_clock: Any) -> None:
    wait_for(cast, 3)
    together = [taken.id for taken in intake._take()]
    assert len(together) == 3
    assert intake._take() == []  # leased
    move_clock(f"{intake.LEASE_SECONDS + 1} s")  # the worker was killed
    assert [taken.id for taken in intake._take()] == together[:1]
    assert [taken.id for taken in intake._take()] == together[1:2]
    wait_for(cast, 5)  # two more, that nobody has touched
    assert [taken.id for taken in intake._take()] == together[2:]
    assert len(intake._take()) == 2


def test_only_what_dies_again_and_again_alone_is_put_aside(session: Any, cast: Any, move_clock: Any) -> None:
    wait_for(cast, 2)
    deaths = 0
    for deaths in range(1, intake.MOST_ENDINGS + 1):
        poison = intake._take()[0]
        move_clock(f"{deaths * (intake.LEASE_SECONDS + 1)} s")
    intake.drain()
    assert deaths == intake.MOST_ENDINGS
    assert states(session) == [InboundState.QUARANTINED, InboundState.TICKETED]
    assert poison.attempts == intake.MOST_ENDINGS


@pytest.mark.parametrize(
    "fault", [psycopg.errors.AdminShutdown, psycopg.errors.DiskFull, psycopg.errors.DeadlockDetected]
)
def test_no_mail_is_put_aside_for_the_database(
    session: Any, cast: Any, move_clock: Any, monkeypatch: Any, fault: type[psycopg.Error]
) -> None:
    wait_for(cast, 2)

    def fail(*_: Any) -> Any:
        raise OperationalError("INSERT", {}, fault("not now"))

    with monkeypatch.context() as broken:
        broken.setattr(intake, "interpret", fail)
        for outage in range(1, intake.MOST_ATTEMPTS + 3):
            with pytest.raises(OperationalError):
                intake.drain()
            move_clock(f"{outage * (intake.LEASE_SECONDS + 1)} s")
    assert states(session) == [InboundState.WAITING, InboundState.WAITING]
    intake.drain()
    assert states(session) == [InboundState.TICKETED, InboundState.TICKETED]


def test_what_there_was_no_time_for_waits_without_a_mark(session: Any, cast: Any, monkeypatch: Any) -> None:
    wait_for(cast, 2)
    monkeypatch.setattr(intake, "LONGEST_READING", -1.0)
    read = intake._understand_all(intake._take())
    assert [outcome for _, outcome in read] == [None, None]
    intake._finish_together(read)
    assert [(event.attempts, event.lease_until) for event in session.scalars(select(InboundEvent))] == [(0, None)] * 2
