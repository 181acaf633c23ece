"""What the timetable does for promises: people are warned, breaches recorded, tickets raised and moved, once each."""

import threading
from typing import Any

from sqlalchemy import select

from helpdesk.models import (
    Event,
    Notice,
    Reply,
    Target,
    Ticket,
)
from queues import promises
from tests import test_promises as kept
from tests.promise_check import check_history
from tests.test_promises import HOUR, promise, target

at = kept.at  # a fixture


def test_warning_then_breach_tell_owner_and_supervisor_once(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, solution_seconds=10 * HOUR, warn_percent=80)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    ticket.claim(cast.ann)
    due = ticket.due_at
    session.commit()
    assert promises.watch() == 0
    at(2026, 6, 5, 18, 1)
    assert promises.watch() == 1
    assert promises.watch() == 0
    at(2026, 6, 5, 23)
    assert promises.watch() == 1
    assert promises.watch() == 0
    session.refresh(ticket)
    assert promise(ticket, "solution").breached_at == due  # at its time, however late the look was
    told = session.execute(select(Notice.user_id, Notice.kind).order_by(Notice.id)).tuples().all()
    assert sorted(told) == sorted(
        (user.id, kind) for kind in ("promise.warned", "promise.breached") for user in (cast.ann, cast.sue)
    )
    check_history(session)


def test_what_is_answered_in_time_is_not_warned_of(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, first_seconds=10 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply("Здравствуйте!"))
    paused = make.ticket(cast.support, minutes_ago=0)
    paused.pause(cast.ann)
    session.commit()
    at(2026, 6, 7, 10)
    assert promises.watch() == 0


def test_escalation_raises_moves_and_tells_with_the_breach_as_its_cause(
    make: Any, cast: Any, session: Any, at: Any
) -> None:
    target(
        session,
        queue_id=cast.support.id,
        first_seconds=HOUR,
        at_warning={"raise": "one"},
        at_breach={"raise": "urgent", "queue_id": cast.billing.id, "group_id": cast.back.id},
    )
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    session.commit()
    at(2026, 6, 5, 10, 55)
    promises.watch()
    session.refresh(ticket)
    assert ticket.priority == 2
    at(2026, 6, 5, 11, 5)
    promises.watch()
    session.refresh(ticket)
    assert ticket.priority == 1 and ticket.queue_id == cast.billing.id
    breach = session.scalars(select(Event).where(Event.kind == "promise.breached")).one()
    caused = session.scalars(select(Event.kind).where(Event.cause_id == breach.id)).all()
    assert {"ticket.field", "ticket.moved"} <= set(caused)
    assert cast.carl.id in session.scalars(select(Notice.user_id).where(Notice.kind == "promise.breached")).all()
    check_history(session)


def test_two_targets_that_move_to_each_other_stop_by_themselves(make: Any, cast: Any, session: Any, at: Any) -> None:
    for here, there in ((cast.support, cast.billing), (cast.billing, cast.support)):
        target(session, queue_id=here.id, solution_seconds=HOUR, at_breach={"queue_id": there.id})
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    session.commit()
    for hour in range(12, 20):
        at(2026, 6, 5, hour)
        promises.watch()
    moves = session.scalars(select(Event).where(Event.ticket_id == ticket.id, Event.kind == "ticket.moved")).all()
    assert len(moves) == 1
    check_history(session)


def test_two_runs_at_once_break_each_promise_once(app: Any, make_committed: Any, committed: Any) -> None:
    cast = make_committed.cast()
    committed.add(Target(first_seconds=600, at_breach={"raise": "one"}))
    committed.flush()
    tickets = [make_committed.ticket(cast.support, minutes_ago=30) for _number in range(8)]
    committed.commit()
    ids = [ticket.id for ticket in tickets]
    begin = threading.Barrier(3)

    def run() -> None:
        with app.app_context():
            begin.wait()
            promises.watch()

    threads = [threading.Thread(target=run) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    promises.watch()  # whatever was locked by the other run at its turn
    committed.expire_all()
    breaches = committed.scalars(select(Event.ticket_id).where(Event.kind == "promise.breached")).all()
    assert sorted(breaches) == ids
    assert set(committed.scalars(select(Ticket.priority))) == {2}
    assert len(committed.scalars(select(Notice).where(Notice.user_id == cast.sue.id)).all()) == len(ids)
    check_history(committed)
