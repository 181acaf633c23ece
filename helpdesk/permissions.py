"""Who may see and do what. Access is the lookup: rows are fetched through these selects.

A group gives its members a right in a queue (see, work, supervise; each includes the ones before). A supervisor's
right to work in a queue counts as the right to supervise it; an administrator supervises everything.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import joinedload

from helpdesk.db import db, remembered
from helpdesk.errors import Forbidden, NotFound
from helpdesk.models.conversation import Conversation
from helpdesk.models.definitions import definitions
from helpdesk.models.queue import Queue
from helpdesk.models.ticket import Ticket, TicketPerson, lock_conversation
from helpdesk.models.user import RIGHT_RANK, Group, Membership, Permission, QueueRight, Right, User

# What every page of a ticket shows beside it, in the same round trip.
WITH_PLACE = (
    joinedload(Ticket.queue, innerjoin=True),
    joinedload(Ticket.conversation, innerjoin=True).joinedload(Conversation.channel, innerjoin=True),
)


def _ranks(right: Right, user: User) -> list[str]:
    least = RIGHT_RANK[right]
    if user.is_supervisor and right == Right.SUPERVISE:
        least = RIGHT_RANK[Right.WORK]
    return [name.value for name, rank in RIGHT_RANK.items() if rank >= least]


def queue_ids(user: User, right: Right = Right.SEE) -> Select[Any]:
    """Ids of the queues in which `user` holds at least `right`."""
    if user.is_administrator:
        return select(Queue.id)
    return (
        select(QueueRight.queue_id)
        .join(Membership, Membership.group_id == QueueRight.group_id)
        .where(Membership.user_id == user.id, QueueRight.right.in_(_ranks(right, user)))
    )


def queues(user: User, right: Right = Right.SEE) -> Select[tuple[Queue]]:
    """Active queues in which `user` holds at least `right`, in alphabetical order."""
    return (
        select(Queue)
        .where(Queue.active, Queue.id.in_(queue_ids(user, right)))
        .order_by(func.sort_key(Queue.name), Queue.id)
    )


def visible(user: User) -> ColumnElement[bool]:
    """The condition on `Ticket` that says whether `user` may see it: its present queue, or taking part in it."""
    if user.is_administrator:
        return Ticket.id.is_not(None)
    return or_(
        Ticket.queue_id.in_(queue_ids(user)),
        exists().where(TicketPerson.ticket_id == Ticket.id, TicketPerson.user_id == user.id),
    )


def may(user: User, right: Right, queue_id: int) -> bool:
    """Whether `user` holds `right` in the queue."""
    return db.session.scalar(select(queue_ids(user, right).where(_queue_column(user) == queue_id).exists())) or False


def rights(user: User, queue_id: int) -> frozenset[Right]:
    """All rights of `user` in the queue, asked for once in a transaction: for pages, which offer what verbs guard."""

    def read() -> frozenset[Right]:
        if user.is_administrator:
            return frozenset(Right) if may(user, Right.SEE, queue_id) else frozenset()
        here = _held(user).get(queue_id, set())
        return frozenset(right for right in Right if not here.isdisjoint(_ranks(right, user)))

    return remembered(f"rights:{user.id}:{queue_id}", read)


def know_rights(user: User, held: Iterable[tuple[int, str]]) -> None:
    """Remember for the present transaction what rights in queues the groups of `user` have: (id of a queue, right)."""
    remembered(f"held:{user.id}", lambda: _by_queue(held))


def _held(user: User) -> dict[int, set[str]]:
    def read() -> dict[int, set[str]]:
        query = select(QueueRight.queue_id, QueueRight.right)
        query = query.join(Membership, Membership.group_id == QueueRight.group_id)
        return _by_queue(db.session.execute(query.where(Membership.user_id == user.id)).tuples())

    return remembered(f"held:{user.id}", read)


def _by_queue(held: Iterable[tuple[int, str]]) -> dict[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for queue_id, right in held:
        found[queue_id].add(right)
    return dict(found)


def edits_dialog_settings(user: User) -> bool:
    """Whether `user` may edit lists and fields: administrators, and whom one of them granted it."""
    return user.is_administrator or user.id in definitions().editors


def edits_texts(user: User) -> bool:
    """Whether `user` may edit ready answers and their variables: administrators, and whom one of them granted it."""
    if user.is_administrator or Permission.TEXTS in user.permissions:
        return True
    mine = select(Membership.user_id).join(Group, Group.id == Membership.group_id)
    mine = mine.where(Membership.user_id == user.id, Group.permissions.contains([Permission.TEXTS.value]))
    return db.session.scalar(mine.limit(1)) is not None


def _queue_column(user: User) -> Any:
    return Queue.id if user.is_administrator else QueueRight.queue_id


def get_ticket_to_note(user: User, ticket_id: int, lock: bool = False) -> Ticket:
    """As `get_ticket`, for whoever works in its queue or was called in on it: they may leave notes.

    Raises NotFound, or Forbidden for those who only see the queue.
    """
    ticket = get_ticket(user, ticket_id, lock=lock)
    if not may_note(user, ticket):
        raise Forbidden(_("You may read this ticket but not work in its queue."))
    return ticket


def may_note(user: User, ticket: Ticket) -> bool:
    """Whether `user` may leave notes on a ticket that they see."""
    return Right.WORK in rights(user, ticket.queue_id) or ticket.has_colleague(user)


def get_queue(user: User, queue_id: int, right: Right = Right.SEE) -> Queue:
    """The queue as `user` may see it. Raises NotFound when it is absent or hidden, Forbidden without the right."""
    sees = user.is_administrator or queue_id in _held(user)
    queue = db.session.scalar(_queue_by_id(), {"id": queue_id}) if sees else None
    if queue is None:
        raise NotFound(_("There is no such queue."))
    if right != Right.SEE and not may(user, right, queue_id):
        raise Forbidden(_("You may see this queue but not work in it."))
    return queue


@cache
def _queue_by_id() -> Select[tuple[Queue]]:
    return select(Queue).where(Queue.id == bindparam("id"))


def get_ticket(user: User, ticket_id: int, right: Right = Right.SEE, lock: bool = False) -> Ticket:
    """The ticket as `user` may see it, its row locked when it is going to be changed.

    Raises NotFound when it is absent or hidden, Forbidden when the user may see but not work in its queue.
    """
    query = select(Ticket).where(Ticket.id == ticket_id, visible(user))
    if not lock:
        query = query.options(*WITH_PLACE)
    elif (conversation_id := db.session.scalar(query.with_only_columns(Ticket.conversation_id))) is not None:
        lock_conversation(conversation_id)  # always before the ticket, as the intake does
        query = query.with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
    ticket = db.session.scalar(query)
    if ticket is None:
        raise NotFound(_("There is no such ticket."))
    if right != Right.SEE and not may(user, right, ticket.queue_id):
        raise Forbidden(_("You may read this ticket but not work in its queue."))
    return ticket
