"""The clocks of answering, read from what was said: on the ticket and on all that were merged into it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select

from helpdesk.db import db
from helpdesk.models.message import DeliveryState, Message, MessageKind
from helpdesk.models.ticket.joins import MERGE, TicketJoin

if TYPE_CHECKING:
    from helpdesk.models.ticket.core import TicketCore

Clocks = tuple[datetime | None, datetime | None]


def read_clocks(ticket: "TicketCore") -> Clocks:
    """The last answer, and the first message of a customer that none has answered.

    What stood unanswered on a ticket when it was merged was not answered by what had been written elsewhere before.
    """
    family = ticket.family
    last = db.session.scalar(_answers(family).order_by(Message.id.desc()).limit(1))
    paths = _paths(family) if len(family) > 1 else {}
    waits = [wait for member in family if (wait := _first_unanswered(member, paths.get(member, []))) is not None]
    return (last.at if last else None), min(waits, default=None)


def last_heard(ticket: "TicketCore") -> datetime | None:
    """When a customer wrote last."""
    heard = select(func.max(Message.at)).where(
        Message.ticket_id.in_(ticket.family), Message.kind == MessageKind.INBOUND, Message.nature == "human"
    )
    return db.session.scalar(heard)


def _first_unanswered(ticket_id: int, path: list[TicketJoin]) -> datetime | None:
    answered = _last_id([ticket_id], 0)
    for join in path:
        answered = max(answered, _last_id([join.to_id], join.newest_id))
    unanswered = select(func.min(Message.at)).where(
        Message.ticket_id == ticket_id,
        Message.kind == MessageKind.INBOUND,
        Message.nature == "human",
        Message.id > answered,
    )
    return db.session.scalar(unanswered)


def _last_id(ids: list[int], after: int) -> int:
    query = _answers(ids).where(Message.id > after).with_only_columns(func.max(Message.id))
    return db.session.scalar(query) or 0


def _answers(ids: list[int]) -> Select[Any]:
    return select(Message).where(
        Message.ticket_id.in_(ids),
        Message.nature == "human",
        Message.kind == MessageKind.REPLY,
        Message.delivery != DeliveryState.CANCELLED,
        ~Message.facts.has_key("forwards"),
    )


def _paths(family: list[int]) -> dict[int, list[TicketJoin]]:
    """For each merged ticket the merges that lead from it to where it is shown."""
    live = select(TicketJoin).where(
        TicketJoin.what == MERGE, TicketJoin.undone_at.is_(None), TicketJoin.from_id.in_(family)
    )
    by_from = {join.from_id: join for join in db.session.scalars(live)}
    paths: dict[int, list[TicketJoin]] = {}
    for member in family:
        path: list[TicketJoin] = []
        join = by_from.get(member)
        while join is not None:
            path.append(join)
            join = by_from.get(join.to_id)
        paths[member] = path
    return paths
