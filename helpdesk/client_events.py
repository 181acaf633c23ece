"""What other systems tell of a customer: subscribed, ordered, paid, ... It stands in the conversation for operators.

Such an event is a message of the kind `event` on the customer's side. It is never sent, makes nothing unread, runs no
clock, opens and wakes no ticket, and the search does not know it. Kept are what happened and its details; the sentence
is made for each reader.

It stands on the customer's active ticket that was last spoken on; where none is active, in their newest conversation
beside all tickets; and for somebody who never wrote, in a conversation of its own, which their page shows.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock, live
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Conversation, Customer, Event, Message, MessageKind, Queue, Ticket, User
from helpdesk.models.event import ClientEventCame
from helpdesk.models.ticket import lock_conversation
from helpdesk.models.ticket.core import actor_columns
from helpdesk.models.ticket.states import Kind
from helpdesk.models.writing import say
from helpdesk.opening import desk_channel
from helpdesk.queries.people_list import SAID_AT


class What(StrEnum):
    """What a customer did, or what was done with them."""

    SUBSCRIBED = "subscribed"
    RESUBSCRIBED = "resubscribed"
    UNSUBSCRIBED = "unsubscribed"
    ORDERED = "ordered"
    PAYMENT_OK = "payment-ok"
    PAYMENT_FAILED = "payment-failed"
    FUNNEL_START = "funnel-start"
    FUNNEL_STOP = "funnel-stop"
    OTHER = "other"


ICONS = {
    What.SUBSCRIBED: "user-plus",
    What.RESUBSCRIBED: "user-plus",
    What.UNSUBSCRIBED: "user-x",
    What.ORDERED: "list-check",
    What.PAYMENT_OK: "circle-check",
    What.PAYMENT_FAILED: "alert-circle",
    What.FUNNEL_START: "player-play",
    What.FUNNEL_STOP: "player-stop",
    What.OTHER: "activity",
}


def record_event(by: User, customer: Customer, what: What, details: Mapping[str, str]) -> Message:
    """Write down what happened, in the present transaction. `details` are those of `told`; empty ones are left out.

    Raises Refused where the installation has no queue yet.
    """
    customer = customer.as_merged()
    conversation = lock_conversation(_place(customer))
    last = _last_ticket(conversation)
    on = last if last is not None and last.kind == Kind.ACTIVE else None
    message = say(conversation, MessageKind.EVENT, None, "", "", on)
    message.customer_id = customer.id
    message.facts = {"event": what.value, "details": {name: text for name, text in details.items() if text}}
    if what in {What.SUBSCRIBED, What.RESUBSCRIBED}:
        customer.unsubscribed_at = None
    elif what == What.UNSUBSCRIBED:
        customer.unsubscribed_at = clock.now()
    fact = ClientEventCame(message.id, what.value)
    if last is not None:
        with last.changing(by, fact):
            pass
    else:
        row = Event(kind=fact.kind, payload=fact.payload(), project_id=conversation.project_id, **actor_columns(by))
        db.session.add(row)
        live.touch(f"customer:{customer.id}")
    return message


def sentence(facts: Mapping[str, Any]) -> str:
    """What happened, in the reader's language, from a message's facts."""
    told: Mapping[str, str] = facts.get("details") or {}
    head = {
        What.SUBSCRIBED: _("Subscribed"),
        What.RESUBSCRIBED: _("Subscribed again"),
        What.UNSUBSCRIBED: _("Unsubscribed"),
        What.ORDERED: _("Ordered an offer"),
        What.PAYMENT_OK: _("Payment arrived"),
        What.PAYMENT_FAILED: _("Payment failed"),
        What.FUNNEL_START: _("Funnel started"),
        What.FUNNEL_STOP: _("Funnel stopped"),
    }.get(facts.get("event", ""), "")
    parts = {
        "text": "%(value)s",
        "way": "%(value)s",
        "offer": "“%(value)s”",
        "amount": "%(value)s",
        "reason": "%(value)s",
        "funnel": _("funnel “%(value)s”"),
        "block": _("block “%(value)s”"),
        "source": _("traffic source “%(value)s”"),
        "lead_tool": _("lead tool “%(value)s”"),
    }
    rest = ", ".join(words % {"value": told[name]} for name, words in parts.items() if told.get(name))
    return ": ".join(filter(None, (head, rest)))


def icon(facts: Mapping[str, Any]) -> str:
    """The icon that stands before it."""
    return ICONS.get(facts.get("event", ""), "activity")


def _place(customer: Customer) -> int:
    """The id of the conversation in which it stands."""
    theirs = select(Ticket.conversation_id).where(Ticket.customer_id == customer.id)
    active = theirs.where(Ticket.kind == Kind.ACTIVE).order_by(SAID_AT.desc(), Ticket.id.desc()).limit(1)
    spoken = theirs.order_by(SAID_AT.desc(), Ticket.id.desc()).limit(1)
    begun = select(Conversation.id).where(Conversation.customer_id == customer.id).order_by(Conversation.id.desc())
    for query in (active, spoken, begun.limit(1)):
        if (found := db.session.scalar(query)) is not None:
            return found
    return _begin(customer)


def _begin(customer: Customer) -> int:
    queue = db.session.scalar(select(Queue).where(Queue.active).order_by(Queue.id).limit(1))
    if queue is None:
        raise Refused(_("There is no queue yet. Make one first."))
    channel, key = desk_channel(queue), f"events:{customer.id}"
    row = {"project_id": channel.project_id, "channel_id": channel.id, "customer_id": customer.id, "key": key}
    db.session.execute(insert(Conversation).values(row).on_conflict_do_nothing())
    here = (Conversation.channel_id == channel.id, Conversation.key == key)
    return db.session.execute(select(Conversation.id).where(*here)).scalar_one()


def _last_ticket(conversation: Conversation) -> Ticket | None:
    """The conversation's active ticket, else its last one, locked."""
    query = select(Ticket).where(Ticket.conversation_id == conversation.id)
    query = query.order_by((Ticket.kind == Kind.ACTIVE).desc(), Ticket.id.desc()).limit(1)
    locked = query.with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
    return db.session.scalar(locked)
