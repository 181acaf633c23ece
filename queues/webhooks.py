"""Telling other systems of events: deliveries are taken under a lease, signed, posted once, and tried again later.

The events of one webhook are sent in their order, as long as the receiver takes them; the webhooks at the same time as
each other, so that a slow receiver is slow for itself. A receiver that is away is tried with growing pauses, by its
oldest delivery alone; one event that it does not like waits by itself and holds up no other.
"""

import json
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import delete, exists, func, select

from helpdesk import clock, outbound_http, signatures
from helpdesk.clock import SQL_NOW
from helpdesk.db import db, transaction
from helpdesk.models import Event, Ticket, Webhook, WebhookDelivery
from helpdesk.models.event import record_change
from helpdesk.models.webhook import MOST_WORDS
from helpdesk.outbound import OutboundRefused
from helpdesk.queries.backlog import webhooks_due
from queues.pause import is_paused_now

log = structlog.get_logger(__name__)

PAUSES = (10, 30, 60, 300, 900, 3600)  # seconds after the first, second, ... failure in a row
AT_ONCE = 8  # webhooks
BATCH = 20  # deliveries of one webhook
PATIENCE = 20.0  # seconds for the batch of one webhook
LEASE = timedelta(seconds=PATIENCE + 3 * outbound_http.TOTAL_SECONDS)
KEPT_SENT = timedelta(days=7)
KEPT_FAILED = timedelta(days=30)
GONE = 410
ABOUT_THE_EVENT = {400, 409, 413, 415, 422}  # other answers of 4xx and 5xx would meet every event

# What people wrote in their own words never leaves by a webhook, nor do names and addresses of customers.
FREE_TEXT = ("reason", "words", "address")
WORDY_FIELDS = {"title", "customer"}


@dataclass(frozen=True)
class Letter:
    """One delivery, ready to be posted: read before, because no transaction is open while the network is waited for."""

    delivery_id: int
    body: bytes


@dataclass(frozen=True)
class Round:
    """The letters for one webhook."""

    webhook_id: int
    url: str
    secret: bytes
    letters: list[Letter]


@dataclass(frozen=True)
class Outcome:
    """What became of a letter: the status (None without an answer), words, seconds that the receiver asks for."""

    delivery_id: int
    status: int | None
    words: str
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_about_the_event(self) -> bool:
        """Whether the receiver works and does not like this very event."""
        return self.status in ABOUT_THE_EVENT


def drain(stopping: Callable[[], bool]) -> int:
    """Post what is due until nothing is; returns how many deliveries were tried. The drain of the lane `webhooks`."""
    tried = 0
    while not stopping():
        token = secrets.token_hex(8)
        rounds = _take(token)
        if not rounds:
            break
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # what a thread needs of the proxy

        def post(letters: Round, app: Any = app) -> list[Outcome]:
            with app.app_context():
                return _post(letters)

        with ThreadPoolExecutor(len(rounds), "webhook") as posters:
            for made, outcomes in zip(rounds, posters.map(post, rounds), strict=True):
                _record(made, outcomes, token)
                tried += len(outcomes)
    return tried


def payload(delivery: WebhookDelivery, event: Event | None, number: str | None) -> dict[str, Any]:
    """What a receiver is told: ids, kind and facts, never what people wrote."""
    if event is None:
        return {"id": f"test_{delivery.id}", "kind": "webhook.test", "at": delivery.created_at.isoformat()}
    facts = {name: value for name, value in event.payload.items() if name not in FREE_TEXT}
    if facts.get("field") in WORDY_FIELDS:
        facts = {"field": facts["field"]}
    return {
        "id": f"event_{event.id}",
        "kind": event.kind,
        "version": event.version,
        "at": event.at.isoformat(),
        "ticket": {"id": event.ticket_id, "number": number},
        "queue_id": event.queue_id,
        "project_id": event.project_id,
        "actor": {"kind": event.actor_kind, "id": event.actor_id},
        "facts": facts,
    }


def forget_deliveries() -> int:
    """Forget deliveries that ended a while ago. A chore."""
    with transaction() as session:
        gone = delete(WebhookDelivery).where(
            ((WebhookDelivery.state == "sent") & (WebhookDelivery.finished_at < SQL_NOW - KEPT_SENT))
            | ((WebhookDelivery.state == "failed") & (WebhookDelivery.finished_at < SQL_NOW - KEPT_FAILED))
        )
        return len(session.scalars(gone.returning(WebhookDelivery.id)).all())


def _take(token: str) -> list[Round]:
    """Lease the next deliveries of webhooks that may be tried now, the oldest first; none while sending is paused."""
    with transaction() as session:
        if is_paused_now():
            return []
        ids = session.scalars(
            select(WebhookDelivery.webhook_id)
            .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
            .where(webhooks_due())
            .group_by(WebhookDelivery.webhook_id)
            .order_by(func.min(WebhookDelivery.id))
            .limit(AT_ONCE)
        ).all()
        # Locked in one order; who is being served by another worker is left to it.
        query = select(Webhook).where(Webhook.id.in_(ids)).order_by(Webhook.id)
        found = session.scalars(query.with_for_update(skip_locked=True, key_share=True)).all()
        rounds = [_lease(webhook, token) for webhook in found]
    return [made for made in rounds if made is not None]


