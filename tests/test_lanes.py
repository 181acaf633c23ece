"""Bells, workers and the timetable: whatever Redis loses is found in the database."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy import text

from helpdesk import clock
from helpdesk.config import settings
from helpdesk.db import after_commit, transaction
from helpdesk.models import InboundEvent, RawInput, Ticket
from helpdesk.system_mail import send_system_mail
from queues import cron, housekeeping, jobs, lanes
from queues.locks import TimetableLock

ROOT = Path(__file__).resolve().parent.parent


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so; fail when it never is."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def valkey(engines: None) -> Iterator[redis.Redis]:
    """The Valkey of the tests, empty before and after."""
    connection = redis.Redis.from_url(settings().redis_url)
    connection.flushall()
    yield connection
    connection.flushall()


def waiting_event(channel_id: int) -> InboundEvent:
    """An event that waits in the lane `intake`, as `accept` leaves it."""
    event = InboundEvent(channel_id=channel_id, size=1)
    event.raw = RawInput(data=b"x")
    return event


def lose_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Redis unreachable for bells."""
    monkeypatch.setattr(settings(), "redis_url", "unix:///tmp/nobody-is-here.sock")
    lanes.connection.cache_clear()
    monkeypatch.setattr(lanes, "connection", lanes.connection.__wrapped__)


def bells(lane: str) -> int:
    return len(lanes.lane_queue(lane).job_ids)


def test_a_bell_rings_once_until_it_is_answered(app: Any, valkey: redis.Redis) -> None:
    for _ in range(5):
        assert lanes.ring("intake")
    assert bells("intake") == 1
    lanes.hush("intake")
    lanes.ring("intake")
    assert bells("intake") == 2
    assert bells("outbox") == 0


def test_a_bell_carries_its_lane_and_nothing_else(app: Any, valkey: redis.Redis) -> None:
    lanes.ring("chores")
    (job,) = lanes.lane_queue("chores").jobs
    assert (job.func_name, list(job.args), job.kwargs) == ("queues.jobs.drain", ["chores"], {})


def test_new_rows_ring_after_the_commit_and_never_after_a_rollback(
    make_committed: Any, committed: Any, valkey: redis.Redis
) -> None:
    channel = make_committed.channel(make_committed.queue())
    committed.commit()
    committed.add(waiting_event(channel.id))
    committed.flush()
    assert bells("intake") == 0
    committed.rollback()
    committed.add(make_committed.user("Zoe"))
    committed.commit()
    assert bells("intake") == 0
    committed.add(waiting_event(channel.id))
    committed.commit()
    assert bells("intake") == 1 and bells("outbox") == 0


