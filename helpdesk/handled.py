"""Marking what customers wrote as handled, and taking it back: for one customer by hand, or everything in batches.

A mark by hand says what was on the screen: for each ticket the last unread message that its reader saw (`Seen`). What
came later stays unread.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    any_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import aliased

from helpdesk import clock, live
from helpdesk.db import db, transaction
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.models import Conversation, Customer, Handling, Message, Right, Tally, Ticket, TicketPerson, User
from helpdesk.models.event import HandlingUndone, MarkedHandled, record_change
from helpdesk.models.handling import Cause, HandlingMessage, RunState
from helpdesk.models.ticket import lock_conversations
from helpdesk.models.unread import EVERYWHERE, recount_unread, unread_before
from helpdesk.permissions import queue_ids
from helpdesk.queries.counters import count_of

UNDO_FOR = timedelta(hours=1)
MOST_TICKETS = 200  # of one customer that one mark names
BATCH = 1000  # messages, of an act on everything
MOST_SECONDS = 4.0  # for which one look after such acts goes on

Seen = Mapping[int, int]
Where = Row[tuple[int, int, int]]  # ticket, its queue, its customer

QUIETLY = {"synchronize_session": False}

WHAT_IS_UNREAD = text(
    """
    INSERT INTO handling_messages (handling_id, ticket_id, message_id)
    SELECT :run, ticket_id, id FROM messages WHERE unhandled AND ticket_id IS NOT NULL ORDER BY ticket_id, id
    """
)

# What comes after the ticket `place`: whole tickets, of together at least as many messages as a batch has.
NEXT_MESSAGES = text(
    """
    SELECT ticket_id, message_id FROM handling_messages
    WHERE handling_id = :run AND ticket_id > :place AND ticket_id <= COALESCE(
        (SELECT ticket_id FROM handling_messages WHERE handling_id = :run AND ticket_id > :place
         ORDER BY ticket_id, message_id OFFSET :batch - 1 LIMIT 1),
        9223372036854775807)
    ORDER BY ticket_id, message_id
    """
)


@dataclass(frozen=True)
class Unread:
    """What nobody has handled of a customer, as far as somebody may mark it: how many messages, and what is seen."""

    count: int
    seen: Seen

    @property
    def token(self) -> str:
        """`seen` as a form carries it."""
        return ",".join(f"{ticket_id}-{message_id}" for ticket_id, message_id in sorted(self.seen.items()))


def read_seen(token: str) -> Seen:
    """What `Unread.token` wrote. Raises Refused for anything else."""
    try:
        pairs = [part.split("-") for part in token.split(",") if part]
        seen = {int(ticket_id): int(message_id) for ticket_id, message_id in pairs}
    except ValueError:
        seen = {-1: -1}
    if len(seen) > MOST_TICKETS or any(not 0 < id_ < 2**63 for pair in seen.items() for id_ in pair):
        raise Refused(_("The page does not say what you saw. Reload it, then try again."))
    return seen


def markable(user: User) -> ColumnElement[bool]:
    """The condition on `Ticket`: `user` may work on it, or on what it was merged into, so that they may handle it."""
    shown = aliased(Ticket)
    return or_(
        Ticket.queue_id.in_(queue_ids(user, Right.WORK)),
        exists().where(shown.id == Ticket.shown_on_id, shown.queue_id.in_(queue_ids(user, Right.WORK))),
        Ticket.owner_id == user.id,
        exists().where(TicketPerson.ticket_id == Ticket.id, TicketPerson.user_id == user.id),
    )


def unread_of(user: User, customer_id: int) -> Unread:
    """What is unread of the customer on tickets that `user` may work on. A small index is read."""
    query = (
        select(Ticket.id, Ticket.unread, Ticket.unread_last_id)
        .where(Ticket.customer_id == customer_id, Ticket.unread_first_id.is_not(None), markable(user))
        .order_by(Ticket.unread_first_id)
        .limit(MOST_TICKETS)
    )
    found = db.session.execute(query).all()
    return Unread(sum(row.unread for row in found), {row.id: row.unread_last_id for row in found})


def mark_handled(by: User, customer: Customer, seen: Seen) -> Handling | None:
    """Mark what `by` saw of the customer's messages as handled; None when nothing of it was unread any more."""
    wanted = (Ticket.id.in_(seen), Ticket.customer_id == customer.id, Ticket.unread_first_id.is_not(None), markable(by))
    tickets = _locked(*wanted)
    found = unread_before({ticket.id: seen[ticket.id] for ticket in tickets})
    count = sum(len(ids) for ids in found.values())
    if not count:
        return None
    act = Handling(by_id=by.id, cause=Cause.HAND, customer_id=customer.id, count=count)
    db.session.add(act)
    db.session.flush()
    meant = (Message.id.in_([id_ for ids in found.values() for id_ in ids]), Message.unhandled)
    marked = update(Message).where(*meant).values(unhandled=False, handling_id=act.id)
    db.session.execute(marked, execution_options=QUIETLY)
    for ticket in tickets:
        if found[ticket.id]:
            ticket.record(by, MarkedHandled(len(found[ticket.id])))
    _follow(tickets, -count)
    return act


