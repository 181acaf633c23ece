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


def _who(payload: Payload) -> str:
    return str(payload.get("name") or _("the system"))


KINDS: dict[str, tuple[str, str, Callable[[Payload], str]]] = {
    "promise.warned": ("hourglass", "amber", lambda p: _("%(what)s is due soon: %(due)s", **_due(p))),
    "promise.breached": ("clock-exclamation", "red", lambda p: _("%(what)s is overdue since %(due)s", **_due(p))),
    "ticket.taken": ("user-check", "", lambda p: _("%(name)s gave a ticket of yours another owner", name=_who(p))),
    "ticket.given": ("user-check", "brand", lambda p: _("%(name)s gave you a ticket", name=_who(p))),
    "ticket.returned": ("arrow-back-up", "", lambda p: _("A ticket of yours is back in its queue: %(name)s", name=_who(p))),
}


def sentence(notice: Notice) -> str:
    """What the notice says; the bare kind where it has no words yet."""
    known = KINDS.get(notice.kind)
    return known[2](notice.payload) if known else notice.kind


def mark(notice: Notice) -> tuple[str, str]:
    """Its icon and tone."""
    known = KINDS.get(notice.kind)
    return (known[0], known[1]) if known else ("bell", "")
