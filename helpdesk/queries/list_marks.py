"""What the rows of a page say beside the ticket's own columns: the last words, my draft. One query for a whole page."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk.db import db
from helpdesk.models import Draft, Message, User
from helpdesk.models.message import MessageKind

LAST_WORDS = 160


@dataclass(frozen=True)
class Marks:
    """`words` are the beginning of what was last said to or by the customer, `said_by_us` whether it was we.

    `draft` is the beginning of what the user has begun to write there, `draft_mode` reply or note; "" without one.
    """

    words: str = ""
    said_by_us: bool = False
    draft: str = ""
    draft_mode: str = ""


def marks_of(user: User, ticket_ids: Sequence[int]) -> dict[int, Marks]:
    """The marks of each of these tickets."""
    if not ticket_ids:
        return {}
    asked = func.unnest(literal(list(ticket_ids), ARRAY(BigInteger))).table_valued("id").render_derived(name="asked")
    said = (
        select(
            func.left(func.coalesce(func.nullif(Message.visible_text, ""), Message.text), LAST_WORDS).label("words"),
            Message.kind,
        )
        .where(Message.ticket_id == asked.c.id, Message.kind.in_([MessageKind.INBOUND, MessageKind.REPLY]))
        .order_by(Message.id.desc())
        .limit(1)
        .lateral("said")
    )
    begun = (
        select(func.left(Draft.body, LAST_WORDS).label("draft"), Draft.mode)
        .where(Draft.ticket_id == asked.c.id, Draft.user_id == user.id, Draft.body != "")
        .order_by(Draft.id.desc())
        .limit(1)
        .lateral("begun")
    )
    query = (
        select(asked.c.id, said.c.words, said.c.kind, begun.c.draft, begun.c.mode)
        .select_from(asked)
        .outerjoin(said, true())
        .outerjoin(begun, true())
    )
    return {
        row.id: Marks(_line(row.words), row.kind == MessageKind.REPLY, _line(row.draft), row.mode or "")
        for row in db.session.execute(query)
    }


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
