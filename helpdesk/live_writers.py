"""Who is writing to a customer, for the lists of everybody who follows the ticket's queue.

A list that read itself again for each beat of each page would cost a page per operator and sentence; a name is a few
bytes, and goes the way of the figures (`live_figures`). Whoever goes on writing is told again with each beat of their
page, so that a list forgets by itself who was never heard of again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import structlog

from helpdesk import live

log = structlog.get_logger(__name__)

CHANNEL = "live:writers"


@dataclass(frozen=True)
class Writers:
    """Who writes to the customer on one ticket, names by the ids of users. `is_news`: it differs from before."""

    queue_id: int
    ticket_id: int
    names: Mapping[int, str]
    is_news: bool

    def but(self, user_id: int) -> list[str]:
        """The names of those who are not `user_id`, in alphabetical order."""
        return sorted(name for id_, name in self.names.items() if id_ != user_id)


def publish(writers: Writers) -> None:
    """Tell all web processes. A missing Redis costs a mark in a list, nothing else."""
    said = [writers.queue_id, writers.ticket_id, dict(writers.names), writers.is_news]
    try:
        live.connection().publish(CHANNEL, json.dumps(said))
    except redis.RedisError as error:
        log.info("lists are not told who writes while Redis is away", error=str(error))


def heard(text: str) -> Writers:
    """What `publish` said."""
    queue_id, ticket_id, names, is_news = json.loads(text)
    return Writers(queue_id, ticket_id, {int(id_): name for id_, name in names.items()}, is_news)