def undo_mark(by: User, act_id: int) -> int:
    """Take back one's own mark: exactly those messages are unread again, but for tickets finished since.

    Returns how many. Raises NotFound for what is not one's own, Conflict when it was taken back or is too long ago.
    """
    act = db.session.get(Handling, act_id, with_for_update=True)
    if act is None or act.by_id != by.id or act.cause != Cause.HAND:
        raise NotFound(_("There is nothing here that you could take back."))
    if act.undone_at is not None:
        raise Conflict(_("This was taken back already."))
    if act.at < clock.now() - UNDO_FOR:
        raise Conflict(_("This was more than an hour ago and cannot be taken back any more."))
    ids = list(db.session.scalars(select(Message.id).where(Message.handling_id == act.id)))
    back = _unmark(ids, act)
    act.undone_at, act.undone_by_id = clock.now(), by.id
    for ticket_id, count in sorted(back.items()):
        db.session.get_one(Ticket, ticket_id, populate_existing=True).record(by, HandlingUndone(count))
    return back.total()


def unread_everywhere() -> int:
    """How many messages nobody has handled, from the counter."""
    return max(0, count_of(*EVERYWHERE))


def begin_run(by: User) -> Handling:
    """Begin to mark everything that stands unread at this moment as handled; `advance_runs` does it.

    What is being written at this moment and is not yet to be seen stays unread, whatever its id. For administrators.
    Raises Conflict while such an act is being done or taken back.
    """
    if not by.is_administrator:
        raise Forbidden(_("Only administrators mark everything as handled."))
    _one_at_a_time()
    run = Handling(by_id=by.id, cause=Cause.ALL, state=RunState.RUNNING)
    db.session.add(run)
    db.session.flush()
    db.session.execute(WHAT_IS_UNREAD, {"run": run.id})
    record_change(by.id, "handled", run.id, "everything", {"messages": unread_everywhere()})
    return run


def undo_run(by: User, run_id: int) -> None:
    """Begin to take an act on everything back, within an hour. Raises NotFound, Conflict, Forbidden."""
    if not by.is_administrator:
        raise Forbidden(_("Only administrators mark everything as handled."))
    run = db.session.get(Handling, run_id, with_for_update=True)
    if run is None or run.cause != Cause.ALL:
        raise NotFound(_("There is nothing here that you could take back."))
    if run.state in {RunState.UNDOING, RunState.UNDONE}:
        raise Conflict(_("This was taken back already."))
    if run.at < clock.now() - UNDO_FOR:
        raise Conflict(_("This was more than an hour ago and cannot be taken back any more."))
    _forget_meant(run)
    run.state, run.place, run.undone_at, run.undone_by_id = RunState.UNDOING, 0, clock.now(), by.id
    record_change(by.id, "handled", run.id, "everything", {"taken_back": run.count})


