"""A ticket's facts in words: what is stored as kind and payload becomes a sentence in the reader's language."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from flask_babel import format_datetime, format_timedelta, ngettext
from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import client_events, promise_words
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
    "queue_refused": "queue",
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


def _released(payload: Payload, names: Names) -> str:
    name = _name(names, "user", payload.get("former_owner_id"))
    match payload.get("cause"):
        case "owner away":
            return _("Back in the queue, because %(name)s is away", name=name)
        case "owner offline":
            return _("Back in the queue, because %(name)s is not here", name=name)
        case "going home":
            return _("Handed back to the queue by %(name)s, who went home", name=name)
        case "by supervisor":
            return _("Taken from %(name)s and handed back to the queue", name=name)
    return _("Handed back to the queue by %(name)s", name=name)


def _handed_over(payload: Payload, names: Names) -> str:
    if payload.get("cause") == "stands in":
        name, absent = (_name(names, "user", payload.get(field)) for field in ("owner_id", "former_owner_id"))
        return _("Handed over to %(name)s, who stands in for %(absent)s", name=name, absent=absent)
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
        "forward answered": _("a forwarded message was answered"),
        "time": _("the time was over"),
        "by hand": _("by hand"),
        "not spam": _("not spam"),
        "spam: rule": _("a rule said so"),
        "spam: blocked": _("the sender is blocked"),
        "spam: server": _("the mail server marked it"),
        "spam: flood": _("the sender wrote too much in an hour"),
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


def _items(payload: Payload, _names_: Names) -> str:
    label = _("Reasons") if payload["list_name"] == "reason" else _("Components")
    return f"{label}: " + ", ".join([f"+{n}" for n in payload["added"]] + [f"−{n}" for n in payload["removed"]])


def _own_field(payload: Payload, _names_: Names) -> str:
    before, after = payload.get("before") or "–", payload.get("after") or "–"
    return _("%(field)s: %(before)s → %(after)s", field=payload["label"], before=before, after=after)


def _delivery(payload: Payload, _names_: Names) -> str:
    words = f": {retold(payload['words'])}" if payload.get("words") else ""
    return _("Reply: %(state)s", state=delivery_word(payload["state"])) + words


def _rule(payload: Payload, names: Names) -> str:
    did = []
    if payload.get("queue_id"):
        did.append(_("queue %(queue)s", queue=_name(names, "queue", payload["queue_id"])))
    if payload.get("queue_refused"):
        queue = names.get(("queue", payload["queue_refused"]), "?")
        did.append(_("the queue %(queue)s could not be used, so the channel’s own was", queue=queue))
    if payload.get("priority"):
        did.append(_("priority %(priority)s", priority=priority_name(payload["priority"])))
    if payload.get("tags"):
        did.append(_("tags %(tags)s", tags=", ".join(payload["tags"])))
    if payload.get("request_type"):
        did.append(_("type %(type)s", type=payload["request_type"]))
    did += [f"{label}: {value}" for label, value in payload.get("fields") or []]
    if payload.get("fields_refused"):
        did.append(_("not set: %(fields)s", fields=", ".join(payload["fields_refused"])))
    if payload.get("no_acknowledgement"):
        did.append(_("no acknowledgement"))
    if fate := payload.get("fate"):
        kept = _("kept, because it belongs to a ticket")
        did.append({"spam": _("spam"), "trusted": _("never spam"), "drop": kept}.get(fate, fate))
    what = ", ".join(did) or _("nothing that was still open")
    return _("Rule “%(name)s”: %(what)s", name=payload["name"], what=what)


def _without_names(say: Callable[[Payload], str]) -> Callable[[Payload, Names], str]:
    return lambda payload, _names_: say(payload)


TEXTS: dict[str, Callable[[Payload, Names], str]] = {
    "ticket.opened": _opened,
    "ticket.imported": lambda p, n: f"{_('Number in the former system')}: {p['former_number']}",
    "message.inbound": lambda p, n: {
        "human": _("The customer wrote"),
        "call": _("News of a phone call"),
        "missed-call": _("A call that nobody answered"),
    }.get(p.get("nature", ""), _("An automatic message came")),
    "message.copy": lambda p, n: _("The same mail also came to %(address)s", address=p["address"]),
    "message.forward_answered": lambda p, n: _("An answer to a forwarded message came, for colleagues only"),
    "ticket.participant": lambda p, n: (
        _("%(name)s takes part in the conversation now", name=p["address"])
        if p["added"]
        else _("%(name)s takes part in the conversation no more", name=p["address"])
    ),
    "message.reply": lambda p, n: _("Automatic answer sent") if p.get("automatic") else _("Reply written"),
    "message.beside": lambda p, n: _("Written to the customer without reopening the ticket"),
    "message.reply_undone": lambda p, n: _("Reply taken back before it was sent"),
    "message.note": lambda p, n: _("Note added"),
    "message.event": lambda p, n: _(
        "Told by another system: %(what)s", what=client_events.sentence({"event": p["what"]}) or _("something else")
    ),
    "message.handled": lambda p, n: ngettext(
        "%(num)s message marked as handled", "%(num)s messages marked as handled", p["count"]
    ),
    "message.unhandled": lambda p, n: ngettext(
        "%(num)s message unread again", "%(num)s messages unread again", p["count"]
    ),
    "ticket.claimed": _claimed,
    "ticket.released": _released,
    "ticket.handed_over": _handed_over,
    "ticket.moved": lambda p, n: _(
        "Moved from %(before)s to %(after)s",
        before=_name(n, "queue", p["from_queue_id"]),
        after=_name(n, "queue", p["to_queue_id"]),
    ),
    "ticket.state": _state,
    "ticket.state_kept": lambda p, n: _("Stayed as it is: another ticket of the conversation is active"),
    "ticket.field": _field,
    "ticket.items": _items,
    "ticket.own_field": _own_field,
    "ticket.tagged": lambda p, n: _(
        "Tags: %(tags)s", tags=", ".join([f"+{t}" for t in p["added"]] + [f"−{t}" for t in p["removed"]])
    ),
    "ticket.rule": _rule,
    "ticket.linked": lambda p, n: _("Linked with %(number)s", number=_name(n, "ticket", p["other_id"])),
    "ticket.unlinked": lambda p, n: _("No longer linked with %(number)s", number=_name(n, "ticket", p["other_id"])),
    "ticket.merged": lambda p, n: (
        _("Merged into %(number)s", number=_name(n, "ticket", p["other_id"]))
        if p["into"]
        else _("%(number)s was merged into this ticket", number=_name(n, "ticket", p["other_id"]))
    ),
    "ticket.unmerged": lambda p, n: _("The merge with %(number)s was undone", number=_name(n, "ticket", p["other_id"])),
    "ticket.split": lambda p, n: (
        _("Split off from %(number)s", number=_name(n, "ticket", p["other_id"]))
        if p["is_new"]
        else ngettext(
            "%(num)s message became ticket %(number)s",
            "%(num)s messages became ticket %(number)s",
            p["messages"],
            number=_name(n, "ticket", p["other_id"]),
        )
    ),
    "ticket.unsplit": lambda p, n: _("The split from %(number)s was undone", number=_name(n, "ticket", p["other_id"])),
    "ticket.people": lambda p, n: (
        _("%(name)s takes part now", name=_name(n, "user", p["user_id"]))
        if p["added"]
        else _("%(name)s takes part no more", name=_name(n, "user", p["user_id"]))
    ),
    "message.delivery": _delivery,
    "message.elsewhere": lambda p, n: (
        _("The customer’s mail was answered in another mail program")
        if p["what"] == "answered"
        else _("The customer’s mail was moved or deleted in another mail program")
    ),
    **{kind: _without_names(say) for kind, say in promise_words.FACTS.items()},
    "ticket.placed": lambda p, n: _("The queue is ordered by another rule now"),
    "ticket.promoted": lambda p, n: _("Goes first now: it was passed over as long as the queue allows"),
}

ICONS = {
    **promise_words.FACT_ICONS,
    "ticket.opened": "inbox",
    "message.inbound": "mail",
    "message.reply": "arrow-back-up",
    "message.note": "note",
    "message.event": "activity",
    "message.handled": "checks",
    "message.unhandled": "mail",
    "message.copy": "copy",
    "message.forward_answered": "note",
    "ticket.participant": "users",
    "ticket.claimed": "hand-grab",
    "ticket.released": "arrow-back-up",
    "ticket.handed_over": "user-check",
    "ticket.moved": "transfer",
    "ticket.state": "refresh",
    "ticket.rule": "adjustments",
    "message.delivery": "send",
    "message.elsewhere": "eye",
    "ticket.promoted": "flag",
}
