"""`helpdesk mail deliver`: a mail server pipes one mail in. The exit code is the answer, as in sysexits.h."""

from collections.abc import Callable
from typing import Any, BinaryIO

import structlog
from flask import Flask
from sqlalchemy import select

from helpdesk.db import transaction
from helpdesk.errors import StartError
from helpdesk.models import Channel
from queues.channels.base import Inbound, StoreAway
from queues.channels.email.adapter import EmailAdapter
from queues.channels.email.fetch import HEADER_BYTES, LARGEST, TOO_LARGE, content_key
from queues.doors import store
from queues.held import storing

STORED, EMPTY, LATER = 0, 65, 75
"""EX_OK, EX_DATAERR, EX_TEMPFAIL: only after the last does a mail server keep the mail and try again."""

log = structlog.get_logger(__name__)


def deliver_safely(
    factory: Callable[[], Flask], channel: str, source: BinaryIO, sender: str | None, recipients: list[str]
) -> tuple[int, str]:
    """As `deliver`; a fault that nobody thought of must not make a mail bounce either."""
    try:
        return deliver(factory, channel, source, sender, recipients)
    except Exception as error:
        log.exception("mail not stored")
        return LATER, f"The mail cannot be stored now, try again later: {error}"


def deliver(
    factory: Callable[[], Flask], channel: str, source: BinaryIO, sender: str | None, recipients: list[str]
) -> tuple[int, str]:
    """Store the mail that `source` holds in the channel of that name. Returns the exit code and a sentence.

    A channel that does not exist (yet) is LATER too: a wrong name in the mail server's settings costs no mail.
    """
    try:
        with factory().app_context():
            channel_id = _channel_named(channel)
            if channel_id is None:
                return LATER, f"There is no mail channel named “{channel}”. Try again when there is one."
            inbound = read(source, {"door": "pipe", "sender": sender, "recipients": recipients})
            if inbound is None:
                return EMPTY, "There is no mail on standard input."
            new = store(channel_id, inbound)
    except (StoreAway, StartError, OSError) as error:
        return LATER, f"The mail cannot be stored now, try again later: {error}"
    return STORED, "Stored." if new else "This mail was stored before."


def read(source: BinaryIO, envelope: dict[str, Any]) -> Inbound | None:
    """The mail on a stream; of one that is too large only the header, and the rest is read and left."""
    raw = source.read(LARGEST + 1)
    envelope = {name: value for name, value in envelope.items() if value not in (None, [])}
    if not raw.strip():
        return None
    if len(raw) <= LARGEST:
        return Inbound(content_key(raw), raw, envelope)
    size = len(raw)
    while piece := source.read(1024 * 1024):
        size += len(piece)
    header = raw[:HEADER_BYTES].replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n"
    return Inbound(content_key(header, TOO_LARGE), header, {**envelope, "size": size}, TOO_LARGE)


def _channel_named(name: str) -> int | None:
    query = select(Channel.id).where(Channel.name == name, Channel.kind == EmailAdapter.kind)
    with storing(), transaction() as session:
        return session.scalar(query)
