"""Holding tickets that merges tie together, and what searches know of them."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from sqlalchemy import select, text

from helpdesk.db import db, forget
from helpdesk.errors import Conflict
from helpdesk.models.search import write_documents
from helpdesk.models.writing import lock_conversations

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket


def lock_for_joining(model: "type[Ticket]", ids: Iterable[int]) -> "dict[int, Ticket]":
    """Lock the tickets with these ids and all that are tied to them by merges: first conversations, then tickets.

    Both always in the order of their ids, as everybody locks. Raises Conflict where a merge changed them meanwhile.
    """
    wanted = set(ids)
    for _try in range(3):
        tied = _tied(model, wanted)
        conversations = db.session.scalars(select(model.conversation_id).where(model.id.in_(tied)))
        lock_conversations(list(conversations))
        query = select(model).where(model.id.in_(tied)).order_by(model.id)
        locked = query.with_for_update(of=model, key_share=True).execution_options(populate_existing=True)
        found = {ticket.id: ticket for ticket in db.session.scalars(locked)}
        if _tied(model, wanted) == tied:
            for id_ in tied:
                forget(f"promises:{id_}")
            return found
    raise Conflict(_("Somebody is merging these tickets at this moment. Try again."))


def _tied(model: "type[Ticket]", ids: set[int]) -> set[int]:
    """These tickets, what they were merged into, and what was merged into them."""
    tied = set(ids)
    roots = {root for root in db.session.scalars(select(model.shown_on_id).where(model.id.in_(ids))) if root}
    tied |= roots
    pointing = select(model.id, model.merged_into_id).where(model.shown_on_id.in_(tied))
    for id_, into in db.session.execute(pointing):
        tied |= {id_, into}
    return tied


def show_documents(ticket_ids: Collection[int], shown_on_id: int) -> None:
    """Let searches find what was said on these tickets where it is shown now."""
    write_documents()
    db.session.execute(
        text(
            "UPDATE search_documents AS d SET ticket_id = :shown FROM messages AS m"
            " WHERE m.ticket_id = ANY(:ids) AND d.kind = 'message' AND d.ref_id = m.id AND d.ticket_id <> :shown"
        ),
        {"shown": shown_on_id, "ids": list(ticket_ids)},
    )
