"""One act on many tickets: a preview, then each ticket in a transaction of its own, in the order of their ids.

A transaction of its own, because the locks of two hundred tickets at once (queues among them) would hold up everybody
who takes a ticket meanwhile; so a queue is held for the moment of one ticket. What became of each ticket is kept in the
same commit as its change: after a crash the row tells how far it went, and undo knows what to put back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from flask_babel import gettext as _
from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import joinedload

from helpdesk import clock, permissions
from helpdesk.db import db
from helpdesk.errors import Conflict, HelpdeskError, NotFound, Refused
from helpdesk.models import BulkAct, Right, Ticket, User
from queues.bulk_acts import ACTS as ACTS_ON_ONE
from queues.bulk_acts import Act
from queues.bulk_merge import Merge

log = structlog.get_logger(__name__)

ACTS: dict[str, type[Act]] = ACTS_ON_ONE | {Merge.code: Merge}
MOST_AT_ONCE = 200
UNDO_WITHIN = timedelta(hours=1)
KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Refusal:
    """A ticket that does not change, and why, as a clause without a full stop."""

    ticket_id: int
    number: str
    reason: str


@dataclass(frozen=True)
class Preview:
    """What an act would do: the ids that would change, and the tickets that would not."""

    changes: list[int]
    refusals: list[Refusal]

    @property
    def by_reason(self) -> list[tuple[str, list[Refusal]]]:
        """The refusals by their reason, the most frequent first."""
        return by_reason(self.refusals)


def by_reason(refusals: Iterable[Refusal]) -> list[tuple[str, list[Refusal]]]:
    """Refusals by their reason, the most frequent first."""
    found: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        found.setdefault(refusal.reason, []).append(refusal)
    return sorted(found.items(), key=lambda pair: -len(pair[1]))


def chosen(written: str) -> list[int]:
    """Ids as a form carries them ("3,7,12"), each once, in order. Raises Refused for none, or for more than 200."""
    ids = sorted({int(part) for part in written.split(",") if part.isascii() and part.isdigit() and len(part) < 19})
    if not ids:
        raise Refused(_("Choose the tickets first."))
    if len(ids) > MOST_AT_ONCE:
        raise Refused(_("At most %(count)s tickets can be changed at once.", count=MOST_AT_ONCE))
    return ids


def preview(user: User, act: Act, ids: Sequence[int]) -> Preview:
    """What `act` would do to these tickets now. Nothing is locked, so that somebody may still be faster."""
    query = select(Ticket).where(Ticket.id.in_(ids), permissions.visible(user))
    query = query.options(joinedload(Ticket.queue, innerjoin=True))
    seen = {ticket.id: ticket for ticket in db.session.scalars(query)}
    changes: list[int] = []
    refusals: list[Refusal] = []
    for ticket_id in ids:
        ticket = seen.get(ticket_id)
        reason = _why_not(user, act, ticket)
        if reason:
            refusals.append(Refusal(ticket_id, ticket.number_text if ticket else "", reason))
        else:
            changes.append(ticket_id)
    return Preview(changes, refusals)


def _why_not(user: User, act: Act, ticket: Ticket | None) -> str:
    if ticket is None:
        return _("is not there any more, or you may not see it")
    if Right.WORK not in permissions.rights(user, ticket.queue_id):
        return _("you may read it but not work in its queue")
    return act.why_not(user, ticket)


def run(user: User, act: Act, ids: Sequence[int], key: str) -> int:
    """Do `act` to each ticket. Returns the id of the row that tells what became of it; the same `key` does it once."""
    user_id = user.id
    _forget_old(user_id)
    made = db.session.scalar(
        insert(BulkAct)
        .values(user_id=user_id, key=key[:100], act=act.code)
        .on_conflict_do_nothing()
        .returning(BulkAct.id)
    )
    if made is None:
        return db.session.scalars(select(BulkAct.id).where(BulkAct.user_id == user_id, BulkAct.key == key[:100])).one()
    db.session.commit()
    numbers = {
        row.id: row.number for row in db.session.execute(select(Ticket.id, Ticket.number).where(Ticket.id.in_(ids)))
    }
    for ticket_id in ids:
        _do_one(user, act, made, ticket_id, numbers.get(ticket_id, ""))
    return made


def _do_one(user: User, act: Act, row_id: int, ticket_id: int, number: str) -> None:
    told: dict[str, Any] = {"id": ticket_id, "number": number, "done": True, "reason": "", "before": {}}
    try:
        told["before"] = act.do(user, ticket_id)
        _keep(row_id, told)
        db.session.commit()
    except (HelpdeskError, IntegrityError, OperationalError) as error:
        db.session.rollback()
        told |= {"done": False, "reason": reason_of(error), "number": "" if isinstance(error, NotFound) else number}
        _keep(row_id, told)
        db.session.commit()


def reason_of(error: Exception) -> str:
    """Why a ticket did not change, as a clause."""
    if isinstance(error, HelpdeskError):
        return error.message.rstrip(".")
    log.info("one of many tickets was busy", error=str(getattr(error, "orig", error)))
    return _("somebody else changed it at this moment")


def _keep(row_id: int, told: dict[str, Any]) -> None:
    one = literal([told], JSONB)
    statement = update(BulkAct).where(BulkAct.id == row_id).values(results=BulkAct.results.op("||")(one))
    db.session.execute(statement.execution_options(synchronize_session=False))


def get_act(user: User, row_id: int) -> BulkAct:
    """What somebody did to many tickets; their own alone. Raises NotFound."""
    found = db.session.scalar(select(BulkAct).where(BulkAct.id == row_id, BulkAct.user_id == user.id))
    if found is None:
        raise NotFound(_("There is nothing to show here any more."))
    return found


def can_undo(row: BulkAct) -> bool:
    """Whether there is something to put back, for an hour."""
    is_late = row.made_at + UNDO_WITHIN < clock.now()
    return row.undone_at is None and not is_late and any(told["done"] for told in row.results)


def undo(user: User, row_id: int) -> tuple[int, list[Refusal]]:
    """Put back what an act changed. Returns how many were, and those that stay as they are, with the reason.

    Raises Conflict when it was undone already, or is too old.
    """
    row = db.session.scalars(
        select(BulkAct).where(BulkAct.id == row_id, BulkAct.user_id == user.id).with_for_update()
    ).one_or_none()
    if row is None or not can_undo(row):
        raise Conflict(_("This cannot be undone any more."))
    row.undone_at = clock.now()
    done, act = [told for told in row.results if told["done"]], ACTS[row.act]
    db.session.commit()
    count, refusals = 0, []
    for told in reversed(done):  # each finds what it left
        try:
            act.undo(user, told["id"], told["before"])
            db.session.commit()
            count += 1
        except (HelpdeskError, IntegrityError, OperationalError) as error:
            db.session.rollback()
            refusals.append(Refusal(told["id"], told["number"], reason_of(error)))
    return count, refusals


def _forget_old(user_id: int) -> None:
    old = delete(BulkAct).where(BulkAct.user_id == user_id, BulkAct.made_at < func.helpdesk_now() - KEPT)
    db.session.execute(old.execution_options(synchronize_session=False))
