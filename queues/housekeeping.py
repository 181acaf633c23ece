"""What must be looked after while time passes. Each chore is safe to run twice, at once, or to be cut off.

A chore does a bounded piece of work in short transactions and returns how much it did.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import CursorResult, Delete, Integer, Select, Update, delete, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from helpdesk.clock import SQL_NOW
from helpdesk.config import settings
from helpdesk.db import transaction
from helpdesk.models import AnswerCount, InboundEvent, InboundState, Notice, Queue, RawInput, SenderCount, Ticket
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.session import IDLE_LIMIT, PasswordLink, UserSession
from helpdesk.models.ticket.states import Kind, Priority
from helpdesk.queries.line import waiting
from helpdesk.throttle import sweep_try_counts
from queues import mail_facts

log = structlog.get_logger(__name__)

AT_ONCE = 200
RAW_AT_ONCE = 500
LINK_KEPT = timedelta(days=30)
KEY_KEPT = timedelta(days=2)
NOTICE_KEPT = timedelta(days=90)
COUNT_KEPT = timedelta(days=2)  # answers to an address are counted for a day


def wake_tickets() -> int:
    """Wake paused tickets whose time has come; where another ticket of the conversation is active, say so instead."""
    due = select(Ticket.id).where(Ticket.kind == Kind.PAUSED, Ticket.pending_until <= SQL_NOW)
    return each(due.order_by(Ticket.pending_until), lambda ticket: ticket.wake(None, "time"))


def promote_tickets() -> int:
    """Let tickets go first that stood in line as long as their queue lets more urgent ones pass them."""
    limit = func.make_interval(0, 0, 0, 0, 0, Queue.longest_pass_minutes.cast(Integer))
    due = (
        select(Ticket.id)
        .join(Queue, Queue.id == Ticket.queue_id)
        .where(waiting(), Queue.by_priority, Queue.active)
        .where(Ticket.line_class > Priority.URGENT, Ticket.line_at <= SQL_NOW - limit)
        .order_by(Ticket.line_at)
    )
    return each(due, lambda ticket: ticket.promote())


def purge_raw() -> int:
    """Forget the raw bytes of events that ended well longer ago than they are kept, and what rules saw of them.

    Quarantine is never touched.
    """
    old = (
        select(InboundEvent.id)
        .join(RawInput, RawInput.event_id == InboundEvent.id)
        .where(
            InboundEvent.state.in_([InboundState.TICKETED, InboundState.DROPPED]),
            InboundEvent.finished_at < SQL_NOW - timedelta(days=settings().raw_retention_days),
        )
        .order_by(InboundEvent.id)
        .limit(RAW_AT_ONCE)
    )
    gone = delete(RawInput).where(RawInput.event_id.in_(old)).returning(RawInput.event_id).cte("gone")
    return _change(update(InboundEvent).where(InboundEvent.id == gone.c.event_id).values(facts=None))


def forget_sessions() -> int:
    """Delete sessions that ended, links that were used or are too old, and counts of tries whose window is over."""
    ended = _change(
        delete(UserSession).where(
            (UserSession.expires_at < SQL_NOW) | (UserSession.last_active_at < SQL_NOW - IDLE_LIMIT)
        )
    )
    links = _change(delete(PasswordLink).where(PasswordLink.expires_at < SQL_NOW - LINK_KEPT))
    with transaction():
        sweep_try_counts()
    return ended + links


def forget_keys() -> int:
    """Forget what made a repeated click one act, once nobody can mean the same click any more."""
    return _change(delete(IdempotencyKey).where(IdempotencyKey.at < SQL_NOW - KEY_KEPT))


def forget_counts() -> int:
    """Forget how much senders wrote, and how many automatic answers they got, once their time is over."""
    mails = _change(delete(SenderCount).where(SenderCount.since < SQL_NOW - 2 * mail_facts.HOUR))
    return mails + _change(delete(AnswerCount).where(AnswerCount.since < SQL_NOW - COUNT_KEPT))


def forget_notices() -> int:
    """Forget notices that were seen long ago; what happened stands in the tickets' histories."""
    return _change(delete(Notice).where(Notice.seen_at < SQL_NOW - NOTICE_KEPT))


def fold_tallies() -> int:
    """Add up counter deltas to one row per counter. One statement: a reader sees all of it or nothing of it."""
    folded = text(
        """
        WITH many AS (
          SELECT scope, name FROM tallies GROUP BY scope, name HAVING count(*) > 1
        ), gone AS (
          DELETE FROM tallies USING many
          WHERE tallies.scope = many.scope AND tallies.name = many.name
          RETURNING tallies.scope, tallies.name, tallies.delta
        ), sums AS (
          INSERT INTO tallies (scope, name, delta)
          SELECT scope, name, sum(delta) FROM gone GROUP BY scope, name
        )
        SELECT count(*) FROM gone
        """
    )
    with transaction() as session:
        return int(session.execute(folded).scalar_one())


def each(
    due: Select[tuple[int]], act: Callable[[Ticket], object], before: Callable[[int], object] = lambda _id: None
) -> int:
    """Lock each of these tickets in a transaction of its own and act, if it is still due; one fault stops no other.

    `before` gets the id of a ticket and locks what must be locked before it.
    """
    with transaction() as session:
        ids = list(session.scalars(due.limit(AT_ONCE)))
    done = 0
    for ticket_id in ids:
        try:
            with transaction() as session:
                before(ticket_id)
                ticket = session.scalar(_still(due, ticket_id))
                if ticket is not None:
                    act(ticket)
                    done += 1
        except (IntegrityError, OperationalError) as error:
            log.info("ticket is left for the next round", ticket=ticket_id, error=str(error.orig)[:300])
    return done


def _still(due: Select[tuple[int]], ticket_id: int) -> Select[tuple[Ticket]]:
    wanted = due.with_only_columns(Ticket).order_by(None).where(Ticket.id == ticket_id)
    return wanted.with_for_update(of=Ticket, key_share=True, skip_locked=True)


def _change(statement: Delete | Update) -> int:
    with transaction() as session:
        done = session.execute(statement, execution_options={"synchronize_session": False})
        assert isinstance(done, CursorResult)
        return done.rowcount
