"""First in, first out: who gets which ticket next. The only place that hands tickets to people.

A claim is one short transaction that holds the queue's row FOR NO KEY UPDATE and takes the first free ticket in line.
Skip-locked alone would let two claimers overtake each other; a plain FOR UPDATE would collide with every new ticket.
Locks are taken in one order: queue, operator, conversation, ticket.
"""

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk import permissions
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused, TooMany
from helpdesk.models import Queue, Right, Ticket, User
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.line import line, oldest_queue, position

TRIES = 5


def claim_next(user: User, queue_id: int | None = None, key: str | None = None) -> Ticket | None:
    """Make `user` the owner of the ticket whose turn it is: of one queue, or the oldest of all their queues.

    None when nobody waits. The same `key` gives the same ticket again, however often it is asked. Raises NotFound,
    Forbidden, or TooMany when the operator's or queue's limit is reached.
    """
    if (earlier := repeat(user, key)) is not None:
        return earlier
    ticket = _claim_of(user, queue_id) if queue_id is not None else _claim_oldest(user)
    if key is not None and ticket is not None:
        _remember(user, key, ticket)
    return ticket


def claim_this(user: User, ticket_id: int, reason: str | None = None, key: str | None = None) -> Ticket:
    """Make `user` the owner of one ticket. Where it is not the next of a strict queue, a reason is asked for.

    Raises Conflict with the owner's name when somebody was faster, Refused without a needed reason, TooMany.
    """
    if (earlier := repeat(user, key)) is not None:
        return earlier
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    queue = _lock_queue(seen.queue_id)
    if seen.owner_id != user.id:
        _check_limit(user, queue)
    ticket = _lock_ticket(user, ticket_id, queue)
    reason = (reason or "").strip() or None
    ticket.claim(user, reason, _passed_over(ticket, queue, reason))
    if key is not None:
        _remember(user, key, ticket)
    return ticket


def release(user: User, ticket_id: int) -> Ticket:
    """Give a ticket back; it keeps its place. The owner may, and whoever supervises the queue."""
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    if ticket.owner_id != user.id and not permissions.may(user, Right.SUPERVISE, ticket.queue_id):
        raise Conflict(_("Only its owner or a supervisor can give this ticket back."), owner_id=ticket.owner_id)
    ticket.release(user)
    return ticket


def hand_over(user: User, ticket_id: int, to: User, reason: str | None = None) -> Ticket:
    """Make `to` the owner. Where that takes a ticket out of its turn, the rules of `claim_this` hold.

    Raises Refused when `to` may not work in the ticket's queue or a reason is needed, TooMany when one takes a ticket
    oneself and has enough.
    """
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    queue = _lock_queue(seen.queue_id)
    if to.id == user.id and seen.owner_id != user.id:
        _check_limit(user, queue)
    ticket = _lock_ticket(user, ticket_id, queue)
    if not permissions.may(to, Right.WORK, ticket.queue_id):
        raise Refused(_("%(name)s may not work in this queue.", name=to.name))
    reason = (reason or "").strip() or None
    ticket.hand_over(user, to, reason, _passed_over(ticket, queue, reason))
    return ticket


def move(user: User, ticket_id: int, to: Queue) -> Ticket:
    """Put a ticket into another queue, where it stands at its own clock."""
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    ticket.move(user, to)
    return ticket


def foresee(user: User) -> None:
    """Lock the queue that `claim_next` would take from, for whoever must lock another ticket in between."""
    queue_id = oldest_queue(permissions.queue_ids(user, Right.WORK))
    if queue_id is not None:
        _lock_queue(queue_id)


def _claim_of(user: User, queue_id: int) -> Ticket | None:
    permissions.get_queue(user, queue_id, Right.WORK)
    queue = _lock_queue(queue_id)
    _check_limit(user, queue)
    return _take_first(user, queue_id)


def _claim_oldest(user: User) -> Ticket | None:
    """Find the overall first, lock its queue, look again: another one may have become the first meanwhile."""
    mine = permissions.queue_ids(user, Right.WORK)
    for _try in range(TRIES):
        queue_id = oldest_queue(mine)
        if queue_id is None:
            return None
        savepoint = db.session.begin_nested()
        queue = _lock_queue(queue_id)
        if oldest_queue(mine) == queue_id:
            savepoint.commit()
            _check_limit(user, queue)
            return _take_first(user, queue_id)
        savepoint.rollback()  # lets go of the queue's row
    raise Conflict(_("Many people are taking tickets at this moment. Try again."))


def _take_first(user: User, queue_id: int) -> Ticket | None:
    first = line(queue_id).limit(1).with_for_update(of=Ticket, key_share=True)
    ticket = db.session.scalar(first.execution_options(populate_existing=True))
    if ticket is not None:
        ticket.claim(user)
    return ticket


def _lock_queue(queue_id: int) -> Queue:
    statement = select(Queue).where(Queue.id == queue_id).with_for_update(key_share=True)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def _lock_ticket(user: User, ticket_id: int, queue: Queue) -> Ticket:
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    if ticket.queue_id != queue.id:
        raise Conflict(_("This ticket was moved to another queue just now. Look at it again."))
    return ticket


def _passed_over(ticket: Ticket, queue: Queue, reason: str | None) -> int | None:
    """How many stand before the ticket. Raises Refused where the queue wants to know why they are passed over."""
    place = position(ticket)
    if place is None or place == 1:
        return None
    if queue.strict and reason is None:
        raise Refused(
            _("Others wait longer in this queue. Take the next one, or say why this one goes first."),
            needs_reason=True,
        )
    return place - 1


def _check_limit(user: User, queue: Queue) -> None:
    """Hold the operator's row while counting, so that two claims at once count each other."""
    limits = [limit for limit in (user.claim_limit, queue.claim_limit) if limit is not None]
    if not limits:
        return
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    held = select(func.count()).where(Ticket.owner_id == user.id, Ticket.kind == Kind.ACTIVE)
    if (db.session.scalar(held) or 0) >= min(limits):
        raise TooMany(
            ngettext(
                "You have one open ticket, which is your limit. Finish it or give it back first.",
                "You have %(num)s open tickets, which is your limit. Finish or give back one first.",
                min(limits),
            )
        )


def repeat(user: User, key: str | None) -> Ticket | None:
    """The ticket that this key got before. A first use reserves the key; a second one waits for the first's end."""
    if key is None:
        return None
    reserve = (
        insert(IdempotencyKey)
        .values(user_id=user.id, key=key[:100])
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.user_id)
    )
    if db.session.scalar(reserve) is not None:
        return None
    ticket_id = db.session.scalar(
        select(IdempotencyKey.ticket_id).where(IdempotencyKey.user_id == user.id, IdempotencyKey.key == key[:100])
    )
    return db.session.get(Ticket, ticket_id) if ticket_id is not None else None


def _remember(user: User, key: str, ticket: Ticket) -> None:
    mine = (IdempotencyKey.user_id == user.id, IdempotencyKey.key == key[:100])
    statement = update(IdempotencyKey).where(*mine).values(ticket_id=ticket.id)
    db.session.execute(statement.execution_options(synchronize_session=False))  # the queue is locked: one trip, not two
