"""Shapes that the templates of queues and tickets expect, made from rows. No queries but those named in a docstring."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import redis
from flask import url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import Row

from helpdesk import live, picture_marks, words
from helpdesk.models import Attachment, Customer, Message, MessageKind, OutboxItem, Ticket
from helpdesk.models.ticket.accompanied import ON_BEHALF
from helpdesk.models.ticket.states import Kind
from helpdesk.numbers import group_digits
from helpdesk.queries.line import MOST_COUNTED
from helpdesk.retold import retold
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
    return {
        "id": item.id,
        "url": url_for("tickets.show", ticket_id=item.id, **({"in": within} if within else {})),
        "number_text": group_digits(item.number),
        "title": item.title,
        "customer_name": item.customer_name,
        "state": words.state(item.state),
        "channel": words.channel(item.channel_kind, item.channel_name),
        "priority": words.priority_chip(item.priority),
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
        "edit": url_for("dialogs.show", name="edit", **at),
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


def message(item: Message, outbox: OutboxItem | None, may_work: bool, also_to: Sequence[str] = ()) -> dict[str, Any]:
    """A message as the thread shows it; `also_to` are further addresses of ours that the same mail came to."""
    inbound = item.kind == MessageKind.INBOUND or "answers_forward" in item.facts
    author = item.user.name if item.user else (item.sender_name or item.sender)
    if not author:
        author = item.customer.name if item.customer else _("Automatic message")
    quoted = item.text.strip() if inbound and item.visible_text.strip() != item.text.strip() else ""
    pictures = {file.content_id: file.name for file in item.attachments if file.content_id}
    text = retold(item.text) if item.kind == MessageKind.SYSTEM else picture_marks.named(item.text.strip(), pictures)
    return {
        "id": item.id,
        "kind": item.kind,
        "author_name": author,
        "at": item.at,
        "text": text,
        "icon": "phone" if item.nature in {"call", "missed-call"} else "",
        "reply_text": picture_marks.named(item.visible_text.strip(), pictures),
        "quoted_text": quoted,
        "has_html": item.html is not None,
        "html_frame_url": url_for("files.frame", message_id=item.id) if item.html is not None else None,
        "attachments": [attachment(file) for file in item.attachments],
        "delivery": delivery(item, outbox, may_work) if item.kind == MessageKind.REPLY else None,
        "via": via(item),
        "raw_url": url_if("messages.raw", message_id=item.id) if inbound else None,
        "forward_url": url_for("dialogs.show", name="forward", ticket_id=item.ticket_id, message_id=item.id)
        if may_work and item.kind != MessageKind.SYSTEM and item.ticket_id
        else None,
        "also_to": list(also_to),
        "warnings": warnings(item),
    }


def via(item: Message) -> str:
    """Where a message came from or went to, as addresses."""
    if by_hand := item.facts.get("by_hand"):
        return words.entry_name(by_hand, item.facts.get("direction", "in"))
    if item.facts.get("answers_forward"):
        return _("%(address)s, answers what was forwarded", address=item.sender)
    if item.kind == MessageKind.INBOUND:
        nature = words.nature_name(item.nature)
        return f"{item.sender} · {nature}" if nature else item.sender
    if item.kind == MessageKind.REPLY:
        to = ", ".join([*item.recipients.get("to", []), *item.recipients.get("cc", [])])
        return _("to %(addresses)s", addresses=to) if to else ""
    return ""


def warnings(item: Message) -> list[str]:
    """What an operator must know before believing a message."""
    found = []
    if item.facts.get("non_participant") and not item.is_internal:
        found.append(_("The sender has not taken part in this conversation before."))
    if address := item.facts.get("reply_to"):
        found.append(_("An answer goes to %(address)s, which is not the sender's address.", address=address))
    if item.facts.get(ON_BEHALF):
        found.append(_("Written on behalf of the customer: answers go to the customer, not to the sender."))
    for number in item.facts.get("claims_tickets", []):
        found.append(
            _(
                "It claims to belong to ticket %(number)s, but the sender takes no part there.",
                number=group_digits(number),
            )
        )
    return found


def attachment(file: Attachment) -> dict[str, Any]:
    """A file as the thread shows it."""
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "url": url_for("files.attachment", attachment_id=file.id),
        "inline": file.preview_sha256 is not None,
        "picture_url": url_for("files.picture", attachment_id=file.id) if file.preview_sha256 else None,
    }


def delivery(item: Message, outbox: OutboxItem | None, may_work: bool) -> dict[str, Any]:
    """The true state of a reply on its way, with what can be done about it."""
    state = item.delivery or "queued"
    is_mine = item.user_id == current_user.id
    waiting = outbox is not None and state == "queued" and outbox.attempts == 0 and not outbox.automatic
    return {
        "state": state,
        "error": retold(item.delivery_note or (outbox.last_error if outbox else None) or ""),
        "next_try_at": outbox.not_before if outbox and state == "deferred" else None,
        "undo_until": outbox.not_before if outbox and waiting else None,
        "undo_url": url_for("replies.undo", message_id=item.id) if waiting and may_work and is_mine else None,
        "retry_url": url_if("sending.retry", message_id=item.id) if may_work else None,
    }


def customer_card(customer: Customer) -> dict[str, Any]:
    """The customer as the card shows them; reads their identities and organisation."""
    return {
        "name": customer.name,
        "url": url_if("customers.show", customer_id=customer.id),
        "organisation": {"name": customer.organisation.name} if customer.organisation else None,
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


def facts(ticket: Ticket, may_work: bool, tags: list[str], people: list[str]) -> list[dict[str, Any]]:
    """The ticket's facts, each with the dialog that changes it."""

    def dialog(name: str) -> str | None:
        return url_for("dialogs.show", name=name, ticket_id=ticket.id) if may_work else None

    shown = [
        {"label": _("State"), "value": words.state_name(ticket.state)},
        {"label": _("Queue"), "value": ticket.queue.name, "edit_url": dialog("move")},
        {"label": _("Owner"), "value": ticket.owner.name if ticket.owner else "", "edit_url": dialog("assign")},
        {"label": _("Priority"), "value": words.priority_name(ticket.priority), "edit_url": dialog("priority")},
        {"label": _("Category"), "value": ticket.category.name if ticket.category else "", "edit_url": dialog("edit")},
        {"label": _("Type"), "value": ticket.request_type, "edit_url": dialog("edit")},
        {"label": _("Group"), "value": ticket.group.name if ticket.group else "", "edit_url": dialog("edit")},
        {"label": _("Tags"), "value": ", ".join(tags), "edit_url": dialog("edit")},
        {"label": _("Taking part"), "value": ", ".join(people), "edit_url": dialog("people")},
        {"label": _("Arrived"), "at": ticket.arrived_at},
        {"label": _("Waits since"), "at": ticket.first_unanswered_at, "lasts": True},
        {"label": _("Customer wrote"), "at": ticket.last_customer_at},
        {"label": _("We answered"), "at": ticket.last_reply_at},
    ]
    if ticket.pending_until:
        shown.append({"label": _("Wakes at"), "at": ticket.pending_until})
    if ticket.finished_at:
        shown.append({"label": _("Finished"), "at": ticket.finished_at})
        shown.append({"label": _("Closing reason"), "value": ticket.closing_reason or ""})
    return [fact for fact in shown if fact.get("value") or fact.get("at") or fact.get("edit_url")]
