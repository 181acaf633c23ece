"""Drafts: what somebody is writing, kept as they type, in however many windows they write it."""

import json
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Attachment, Draft, Message, Ticket, User
from helpdesk.models.writing import MOST_BODY

MOST_FORMER = 5
MOST_BLOCKS = 50
MOST_OF_BLOCK = 50_000
OPENINGS = ("mail", "hand")
BLOCKS = {
    "text": ("text",),
    "picture": ("file", "name", "mark"),
    "link": ("title", "url"),
    "video": ("title", "url"),
    "file": ("file", "name"),
}


@dataclass(frozen=True)
class Writing:
    """What a window holds: mode, text, addresses, the newest message that was seen, blocks, other fields of the form.

    `known` is the version that it was written upon ("" for none) and `window` the name of the window. What is None was
    not told and stays as it is kept.
    """

    mode: str
    body: str
    known: str
    window: str
    recipients: dict[str, list[str]] = field(default_factory=dict)
    seen: int | None = None
    caret: int | None = None
    blocks: list[dict[str, str]] | None = None
    fields: dict[str, str] | None = None


def version_of(draft: Draft | None) -> str:
    """The version of what is kept, as windows name it; "" where nothing is. It never comes again."""
    return f"{draft.id}.{draft.version}" if draft is not None else ""


def own_draft(user: User, ticket: Ticket) -> Draft | None:
    """What `user` is writing on the ticket."""
    return db.session.scalar(select(Draft).where(Draft.user_id == user.id, Draft.ticket_id == ticket.id))


def own_opening(user: User, opening: str) -> Draft | None:
    """What `user` is writing in the form of a new ticket (`mail` or `hand`)."""
    mine = select(Draft).where(Draft.user_id == user.id, Draft.ticket_id.is_(None), Draft.opening == opening)
    return db.session.scalar(mine)


def draft_of(user: User, ticket: Ticket) -> Draft:
    """The user's draft of the ticket, locked, made when it is missing; two windows at once make one."""
    return _made({"user_id": user.id, "ticket_id": ticket.id})


def opening_of(user: User, opening: str) -> Draft:
    """The user's draft of a new ticket, locked, made when it is missing."""
    return _made({"user_id": user.id, "opening": opening})


def _made(values: dict[str, Any]) -> Draft:
    db.session.execute(insert(Draft).values(**values).on_conflict_do_nothing())
    query = select(Draft).filter_by(**values).with_for_update()
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def keep(draft: Draft, writing: Writing) -> None:
    """Let the newer text stand. What another window wrote meanwhile goes to `former`, for its author to choose.

    Raises Refused for a text that is too long.
    """
    if len(writing.body) > MOST_BODY:
        raise Refused(_("The draft is longer than 200,000 characters."))
    is_stale = draft.writer != writing.window and version_of(draft) != writing.known
    if is_stale and not writing.body.startswith(draft.body.rstrip()):
        _set_aside(draft)
    draft.mode = writing.mode
    draft.body = writing.body
    draft.recipients = writing.recipients
    draft.seen_message_id = writing.seen
    draft.caret = writing.caret
    if writing.blocks is not None:
        draft.blocks = writing.blocks
    if writing.fields is not None:
        draft.fields = writing.fields
    draft.writer = writing.window
    touch(draft)


def touch(draft: Draft) -> None:
    """Count a change."""
    draft.version += 1
    draft.updated_at = clock.now()


def _set_aside(draft: Draft) -> None:
    at = (draft.updated_at or clock.now()).isoformat()
    others = [one for one in draft.former if not draft.body.startswith(one["body"])]
    draft.former = [*others, {"mode": draft.mode, "body": draft.body, "at": at}][-MOST_FORMER:]


def begin_reply(draft: Draft) -> str:
    """Make it an answer to the customer; returns what its author has begun to write to them.

    A note is set aside, for its author to choose, and its files among the blocks: in an answer they would reach the
    customer.
    """
    if draft.mode == "note":
        if draft.body.strip():
            _set_aside(draft)
        draft.body = ""
        draft.blocks = [*draft.blocks, *({"kind": "file", "file": str(f.id), "name": f.name} for f in files_of(draft))]
    draft.mode = "reply"
    return draft.body.strip()


def take_up_again(user: User, ticket: Ticket, message: Message) -> Draft:
    """Put a reply that was taken back before whatever its author has begun to write meanwhile, with its files anew."""
    draft = draft_of(user, ticket)
    begun = begin_reply(draft)
    draft.body = "\n\n".join(part for part in (message.text, begun) if part)
    draft.recipients = dict(message.recipients)
    draft.seen_message_id = message.id
    draft.fields = {"answers": str(message.answers_id)} if message.answers_id is not None else {}
    draft.writer = ""
    touch(draft)
    kept = ("sha256", "name", "type", "size", "inline", "content_id", "preview_sha256", "preview_state")
    copies = [
        Attachment(draft_id=draft.id, **{name: getattr(file, name) for name in kept}) for file in message.attachments
    ]
    db.session.add_all(copies)
    db.session.flush()
    db.session.expire(draft, ["attachments"])
    return draft


def sent(draft: Draft | None, body: str) -> None:
    """The draft was sent, its files are on the message. What another window wrote, and blocks not yet used, stay."""
    if draft is None:
        return
    db.session.flush()
    db.session.expire(draft, ["attachments"])
    draft.former = [one for one in draft.former if not body.startswith(one["body"].rstrip())]
    if not draft.former and not draft.blocks:
        db.session.delete(draft)
        return
    draft.body, draft.recipients, draft.fields, draft.caret = "", {}, {}, None
    draft.writer = ""
    touch(draft)


def discard(draft: Draft) -> None:
    """Throw the draft away, with its files and with what other windows wrote."""
    for file in list(draft.attachments):
        db.session.delete(file)
    db.session.flush()
    db.session.expire(draft, ["attachments"])
    db.session.delete(draft)


def files_of(draft: Draft) -> list[Attachment]:
    """The files of the message itself; those of blocks belong to it only when the blocks do."""
    held = {block.get("file") for block in draft.blocks}
    return [file for file in draft.attachments if str(file.id) not in held]


def read_blocks(written: str) -> list[dict[str, str]]:
    """Blocks as a window sends them (JSON), nothing but their known parts. Raises Refused for what are none."""
    try:
        given = json.loads(written or "[]")
    except ValueError as error:
        raise Refused(_("The blocks of the message cannot be read.")) from error
    if not isinstance(given, list) or len(given) > MOST_BLOCKS:
        raise Refused(_("A message has at most %(count)s blocks.", count=MOST_BLOCKS))
    return [_block(one) for one in given]


def _block(given: Any) -> dict[str, str]:
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in BLOCKS:
        raise Refused(_("The blocks of the message cannot be read."))
    parts = {name: str(given.get(name, "")).replace("\x00", "") for name in BLOCKS[kind]}
    if any(len(part) > MOST_OF_BLOCK for part in parts.values()):
        raise Refused(_("A block is longer than 50,000 characters."))
    return {"kind": kind, **parts}
