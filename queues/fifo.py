"""First in, first out: who gets which ticket next. The only place that hands tickets to people.

A claim is one short transaction that holds the queue's row FOR NO KEY UPDATE and takes the first free ticket in line.
Skip-locked alone would let two claimers overtake each other; a plain FOR UPDATE would collide with every new ticket.
Locks are taken in one order: queue, operator, conversation, ticket.

Whoever has as many tickets of a kind of channel as they may (`helpdesk.limits`) stands in front of a shorter line: the
same line, in the same order, without the tickets of that kind. They get its first, so within what an operator can take
nobody is passed over; whoever is left standing is still the first for everybody else, and the claim keeps the kinds
that were left out (`Claimed.full_kinds`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock, limits, permissions
from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused, TooMany
from helpdesk.models import Availability, Channel, Queue, Right, Setting, Ticket, User
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.notice import tell_people
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.line import ORDER, line, oldest_queue, oldest_ticket, position, waiting

TRIES = 5


@dataclass(frozen=True)
class Place:
    """A locked queue, and of which kinds of channel the locked operator can take no more, with the limit of each."""

    queue: Queue
    full: dict[str, int]

    @property
    def full_kinds(self) -> list[str] | None:
        """The kinds as a claim keeps them."""
        return sorted(self.full) or None


def claim_next(user: User, queue_id: int | None = None, key: str | None = None) -> Ticket | None:
    """Make `user` the owner of the ticket whose turn it is: of one queue, or the oldest of all their queues.

    None when nobody waits. The same `key` gives the same ticket again, however often it is asked. Raises NotFound,
    Forbidden, Refused when they are not here, or TooMany when the operator's or queue's limit is reached, or the limit
    of every kind of channel that waits.
    """
    if (earlier := repeat(user, key)) is not None:
        return earlier
    ticket = _claim_of(user, queue_id) if queue_id is not None else _claim_oldest(user)
    if key is not None and ticket is not None:
        _remember(user, key, ticket)
    return ticket


def claim_this(user: User, ticket_id: int, reason: str | None = None, key: str | None = None) -> Ticket:
    """Make `user` the owner of one ticket. Where it is not the next of a strict queue, a reason is asked for.

    Raises Conflict with the owner's name when somebody was faster, Refused without a needed reason or when they are not
    here, TooMany.
    """
    if (earlier := repeat(user, key)) is not None:
        return earlier
    queue, ticket = _lock_for(user, ticket_id, takes=True)
    reason = (reason or "").strip() or None
    ticket.claim(user, reason, _passed_over(ticket, queue, reason))
    if key is not None:
        _remember(user, key, ticket)
    return ticket


def release(user: User, ticket_id: int) -> Ticket:
    """Give a ticket back; it keeps its place. The owner may, and whoever supervises the queue."""
    _queue, ticket = _lock_for(user, ticket_id)
    former = ticket.owner_id
    if former != user.id and not permissions.may(user, Right.SUPERVISE, ticket.queue_id):
        raise Conflict(_("Only its owner or a supervisor can give this ticket back."), owner_id=former)
    ticket.release(user)
    tell_of_change(user, ticket, former)
    return ticket


def hand_over(user: User, ticket_id: int, to: User, reason: str | None = None) -> Ticket:
    """Make `to` the owner. Where that takes a ticket out of its turn, the rules of `claim_this` hold.

    Raises Refused when `to` may not work in the ticket's queue or a reason is needed, TooMany when one takes a ticket
    oneself and has enough.
    """
    queue, ticket = _lock_for(user, ticket_id, takes=to.id == user.id)
    check_may_get(to, ticket.queue_id)
    reason, former = (reason or "").strip() or None, ticket.owner_id
    ticket.hand_over(user, to, reason, _passed_over(ticket, queue, reason))
    tell_of_change(user, ticket, former)
    return ticket


def tell_of_change(by: User | None, ticket: Ticket, former_id: int | None) -> None:
    """Tell the former owner that they have the ticket no more, and the new one that they have it, but not `by`."""
    told: dict[str, Any] = {"name": by.name if by else None}
    own, now_id = by.id if by else None, ticket.owner_id
    if former_id is not None and former_id not in {own, now_id}:
        kind = "ticket.returned" if now_id is None else "ticket.taken_over" if now_id == own else "ticket.taken"
        tell_people([former_id], kind, ticket.id, **told)
    if now_id is not None and now_id not in {own, former_id}:
        tell_people([now_id], "ticket.given", ticket.id, **told)


def move(user: User, ticket_id: int, to: Queue) -> Ticket:
    """Put a ticket into another queue, where it stands at its own clock."""
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    lock_queues([seen.queue_id, to.id])
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    ticket.move(user, to)
    return ticket


def foresee(user: User) -> None:
    """Lock what `claim_next` would lock, for whoever must lock another ticket in between."""
    queue_id = db.session.scalar(oldest_queue(permissions.queue_ids(user, Right.WORK)))
    if queue_id is not None:
        db.session.execute(_locking(user, Queue.id == queue_id))


def check_may_get(to: User, queue_id: int) -> None:
    """Raises Refused unless `to` may work in the queue."""
    if not permissions.may(to, Right.WORK, queue_id):
        raise Refused(_("%(name)s may not work in this queue.", name=to.name))


def lock_queues(ids: Iterable[int]) -> None:
    """Lock several queues, always in the same order, so that the line stands still while tickets come back to it."""
    query = select(Queue.id).where(Queue.id.in_(sorted(set(ids)))).order_by(Queue.id)
    db.session.execute(query.with_for_update(key_share=True))


def _claim_of(user: User, queue_id: int) -> Ticket | None:
    mine = permissions.queue_ids(user, Right.WORK)
    place = _stand_before(user, Queue.id == queue_id, Queue.id.in_(mine))
    if place is None:
        permissions.get_queue(user, queue_id, Right.WORK)  # says what is wrong
        raise Conflict(_("The queue changed at this moment. Try again."))
    first = line(queue_id, place.full).limit(1).with_for_update(of=Ticket, key_share=True)
    found = db.session.execute(first.add_columns(SQL_NOW).execution_options(populate_existing=True)).first()
    if found is None:
        _say_what_is_full(place.full, Ticket.queue_id == queue_id)
        return None
    return _take(user, place, *found)


def _claim_oldest(user: User) -> Ticket | None:
    """Lock the queue of the overall first, look again: another one may have become the first meanwhile.

    Of which kinds somebody can take no more is known only under the lock. Where that makes another queue's head the
    first, the next try begins with it.
    """
    mine = permissions.queue_ids(user, Right.WORK)
    full: dict[str, int] = {}
    for _try in range(TRIES):
        savepoint = db.session.begin_nested()
        place = _stand_before(user, Queue.id == oldest_queue(mine, full).scalar_subquery())
        if place is None:
            savepoint.commit()
            _say_what_is_full(full, Ticket.queue_id.in_(mine))
            return None
        full = place.full
        found = db.session.execute(
            line(place.queue.id, full)
            .add_columns(SQL_NOW, oldest_ticket(mine, full).scalar_subquery())
            .limit(1)
            .with_for_update(of=Ticket, key_share=True)
            .execution_options(populate_existing=True)
        ).first()
        if found is not None and found[0].id == found[2]:
            savepoint.commit()
            return _take(user, place, found[0], found[1])
        savepoint.rollback()  # lets go of the queue's row
    raise Conflict(_("Many people are taking tickets at this moment. Try again."))


def _take(user: User, place: Place, ticket: Ticket, now: datetime) -> Ticket:
    clock.hold(now)  # read under the lock, in the same trip as the ticket
    ticket.claim(user, full_kinds=place.full_kinds)
    return ticket


def _lock_for(user: User, ticket_id: int, takes: bool = False) -> tuple[Queue, Ticket]:
    """Lock the ticket and its queue for a change of owner, and `user` with them who `takes` it."""
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    if takes and seen.owner_id != user.id:
        place = _stand_before(user, Queue.id == seen.queue_id)
        assert place is not None
        queue = place.queue
        if place.full and (kind := db.session.get_one(Channel, seen.channel_id).kind) in place.full:
            raise _full(kind, place.full[kind])
    else:
        queue = _lock_queue(seen.queue_id)
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    if ticket.queue_id != queue.id:
        raise Conflict(_("This ticket was moved to another queue just now. Look at it again."))
    return queue, ticket


def _lock_queue(queue_id: int) -> Queue:
    statement = select(Queue).where(Queue.id == queue_id).with_for_update(key_share=True)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def _locking(user: User, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Lock a queue and then the operator before it, and read in the same trip what limits the operator."""
    defaults = select(Setting.value).where(Setting.key == limits.CLAIM_LIMITS).scalar_subquery()
    return (
        select(Queue, User.availability, User.claim_limit, User.claim_limits, defaults.label("defaults"))
        .join(User, User.id == user.id)
        .where(*conditions)
        .with_for_update(key_share=True, of=[Queue, User])
        .execution_options(populate_existing=True)
    )


