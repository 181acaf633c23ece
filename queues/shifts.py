"""People come and go: what becomes of the tickets of those who are not here.

A ticket that needs its owner (the customer waits for an answer, it woke up, a message came back) goes back to its queue
when the owner is offline, at once, or away, after the queue's minutes. It stands there at its own clock. A queue may
also say that tickets stay with their owner. Those of somebody who is out of office go to whoever stands in for them
and is here, else back as well. Whoever goes home gives back what they choose in one step; a supervisor does it for
others. Every change of owner is an event that says why.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Integer, Select, and_, case, exists, func, or_, select, true

from helpdesk import absences, clock, permissions, staff
from helpdesk.clock import SQL_NOW
from helpdesk.db import db, transaction
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Availability, OwnerAway, Queue, Right, Ticket, User, read_setting, write_setting
from helpdesk.models.absence import Absence, is_running
from helpdesk.models.availability import (
    AWAY_FORGOTTEN,
    DEFAULT_IDLE_MINUTES,
    IDLE_MINUTES,
    LEFT,
    Cause,
    change,
)
from helpdesk.models.notice import tell_people
from helpdesk.models.ticket import lock_conversations
from helpdesk.models.ticket.states import Kind
from queues import fifo, housekeeping

MOST_AT_ONCE = 1000
MOST_REASON = 300

# Setting: since when somebody's signs of life are looked at without a gap, and when that was done last.
WATCH = "presence_watch"
WATCH_GAP = timedelta(minutes=2)

PEOPLE_AT_ONCE = 200


def needs_owner() -> ColumnElement[bool]:
    """The condition of an owned ticket that something waits for its owner."""
    waits = or_(Ticket.first_unanswered_at.is_not(None), Ticket.attention_at.is_not(None))
    return and_(Ticket.kind == Kind.ACTIVE, Ticket.owner_id.is_not(None), waits)


def overdue() -> Select[tuple[int]]:
    """Tickets that go back to their queue now, as ids.

    The time runs since three things are true: the ticket needs its owner, it is theirs, and they are not here. Whoever
    left for good keeps nothing, whatever the queue says: a ticket that is opened again may have been theirs.
    """
    is_out = exists().where(Absence.user_id == Ticket.owner_id, is_running())
    minutes = case((User.availability == Availability.OFFLINE, 0), else_=Queue.owner_wait_minutes)
    needed_at = func.least(Ticket.first_unanswered_at, Ticket.attention_at)
    since = func.greatest(needed_at, Ticket.owned_since, User.availability_since)
    return (
        select(Ticket.id)
        .join(User, User.id == Ticket.owner_id)
        .join(Queue, Queue.id == Ticket.queue_id)
        .where(needs_owner(), User.availability != Availability.AVAILABLE)
        .where(or_(Queue.owner_away == OwnerAway.QUEUE, is_out, ~User.active), Queue.active)
        .where(since <= SQL_NOW - func.make_interval(0, 0, 0, 0, 0, minutes.cast(Integer)))
        .order_by(Ticket.id)
    )


def return_tickets() -> int:
    """Put back into their queues the tickets that need an owner who is not here. A chore; see `overdue`.

    The owner's row is held meanwhile: whoever comes back at this moment comes before it or after it.
    """
    return housekeeping.each(overdue(), _put_back, before=_hold_owner)


def _hold_owner(ticket_id: int) -> None:
    found = db.session.execute(select(Ticket.queue_id, Ticket.owner_id).where(Ticket.id == ticket_id)).one()
    fifo.lock_queues([found.queue_id])
    db.session.execute(select(User.id).where(User.id == found.owner_id).with_for_update(read=True))


def _put_back(ticket: Ticket) -> None:
    owner = ticket.owner
    assert owner is not None
    stand_in = absences.stand_in_of(owner.id)
    if stand_in is not None and _can_take(stand_in, ticket):
        ticket.hand_over(None, stand_in, cause="stands in")
        tell_people([stand_in.id], "ticket.inherited", ticket.id, name=owner.name)
        return
    cause = "owner offline" if owner.availability == Availability.OFFLINE else "owner away"
    ticket.release(None, cause, owner.availability_since)
    fifo.tell_of_change(None, ticket, owner.id)


def _can_take(user: User, ticket: Ticket) -> bool:
    """Whether a ticket can be given to whoever stands in: they are here and may work in its queue."""
    return user.availability == Availability.AVAILABLE and permissions.may(user, Right.WORK, ticket.queue_id)


def mark_absent() -> int:
    """Make offline who has had no page open for the installation's minutes, and who is away for hours. A chore.

    After a time in which nobody looked (a restart, a broken machine) the minutes begin anew: the silence was ours.
    """
    with transaction():
        watched_since = _watch()
        idle = timedelta(minutes=int(read_setting(IDLE_MINUTES, DEFAULT_IDLE_MINUTES)))
        seen_at = func.greatest(User.present_at, User.availability_since)
        gone = or_(
            and_(User.availability == Availability.AVAILABLE, seen_at < SQL_NOW - idle),
            and_(User.availability == Availability.AWAY, seen_at < SQL_NOW - AWAY_FORGOTTEN),
        )
        due = select(User.id).where(gone, ~User.system).order_by(User.id).limit(PEOPLE_AT_ONCE)
        if clock.now() - watched_since < idle:
            return 0
        ids = list(db.session.scalars(due))
    return sum(_mark_absent(user_id, gone) for user_id in ids)


def _mark_absent(user_id: int, gone: ColumnElement[bool]) -> int:
    with transaction() as session:
        query = select(User).where(User.id == user_id, gone).with_for_update(key_share=True, skip_locked=True)
        user = session.scalar(query.execution_options(populate_existing=True))
        return int(user is not None and change(user, Availability.OFFLINE, LEFT, cause=Cause.LEFT))


def _watch() -> datetime:
    now = clock.now()
    watch = read_setting(WATCH, None)
    unbroken = watch is not None and now - datetime.fromisoformat(watch["last"]) <= WATCH_GAP
    since = datetime.fromisoformat(watch["since"]) if unbroken else now
    write_setting(WATCH, {"since": since.isoformat(), "last": now.isoformat()})
    return since


def in_reach(by: User, owner: User) -> Select[tuple[Ticket]]:
    """The open tickets of `owner` that `by` may give back or hand over: one's own, or where `by` supervises."""
    mine = true() if by.id == owner.id else Ticket.queue_id.in_(permissions.queue_ids(by, Right.SUPERVISE))
    return staff.open_tickets(owner).where(mine)


