"""Drafts for lists: which tickets somebody has begun to write on, and all they have begun."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload

from helpdesk.db import db
from helpdesk.models import Attachment, Draft, Ticket, User
from helpdesk.permissions import visible

MOST_DRAFTS = 200


@dataclass(frozen=True)
class DraftMark:
    """That somebody has begun to write: `mode` is reply or note, `built` whether blocks wait to be put together."""

    mode: str
    built: bool
    updated_at: datetime | None


def _says_something() -> ColumnElement[bool]:
    has_files = exists().where(Attachment.draft_id == Draft.id)
    lists = [func.jsonb_array_length(column) > 0 for column in (Draft.blocks, Draft.former)]
    return or_(Draft.body != "", *lists, has_files)


def drafts_of(user: User, ticket_ids: Collection[int]) -> dict[int, DraftMark]:
    """The drafts of `user` on these tickets, by ticket id; empty ones are left out. One index probe a ticket."""
    if not ticket_ids:
        return {}
    columns = (Draft.ticket_id, Draft.mode, func.jsonb_array_length(Draft.blocks) > 0, Draft.updated_at)
    mine = (Draft.user_id == user.id, Draft.ticket_id.in_(ticket_ids), _says_something())
    rows = db.session.execute(select(*columns).where(*mine)).tuples()
    return {id_: DraftMark(mode, built, at) for id_, mode, built, at in rows if id_ is not None}


def own_drafts(user: User) -> list[tuple[Draft, Ticket | None]]:
    """What `user` has begun to write, newest first: with its ticket, or None for a new one. At most 200.

    None also for a ticket that went out of sight: what was typed is still theirs, the ticket is not.
    """
    query = (
        select(Draft, Ticket)
        .outerjoin(Ticket, and_(Ticket.id == Draft.ticket_id, visible(user)))
        .where(Draft.user_id == user.id, or_(_says_something(), Draft.ticket_id.is_(None)))
        .options(joinedload(Ticket.customer), joinedload(Ticket.queue))
        .order_by(Draft.updated_at.desc().nulls_last(), Draft.id.desc())
        .limit(MOST_DRAFTS)
    )
    return [(draft, ticket) for draft, ticket in db.session.execute(query).tuples()]