def _stand_before(user: User, *conditions: ColumnElement[bool]) -> Place | None:
    """Lock the queue that meets the conditions and its operator. None where there is none.

    Raises Refused when the operator is not here, TooMany when they may take nothing at all. What they have is counted
    under the lock of their row, so that two claims at once count each other.
    """
    found = db.session.execute(_locking(user, *conditions)).first()
    if found is None:
        return None
    _check_is_here(found.availability)
    totals = [limit for limit in (found.claim_limit, found.Queue.claim_limit) if limit is not None]
    by_kind = limits.limits_of(found.claim_limits, found.defaults or {})
    if not totals and not by_kind:
        return Place(found.Queue, {})
    held = _held(user)
    if totals and sum(held.values()) >= min(totals):
        raise TooMany(
            ngettext(
                "You have one open ticket, which is your limit. Finish it or give it back first.",
                "You have %(num)s open tickets, which is your limit. Finish or give back one first.",
                min(totals),
            )
        )
    return Place(found.Queue, {kind: most for kind, most in by_kind.items() if held.get(kind, 0) >= most})


def _held(user: User) -> dict[str, int]:
    """How many open tickets of each kind of channel somebody has."""
    query = (
        select(Channel.kind, func.count())
        .join(Ticket, Ticket.channel_id == Channel.id)
        .where(Ticket.owner_id == user.id, Ticket.kind == Kind.ACTIVE)
        .group_by(Channel.kind)
    )
    return dict(db.session.execute(query).tuples().all())


def _check_is_here(availability: str) -> None:
    if availability == Availability.AWAY:
        raise Refused(_("You are away, so no ticket is given to you. Say that you are back, then take it."), away=True)
    if availability == Availability.OFFLINE:
        raise Refused(
            _("You are offline, so no ticket is given to you. Say that you are back, then take it."), away=True
        )


def _say_what_is_full(full: dict[str, int], where: ColumnElement[bool]) -> None:
    """Nobody waits whom one may take. Raises TooMany when somebody does of a kind that is full."""
    if not full:
        return
    query = (
        select(Channel.kind)
        .join(Ticket, Ticket.channel_id == Channel.id)
        .where(where, waiting(), Channel.kind.in_(full))
        .order_by(*ORDER)
        .limit(1)
    )
    kind = db.session.scalar(query)
    if kind is not None:
        raise _full(kind, full[kind])


def _full(kind: str, most: int) -> TooMany:
    name = limits.kind_names().get(kind, kind)
    return TooMany(
        ngettext(
            "You have one open ticket of the kind %(kind)s, which is your limit. Finish it or give it back first.",
            "You have %(num)s open tickets of the kind %(kind)s, which is your limit. Finish or give back one first.",
            most,
            kind=name,
        )
    )


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
