"""A short note pinned above the line of a queue, for the people of the next shift."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import clock, live
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Event, Queue, User
from helpdesk.models.event import SettingChanged, record_change

MOST_TEXT = 1000
WHAT = "shift note"


@dataclass(frozen=True)
class FormerNote:
    """What once stood there: empty text where it was taken down."""

    text: str
    author: str
    at: datetime


def write_note(by: User, queue: Queue, text: str) -> None:
    """Pin `text` above the queue's line, plain and at most 1000 characters; an empty one takes the note down.

    Every text stays in the history. The right to work in the queue is the caller's to check.
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MOST_TEXT:
        raise Refused(_("A shift note has at most 1000 characters. Write a note on a ticket for more."))
    db.session.refresh(queue, with_for_update={"key_share": True})
    if text == queue.shift_note:
        return
    record_change(by.id, WHAT, queue.id, queue.name, {"text": [queue.shift_note, text]})
    queue.shift_note = text
    queue.shift_note_at = clock.now() if text else None
    queue.shift_note_by = by if text else None
    live.touch(f"queue:{queue.id}")


def former_notes(queue: Queue, limit: int = 10) -> list[FormerNote]:
    """What was pinned there before and when, the newest first; the first one is what stands there now."""
    query = (
        select(Event.payload["changes"]["text"][1].astext, User.name, Event.at)
        .outerjoin(User, User.id == Event.actor_id)
        .where(Event.kind == SettingChanged.kind, Event.payload.contains({"what": WHAT, "ref_id": queue.id}))
        .order_by(Event.id.desc())
        .limit(limit)
    )
    return [FormerNote(row[0] or "", row[1] or "", row[2]) for row in db.session.execute(query)]
