"""Figures of queues for the open streams of one process: read once a second at most, for all browsers together.

A rail that fetched itself again on every change would cost a page per operator and message; the figures themselves are
a few bytes. Only those go out whose queue the stream may follow, which the hub has found by the rights of its user.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from helpdesk.queries.counters import figures_of

log = structlog.get_logger(__name__)

GAP_SECONDS = 1.0
PREFIX = "queue:"

Figures = dict[str, dict[str, Any]]


class FigureReader:
    """Reads the figures of queues that changed and hands them to `spread`, by topic: {waiting, oldest_at}."""

    def __init__(self, spread: Callable[[Figures], None]) -> None:
        self._spread = spread
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._stirred = threading.Event()

    def note(self, topics: Collection[str]) -> None:
        """Some of these topics may be queues that changed."""
        queues = {topic for topic in topics if topic.startswith(PREFIX)}
        if queues:
            with self._lock:
                self._changed |= queues
            self._stirred.set()

    def work(self, app: Flask, ending: Callable[[], bool]) -> None:
        """Read until the process ends. A database that is away costs freshness, nothing else."""
        while not ending():
            if not self._stirred.wait(GAP_SECONDS):
                continue
            self._stirred.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
            try:
                with app.app_context():
                    self._spread(read_figures(changed))
            except SQLAlchemyError as error:
                log.warning("figures of queues could not be read", error=str(error)[:300])
            time.sleep(GAP_SECONDS)


def read_figures(topics: Collection[str]) -> Figures:
    """The present figures of queues by their topics; one query."""
    ids = [int(topic.removeprefix(PREFIX)) for topic in topics if topic.removeprefix(PREFIX).isdecimal()]
    return {
        f"{PREFIX}{figure.queue_id}": {
            "waiting": figure.waiting,
            "oldest_at": figure.oldest_at.isoformat() if figure.oldest_at else None,
        }
        for figure in figures_of(ids)
    }