def release_all(
    by: User, owner: User, ticket_ids: Collection[int], note: str = "", notes: Mapping[int, str] | None = None
) -> int:
    """Give tickets of `owner` back to their queues in one step, each at its place. Returns how many.

    `note` is left on each of them, and `notes` by ticket id on single ones, instead. Raises NotFound when `by` may give
    back none of them (anymore).
    """
    tickets = _lock(by, owner, ticket_ids)
    for ticket in tickets:
        words = (notes or {}).get(ticket.id, "").strip() or note.strip()
        if words:
            ticket.note(by, words)
        ticket.release(by, "going home" if by.id == owner.id else "by supervisor")
        fifo.tell_of_change(by, ticket, owner.id)
    return len(tickets)


def hand_over_all(by: User, owner: User, to: User, ticket_ids: Collection[int], reason: str = "") -> int:
    """Make `to` the owner of these tickets of `owner`. Returns how many.

    Raises Refused when `to` may not work in one of their queues, NotFound when `by` may hand over none of them.
    """
    reason = " ".join(reason.split())[:MOST_REASON]
    if to.id == owner.id:
        raise Refused(_("These tickets belong to %(name)s already.", name=to.name))
    tickets = _lock(by, owner, ticket_ids)
    for queue_id in {ticket.queue_id for ticket in tickets}:
        fifo.check_may_get(to, queue_id)
    for ticket in tickets:
        ticket.hand_over(by, to, reason or None)
        fifo.tell_of_change(by, ticket, owner.id)
    return len(tickets)


def _lock(by: User, owner: User, ticket_ids: Collection[int]) -> list[Ticket]:
    """Lock tickets of `owner`, with what must be locked before them."""
    query = in_reach(by, owner).where(Ticket.id.in_(list(ticket_ids)[:MOST_AT_ONCE]))
    seen = db.session.execute(query.with_only_columns(Ticket.queue_id, Ticket.conversation_id)).all()
    held = {row.queue_id for row in seen}
    fifo.lock_queues(held)
    db.session.execute(select(User.id).where(User.id == owner.id).with_for_update(key_share=True))
    lock_conversations([row.conversation_id for row in seen])
    query = query.where(Ticket.queue_id.in_(held))  # what was moved meanwhile stands in a line that is not held
    locked = query.with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
    tickets = list(db.session.scalars(locked))
    if not tickets:
        raise NotFound(_("Nothing was changed: choose tickets that %(name)s still has.", name=owner.name))
    return tickets
