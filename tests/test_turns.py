"""Requests that pages make by themselves take turns; whoever presses a key does not wait for them."""

import threading
from collections.abc import Iterable
from typing import Any

from helpdesk.turns import Turns, can_wait

BACKGROUND = {"REQUEST_METHOD": "GET", "HTTP_X_BACKGROUND": "1"}
BY_HAND = {"REQUEST_METHOD": "GET"}


class Slow:
    """An application whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        if "HTTP_X_BACKGROUND" in environ:
            self.began.release()
            assert self.go.wait(20)
        return [b"done"]


def test_only_so_many_are_worked_on_at_once_and_people_come_first() -> None:
    slow = Slow()
    turns = Turns(slow, at_once=2)
    asked = [threading.Thread(target=turns, args=(BACKGROUND, None)) for _ in range(5)]
    for one in asked:
        one.start()
    assert slow.began.acquire(timeout=20) and slow.began.acquire(timeout=20)
    assert turns(BY_HAND, None) == [b"done"]  # type: ignore[arg-type]  # nothing starts an answer here
    assert not slow.began.acquire(blocking=False)  # three of them wait for their turn
    slow.go.set()
    for one in asked:
        one.join(20)
    assert [slow.began.acquire(timeout=20) for _ in range(3)] == [True] * 3


def test_a_turn_ends_with_an_error_too() -> None:
    def fails(_environ: Any, _start: Any) -> Iterable[bytes]:
        raise LookupError

    turns = Turns(fails, at_once=1)
    for _ in range(3):
        try:
            turns(BACKGROUND, None)  # type: ignore[arg-type]
        except LookupError:
            continue
        raise AssertionError("the error was swallowed")


def test_who_waits() -> None:
    stream = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT": "text/event-stream"}
    assert can_wait(BACKGROUND) and can_wait(stream)
    assert not can_wait(BY_HAND)
    assert not can_wait(BACKGROUND | {"REQUEST_METHOD": "POST"})
    assert not can_wait(BACKGROUND | {"CONTENT_LENGTH": "12"})  # its body may be long in coming
