"""What happens when a promise is about to be broken, or is: people are told, and the ticket is raised or moved.

Each stage of a promise (warning, breach) comes once in its life, so whatever a target orders is done once: a ticket
that is moved to and fro by two targets stops after each has had its say.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import and_, or_, select

from helpdesk.db import db
from helpdesk.models.event import Event
from helpdesk.models.notice import tell_people
from helpdesk.models.promise import TicketPromise
from helpdesk.models.promise_facts import PromiseWarned
from helpdesk.models.queue import Queue
from helpdesk.models.ticket import Kind, Priority, Ticket
from helpdesk.models.user import Membership, QueueRight, Right, Role, User

log = structlog.get_logger(__name__)


def attend(ticket: Ticket) -> int:
    """Do what is due on the ticket's promises now, in the present transaction; its row is locked by the caller.

    Returns how many stages were reached.
    """
    happened = ticket.watch_promises()
    db.session.flush()  # the events get their ids, which name them as the cause of what follows
    for promise, event in happened:
        is_warning = event.kind == PromiseWarned.kind
        steps = promise.target.at_warning if is_warning else promise.target.at_breach
        _tell(ticket, promise, event.kind, steps)
        with _caused_by(event):
            _act(ticket, steps)
    return len(happened)


def supervisors_of(queue_id: int) -> list[int]:
    """Ids of those who supervise the queue by their groups; where there are none, of the administrators."""
    looks_after = or_(
        QueueRight.right == Right.SUPERVISE,
        and_(QueueRight.right == Right.WORK, User.role.in_([Role.SUPERVISOR, Role.ADMINISTRATOR])),
    )
    query = (
        select(User.id)
        .distinct()
        .join(Membership, Membership.user_id == User.id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(QueueRight.queue_id == queue_id, User.active, looks_after)
    )
    found = list(db.session.scalars(query))
    return found or list(db.session.scalars(select(User.id).where(User.role == Role.ADMINISTRATOR, User.active)))


def _tell(ticket: Ticket, promise: TicketPromise, kind: str, steps: dict[str, Any]) -> None:
    people = set(supervisors_of(ticket.queue_id))
    if ticket.owner_id is not None:
        people.add(ticket.owner_id)
    if user_id := steps.get("user_id"):
        people.update(db.session.scalars(select(User.id).where(User.id == user_id, User.active)))
    if group_id := steps.get("group_id"):
        members = select(User.id).join(Membership, Membership.user_id == User.id)
        people.update(db.session.scalars(members.where(Membership.group_id == group_id, User.active)))
    due = promise.due_at.isoformat() if promise.due_at else None
    tell_people(people, kind, ticket.id, promise=promise.kind, due_at=due)


def _act(ticket: Ticket, steps: dict[str, Any]) -> None:
    match steps.get("raise"):
        case "urgent":
            ticket.prioritise(None, Priority.URGENT)
        case "one":
            ticket.prioritise(None, max(ticket.priority - 1, Priority.URGENT))
    if (queue_id := steps.get("queue_id")) and ticket.kind != Kind.FINISHED:
        queue = db.session.get(Queue, queue_id)
        if queue is not None and queue.active and queue.project_id == ticket.project_id:
            ticket.move(None, queue)
        else:
            log.warning("a target orders a move to a queue that cannot take the ticket", ticket=ticket.id, to=queue_id)


@contextmanager
def _caused_by(event: Event) -> Iterator[None]:
    """What is recorded inside names `event` as its cause."""
    info = db.session().info
    info["cause_id"] = event.id
    try:
        yield
    finally:
        info.pop("cause_id", None)
