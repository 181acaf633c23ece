"""kill -9 of a sending process: before the dot the mail leaves once, after it nobody knows, and never twice unseen."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.models import OutboxItem, Ticket
from queues import delivery, outbox
from tests.mail_out.test_delivery import Answered, Fresh, connect
from tests.smtp_server import TAKE_AND_CLOSE, SmtpServer

pytestmark = pytest.mark.fault
ROOT = Path(__file__).resolve().parent.parent.parent

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def server(serve: Callable[..., SmtpServer], people: Any, make_committed: Any) -> SmtpServer:
    running = serve()
    connect(people.mailbox, running)
    make_committed.session.commit()
    return running


@pytest.fixture
def launch(server: SmtpServer) -> Iterator[Launch]:
    """Starts sending processes; whatever still lives is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.mail_out.sender_process"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for_line(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f"the process ended without saying {word!r}")


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


def let_leases_end(session: Any) -> None:
    session.rollback()
    session.execute(
        text("UPDATE outbox_items SET lease_until = helpdesk_now() - interval '1 s' WHERE state = 'sending'")
    )
    session.commit()


def test_killed_before_the_dot_is_sent_once(
    server: SmtpServer, launch: Launch, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    item = answered()
    process = launch(FREEZE="before")
    wait_for_line(process, "frozen")
    assert fresh(item).delivery == "sending"
    assert outbox.drain() == 0, "leased by the other process"
    kill(process)
    assert server.received == []
    let_leases_end(committed)
    outbox.drain()
    assert fresh(item).delivery == "sent"
    assert len(server.received) == 1


def test_killed_after_the_dot_was_announced_is_unknown(
    server: SmtpServer, launch: Launch, answered: Answered, fresh: Fresh, committed: Any, people: Any
) -> None:
    item = answered()
    process = launch(FREEZE="after")
    wait_for_line(process, "frozen")
    kill(process)
    let_leases_end(committed)
    outbox.drain()
    assert fresh(item).delivery == "unknown"
    assert server.received == [], "it is not sent again by itself"
    delivery.retry_failed(people.ann, item.message)
    committed.commit()
    outbox.drain()
    assert fresh(item).delivery == "sent"
    assert len(server.received) == 1


def test_frozen_process_that_wakes_up_late_sends_nothing(
    server: SmtpServer, launch: Launch, answered: Answered, fresh: Fresh, committed: Any
) -> None:
    """It goes on when its lease is over and another has sent the mail: the fence holds."""
    item = answered()
    process = launch(FREEZE="before")
    wait_for_line(process, "frozen")
    let_leases_end(committed)
    outbox.drain()
    assert fresh(item).delivery == "sent"
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()
    wait_for_line(process, "handled")
    assert len(server.received) == 1
    assert fresh(item).delivery == "sent"


@pytest.mark.timeout(300)
def test_random_kills_lose_and_double_nothing(
    server: SmtpServer, launch: Launch, answered: Answered, committed: Any
) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 10**6)
    print("SEED", seed)
    chance = random.Random(seed)
    first = answered("0")
    tickets = [committed.get(Ticket, first.message.ticket_id)]
    for number in range(1, 60):
        ticket = chance.choice([*tickets, None])
        item = answered(str(number), ticket=ticket)
        tickets.append(committed.get(Ticket, item.message.ticket_id))
    for step, answers in (
        ("dot", ["451 4.3.0 later", TAKE_AND_CLOSE]),
        ("rcpt", ["450 4.2.1 busy"]),
        ("data", ["451 x"]),
    ):
        server.say(step, *answers)
    kills = 0
    for _ in range(5):
        process = launch()
        enough = len(server.received) + chance.randint(1, 8)
        until = time.monotonic() + 30
        while len(server.received) < enough and time.monotonic() < until:
            time.sleep(0.002)
        kill(process)
        kills += len(server.received) >= enough
        let_leases_end(committed)
    for _ in range(5):
        outbox.drain()
        committed.rollback()
        committed.execute(text("UPDATE outbox_items SET not_before = helpdesk_now() WHERE state = 'deferred'"))
        committed.commit()
    committed.expire_all()
    items = committed.query(OutboxItem).all()
    states = Counter(item.state for item in items)
    times = Counter(received.mail["message-id"] for received in server.received)
    assert kills >= 3, "too few of the processes were killed at work"
    assert set(states) <= {"sent", "unknown"}, states
    for item in items:
        count = times[item.message.header_id]
        assert count <= 1, "the same mail twice"
        assert count == 1 or item.state == "unknown", "marked as sent without having left"
    assert len(items) == 60
