"""Mail of the helpdesk to the people who work here: taken from its table, and sent through any mailbox that can.

A mail that may have left when its process died is sent once more: two invitations hurt nobody, none does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select, update

from helpdesk import clock
from helpdesk.config import settings
from helpdesk.db import db, transaction
from helpdesk.models import Channel, SystemMail
from queues.channels import adapter_for, adapters
from queues.channels.base import Adapter, Bounce, DeliveryError, Letter, Receipt, Secrets
from queues.channels.email import tokens
from queues.secrets import StoredSecrets
from queues.tries import LONGEST_ROUND, judge

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=15)
NO_ITEM = 0  # in the envelope sender of a mail that is in no outbox


@dataclass(frozen=True)
class _Mail:
    """A leased mail, free of the database."""

    id: int
    to: str
    subject: str
    body: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True)
class _Way:
    """What system mails leave through."""

    adapter: Adapter
    address: str
    settings: dict[str, Any]
    secrets: Secrets


def send_due(stopping: Callable[[], bool] = lambda: False) -> int:
    """Send the mails that are due; returns how many were tried. Safe in several processes at once."""
    tried = 0
    while not stopping() and (mail := _take()) is not None:
        _send(*mail)
        tried += 1
    return tried


def is_report(bounce: Bounce) -> bool:
    """Whether a delivery report is about a mail of the helpdesk itself; that mail has failed then, if it says so.

    Such a report holds the mail, and the mail a link that opens a colleague's account: it is no ticket for operators.
    """
    mail_id = tokens.system_mail_of_id(bounce.original_header_id or "")
    if mail_id is None:
        return bounce.token is not None and tokens.item_of_bounce_token(bounce.token) == NO_ITEM
    if bounce.action == "failed":
        words = f"{bounce.recipient}: {bounce.status} {bounce.words}"[:2000]
        values = {"state": "failed", "last_error": words, "finished_at": clock.SQL_NOW, "body": ""}
        db.session.execute(update(SystemMail).where(SystemMail.id == mail_id).values(values))
        log.warning("a mail to a colleague did not arrive", mail=mail_id, words=words)
    return True


def _take() -> tuple[_Mail, _Way] | None:
    """The next mail and its way, leased by putting off its next try."""
    with transaction() as session:
        due = (
            select(SystemMail)
            .where(SystemMail.state == "queued", SystemMail.not_before <= clock.SQL_NOW)
            .order_by(SystemMail.not_before, SystemMail.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        mail = session.scalar(due)
        if mail is None:
            return None
        mail.not_before = clock.now() + LEASE
        mail.attempts += 1
        return _Mail(mail.id, mail.to, mail.subject, mail.body, mail.attempts, mail.created_at), _way()


def _way() -> _Way:
    """A mailbox with an outgoing server, else one without, else the local folder."""
    able = []
    for channel in db.session.scalars(select(Channel).where(Channel.enabled).order_by(Channel.id)):
        adapter = adapter_for(channel.kind)
        if adapter.capabilities(channel.settings).has_recipients:
            able.append((adapter.remote(channel.settings) == "", channel.id, adapter, channel))
    if able:
        _, _, adapter, channel = min(able, key=lambda one: one[:2])
        return _Way(adapter, channel.address, dict(channel.settings), StoredSecrets(channel))
    adapter = next(one for one in adapters().values() if one.capabilities({}).has_recipients)
    return _Way(adapter, f"helpdesk@{urlsplit(settings().public_url).hostname}", {}, Secrets())


def _send(mail: _Mail, way: _Way) -> None:
    outcome: Receipt | DeliveryError
    try:
        outbound = way.adapter.compose(_letter(mail, way.address), way.settings)
        outcome = way.adapter.send(outbound, way.settings, way.secrets, lambda: None)
    except DeliveryError as error:
        outcome = error
    with transaction() as session:
        now = clock.now()
        verdict = judge(outcome, [mail.to], mail.attempts, now - mail.created_at)
        values: dict[str, Any] = {"last_error": verdict.words[:2000]}
        if verdict.retry_in is not None:
            values |= {"not_before": now + verdict.retry_in}
        elif verdict.state == "unknown" and now - mail.created_at < LONGEST_ROUND:
            values |= {"not_before": now + timedelta(minutes=5)}
        else:
            sent = verdict.state == "sent"
            values |= {"state": "sent" if sent else "failed", "finished_at": now, "body": ""}
            values |= {"last_error": None} if sent else {}
        session.execute(update(SystemMail).where(SystemMail.id == mail.id, SystemMail.state == "queued").values(values))
    if verdict.state != "sent":
        log.warning("a mail to a colleague did not leave", mail=mail.id, state=verdict.state, words=verdict.words)


def _letter(mail: _Mail, address: str) -> Letter:
    return Letter(
        item_id=NO_ITEM,
        message_id=mail.id,
        ticket_id=None,
        number="",
        address=address,
        to=[("", mail.to)],
        cc=[],
        recipients=[mail.to],
        subject=mail.subject,
        own_subject=True,
        text=mail.body,
        at=mail.created_at,
        time_zone="UTC",
        language="en",
        automatic=True,
        header_id=tokens.make_system_id(mail.id, address.rpartition("@")[2]),
    )
