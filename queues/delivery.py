"""Sending one outbox item: its bytes made once, handed over, and what became of it written down and shown.

Three short transactions, and none is open while the network is used: prepare, then `dot_at` just before the byte that
cannot be taken back, then the outcome. Each of them looks at the lease first; whoever lost it leaves the item alone.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from flask_babel import gettext as _
from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload, selectinload

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.errors import Conflict, HelpdeskError, Refused
from helpdesk.models import Attempt, Delivery, Message, OutboxItem, Ticket, User
from helpdesk.models.message import ARRIVED, DeliveryState
from helpdesk.models.ticket import header_hash
from helpdesk.queries.readable import ticket_id_of
from queues import breakers
from queues.channels import adapter_for
from queues.channels.base import Adapter, DeliveryError, Outbound, Receipt, Secrets
from queues.follow_up import bring_back
from queues.letters import write_letter
from queues.secrets import StoredSecrets
from queues.tries import STILL_TO_SEND, Verdict, judge, summary

log = structlog.get_logger(__name__)

_WITH_ALL = (
    joinedload(OutboxItem.message).joinedload(Message.user),
    joinedload(OutboxItem.channel),
    selectinload(OutboxItem.deliveries),
)
ATTENTION = frozenset({DeliveryState.FAILED, DeliveryState.BOUNCED})
RECORD_PAUSES = (0.1, 0.5, 2.0, 5.0, 15.0)  # seconds
HELD_MARK = "held_since"  # in the envelope of an item that a restore made doubtful; see `queues.pause`
MAY_TRY_AGAIN = frozenset({DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.BOUNCED})


@dataclass(frozen=True)
class Taken:
    """An outbox item that this process has leased; `token` proves it. `probe`: it tries a server that was away."""

    item_id: int
    channel_id: int
    token: str
    probe: bool = False


class LeaseLost(Exception):
    """Somebody else may have the item by now: nothing more is done for it here."""


@dataclass(frozen=True)
class _Ready:
    """What sending needs, free of the database."""

    outbound: Outbound
    adapter: Adapter
    settings: dict[str, Any]
    secrets: Secrets


def deliver(taken: Taken) -> None:
    """Send one leased item and record how that went. Needs an application context and no open transaction."""
    try:
        outcome = _send(taken)
        _record_surely(taken, outcome)
    except LeaseLost:
        log.warning("outbox item left alone, its lease was lost", item=taken.item_id)


def _send(taken: Taken) -> Receipt | DeliveryError:
    handed_over = False

    def before_last_byte() -> None:
        nonlocal handed_over
        _mark_dot(taken)
        handed_over = True

    try:
        ready = _prepare(taken)
        if not ready.outbound.recipients:
            return Receipt([])
        return ready.adapter.send(ready.outbound, ready.settings, ready.secrets, before_last_byte)
    except DeliveryError as error:
        return error
    except HelpdeskError as error:
        return DeliveryError(error.message, permanent=True)
    except (LeaseLost, DBAPIError):
        raise
    except Exception as error:
        # A fault of ours must show on the message and wait for its next try, not come back every minute unseen.
        log.exception("message could not be sent", item=taken.item_id)
        words = _("A fault of the helpdesk: %(words)s", words=repr(error)[:400])
        return Receipt([], unknown=True) if handed_over else DeliveryError(words)


def _prepare(taken: Taken) -> _Ready:
    with transaction():
        item = db.session.scalar(select(OutboxItem).where(*_mine(taken)).options(*_WITH_ALL))
        if item is None:
            raise LeaseLost
        channel = item.channel
        adapter = adapter_for(channel.kind)
        if item.rendered is None:
            _render(item, adapter)
        assert item.rendered is not None
        pending = [one.address for one in item.deliveries if one.state in STILL_TO_SEND]
        envelope = item.envelope
        outbound = Outbound(item.id, envelope["header_id"], envelope["envelope_sender"], pending, item.rendered)
        return _Ready(outbound, adapter, dict(channel.settings), StoredSecrets(channel))


def _render(item: OutboxItem, adapter: Adapter) -> None:
    """Make the bytes that every try will send, and what the thread is recognised by."""
    letter = write_letter(item)
    outbound = adapter.compose(letter, item.channel.settings)
    item.rendered = outbound.rendered
    item.envelope = {
        **item.envelope,
        "header_id": outbound.header_id,
        "envelope_sender": outbound.envelope_sender,
    }
    known = {one.address for one in item.deliveries}
    item.deliveries += [Delivery(address=one) for one in dict.fromkeys(outbound.recipients) if one not in known]
    message = item.message
    message.header_id = outbound.header_id
    message.header_hash = header_hash(outbound.header_id)
    message.references = [*letter.references, *([letter.answers_header_id] if letter.answers_header_id else [])]
    message.recipients = {"to": [one for _, one in letter.to], "cc": [one for _, one in letter.cc]}
    message.subject = message.subject or letter.subject
    db.session.flush()


def _mark_dot(taken: Taken) -> None:
    """Commit that the message is about to be handed over: now a lost lease means "unknown". Raises LeaseLost."""
    marked = (
        update(OutboxItem)
        .where(*_mine(taken), OutboxItem.lease_until > clock.SQL_NOW)
        .values(dot_at=clock.SQL_NOW)
        .execution_options(synchronize_session=False)
    )
    with transaction() as session:
        if cast("CursorResult[Any]", session.execute(marked)).rowcount != 1:
            raise LeaseLost


def _mine(taken: Taken) -> tuple[Any, ...]:
    """Still ours; also when the lease ran out after the dot, because then we alone know how it ended."""
    states = [DeliveryState.SENDING, DeliveryState.UNKNOWN]
    return OutboxItem.id == taken.item_id, OutboxItem.lease_token == taken.token, OutboxItem.state.in_(states)


def _record_surely(taken: Taken, outcome: Receipt | DeliveryError) -> None:
    """Write down how it went, also when the database stumbles: nobody else will ever know."""
    for pause in RECORD_PAUSES:
        try:
            return _record(taken, outcome)
        except DBAPIError as error:
            log.warning("outcome not written down yet", item=taken.item_id, error=str(error.orig)[:500])
            time.sleep(pause)
    return _record(taken, outcome)


def _record(taken: Taken, outcome: Receipt | DeliveryError) -> None:
    with transaction():
        item = lock_item(OutboxItem.id == taken.item_id)
        if item is None or item.lease_token != taken.token:
            raise LeaseLost
        open_states = {*STILL_TO_SEND, item.state} - {DeliveryState.SENDING}  # "unknown" where we come back late
        pending = [one.address for one in item.deliveries if one.state in open_states]
        now = clock.now()
        verdict = judge(outcome, pending, item.attempts, now - item.trying_since)
        if verdict.channel_down:
            _wait_for_channel(item, verdict, taken.probe)
        elif taken.probe:
            breakers.close(breakers.key_of(item.channel))
            item.channel.note_contact()
        _settle(item, verdict, now)


def _wait_for_channel(item: OutboxItem, verdict: Verdict, probe: bool) -> None:
    item.channel.note_error(verdict.words)
    until = breakers.trip(breakers.key_of(item.channel), verdict.words, probe)
    item.not_before = until


def lock_item(which: Any) -> OutboxItem | None:
    """An item and its ticket, both locked, in the order in which everybody locks them: the item first."""
    db.session.flush()  # what the present transaction has changed must not be lost by reading anew
    item = db.session.scalar(
        select(OutboxItem)
        .where(which)
        .with_for_update(of=OutboxItem, key_share=True)
        .options(*_WITH_ALL)
        .execution_options(populate_existing=True)
    )
    locked = None
    while item is not None and (ticket_id := ticket_id_of(item.message)) not in {None, locked}:
        db.session.scalar(
            select(Ticket)
            .where(Ticket.id == ticket_id)
            .with_for_update(of=Ticket, key_share=True)
            .options(joinedload(Ticket.queue))
            .execution_options(populate_existing=True)
        )
        locked = ticket_id  # while this waited, the ticket may have been merged into another one
    return item


def _settle(item: OutboxItem, verdict: Verdict, now: datetime) -> None:
    """Write the outcome of a try: attempt, recipients, item, message and ticket."""
    for delivery in item.deliveries:
        result = verdict.results.get(delivery.address)
        if result is not None:
            delivery.state, delivery.code, delivery.words, delivery.at = result.state, result.code, result.words, now
    state = summary(one.state for one in item.deliveries) if item.deliveries else verdict.state
    db.session.add(Attempt(item_id=item.id, outcome=verdict.state, words=verdict.words))
    item.state = DeliveryState.DEFERRED if verdict.retry_in is not None else state
    item.last_error = verdict.words if item.state != DeliveryState.SENT else None
    item.lease_until = None
    item.lease_token = None
    if verdict.retry_in is None:
        item.finished_at = now
    else:
        item.dot_at = None
        item.not_before = max(item.not_before, now) if verdict.channel_down else now + verdict.retry_in
    show_state(item, state, verdict.words, by=None)


def show_state(item: OutboxItem, state: DeliveryState, words: str, by: User | None) -> None:
    """Let people see a change: on the message, in the history, and, where nobody got it, as work again."""
    message = item.message
    if message.delivery == state and message.delivery_note == (words or None):
        return
    if state == DeliveryState.SENT and message.delivery in ARRIVED:
        return  # the receipt was faster than the answer to what it is about
    ticket_id = ticket_id_of(message)
    ticket = db.session.get(Ticket, ticket_id) if ticket_id is not None else None
    if ticket is None:
        message.delivery, message.delivery_note = state, words or None
        return
    if state == DeliveryState.DEFERRED and item.attempts > 1:
        with ticket.changing(None):  # the history tells of the first delay, not of a hundred
            message.delivery_note, message.delivery = words, state
        return
    ticket.note_delivery(by, message, state, words or None)
    if state in ATTENTION and not item.automatic:
        bring_back(ticket.as_merged(), "bounce" if state == DeliveryState.BOUNCED else "not delivered", clock.now())


def settle_lost() -> int:
    """End what died with its process: sent again when the last byte had not left, unknown when it may have."""
    lost = OutboxItem.state == DeliveryState.SENDING, OutboxItem.lease_until < clock.SQL_NOW
    again = (
        update(OutboxItem)
        .where(*lost, OutboxItem.dot_at.is_(None))
        .values(state=DeliveryState.QUEUED, lease_until=None, lease_token=None)
        .returning(OutboxItem.message_id)
        .execution_options(synchronize_session=False)
    )
    with transaction() as session:
        messages = list(session.scalars(again))
        if messages:
            session.execute(
                update(Message)
                .where(Message.id.in_(messages))
                .values(delivery=DeliveryState.QUEUED)
                .execution_options(synchronize_session=False)
            )
        doubtful = list(session.scalars(select(OutboxItem.id).where(*lost).limit(100)))
    return sum(_settle_doubtful(item_id) for item_id in doubtful)


def _settle_doubtful(item_id: int) -> int:
    """The lease token stays: a sender that is merely slow may still come back with the truth."""
    with transaction():
        item = lock_item(OutboxItem.id == item_id)
        if item is None or item.state != DeliveryState.SENDING or item.lease_until is None:
            return 0
        now = clock.now()
        if item.lease_until >= now:
            return 0
        pending = [one.address for one in item.deliveries if one.state in STILL_TO_SEND]
        token = item.lease_token
        _settle(item, judge(Receipt([], unknown=True), pending, item.attempts, timedelta()), now)
        item.lease_token = token
        return 1


def set_aside(item_id: int, state: DeliveryState, words: str, mark: str | None, by: User | None = None) -> int:
    """End an item without a try, as unknown or cancelled, in the present transaction; 1, or 0 where it is done with.

    `mark` names what is noted in its envelope, None takes such marks away.
    """
    item = lock_item(OutboxItem.id == item_id)
    if item is None or item.state not in {*STILL_TO_SEND, DeliveryState.SENDING, DeliveryState.UNKNOWN}:
        return 0
    now = clock.now()
    for delivery in item.deliveries:
        if delivery.state in {*STILL_TO_SEND, DeliveryState.SENDING, DeliveryState.UNKNOWN}:
            delivery.state, delivery.words, delivery.at = state, words, now
    item.envelope = _without_mark(item.envelope) | ({mark: now.isoformat()} if mark else {})
    item.state, item.last_error, item.finished_at = state, words, now
    item.lease_until = item.lease_token = None
    show_state(item, state, words, by)
    return 1


def retry_failed(by: User, message: Message) -> None:
    """Try again now, with the same bytes, to reach those who did not get `message`, in the present transaction.

    What waits for its next try has it at once, also where its server was away. The caller rings the outbox's bell.
    Raises Refused when it never was to leave, Conflict when it is on its way or has arrived.
    """
    item = lock_item(OutboxItem.message_id == message.id)
    if item is None:
        raise Refused(_("This message is not meant to be sent."))
    missing = [one for one in item.deliveries if one.state in MAY_TRY_AGAIN]
    if item.state == DeliveryState.DEFERRED:
        _hurry(item)
        return
    if item.state in {DeliveryState.QUEUED, DeliveryState.SENDING} or (item.deliveries and not missing):
        raise Conflict(_("There is nothing to try again: the message is on its way or has been sent."))
    if item.state == DeliveryState.CANCELLED:
        raise Conflict(_("This message was taken back. Write it again."))
    now = clock.now()
    for delivery in missing:
        delivery.state = DeliveryState.QUEUED
    item.state = DeliveryState.QUEUED
    item.envelope = _without_mark(item.envelope)
    item.attempts = 0
    item.trying_since = item.not_before = now
    item.lease_until = item.lease_token = item.dot_at = item.finished_at = item.last_error = None
    show_state(item, DeliveryState.QUEUED, "", by)


def _without_mark(envelope: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in envelope.items() if name != HELD_MARK}


def _hurry(item: OutboxItem) -> None:
    """Have the next try of an item now."""
    item.not_before = clock.now()
    breakers.try_now(breakers.key_of(item.channel))
