"""Shapes that the templates of queues and tickets expect, made from rows. No queries but those named in a docstring."""

from datetime import datetime, timedelta
from typing import Any

import redis
from flask import url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import Row

from helpdesk import live, words
from helpdesk.customer_kinds import kind_name, kind_of
from helpdesk.models import Customer, Ticket
from helpdesk.models.ticket.states import Kind
from helpdesk.numbers import group_digits
from helpdesk.queries.line import MOST_COUNTED
from helpdesk.shell import url_if
from helpdesk.views.promise_shapes import due_chip

SOON = timedelta(minutes=30)
LATE = timedelta(hours=4)
NAMESPACE_ICONS = {"email": "mail", "phone": "phone"}


def tone(since: datetime | None, now: datetime) -> str:
    """How a wait is coloured: amber after half an hour, red after four."""
    if since is None:
        return ""
    waited = now - since
    return "late" if waited > LATE else "soon" if waited > SOON else ""


def live_versions(topics: str) -> str:
    """The live versions of topics as a pane's `data-version` wants them. Ask before reading what the pane shows."""
    try:
        found = live.versions(topics.split())
    except redis.RedisError:
        return ""
    return " ".join(str(found[topic]) for topic in topics.split())


def row(item: Row[Any], now: datetime, may_take: bool = False, within: str | None = None) -> dict[str, Any]:
    """A line of a list, from a row with `helpdesk.queries.lists.COLUMNS`; `within` is the key of that list."""
    waits = item.kind == Kind.ACTIVE and item.owner_id is None
    beside: dict[str, Any] = {"in": within} if within else {}
    return {
        "id": item.id,
        "url": url_for("tickets.show", ticket_id=item.id, **beside),
        "number_text": group_digits(item.number),
        "title": item.title,
        "customer_name": item.customer_name,
        "state": words.state(item.state),
        "channel": words.channel(item.channel_kind, item.channel_name),
        "priority": words.priority_chip(item.priority),
        "place": f"{item.line_class}:{item.line_at.timestamp()}" if waits else "",
        "line_at": item.finished_at or item.pending_until or item.line_at,
        "tone": tone(item.line_at, now) if item.kind == Kind.ACTIVE and item.first_unanswered_at else "",
        "reason": reason(item),
        "owner_name": item.owner_name,
        "due": due_chip(item.due_at, item.due_warn_at, now) if item.kind == Kind.ACTIVE else None,
        "take_url": url_if("claims.take", ticket_id=item.id) if waits and may_take else None,
    }


def reason(item: Row[Any]) -> str:
    """Why a ticket stands where it stands."""
    if item.kind == Kind.PAUSED:
        return _("waits until this time") if item.pending_until else _("waits for the customer")
    if item.kind == Kind.FINISHED:
        return _("finished at this time")
    if item.line_class:
        return _("%(priority)s first, then the wait", priority=words.priority_name(item.line_class))
    return _("the customer has waited for an answer since then") if item.first_unanswered_at else _("answered")


def place(position: int | None) -> str:
    """A place in line as people say it; "" for what stands in none."""
    if position is None:
        return ""
    if position == 1:
        return _("next in line")
    if position > MOST_COUNTED:
        return _("more than %(count)s before it in line", count=MOST_COUNTED)
    return _("place %(number)s in line", number=position)


def ticket_bar(ticket: Ticket, now: datetime) -> dict[str, Any]:
    """A ticket as its bar shows it."""
    return {
        "id": ticket.id,
        "number_text": ticket.number_text,
        "subject": ticket.title,
        "state": words.state(ticket.state),
        "owner": {"name": ticket.owner.name} if ticket.owner else None,
        "queue": {
            "id": ticket.queue_id,
            "name": ticket.queue.name,
            "url": url_for("queues.show", queue_id=ticket.queue_id),
        },
        "channel": words.channel(ticket.conversation.channel.kind, ticket.conversation.channel.name),
        "line_at": ticket.first_unanswered_at,
        "due": due_chip(ticket.due_at, ticket.due_warn_at, now) if ticket.kind == Kind.ACTIVE else None,
        "tone": tone(ticket.first_unanswered_at, now),
        "is_mine": ticket.owner_id == current_user.id,
    }


def actions(ticket: Ticket, may_work: bool, may_supervise: bool) -> dict[str, str | None]:
    """What can be done with the ticket now, by whom it is looked at; what is absent is not offered."""
    if not may_work:
        return {}
    at: dict[str, Any] = {"ticket_id": ticket.id}
    mine = ticket.owner_id == current_user.id
    offered: dict[str, str | None] = {
        "priority": url_for("dialogs.show", name="priority", **at),
        "move": url_for("dialogs.show", name="move", **at),
        "customer": url_for("dialogs.show", name="customer", **at),
    }
    if ticket.kind == Kind.FINISHED:
        offered["reopen"] = url_for("states.reopen", **at)
        if ticket.state == "spam":
            offered.pop("reopen")
            offered["unspam"] = url_for("dialogs.show", name="rescue", **at)
        return offered
    offered |= {
        "assign": url_for("dialogs.show", name="assign", **at),
        "snooze": url_for("dialogs.show", name="snooze", **at),
        "finish": url_for("dialogs.show", name="finish", **at),
        "finish_next": url_for("dialogs.show", name="finish", then="next", **at),
        "spam": url_for("dialogs.show", name="spam", **at),
    }
    if ticket.kind == Kind.PAUSED:
        offered["wake"] = url_for("states.wake", **at)
    if ticket.owner_id is None:
        offered["take"] = url_for("claims.take", **at)
    elif mine or may_supervise:
        offered["release"] = url_for("claims.release", **at)
    return offered


def customer_card(customer: Customer) -> dict[str, Any]:
    """The customer as the card shows them; reads their identities and organisation."""
    return {
        "id": customer.id,
        "name": customer.name,
        "url": url_if("customers.show", customer_id=customer.id),
        "organisation": {"name": customer.organisation.name} if customer.organisation else None,
        "type": {"code": kind_of(customer).value, "name": kind_name(kind_of(customer))},
        "note": customer.note,
        "language": customer.language,
        "identities": [
            {
                "kind_name": words.identity_kind(identity.namespace),
                "icon": NAMESPACE_ICONS.get(identity.namespace, "at"),
                "value": identity.value,
                "label": identity.label,
                "shared": identity.shared,
                "unreachable": identity.unreachable_since is not None,
            }
            for identity in customer.identities
        ],
    }
