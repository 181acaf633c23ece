"""A ticket's facts in words: what is stored as kind and payload becomes a sentence in the reader's language."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from flask_babel import format_datetime, format_timedelta
from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.models import Customer, Event, Queue, Ticket, User
from helpdesk.retold import retold
from helpdesk.words import delivery_word, priority_name, state_name

Names = dict[tuple[str, int], str]
Payload = dict[str, Any]


def tell(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as templates show them: icon, text, actor_name, at. Names are fetched in one query a kind."""
    events = list(events)
    names = _names(events)
    return [
        {
            "icon": ICONS.get(event.kind, "activity"),
            "text": TEXTS[event.kind](event.payload, names) if event.kind in TEXTS else event.kind,
            "actor_name": _actor(event, names),
            "at": event.at,
            "id": event.id,
        }
        for event in events
    ]


def _actor(event: Event, names: Names) -> str:
    if event.actor_id is None:
        return _("the system")
    return names.get((event.actor_kind, event.actor_id), "?")


REFERENCES = {
    "owner_id": "user",
    "former_owner_id": "user",
    "user_id": "user",
    "queue_id": "queue",
    "from_queue_id": "queue",
    "to_queue_id": "queue",
    "previous_id": "ticket",
    "other_id": "ticket",
}


def _names(events: list[Event]) -> Names:
    wanted: dict[str, set[int]] = {"user": set(), "customer": set(), "queue": set(), "ticket": set()}
    for event in events:
        if event.actor_id is not None and event.actor_kind in wanted:
            wanted[event.actor_kind].add(event.actor_id)
        for field, kind in REFERENCES.items():
            if event.payload.get(field) is not None:
                wanted[kind].add(event.payload[field])
    columns: dict[str, Any] = {
        "user": (User.id, User.name),
        "customer": (Customer.id, Customer.name),
        "queue": (Queue.id, Queue.name),
        "ticket": (Ticket.id, Ticket.number),
    }
    found: Names = {}
    for kind, ids in wanted.items():
        if ids:
            key, name = columns[kind]
            found |= {(kind, row[0]): row[1] for row in db.session.execute(select(key, name).where(key.in_(ids)))}
    return found


def _name(names: Names, kind: str, ref: int | None) -> str:
    return names.get((kind, ref), "?") if ref is not None else _("nobody")


def _opened(payload: Payload, names: Names) -> str:
    if payload.get("previous_id"):
        number = _name(names, "ticket", payload["previous_id"])
        return _("Ticket opened as the follow-up of %(number)s", number=number)
    return _("Ticket opened in %(queue)s", queue=_name(names, "queue", payload.get("queue_id")))


def _claimed(payload: Payload, _names_: Names) -> str:
    waited = format_timedelta(timedelta(seconds=payload.get("waited_seconds", 0)))
    return _("Taken, after %(time)s of waiting", time=waited) + _why(payload)


def _handed_over(payload: Payload, names: Names) -> str:
    return _("Handed over to %(name)s", name=_name(names, "user", payload.get("owner_id"))) + _why(payload)


def _why(payload: Payload) -> str:
    """Whom it passed over, and why."""
    text = ", " + _("passing over %(count)s", count=payload["passed_over"]) if payload.get("passed_over") else ""
    return text + (f": {payload['reason']}" if payload.get("reason") else "")


def _state(payload: Payload, _names_: Names) -> str:
    text = _("State: %(before)s → %(after)s", before=state_name(payload["before"]), after=state_name(payload["after"]))
    if payload.get("until"):
        text += " " + _("until %(time)s", time=format_datetime(datetime.fromisoformat(payload["until"]), "medium"))
    if payload.get("reason"):
        text += f" ({payload['reason']})"
    if payload.get("cause"):
        text += f" ({_cause(payload['cause'])})"
    return text


def _cause(code: str) -> str:
    return {
        "claim": _("taken"),
        "customer wrote": _("the customer wrote"),
        "bounce": _("a message came back"),
        "not delivered": _("a message could not be sent"),
        "time": _("the time was over"),
        "by hand": _("by hand"),
    }.get(code, code)


def _field(payload: Payload, _names_: Names) -> str:
    field = {
        "title": _("Title"),
        "priority": _("Priority"),
        "request_type": _("Type"),
        "category": _("Category"),
        "group": _("Group"),
        "customer": _("Customer"),
    }.get(payload["field"], payload["field"])
    before, after = payload.get("before"), payload.get("after")
    if payload["field"] == "priority":
        before, after = (priority_name(int(value)) if value else value for value in (before, after))
    return _("%(field)s: %(before)s → %(after)s", field=field, before=before or "–", after=after or "–")


def _delivery(payload: Payload, _names_: Names) -> str:
    words = f": {retold(payload['words'])}" if payload.get("words") else ""
    return _("Reply: %(state)s", state=delivery_word(payload["state"])) + words


TEXTS: dict[str, Callable[[Payload, Names], str]] = {
    "ticket.opened": _opened,
    "message.inbound": lambda p, n: (
        _("The customer wrote") if p.get("nature") == "human" else _("An automatic message came")
    ),
    "message.reply": lambda p, n: _("Automatic answer sent") if p.get("automatic") else _("Reply written"),
    "message.reply_undone": lambda p, n: _("Reply taken back before it was sent"),
    "message.note": lambda p, n: _("Note added"),
    "ticket.claimed": _claimed,
    "ticket.released": lambda p, n: _(
        "Handed back to the queue by %(name)s", name=_name(n, "user", p.get("former_owner_id"))
    ),
    "ticket.handed_over": _handed_over,
    "ticket.moved": lambda p, n: _(
        "Moved from %(before)s to %(after)s",
        before=_name(n, "queue", p["from_queue_id"]),
        after=_name(n, "queue", p["to_queue_id"]),
    ),
    "ticket.state": _state,
    "ticket.state_kept": lambda p, n: _("Stayed as it is: another ticket of the conversation is active"),
    "ticket.field": _field,
    "ticket.tagged": lambda p, n: _(
        "Tags: %(tags)s", tags=", ".join([f"+{t}" for t in p["added"]] + [f"−{t}" for t in p["removed"]])
    ),
    "ticket.linked": lambda p, n: _("Linked with %(number)s", number=_name(n, "ticket", p["other_id"])),
    "ticket.people": lambda p, n: (
        _("%(name)s takes part now", name=_name(n, "user", p["user_id"]))
        if p["added"]
        else _("%(name)s takes part no more", name=_name(n, "user", p["user_id"]))
    ),
    "message.delivery": _delivery,
    "ticket.placed": lambda p, n: _("The queue is ordered by another rule now"),
    "ticket.promoted": lambda p, n: _("Goes first now: it was passed over as long as the queue allows"),
}

ICONS = {
    "ticket.opened": "inbox",
    "message.inbound": "mail",
    "message.reply": "arrow-back-up",
    "message.note": "note",
    "ticket.claimed": "hand-grab",
    "ticket.released": "arrow-back-up",
    "ticket.handed_over": "user-check",
    "ticket.moved": "transfer",
    "ticket.state": "refresh",
    "message.delivery": "send",
    "ticket.promoted": "flag",
}
