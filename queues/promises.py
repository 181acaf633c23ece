"""What the timetable does for promises: warnings and breaches at their time, and new sums after an edit.

Safe to run twice, at once, or to be cut off: each ticket is locked and looked at again in a transaction of its own.
"""

import time

from sqlalchemy import select, union_all

from helpdesk.clock import SQL_NOW
from helpdesk.db import transaction
from helpdesk.escalation import attend
from helpdesk.models import Ticket, TicketPromise
from helpdesk.models.promise import book_version
from queues.housekeeping import AT_ONCE, each

LONGEST_SECONDS = 5.0


def watch() -> int:
    """Warn of promises that are about to be broken and record those that are. Bounded; the rest comes next time."""
    promise = TicketPromise
    held = select(promise.ticket_id).where(promise.met_at.is_(None), promise.cancelled_at.is_(None))
    due = union_all(  # not OR: each half has an index of its own
        held.where(promise.warn_at <= SQL_NOW, promise.warned_at.is_(None)),
        held.where(promise.due_at <= SQL_NOW, promise.breached_at.is_(None)),
    )
    return each(select(Ticket.id).where(Ticket.id.in_(due)).order_by(Ticket.due_at), attend)


def review() -> int:
    """Count open promises anew that were counted before targets or calendars changed last, batch by batch."""
    began, done = time.monotonic(), 0
    with transaction():
        version = book_version()
    old = select(TicketPromise.ticket_id).where(
        TicketPromise.met_at.is_(None), TicketPromise.cancelled_at.is_(None), TicketPromise.book_version < version
    )
    stale = select(Ticket.id).where(Ticket.id.in_(old)).order_by(Ticket.id)
    while time.monotonic() - began < LONGEST_SECONDS:
        handled = each(stale, lambda ticket: ticket.review_promises())
        done += handled
        if handled < AT_ONCE:
            break
    return done
