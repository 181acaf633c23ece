"""Promises in words: what, how long, why, and what happened to them, in the reader's language."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_babel import format_datetime
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk.db import db
from helpdesk.models.organisation import Organisation
from helpdesk.models.promise import PromiseKind, Target
from helpdesk.models.queue import Queue
from helpdesk.words import priority_name

Payload = dict[str, Any]

KINDS = {
    PromiseKind.FIRST: _l("First answer"),
    PromiseKind.NEXT: _l("Next answer"),
    PromiseKind.SOLUTION: _l("Solution"),
}
ENDS = {
    "finished": _l("the ticket was finished without it"),
    "spam": _l("spam"),
    "merged": _l("the ticket was merged"),
    "undone": _l("what it answered was undone"),
    "no target": _l("no target applies to the ticket any more"),
}
CHANGES = {
    "target": _l("another target applies now"),
    "calendar": _l("the calendar was changed"),
    "reopened": _l("the ticket was opened again"),
    "undone": _l("the answer was taken back"),
    "merged": _l("the ticket was merged"),
}


def kind_name(kind: str) -> str:
    """What is promised."""
    return str(KINDS[PromiseKind(kind)])


def duration(seconds: float) -> str:
    """A length of time as people write it: 4 h, 1 h 30 min, 45 min; under a minute in seconds."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if whole < 60:
        return _("%(count)s s", count=whole)
    if not hours:
        return _("%(count)s min", count=minutes)
    if not minutes:
        return _("%(count)s h", count=hours)
    return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)


def conditions(target: Target) -> list[str]:
    """When a target holds, as phrases; empty: always. Reads the names of its queue and organisation."""
    said = []
    if target.organisation_id is not None:
        organisation = db.session.get(Organisation, target.organisation_id)
        said.append(_("organisation %(name)s", name=organisation.name if organisation else "?"))
    if target.request_type is not None:
        said.append(_("type %(name)s", name=target.request_type))
    if target.priority is not None:
        said.append(_("priority %(name)s", name=priority_name(target.priority).lower()))
    if target.queue_id is not None:
        queue = db.session.get(Queue, target.queue_id)
        said.append(_("queue %(name)s", name=queue.name if queue else "?"))
    return said


def because(target: Target, seconds: int) -> str:
    """Why a promise is as long as it is: "4 h, because: queue Billing + priority urgent"."""
    said = conditions(target)
    if not said:
        return _("%(time)s, for all tickets", time=duration(seconds))
    return _("%(time)s, because: %(conditions)s", time=duration(seconds), conditions=" + ".join(said))


def _made(payload: Payload) -> str:
    named = {"what": kind_name(payload["promise"]), "time": duration(payload["seconds"])}
    if payload.get("due_at"):
        return _("%(what)s promised within %(time)s: by %(due)s", due=_moment(payload["due_at"]), **named)
    return _("%(what)s promised within %(time)s of working time", **named)


def _resumed(payload: Payload) -> str:
    what = kind_name(payload["promise"])
    if payload.get("due_at"):
        return _("%(what)s: the clock runs again, due %(due)s", what=what, due=_moment(payload["due_at"]))
    return _("%(what)s: the clock runs again", what=what)


def _met(payload: Payload) -> str:
    named = {"what": kind_name(payload["promise"]), "time": duration(payload["spent"])}
    return _("%(what)s late, after %(time)s", **named) if payload["late"] else _("%(what)s kept in %(time)s", **named)


def _changed(payload: Payload) -> str:
    named = {"what": kind_name(payload["promise"]), "why": str(CHANGES.get(payload["why"], payload["why"]))}
    if payload.get("due_at"):
        return _("%(what)s: now due %(due)s (%(why)s)", due=_moment(payload["due_at"]), **named)
    return _("%(what)s counted again (%(why)s)", **named)


def _cancelled(payload: Payload) -> str:
    why = str(ENDS.get(payload["why"], payload["why"]))
    return _("%(what)s: nothing to keep any more (%(why)s)", what=kind_name(payload["promise"]), why=why)


def _moment(iso: str) -> str:
    return format_datetime(datetime.fromisoformat(iso), "medium")


FACTS: dict[str, Callable[[Payload], str]] = {
    "promise.made": _made,
    "promise.paused": lambda p: _("%(what)s: the clock stands still", what=kind_name(p["promise"])),
    "promise.resumed": _resumed,
    "promise.met": _met,
    "promise.cancelled": _cancelled,
    "promise.changed": _changed,
    "promise.warned": lambda p: _("%(what)s is due soon: its people were told", what=kind_name(p["promise"])),
    "promise.breached": lambda p: _(
        "%(what)s was due %(due)s and is overdue", what=kind_name(p["promise"]), due=_moment(p["at"])
    ),
}
FACT_ICONS = {
    "promise.made": "hourglass",
    "promise.paused": "player-stop",
    "promise.resumed": "player-play",
    "promise.met": "check",
    "promise.warned": "bell",
    "promise.breached": "clock-exclamation",
    "promise.changed": "calendar-time",
}
