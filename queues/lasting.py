"""Lasting conversations: chats and calls, whose key the adapter gives. Each key of a channel is one conversation."""

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from helpdesk.db import db
from helpdesk.models import Conversation, Customer, InboundEvent
from queues.channels.base import Understood

Place = tuple[int, str]
"""Channel and key."""


def find_or_make(understood: Sequence[tuple[InboundEvent, Understood, Customer]]) -> dict[int, int]:
    """The conversations that events belong to by their keys, as ids by event id; made now where there are none.

    Whoever else makes the same one at this moment is waited for. Nothing is locked here but what is new.
    """
    places: dict[int, Place] = {
        event.id: (event.channel_id, message.conversation_key)
        for event, message, _customer in understood
        if message.conversation_key
    }
    if not places:
        return {}
    found = _find(set(places.values()))
    fresh: dict[Place, dict[str, object]] = {}
    for event, message, customer in understood:
        place = places.get(event.id)
        if place is not None and place not in found:
            fresh.setdefault(place, _row(event, message, customer))
    if fresh:
        rows = [fresh[place] for place in sorted(fresh)]  # one order for all, or two batches deadlock
        db.session.execute(insert(Conversation).values(rows).on_conflict_do_nothing())
        found |= _find(set(fresh))
    return {event_id: found[place] for event_id, place in places.items()}


def _find(places: set[Place]) -> dict[Place, int]:
    query = select(Conversation.channel_id, Conversation.key, Conversation.id)
    rows = db.session.execute(query.where(tuple_(Conversation.channel_id, Conversation.key).in_(places)))
    return {(row.channel_id, row.key): row.id for row in rows}


def _row(event: InboundEvent, message: Understood, customer: Customer) -> dict[str, object]:
    return {
        "project_id": event.channel.project_id,
        "channel_id": event.channel_id,
        "customer_id": customer.id,
        "key": message.conversation_key,
        "subject": message.subject[:500],
    }
