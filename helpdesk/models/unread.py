"""Keeping on a ticket what nobody has handled yet, in the transactions that change it. See `helpdesk.models.handling`.

Whoever changes this of a ticket holds its conversation first, as everybody does who writes there.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, text, update

from helpdesk import clock
from helpdesk.db import before_commit, db, remembered
from helpdesk.models.handling import Cause, Handling
from helpdesk.models.inbound import Tally
from helpdesk.models.message import Message, MessageKind
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket.core import Actor, TicketCore

EVERYWHERE = ("desk", "unread")  # scope and name of the counter of all unhandled messages

QUIETLY = {"synchronize_session": False}

RECOUNT = text(
    """
    UPDATE tickets SET unread = fresh.count, unread_first_id = fresh.first_id, unread_last_id = fresh.last_id
    FROM (
        SELECT wanted.id, count(said.id) AS count,
               (array_agg(said.id ORDER BY said.seq))[1] AS first_id,
               (array_agg(said.id ORDER BY said.seq DESC))[1] AS last_id
        FROM unnest(CAST(:ids AS bigint[])) AS wanted (id)
        LEFT JOIN messages AS said ON said.ticket_id = wanted.id AND said.unhandled
        GROUP BY wanted.id
    ) AS fresh
    WHERE tickets.id = fresh.id
    """
)


def note_unread(ticket: "TicketCore", message: Message, nature: str) -> None:
    """A message that a person wrote waits to be handled; what came by itself, or what we wrote down, does not."""
    if nature != "human" or message.kind != MessageKind.INBOUND or "by_hand" in (message.facts or {}):
        return
    message.unhandled = True
    ticket.unread = (ticket.unread or 0) + 1
    ticket.unread_first_id = ticket.unread_first_id or message.id
    ticket.unread_last_id = message.id
    Tally.add(*EVERYWHERE, 1)


def leave_handled(ticket: "TicketCore", by: "Actor") -> None:
    """Nothing stays unread on a ticket that is being finished; the messages themselves follow at the commit."""
    if not ticket.unread and not ticket.has_merged:
        return
    ended: list[tuple[TicketCore, Actor, int]] = remembered("unread of finished", _later)
    ended.append((ticket, by, ticket.unread or 0))
    if ticket.unread:
        Tally.add(*EVERYWHERE, -ticket.unread)
    ticket.unread, ticket.unread_first_id, ticket.unread_last_id = 0, None, None


def _later() -> "list[tuple[TicketCore, Actor, int]]":
    """A list that is worked off just before the commit: what was heard in this transaction is written by then."""
    ended: list[tuple[TicketCore, Actor, int]] = []
    before_commit(lambda: _settle(ended))
    return ended


def _settle(ended: "list[tuple[TicketCore, Actor, int]]") -> None:
    for ticket, by, count in ended:
        merged = _merged_into(ticket)
        if not count and not merged:
            continue
        act = _act(ticket, by, count)
        mine = (Message.ticket_id.in_([ticket.id, *merged]), Message.unhandled)
        marked = update(Message).where(*mine).values(unhandled=False, handling_id=act.id if act else None)
        told = len(db.session.scalars(marked.returning(Message.id), execution_options=QUIETLY).all())
        if act is not None:
            act.count = told
        if merged:
            Tally.add(*EVERYWHERE, count - told)
            recount_unread(merged)


def _act(ticket: "TicketCore", by: "Actor", count: int) -> Handling | None:
    if not isinstance(by, User):
        return None
    act = Handling(
        by_id=by.id, cause=Cause.FINISHED, customer_id=ticket.customer_id, ticket_id=ticket.id, count=count
    )
    db.session.add(act)
    db.session.flush()
    return act


def _merged_into(ticket: "TicketCore") -> list[int]:
    """The merged tickets whose unread messages are shown on this one. Whoever is at one of them at this moment keeps
    it: they are not waited for, because their conversations were not held first."""
    if not ticket.has_merged:
        return []
    table = type(ticket)
    pointing = select(table.id).where(table.shown_on_id == ticket.id, table.unread_first_id.is_not(None))
    return list(db.session.scalars(pointing.with_for_update(of=table, key_share=True, skip_locked=True)))


def bring_back_unread(ticket: "TicketCore", by: User, finished_at: datetime | None) -> None:
    """Whoever undoes the finishing of a ticket finds what it had marked as handled unread again."""
    if finished_at is None:
        return
    act = db.session.scalar(
        select(Handling)
        .where(Handling.ticket_id == ticket.id, Handling.cause == Cause.FINISHED, Handling.undone_at.is_(None))
        .where(Handling.at >= finished_at)
        .order_by(Handling.id.desc())
        .limit(1)
    )
    if act is None:
        return
    back = update(Message).where(Message.handling_id == act.id).values(unhandled=True, handling_id=None)
    told = db.session.execute(back.returning(Message.id, Message.ticket_id), execution_options=QUIETLY).all()
    act.undone_at, act.undone_by_id = clock.now(), by.id
    if told:
        Tally.add(*EVERYWHERE, len(told))
    recount_unread({row.ticket_id for row in told if row.ticket_id != ticket.id})
    ids = [row.id for row in told if row.ticket_id == ticket.id]
    if ids:
        first, last = ticket.unread_first_id, ticket.unread_last_id
        ticket.unread = (ticket.unread or 0) + len(ids)
        ticket.unread_first_id = min([*ids, *([first] if first else [])])
        ticket.unread_last_id = max([*ids, *([last] if last else [])])


def recount_unread(ticket_ids: Collection[int]) -> None:
    """Read anew from their messages what is unread on these tickets, because messages went from one to another.

    The caller holds their conversations.
    """
    if ticket_ids:
        db.session.flush()
        db.session.execute(RECOUNT, {"ids": sorted(ticket_ids)})
        _forget(ticket_ids)


def unread_before(seen: Mapping[int, int]) -> "dict[int, list[int]]":
    """Ids of the unhandled messages of these tickets (by id) that came no later than the one given for each ticket."""
    found: dict[int, list[int]] = {}
    for ticket_id, last_id in seen.items():
        last = select(Message.seq).where(Message.id == last_id, Message.ticket_id == ticket_id).scalar_subquery()
        query = select(Message.id).where(Message.ticket_id == ticket_id, Message.unhandled, Message.seq <= last)
        found[ticket_id] = list(db.session.scalars(query))
    return found


def _forget(ticket_ids: Collection[int]) -> None:
    """Let tickets in memory read again what was just changed below them."""
    from helpdesk.models.ticket import Ticket  # it imports this module by way of its verbs

    for ticket_id in ticket_ids:
        held = db.session().identity_map.get(db.session().identity_key(Ticket, ticket_id))
        if held is not None:
            db.session.expire(held, ["unread", "unread_first_id", "unread_last_id"])
