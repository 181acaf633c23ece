"""Delivery receipts: what the other side of a channel says became of a message of ours."""

from sqlalchemy import ColumnElement, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Message, OutboxItem
from helpdesk.models.message import DeliveryState, MessageKind
from helpdesk.models.ticket import header_hash
from queues.channels.base import Delivered
from queues.delivery import lock_item, show_state

RECEIPT, UNKNOWN_RECEIPT = "delivery receipt", "receipt for an unknown message"
UNDER_WAY = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNKNOWN})
BEFORE = {
    DeliveryState.DELIVERED: UNDER_WAY | {DeliveryState.SENT},
    DeliveryState.READ: UNDER_WAY | {DeliveryState.SENT, DeliveryState.DELIVERED},
    DeliveryState.FAILED: UNDER_WAY | {DeliveryState.SENT},
}


def place_of_receipt(channel_id: int, told: Delivered) -> tuple[int, int | None] | None:
    """Outbox item and ticket of our message that a channel tells of; locks and changes nothing."""
    query = select(OutboxItem.id, Message.ticket_id).join(Message, Message.id == OutboxItem.message_id)
    found = db.session.execute(query.where(*_told_of(channel_id, told))).first()
    return None if found is None else (found[0], found[1])


def note_receipt(channel_id: int, told: Delivered) -> str:
    """Show what a channel tells of our message, in the present transaction; returns the name that the ledger keeps.

    It goes forward only: sent, delivered, read; failed counts where it had not arrived.
    """
    place = place_of_receipt(channel_id, told)
    item = lock_item(OutboxItem.id == place[0]) if place is not None else None
    if item is None:
        return UNKNOWN_RECEIPT
    state = DeliveryState(told.state)
    if item.state in {DeliveryState.CANCELLED, DeliveryState.FAILED} or item.message.delivery not in BEFORE[state]:
        return RECEIPT
    if item.state == DeliveryState.SENT:  # else it is faster than what we know, and the try ends as it ends
        for one in item.deliveries:
            one.state, one.words, one.at = state, told.words or None, clock.now()
        if state == DeliveryState.FAILED:
            item.state, item.last_error = state, told.words or None
    show_state(item, state, told.words, by=None)
    return RECEIPT


def _told_of(channel_id: int, told: Delivered) -> tuple[ColumnElement[bool], ...]:
    return (
        OutboxItem.channel_id == channel_id,
        Message.header_hash == header_hash(told.header_id),
        Message.kind == MessageKind.REPLY,
    )
