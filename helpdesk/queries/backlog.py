"""What is due in each lane: the rows a worker would take now. For timetable, status page and metrics."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.models import InboundEvent, InboundState, OutboxItem, SystemMail, Webhook, WebhookDelivery
from helpdesk.models.message import DeliveryState

MOST_COUNTED = 10_000
RECENT = 10_000
STILL_LEAVING = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)


@dataclass(frozen=True)
class Backlog:
    """Rows of one lane that wait for a worker; counted up to MOST_COUNTED."""

    lane: str
    due: int
    oldest_at: datetime | None


def intake_due() -> ColumnElement[bool]:
    """Received events that nobody is reading at the moment."""
    free = or_(InboundEvent.lease_until.is_(None), InboundEvent.lease_until < SQL_NOW)
    return and_(InboundEvent.state == InboundState.WAITING, free)


def outbox_due() -> ColumnElement[bool]:
    """Messages whose time to leave has come and that nobody is sending at the moment."""
    free = or_(OutboxItem.lease_until.is_(None), OutboxItem.lease_until < SQL_NOW)
    return and_(OutboxItem.state.in_(STILL_LEAVING), OutboxItem.not_before <= SQL_NOW, free)


def webhooks_due() -> ColumnElement[bool]:
    """Deliveries whose time has come, of webhooks that may be tried now; for a join of both tables."""
    free = or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until < SQL_NOW)
    due = and_(WebhookDelivery.state.in_(["queued", "sending"]), WebhookDelivery.not_before <= SQL_NOW, free)
    return and_(due, Webhook.active, Webhook.try_after <= SQL_NOW)


def lanes_with_work() -> set[str]:
    """Lanes whose rows a worker could take now; four index probes."""
    system_mail = select(SystemMail.id).where(SystemMail.state == "queued", SystemMail.not_before <= SQL_NOW)
    row = db.session.execute(
        select(
            select(InboundEvent.id).where(intake_due()).exists().label("intake"),
            or_(select(OutboxItem.id).where(outbox_due()).exists(), system_mail.exists()).label("outbox"),
            select(WebhookDelivery.id).join(Webhook).where(webhooks_due()).exists().label("webhooks"),
        )
    ).one()
    return {lane for lane, has_work in row._mapping.items() if has_work}


def backlogs() -> list[Backlog]:
    """How much waits for the workers of intake, outbox and webhooks, and since when."""
    return [
        _backlog("intake", select(InboundEvent.received_at.label("since")).where(intake_due())),
        _backlog("outbox", select(OutboxItem.not_before.label("since")).where(outbox_due())),
        _backlog("webhooks", select(WebhookDelivery.not_before.label("since")).join(Webhook).where(webhooks_due())),
    ]


def _backlog(lane: str, due: Any) -> Backlog:
    rows = due.limit(MOST_COUNTED).subquery()
    count, oldest = db.session.execute(select(func.count(), func.min(rows.c.since))).one()
    return Backlog(lane, count, oldest)


def outbox_figures() -> dict[str, int]:
    """How many messages are on their way, and how many of the newest RECENT failed or ended unknown."""
    leaving = select(OutboxItem.state, func.count()).where(OutboxItem.state.in_(STILL_LEAVING))
    newest = select(func.max(OutboxItem.id)).scalar_subquery()
    ended = select(OutboxItem.state, func.count()).where(
        OutboxItem.id > newest - RECENT, OutboxItem.state.in_([DeliveryState.FAILED, DeliveryState.UNKNOWN])
    )
    figures = dict.fromkeys(("queued", "sending", "deferred", "failed", "unknown"), 0)
    for query in (leaving, ended):
        for state, count in db.session.execute(query.group_by(OutboxItem.state)):
            figures[state] = count
    return figures