def test_a_missing_redis_stops_no_commit(make_committed: Any, committed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_redis(monkeypatch)
    channel = make_committed.channel(make_committed.queue())
    committed.add(waiting_event(channel.id))
    after: list[bool] = []
    after_commit(lambda: after.append(True))
    committed.commit()
    assert after == [True]
    assert lanes.ring("intake") is False
    assert committed.query(InboundEvent).count() == 1


def test_the_timetable_finds_what_redis_lost(make_committed: Any, committed: Any, valkey: redis.Redis) -> None:
    channel = make_committed.channel(make_committed.queue())
    committed.add(waiting_event(channel.id))
    committed.commit()
    valkey.flushall()
    assert bells("intake") == 0
    cron.tick()
    assert bells("intake") == 1 and bells("outbox") == 0


def test_mail_to_the_people_who_work_here_rings_and_is_found(committed: Any, valkey: redis.Redis) -> None:
    send_system_mail("bob@desk.example", "Приглашение", "Добро пожаловать")
    committed.commit()
    assert bells("outbox") == 1
    valkey.flushall()
    cron.tick()
    assert bells("outbox") == 1


def test_the_timetable_works_itself_while_redis_is_away(
    make_committed: Any, committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_committed.channel(make_committed.queue())
    committed.add(waiting_event(channel.id))
    committed.commit()
    lose_redis(monkeypatch)
    drained: list[str] = []
    monkeypatch.setattr(jobs, "_work", lambda lane: lambda _stopping: drained.append(lane) or 0)
    cron.tick()
    assert drained == ["intake", "chores"]


def test_the_bell_is_cleared_before_the_first_look(app: Any, valkey: redis.Redis, monkeypatch: Any) -> None:
    """Work that comes while a drain runs must ring again."""
    seen: list[int] = []

    def work(_stopping: Callable[[], bool]) -> int:
        lanes.ring("intake")
        seen.append(bells("intake"))
        return 0

    lanes.ring("intake")
    monkeypatch.setattr(jobs, "_work", lambda _lane: work)
    with app.app_context():
        jobs.drain("intake")
    assert seen == [2]


def test_a_database_that_is_away_ends_no_worker(app: Any, valkey: redis.Redis, monkeypatch: Any) -> None:
    def work(_stopping: Callable[[], bool]) -> int:
        with transaction() as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return 1

    monkeypatch.setattr(jobs, "_work", lambda _lane: work)
    with app.app_context():
        assert jobs.drain("intake") == 0


# --- chores -----------------------------------------------------------------------------------------------------------


def test_each_chore_runs_once_when_many_ask(committed: Any, monkeypatch: Any, app: Any) -> None:
    runs: list[str] = []
    chores = tuple(cron.Chore(f"toy-{n}", 60, lambda n=n: runs.append(str(n)) or 1) for n in range(3))
    monkeypatch.setattr(cron, "TIMETABLE", chores)

    def drain() -> None:
        with app.app_context():
            cron.drain_chores(lambda: False)

    crowd = [threading.Thread(target=drain) for _ in range(6)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(runs) == ["0", "1", "2"]
    assert cron.due_chores() == []


def test_a_chore_that_breaks_is_noted_and_keeps_no_other_from_running(committed: Any, monkeypatch: Any) -> None:
    def broken() -> int:
        raise ValueError("the cat sat on it")

    good = cron.Chore("good", 60, lambda: 7)
    monkeypatch.setattr(cron, "TIMETABLE", (cron.Chore("broken", 60, broken), good))
    assert cron.drain_chores(lambda: False) == 2
    runs = cron.last_runs()
    assert runs["broken"].error == "ValueError: the cat sat on it"
    assert (runs["good"].handled, runs["good"].error) == (7, None)
    assert cron.due_chores() == []


def test_a_chore_is_due_again_after_its_time(committed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(cron, "TIMETABLE", (cron.Chore("toy", 60, lambda: 0),))
    cron.drain_chores(lambda: False)
    later = text("UPDATE settings SET value = jsonb_build_object('at', helpdesk_now() - make_interval(secs => :by))")
    committed.execute(later, {"by": 50})
    assert cron.due_chores() == []
    committed.execute(later, {"by": 61})
    committed.expire_all()
    assert [chore.name for chore in cron.due_chores()] == ["toy"]


def test_every_chore_of_the_timetable_runs(committed: Any) -> None:
    assert cron.drain_chores(lambda: False) == len(cron.TIMETABLE)
    assert {name: run.error for name, run in cron.last_runs().items()} == {chore.name: None for chore in cron.TIMETABLE}


def time_is_over(session: Any, ticket: Any) -> None:
    """As if the moment that the ticket waits for were past."""
    session.execute(text(f"UPDATE tickets SET pending_until = helpdesk_now() - interval '1 s' WHERE id = {ticket.id}"))
    session.commit()


def test_paused_tickets_wake_when_their_time_comes(make_committed: Any, committed: Any) -> None:
    queue = make_committed.queue()
    ticket, later = make_committed.ticket(queue), make_committed.ticket(queue)
    ticket.pause(None, clock.now() + timedelta(minutes=5))
    later.pause(None, clock.now() + timedelta(days=5))
    committed.commit()
    assert housekeeping.wake_tickets() == 0
    time_is_over(committed, ticket)
    assert housekeeping.wake_tickets() == 1
    assert (ticket.state, later.state) == ("open", "pending")


def test_waking_stops_at_a_rival_and_is_not_tried_for_ever(make_committed: Any, committed: Any) -> None:
    queue = make_committed.queue()
    ticket = make_committed.ticket(queue)
    ticket.pause(None, clock.now() + timedelta(minutes=5))
    Ticket.open(ticket.conversation, queue, "Другое", clock.now())
    committed.commit()
    time_is_over(committed, ticket)
    assert housekeeping.wake_tickets() == 1
    assert ticket.state == "waiting"
    assert housekeeping.wake_tickets() == 0


def test_passed_over_tickets_are_promoted_once(make_committed: Any, committed: Any) -> None:
    queue = make_committed.queue(by_priority=True, longest_pass_minutes=60)
    low = make_committed.ticket(queue, minutes_ago=61, priority=4)
    urgent = make_committed.ticket(queue, minutes_ago=300, priority=1)
    fresh = make_committed.ticket(queue, minutes_ago=59, priority=4)
    committed.commit()
    assert housekeeping.promote_tickets() == 1
    assert (low.line_class, urgent.line_class, fresh.line_class) == (0, 1, 4)
    assert housekeeping.promote_tickets() == 0


def test_folding_keeps_every_sum(make_committed: Any, committed: Any) -> None:
    query = text("SELECT scope, name, sum(delta) FROM tallies GROUP BY scope, name ORDER BY scope, name")
    queue = make_committed.queue()
    for _ in range(5):
        make_committed.ticket(queue)
    committed.commit()
    before = committed.execute(query).all()
    assert housekeeping.fold_tallies() > 0
    assert committed.execute(query).all() == before
    assert committed.execute(text("SELECT count(*) FROM tallies")).scalar_one() == len(before)
    assert housekeeping.fold_tallies() == 0


def test_raw_input_is_forgotten_after_its_time_but_never_in_quarantine(make_committed: Any, committed: Any) -> None:
    channel = make_committed.channel(make_committed.queue())
    states = ("ticketed", "dropped", "quarantined", "waiting")
    for state in states:
        event = waiting_event(channel.id)
        event.state = state
        event.finished_at = None if state == "waiting" else clock.now()
        committed.add(event)
    committed.commit()
    assert housekeeping.purge_raw() == 0
    old = f"UPDATE inbound_events SET finished_at = finished_at - interval '{settings().raw_retention_days + 1} days'"
    committed.execute(text(old))
    committed.commit()
    assert housekeeping.purge_raw() == 2
    kept = committed.query(InboundEvent.state).join(RawInput, RawInput.event_id == InboundEvent.id)
    assert {row.state for row in kept} == {"quarantined", "waiting"}


# --- processes --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def helpdesk(*arguments: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours, ended with -9 at the end of the block if it still runs."""
    process = subprocess.Popen([sys.executable, "-m", "wsgi", *arguments], cwd=ROOT, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.fault  # starts the program
def test_of_two_timetables_one_works_and_the_other_takes_over(app: Any, committed: Any, valkey: redis.Redis) -> None:
    def holders() -> int:
        with TimetableLock() as probe:
            return int(not probe.take())

    def wakes() -> str | None:
        committed.rollback()
        run = cron.last_runs().get("wake-tickets")
        return run.at.isoformat() if run else None

    with helpdesk("worker", "chores"), helpdesk("cron") as first:
        wait_for(lambda: holders() == 1 and wakes() is not None)
        with helpdesk("cron") as second:
            time.sleep(0.5)
            assert first.poll() is None and second.poll() is None
            first.kill()
            first.wait()
            before = wakes()
            wait_for(lambda: wakes() not in {None, before}, 60)
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
    assert holders() == 0


@pytest.mark.fault  # starts the program
def test_a_worker_ends_soon_after_a_signal_and_survives_a_wiped_redis(
    make_committed: Any, committed: Any, valkey: redis.Redis
) -> None:
    with helpdesk("worker", "chores") as worker:
        wait_for(lambda: lanes.count_workers("chores") == 1)
        wait_for(lambda: len(cron.last_runs()) == len(cron.TIMETABLE) or committed.rollback() is not None)
        valkey.flushall()
        committed.execute(text("DELETE FROM settings WHERE key LIKE 'chore:%'"))
        committed.commit()
        wait_for(lambda: lanes.ring("chores") and _chores_ran(committed))
        wait_for(lambda: lanes.count_workers("chores") == 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


def _chores_ran(session: Any) -> bool:
    session.rollback()
    return len(cron.last_runs()) == len(cron.TIMETABLE)


def test_lock_ends_with_its_connection(app: Any) -> None:
    with TimetableLock() as first, TimetableLock() as second:
        assert first.take() and first.held()
        assert not second.take()
        with psycopg.connect(settings().database_url.replace("+psycopg", "")) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert not first.held()
        assert second.take()
