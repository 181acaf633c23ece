"""What a message does to the tickets of its conversation: attach, wake, reopen, refuse, or open a new one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from helpdesk.models import FollowUp, Ticket
from helpdesk.models.ticket.states import Kind, State

AUTOMATIC = frozenset({"auto-reply", "auto-generated", "report", "list", "bulk", "call"})


class Way(StrEnum):
    """What is to be done with the ticket that `place` found."""

    ATTACH = "attach"
    WAKE = "wake"
    REOPEN = "reopen"
    REFUSE = "refuse"
    NEW = "new"


def place(tickets: Sequence[Ticket], nature: str, at: datetime) -> tuple[Way, Ticket | None]:
    """The ticket that a message belongs to, of those of a locked conversation (newest first), and what it does to it.

    The active one first, else the latest paused one, else the queue's policy for the latest finished one. Automatic
    mail wakes, reopens and opens nothing: it is kept where it belongs.
    """
    tickets = [ticket for ticket in tickets if ticket.state != State.MERGED]
    for kind, way in ((Kind.ACTIVE, Way.ATTACH), (Kind.PAUSED, Way.WAKE)):
        found = next((ticket for ticket in tickets if ticket.kind == kind), None)
        if found is not None:
            return (Way.ATTACH if nature in AUTOMATIC else way), found
    if not tickets:
        return Way.NEW, None
    latest = tickets[0]
    if nature in AUTOMATIC:
        return Way.ATTACH, latest
    return policy(latest, nature, at), latest


def policy(ticket: Ticket, nature: str, at: datetime) -> Way:
    """What the queue of a finished ticket does with a follow-up at a moment. A bounce is never refused.

    Nobody works in a queue that was closed: what follows its tickets is new.
    """
    queue = ticket.queue
    if not queue.active:
        return Way.NEW
    if queue.follow_up == FollowUp.REFUSE and nature != "bounce":
        return Way.REFUSE
    finished = ticket.finished_at or at
    if queue.follow_up == FollowUp.REOPEN and at - finished <= timedelta(days=queue.reopen_days):
        return Way.REOPEN
    return Way.NEW


def bring_back(ticket: Ticket, cause: str, at: datetime) -> bool:
    """Bring a ticket to attention because its message failed: wake it, or reopen it where the queue allows.

    False when it stays as it is (active already, another one is active, or the policy says no).
    """
    if ticket.kind == Kind.PAUSED:
        return ticket.wake(None, cause)
    if ticket.kind == Kind.FINISHED and policy(ticket, "bounce", at) == Way.REOPEN and ticket.rival_id() is None:
        ticket.reopen(None, cause)
        return True
    return False
