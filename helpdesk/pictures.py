"""Pictures of strangers are shown only as copies that we painted ourselves, in a child that may be killed.

The copy holds pixels and nothing else: no metadata, no script hidden behind the picture, one frame of an animation.
"""

import subprocess
import sys
from pathlib import Path

import structlog
from sqlalchemy import select

from helpdesk import files, live
from helpdesk.db import db, transaction
from helpdesk.models.message import Attachment, Message
from helpdesk.queries.readable import ticket_id_of

log = structlog.get_logger(__name__)

CHILD = Path(__file__).with_name("picture_child.py")
CHILD_SECONDS = 20


def paint_due(limit: int = 50) -> int:
    """Make the safe copies that are due, each in a transaction of its own; returns how many were looked at.

    Safe in several processes. A job calls it until it returns less than `limit`.
    """
    for done in range(limit):
        with transaction():
            attachment = db.session.scalar(
                select(Attachment)
                .where(Attachment.preview_state == "due")
                .order_by(Attachment.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if attachment is None:
                return done
            _paint(attachment)
    return limit


def _paint(attachment: Attachment) -> None:
    known = db.session.execute(
        select(Attachment.preview_state, Attachment.preview_sha256)
        .where(Attachment.sha256 == attachment.sha256, Attachment.preview_state.in_(["made", "failed"]))
        .limit(1)
    ).first()
    if known is not None:
        attachment.preview_state, attachment.preview_sha256 = known
    else:
        with files.open_blob(attachment.sha256) as file:
            painted = repaint(file.read())
        attachment.preview_state = "failed" if painted is None else "made"
        attachment.preview_sha256 = None if painted is None else files.put(painted).sha256
    if attachment.message_id is not None:
        message = db.session.get_one(Message, attachment.message_id)
        live.touch(f"ticket:{ticket_id_of(message)}")


def repaint(content: bytes) -> bytes | None:
    """A PNG or JPEG copy of a picture, at most 1600 pixels wide and high; None where it cannot be read safely."""
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(CHILD)],
            env={},
            input=content,
            capture_output=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.warning("a picture took too long", size=len(content))
        return None
    if child.returncode != 0:
        log.info("a picture was given up", size=len(content), code=child.returncode)
        return None
    return child.stdout or None
