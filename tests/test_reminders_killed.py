"""kill -9 of whoever reminds: a task that is due is told once, wherever the process was cut off."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.models import Notice, Task
from helpdesk.models.task import make_task

pytestmark = pytest.mark.fault
ROOT = Path(__file__).resolve().parent.parent
TASKS = 60

Process = "subprocess.Popen[str]"
Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(committed: Any) -> Iterator[Launch]:
    """Starts reminding processes; whatever still lives is killed at the end, before the tables are emptied."""
    started: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.reminding_process"],
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
        process.communicate()


@pytest.fixture
def tasks(launch: Launch, make_committed: Any, committed: Any) -> list[int]:
    """Tasks of ann and bob whose time has come."""
    cast = make_committed.cast()
    due = clock.now() - timedelta(minutes=5)
    people = [cast.ann, cast.bob] * (TASKS // 2)
    made = [make_task(cast.ann, user, f"Позвонить {number}", due) for number, user in enumerate(people)]
    committed.commit()
    return [task.id for task in made]


def lines(process: "subprocess.Popen[str]", count: int = 1) -> list[str]:
    """The next lines that it says, fewer where it ended."""
    assert process.stdout is not None
    return [line.strip() for _number in range(count) if (line := process.stdout.readline())]


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def to_the_end(process: "subprocess.Popen[str]") -> None:
    said, _errors = process.communicate(timeout=60)
    assert "done" in said, said


def told(session: Any) -> Counter[int]:
    """How often each task was told of."""
    session.rollback()
    return Counter(one["task_id"] for one in session.scalars(select(Notice.payload).where(Notice.kind == "task.due")))


def test_killed_right_before_its_commit_it_told_nobody(committed: Any, launch: Launch, tasks: list[int]) -> None:
    process = launch(FREEZE="before")
    assert lines(process) == ["frozen"]
    kill(process)
    assert told(committed) == {}
    assert committed.scalars(select(Task.id).where(Task.reminded_at.is_not(None))).all() == []
    to_the_end(launch())
    assert told(committed) == dict.fromkeys(tasks, 1)


def test_killed_right_after_its_commit_it_told_once(committed: Any, launch: Launch, tasks: list[int]) -> None:
    process = launch(FREEZE="after")
    assert lines(process) == ["frozen"]
    kill(process)
    assert told(committed) == dict.fromkeys(tasks, 1)
    to_the_end(launch())
    assert told(committed) == dict.fromkeys(tasks, 1)


def test_killed_anywhere_each_is_told_once(committed: Any, launch: Launch, tasks: list[int]) -> None:
    """Two at a time, killed after a few looks each, over and over; the last one may finish."""
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    for _round in range(2):
        pair = [launch(AT_ONCE="1"), launch(AT_ONCE="2")]
        for process in pair:
            lines(process, dice.randint(1, 4))
        for process in pair:
            kill(process)
    to_the_end(launch())
    assert told(committed) == dict.fromkeys(tasks, 1), f"seed {seed}"
