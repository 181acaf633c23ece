"""What the rows of a page say beside the ticket's own columns: the last words, my drafts. One query each for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import BigInteger, Select, and_, bindparam, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk.db import db
from helpdesk.models import Draft, Message, User
from helpdesk.models.message import DeliveryState, MessageKind

LAST_WORDS = 160


@dataclass(frozen=True)
class Words:
    """The beginning of what was last said to or by the customer, and whether it was we who said it."""

    text: str = ""
    said_by_us: bool = False


@dataclass(frozen=True)
class Begun:
    """The beginning of what the user has begun to write, and its mode, reply or note."""

    text: str = ""
    mode: str = ""


def last_words(ticket_ids: Sequence[int]) -> dict[int, Words]:
    """What was last said on each of these tickets; the same for every reader.

    What was taken back was not said, and an automatic answer says nothing.
    """
    if not ticket_ids:
        return {}
    asked = func.unnest(literal(list(ticket_ids), ARRAY(BigInteger))).table_valued("id").render_derived(name="asked")
    sent = Message.delivery.is_distinct_from(DeliveryState.CANCELLED)
    by_hand = and_(Message.kind == MessageKind.REPLY, Message.nature == "human", sent)
    said = (
        select(
            func.left(func.coalesce(func.nullif(Message.visible_text, ""), Message.text), LAST_WORDS).label("words"),
            Message.kind,
        )
        .where(Message.ticket_id == asked.c.id, or_(Message.kind == MessageKind.INBOUND, by_hand))
        .order_by(Message.id.desc())
        .limit(1)
        .lateral("said")
    )
    query = select(asked.c.id, said.c.words, said.c.kind).select_from(asked).join(said, true())
    return {row.id: Words(_line(row.words), row.kind == MessageKind.REPLY) for row in db.session.execute(query)}


def drafts_begun(user: User, ticket_ids: Sequence[int]) -> dict[int, Begun]:
    """What `user` has begun to write on these tickets."""
    if not ticket_ids:
        return {}
    found = db.session.execute(_drafts(), {"user": user.id, "tickets": list(ticket_ids)})
    return {row.ticket_id: Begun(_line(row.words), row.mode) for row in found}


@cache
def _drafts() -> Select[tuple[int, str, str]]:
    """Each list of each reader asks this, so it is put together once."""
    tickets = func.any(bindparam("tickets", type_=ARRAY(BigInteger)))
    words = func.left(Draft.body, LAST_WORDS).label("words")
    query = select(Draft.ticket_id, words, Draft.mode)
    return query.where(Draft.user_id == bindparam("user"), Draft.ticket_id == tickets, Draft.body != "")


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
