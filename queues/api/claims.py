"""Taking tickets from the line, giving them back, handing them over, moving them: for programs."""

from typing import Annotated

from flask_babel import gettext as _
from pydantic import Field

from helpdesk import permissions
from helpdesk.api import shapes
from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Id, In, Out, Words
from helpdesk.api.shapes import TicketOut
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Scope, Ticket, User
from queues import fifo

noun = Noun("claims", "Who gets which ticket: first in, first out, by the rules of the queue.")

Reason = Annotated[Words, Field(max_length=300)]


class Claimed(Out):
    """The ticket that the user owns now; null when nobody waits."""

    ticket: TicketOut | None


class ClaimIn(In):
    """Why this ticket goes before others: a strict queue wants to know (422 with `facts.needs_reason`)."""

    reason: Reason | None = None


class HandOverIn(In):
    """To whom."""

    user_id: Id
    reason: Reason | None = None


class MoveIn(In):
    """Where to."""

    queue_id: Id


@noun.post("/claims", scope=Scope.CLAIMS_WRITE, answer=Claimed)
def take_next(caller: Caller) -> Claimed:
    """Take the oldest ticket of all queues in which the user works.

    Send an Idempotency-Key: then a request that is sent again takes the same ticket and not one more.
    """
    return _claimed(fifo.claim_next(caller.user))


@noun.post("/queues/{queue_id}/claims", scope=Scope.CLAIMS_WRITE, answer=Claimed)
def take_next_of(caller: Caller, queue_id: int) -> Claimed:
    """Take the next ticket of one queue."""
    return _claimed(fifo.claim_next(caller.user, queue_id))


@noun.post("/tickets/{ticket_id}/claims", scope=Scope.CLAIMS_WRITE, answer=TicketOut, body=ClaimIn)
def take(caller: Caller, ticket_id: int, body: ClaimIn) -> TicketOut:
    """Take this ticket."""
    return shapes.shape(fifo.claim_this(caller.user, ticket_id, body.reason))


@noun.post("/tickets/{ticket_id}/release", scope=Scope.CLAIMS_WRITE, answer=TicketOut)
def release(caller: Caller, ticket_id: int) -> TicketOut:
    """Give a ticket back to its queue, where it keeps its place."""
    return shapes.shape(fifo.release(caller.user, ticket_id))


@noun.post("/tickets/{ticket_id}/handover", scope=Scope.CLAIMS_WRITE, answer=TicketOut, body=HandOverIn)
def hand_over(caller: Caller, ticket_id: int, body: HandOverIn) -> TicketOut:
    """Make a colleague, or oneself, the owner."""
    to = db.session.get(User, body.user_id)
    if to is None:
        raise NotFound(_("There is no such person."))
    return shapes.shape(fifo.hand_over(caller.user, ticket_id, to, body.reason))


@noun.post("/tickets/{ticket_id}/move", scope=Scope.CLAIMS_WRITE, answer=TicketOut, body=MoveIn)
def move(caller: Caller, ticket_id: int, body: MoveIn) -> TicketOut:
    """Put a ticket into another queue that the user sees; its clocks go with it."""
    queue = permissions.get_queue(caller.user, body.queue_id)
    return shapes.shape(fifo.move(caller.user, ticket_id, queue))


def _claimed(ticket: Ticket | None) -> Claimed:
    return Claimed(ticket=None if ticket is None else shapes.shape(ticket))
