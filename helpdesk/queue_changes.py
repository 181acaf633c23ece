"""What administrators do with queues, and what that does to the tickets that wait in them."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import live
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.channel import CONNECTED, Channel
from helpdesk.models.event import Placed, record_change
from helpdesk.models.queue import Queue
from helpdesk.models.ticket import Kind, Ticket
from helpdesk.models.user import Group, QueueRight, Right, User
from helpdesk.staff import apply, members_of, set_right, touch_rights


def save_queue(by: User, queue: Queue, values: Mapping[str, Any], rights: Mapping[int, Right | None]) -> None:
    """Columns and rights (group id to right) of a queue, new or not. A changed clock puts its tickets in a new order.

    Raises Refused when the name is taken, or when a queue is closed that tickets or channels still need.
    """
    taken = select(Queue.id).where(func.lower(Queue.name) == values["name"].lower(), Queue.id != (queue.id or 0))
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a queue with that name already."))
    if queue.id is not None:
        db.session.refresh(queue, with_for_update={"key_share": True})
        if queue.active and not values["active"]:
            _check_not_needed(queue)
    changes: dict[str, Any] = apply(queue, values)
    db.session.add(queue)
    db.session.flush()
    given = set_rights(queue, rights)
    if given:
        changes["rights"] = given
    if changes:
        record_change(by.id, "queue", queue.id, queue.name, changes)
        live.touch(f"queue:{queue.id}")
    if {"clock", "by_priority"} & changes.keys():
        put_in_order(by, queue)


def put_in_order(by: User, queue: Queue) -> None:
    """Give every active ticket of the queue its place by the queue's present clock and rule of priority."""
    query = select(Ticket).where(Ticket.queue_id == queue.id, Ticket.kind == Kind.ACTIVE).order_by(Ticket.id)
    for ticket in db.session.scalars(query.with_for_update(of=Ticket, key_share=True)):
        place = (ticket.line_class, ticket.line_at)
        with ticket.changing(by):
            ticket.line_class = ticket.priority if queue.by_priority else 0
        if (ticket.line_class, ticket.line_at) != place:
            ticket.record(by, Placed(), moved=True)


def set_rights(queue: Queue, rights: Mapping[int, Right | None]) -> dict[str, list[str | None]]:
    """Give groups (group id to right) what they may do in the queue. Returns by group name what was and what is."""
    query = select(Group.id, Group.name, QueueRight.right).outerjoin(
        QueueRight, (QueueRight.group_id == Group.id) & (QueueRight.queue_id == queue.id)
    )
    changes: dict[str, list[str | None]] = {}
    for group_id, name, before in db.session.execute(query.where(Group.id.in_(rights))).all():
        if before != rights[group_id]:
            changes[name] = [before, rights[group_id]]
            set_right(group_id, queue.id, rights[group_id])
            touch_rights(members_of([group_id]))
    return changes


def _check_not_needed(queue: Queue) -> None:
    waiting = select(func.count()).where(Ticket.queue_id == queue.id, Ticket.kind != Kind.FINISHED)
    if db.session.scalar(waiting):
        raise Refused(_("There are open tickets in this queue. Finish them or move them first."))
    channel = db.session.scalar(select(Channel.name).where(Channel.queue_id == queue.id, CONNECTED))
    if channel is not None:
        raise Refused(_("The channel %(name)s brings its tickets here. Give it another queue first.", name=channel))
