"""Queues and their figures."""

from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Id, Moment, Out
from helpdesk.models import Scope
from helpdesk.queries.counters import queue_figures

noun = Noun("queues", "Where tickets wait for people.")


class QueueOut(Out):
    """A queue; `waiting` are the tickets that nobody has taken, `oldest_at` is since when the first of them waits."""

    id: Id
    name: str
    waiting: int
    active: int
    oldest_at: Moment | None


class QueueList(Out):
    """All queues at once."""

    items: list[QueueOut]


@noun.get("/queues", scope=Scope.QUEUES_READ, answer=QueueList)
def index(caller: Caller) -> QueueList:
    """List the queues that the user sees, with their figures, in alphabetical order."""
    return QueueList(
        items=[
            QueueOut(
                id=figures.queue_id,
                name=figures.name,
                waiting=figures.waiting,
                active=figures.active,
                oldest_at=figures.oldest_at,
            )
            for figures in queue_figures(caller.user)
        ]
    )
