"""Delivery reports of other mail servers: what each proves to be about, and what it makes of our message."""

from sqlalchemy import ColumnElement, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Delivery, Message, OutboxItem
from helpdesk.models.message import DeliveryState
from helpdesk.queries.readable import ticket_id_of
from queues.channels.base import Bounce
from queues.channels.email import tokens
from queues.delivery import lock_item, show_state


def note_bounce(bounce: Bounce) -> Message | None:
    """Mark the message that a delivery report proves to be about, in the present transaction; returns that message.

    A report without a valid token or a signed Message-ID of ours proves nothing: None, and nothing changes. Only
    `failed` marks the message; `delayed` and the rest are left to be read.
    """
    item = _reported(bounce)
    if item is None:
        return None
    if bounce.action != "failed":
        return item.message
    delivery = _bounced_delivery(item, bounce.recipient)
    words = f"{bounce.status} {bounce.words}".strip()[:2000]
    if delivery is not None:
        delivery.state, delivery.code, delivery.words = DeliveryState.BOUNCED, bounce.status, bounce.words[:2000]
        delivery.at = clock.now()
        words = f"{delivery.address}: {words}" if len(item.deliveries) > 1 else words
    show_state(item, DeliveryState.BOUNCED, words, by=None)
    return item.message


def place_of_bounce(bounce: Bounce) -> tuple[int, int | None] | None:
    """Outbox item and ticket that a delivery report proves to be about; locks and changes nothing."""
    which = _proved(bounce)
    if which is None:
        return None
    query = select(OutboxItem.id, Message).join(Message, Message.id == OutboxItem.message_id)
    found = db.session.execute(query.where(which)).first()
    return None if found is None else (found[0], ticket_id_of(found[1]))


def _reported(bounce: Bounce) -> OutboxItem | None:
    """The outbox item that a report is about, locked, if it proves that it saw our mail."""
    which = _proved(bounce)
    return None if which is None else lock_item(which)


def _proved(bounce: Bounce) -> ColumnElement[bool] | None:
    """The condition on `OutboxItem` that a report proves: by the token of its address, or by a signed Message-ID."""
    item_id = tokens.item_of_bounce_token(bounce.token) if bounce.token else None
    if item_id is not None:
        return OutboxItem.id == item_id
    ids = tokens.read_message_id(bounce.original_header_id) if bounce.original_header_id else None
    return OutboxItem.message_id == ids[1] if ids else None


def _bounced_delivery(item: OutboxItem, recipient: str) -> Delivery | None:
    """The recipient that a report names; forwarding changes addresses, but a single recipient is unmistakable."""
    named = [one for one in item.deliveries if one.address.lower() == recipient.lower()]
    return named[0] if named else (item.deliveries[0] if len(item.deliveries) == 1 else None)