def runs(limit: int = 10) -> list[Handling]:
    """The latest acts on everything, the newest first."""
    query = select(Handling).where(Handling.state.is_not(None)).order_by(Handling.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def advance_runs(seconds: float = MOST_SECONDS) -> int:
    """Go on with what is being marked or taken back, for so long; returns how many messages. Commits.

    Each batch is a transaction of its own and holds the conversations of its tickets for a moment.
    """
    done, ends = 0, time.monotonic() + seconds
    while True:
        with transaction() as session:
            unfinished = Handling.state.in_([RunState.RUNNING, RunState.UNDOING])
            query = select(Handling).where(Handling.state.is_not(None), unfinished).order_by(Handling.id).limit(1)
            run = session.scalar(query.with_for_update(skip_locked=True))
            if run is None:
                return done
            done += _go_on(run) if run.state == RunState.RUNNING else _go_back(run)
        if time.monotonic() >= ends:
            return done


def _one_at_a_time() -> None:
    db.session.execute(text("LOCK TABLE handlings IN SHARE ROW EXCLUSIVE MODE"))
    unfinished = Handling.state.in_([RunState.RUNNING, RunState.UNDOING])
    if db.session.scalar(select(Handling.id).where(Handling.state.is_not(None), unfinished).limit(1)) is not None:
        raise Conflict(_("This is being done already. Wait until it has ended."))


def _go_on(run: Handling) -> int:
    """Mark the next batch. A message that went to another ticket meanwhile is looked for there."""
    meant = db.session.execute(NEXT_MESSAGES, {"run": run.id, "place": run.place, "batch": BATCH}).all()
    if not meant:
        _forget_meant(run)
        run.state = RunState.DONE
        return 0
    unread = (Message.id == _any([row.message_id for row in meant]), Message.unhandled)
    tickets = _held(Ticket.id.in_(select(Message.ticket_id).where(*unread)))
    mine = Message.ticket_id == _any([ticket.id for ticket in tickets])
    marked = update(Message).where(*unread, mine).values(unhandled=False, handling_id=run.id).returning(Message.id)
    count = len(db.session.scalars(marked, execution_options=QUIETLY).all())
    run.count += count
    _follow(tickets, -count)
    left = select(Message.id).where(*unread, Message.ticket_id.is_not(None)).limit(1)
    if db.session.scalar(left) is None:
        run.place = meant[-1].ticket_id
    return count


def _go_back(run: Handling) -> int:
    query = select(Message.id).where(Message.handling_id == run.id, Message.id > run.place)
    ids = list(db.session.scalars(query.order_by(Message.id).limit(BATCH)))
    if not ids:
        run.state = RunState.UNDONE
        return 0
    run.place = ids[-1]
    return sum(_unmark(ids, run).values())


def _forget_meant(run: Handling) -> None:
    db.session.execute(delete(HandlingMessage).where(HandlingMessage.handling_id == run.id), execution_options=QUIETLY)


def _unmark(ids: Collection[int], act: Handling) -> Counter[int]:
    """Make these messages unread again, without those on tickets finished since; returns how many on which ticket."""
    where = select(Message.ticket_id).where(Message.id == _any(ids))
    shown = aliased(Ticket)  # of a merged ticket: being merged finished it, but nobody's work on it is done by that
    later = exists().where(
        shown.id == func.coalesce(Ticket.shown_on_id, Ticket.id),
        or_(shown.finished_at.is_(None), shown.finished_at <= act.at),
    )
    tickets = _held(Ticket.id.in_(where), later)
    mine = Message.ticket_id == _any([ticket.id for ticket in tickets])
    back = update(Message).where(Message.id == _any(ids), Message.handling_id == act.id, mine)
    back = back.values(unhandled=True, handling_id=None)
    marked = db.session.scalars(back.returning(Message.ticket_id), execution_options=QUIETLY)
    told = Counter(ticket_id for ticket_id in marked if ticket_id is not None)
    _follow(tickets, told.total())
    return told


def _any(ids: Collection[int]) -> Any:
    """For a comparison with one of many ids, which are one value of the statement, however many."""
    return any_(literal(list(ids), ARRAY(BigInteger)))


def _held(*conditions: ColumnElement[bool]) -> Sequence[Where]:
    """The tickets that meet the conditions, locked as by `_locked`, but no objects: there may be a thousand."""
    found = dict(db.session.execute(select(Ticket.id, Ticket.conversation_id).where(*conditions)).tuples().all())
    first = select(Conversation.id).where(Conversation.id == _any(set(found.values()))).order_by(Conversation.id)
    db.session.execute(first.with_for_update(key_share=True))
    query = select(Ticket.id, Ticket.queue_id, Ticket.customer_id).where(Ticket.id == _any(found), *conditions)
    return db.session.execute(query.order_by(Ticket.id).with_for_update(key_share=True)).all()


def _locked(*conditions: ColumnElement[bool]) -> list[Ticket]:
    """The tickets that meet the conditions, locked, their conversations before them, as everybody does."""
    found = dict(db.session.execute(select(Ticket.id, Ticket.conversation_id).where(*conditions)).tuples().all())
    lock_conversations(set(found.values()))
    query = select(Ticket).where(Ticket.id.in_(found), *conditions).order_by(Ticket.id)
    locked = query.with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
    return list(db.session.scalars(locked)) if found else []


def _follow(tickets: Collection[Ticket] | Collection[Where], delta: int) -> None:
    """Keep tickets, the counter and open pages true after messages were marked or unmarked."""
    if not tickets:
        return
    recount_unread([ticket.id for ticket in tickets])
    if delta:
        Tally.add(*EVERYWHERE, delta)
    topics = ((f"ticket:{one.id}", f"queue:{one.queue_id}", f"customer:{one.customer_id}") for one in tickets)
    live.touch(*chain.from_iterable(topics))


__all__ = [
    "Seen",
    "Unread",
    "advance_runs",
    "begin_run",
    "mark_handled",
    "read_seen",
    "runs",
    "undo_mark",
    "undo_run",
    "unread_everywhere",
    "unread_of",
]
