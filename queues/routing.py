"""Where a new ticket goes: a pure function of the message and the channel's own queue."""

from dataclasses import dataclass

from helpdesk.models.ticket.states import Priority
from queues.channels.base import Understood


@dataclass(frozen=True)
class Route:
    """A place for a new ticket: its queue and its priority."""

    queue_id: int
    priority: int = Priority.NORMAL


def route(_message: Understood, channel_queue_id: int) -> Route:
    """The channel's own queue. Rules of the way in have their place here."""
    return Route(channel_queue_id)
