"""States of a ticket, their kinds, and the moves between them."""

from enum import StrEnum


class Kind(StrEnum):
    """What a state means for work: active waits for us, paused for time or the customer, finished for nobody."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"


class State(StrEnum):
    """States of a ticket."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    WAITING = "waiting"
    SOLVED = "solved"
    UNSOLVED = "unsolved"
    SPAM = "spam"
    MERGED = "merged"


KIND = {
    State.NEW: Kind.ACTIVE,
    State.OPEN: Kind.ACTIVE,
    State.PENDING: Kind.PAUSED,
    State.WAITING: Kind.PAUSED,
    State.SOLVED: Kind.FINISHED,
    State.UNSOLVED: Kind.FINISHED,
    State.SPAM: Kind.FINISHED,
    State.MERGED: Kind.FINISHED,
}

CLOSING = (State.SOLVED, State.UNSOLVED, State.SPAM)

# Finished is terminal: only the queue's follow-up policy or an undo opens it again, through `Ticket.reopen`.
MOVES = {
    Kind.ACTIVE: {Kind.ACTIVE, Kind.PAUSED, Kind.FINISHED},
    Kind.PAUSED: {Kind.ACTIVE, Kind.PAUSED, Kind.FINISHED},
    Kind.FINISHED: set[Kind](),
}


class Priority:
    """Priorities as stored: a smaller number goes first where the queue orders by priority."""

    URGENT = 1
    HIGH = 2
    NORMAL = 3
    LOW = 4
    ALL = (URGENT, HIGH, NORMAL, LOW)
