"""Notices in words: each kind of `helpdesk.models.notice.Notice` has a sentence and an icon here."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_babel import format_datetime
from flask_babel import gettext as _

from helpdesk.models.notice import Notice
from helpdesk.promise_words import kind_name

Payload = dict[str, Any]


def _due(payload: Payload) -> dict[str, str]:
    due = payload.get("due_at")
    moment = format_datetime(datetime.fromisoformat(due), "short") if due else "–"
    return {"what": kind_name(payload["promise"]), "due": moment}


def _returned(payload: Payload) -> str:
    if payload.get("name"):
        return _("%(name)s put a ticket of yours back into its queue", name=payload["name"])
    return _("A ticket of yours went back to its queue while you were not here")


KINDS: dict[str, tuple[str, str, Callable[[Payload], str]]] = {
    "promise.warned": ("hourglass", "amber", lambda p: _("%(what)s is due soon: %(due)s", **_due(p))),
    "promise.breached": ("clock-exclamation", "red", lambda p: _("%(what)s is overdue since %(due)s", **_due(p))),
    "ticket.taken": ("user-check", "", lambda p: _("%(name)s gave a ticket of yours to somebody else", name=p["name"])),
    "ticket.taken_over": ("user-check", "", lambda p: _("%(name)s took over a ticket of yours", name=p["name"])),
    "ticket.given": ("user-check", "brand", lambda p: _("%(name)s gave you a ticket", name=p["name"])),
    "ticket.returned": ("arrow-back-up", "", _returned),
}


def sentence(notice: Notice) -> str:
    """What the notice says; the bare kind where it has no words yet."""
    known = KINDS.get(notice.kind)
    return known[2](notice.payload) if known else notice.kind


def mark(notice: Notice) -> tuple[str, str]:
    """Its icon and tone."""
    known = KINDS.get(notice.kind)
    return (known[0], known[1]) if known else ("bell", "")