def _lease(webhook: Webhook, token: str) -> Round | None:
    busy = exists().where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.lease_until > SQL_NOW)
    if db.session.scalar(select(busy)):
        return None  # another worker serves it: two at once would break the order
    size = 1 if webhook.failures else BATCH  # whoever was away is asked by one letter first
    query = (
        select(WebhookDelivery)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(WebhookDelivery.webhook_id == webhook.id, webhooks_due())
        .order_by(WebhookDelivery.id)
        .limit(size)
    )
    rows = db.session.scalars(query.with_for_update(of=WebhookDelivery, skip_locked=True)).all()
    if not rows:
        return None
    wanted = [row.event_id for row in rows if row.event_id is not None]
    events = {event.id: event for event in db.session.scalars(select(Event).where(Event.id.in_(wanted)))}
    tickets = {event.ticket_id for event in events.values()}
    pairs = select(Ticket.id, Ticket.number).where(Ticket.id.in_(tickets))
    numbers = dict(db.session.execute(pairs).tuples().all())
    until = clock.now() + LEASE
    letters = []
    for row in rows:
        event = events.get(row.event_id) if row.event_id is not None else None
        number = numbers.get(event.ticket_id) if event is not None and event.ticket_id is not None else None
        body = json.dumps(payload(row, event, number), ensure_ascii=False).encode()
        letters.append(Letter(row.id, body))
        row.state, row.lease_until, row.lease_token = "sending", until, token
    return Round(webhook.id, webhook.url, webhook.secret.encode(), letters)


def _post(made: Round) -> list[Outcome]:
    """Post letter after letter until one is not taken for a reason that holds for all."""
    until = time.monotonic() + PATIENCE
    outcomes: list[Outcome] = []
    for letter in made.letters:
        outcome = _post_one(made, letter)
        outcomes.append(outcome)
        if time.monotonic() > until or not (outcome.taken or outcome.is_about_the_event) or outcome.status == GONE:
            break
    return outcomes


def _post_one(made: Round, letter: Letter) -> Outcome:
    headers = signatures.headers([made.secret], letter.body, int(time.time()))  # the receiver's clock is the real one
    headers |= {"Content-Type": "application/json", "User-Agent": "Helpdesk-Webhook/1"}
    try:
        answer = outbound_http.post(made.url, letter.body, headers)
    except (OutboundRefused, outbound_http.PostFailed) as error:
        return Outcome(letter.delivery_id, None, str(error))
    return Outcome(letter.delivery_id, answer.status, answer.excerpt, answer.retry_after)


def _record(made: Round, outcomes: list[Outcome], token: str) -> None:
    """Write down what became of the letters; those not posted are free again. A lost lease changes nothing."""
    by_id = {outcome.delivery_id: outcome for outcome in outcomes}
    with transaction() as session:
        webhook = session.scalar(select(Webhook).where(Webhook.id == made.webhook_id).with_for_update(key_share=True))
        if webhook is None:
            return
        rows = session.scalars(
            select(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.lease_token == token)
            .order_by(WebhookDelivery.id)
            .with_for_update()
        ).all()
        for row in rows:
            row.lease_until = row.lease_token = None
            row.state = "queued"
            outcome = by_id.get(row.id)
            if outcome is not None:
                _settle(webhook, row, outcome)


def _settle(webhook: Webhook, row: WebhookDelivery, outcome: Outcome) -> None:
    now = clock.now()
    row.attempts += 1
    row.status, row.words = outcome.status, outcome.words[:MOST_WORDS]
    if outcome.taken:
        row.state, row.finished_at = "sent", now
        if webhook.failing_since is not None:
            webhook.note_success()
        return
    pause = timedelta(seconds=max(_pause(row.attempts), outcome.retry_after or 0))
    row.not_before = now + pause
    if outcome.status == GONE:
        _give_up(webhook, _("The receiver says that it is gone for good (410). The webhook is switched off."))
    elif outcome.is_about_the_event:
        if now - row.created_at >= timedelta(days=webhook.give_up_days):
            row.state, row.finished_at = "failed", now
    elif webhook.note_failure(timedelta(seconds=max(_pause(webhook.failures + 1), outcome.retry_after or 0))):
        _give_up(webhook, _("The receiver took nothing for days. The webhook is switched off."))
    else:
        row.not_before = webhook.try_after
    log.info("webhook not taken", webhook=webhook.id, delivery=row.id, status=outcome.status, words=row.words)


def _pause(failures: int) -> int:
    return PAUSES[min(failures, len(PAUSES)) - 1]


def _give_up(webhook: Webhook, words: str) -> None:
    if webhook.active:
        webhook.switch_off(words)
        record_change(None, "webhook", webhook.id, webhook.name, {"active": [True, False], "why": words})
        log.warning("webhook switched off", webhook=webhook.id, words=words)

