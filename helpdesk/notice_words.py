"""Notices in words: each kind of `helpdesk.models.notice.Notice` has a sentence and an icon here."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_babel import format_date, format_datetime, format_time
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk import clock
from helpdesk.models.notice import Notice
from helpdesk.promise_words import kind_name
from helpdesk.words import state_name

Payload = dict[str, Any]


def _due(payload: Payload) -> dict[str, str]:
    due = payload.get("due_at")
    moment = format_datetime(datetime.fromisoformat(due), "short") if due else "–"
    return {"what": kind_name(payload["promise"]), "due": moment}


def _returned(payload: Payload) -> str:
    if payload.get("name"):
        return _("%(name)s put a ticket of yours back into its queue", name=payload["name"])
    return _("A ticket of yours went back to its queue while you were not here")


def _task(payload: Payload) -> dict[str, str]:
    return {"name": payload["name"], "title": payload["title"]}


def _begins(task_at: str) -> str:
    """The moment at which a task begins: the time of day, on other days with the day."""
    moment = datetime.fromisoformat(task_at)
    is_today = format_date(moment) == format_date(clock.now())
    return format_time(moment, "short") if is_today else format_datetime(moment, "short")


def _called(payload: Payload) -> str:
    """Who called the reader in, and when their task begins, where they have one now."""
    if payload.get("task_at"):
        begins = _begins(payload["task_at"])
        return _("%(name)s added you to a ticket; your task begins at %(time)s", name=payload["name"], time=begins)
    return _("%(name)s mentioned you on a ticket", name=payload["name"])


def _mentioned(payload: Payload) -> str:
    if payload.get("task_at"):
        begins = _begins(payload["task_at"])
        return _("%(name)s mentioned you; your task begins at %(time)s", name=payload["name"], time=begins)
    return _("%(name)s mentioned you", name=payload["name"])


def _absence(payload: Payload) -> str:
    if payload.get("until_at"):
        until = format_datetime(datetime.fromisoformat(payload["until_at"]), "short")
        return _("%(name)s entered that you are out of office until %(time)s", name=payload["name"], time=until)
    return _("%(name)s entered that you are out of office", name=payload["name"])


def _watched(payload: Payload) -> str:
    named = {"name": payload.get("name") or _("The system")}
    match payload["what"]:
        case "message.inbound":
            return _("%(name)s wrote on a ticket that you follow", **named)
        case "message.reply":
            return _("%(name)s answered on a ticket that you follow", **named)
        case "message.note":
            return _("%(name)s left a note on a ticket that you follow", **named)
        case "ticket.state":
            state = state_name(payload["after"])
            return _("A ticket that you follow has another state: %(state)s", state=state)
        case "ticket.claimed" | "ticket.handed_over" | "ticket.released":
            return _("A ticket that you follow went to somebody else")
        case "ticket.moved":
            return _("%(name)s moved a ticket that you follow to another queue", **named)
    return _("A ticket that you follow was joined with another one, or parted from it")


KINDS: dict[str, tuple[str, str, Callable[[Payload], str]]] = {
    "promise.warned": ("hourglass", "amber", lambda p: _("%(what)s is due soon: %(due)s", **_due(p))),
    "promise.breached": ("clock-exclamation", "red", lambda p: _("%(what)s is overdue since %(due)s", **_due(p))),
    "ticket.taken": ("user-check", "", lambda p: _("%(name)s gave a ticket of yours to somebody else", name=p["name"])),
    "ticket.taken_over": ("user-check", "", lambda p: _("%(name)s took over a ticket of yours", name=p["name"])),
    "ticket.given": ("user-check", "brand", lambda p: _("%(name)s gave you a ticket", name=p["name"])),
    "ticket.inherited": (
        "user-check",
        "brand",
        lambda p: _("A ticket of %(name)s came to you, because you stand in for them", name=p["name"]),
    ),
    "ticket.returned": ("arrow-back-up", "", _returned),
    "ticket.watched": ("eye", "", _watched),
    "colleague.mentioned": ("at", "brand", _mentioned),
    "colleague.added": ("user-plus", "brand", _called),
    "task.given": ("list-check", "brand", lambda p: _("%(name)s gave you a task: %(title)s", **_task(p))),
    "absence.entered": ("calendar", "amber", _absence),
    "absence.ended": (
        "calendar",
        "",
        lambda p: _("%(name)s ended your time out of office", name=p["name"]),
    ),
    "task.due": ("clock", "amber", lambda p: _("It is time: %(title)s", title=p["title"])),
}


# Kinds as people choose how they want to hear of them, each with its words.
CHOICES: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("colleagues", ("colleague.mentioned", "colleague.added"), _l("A colleague mentions or adds you")),
    ("tasks", ("task.due", "task.given"), _l("A task is due, or you are given one")),
    ("promises", ("promise.warned", "promise.breached"), _l("A promise is due soon or broken")),
    ("watched", ("ticket.watched",), _l("Something happens on a ticket that you follow")),
    (
        "tickets",
        ("ticket.taken", "ticket.taken_over", "ticket.given", "ticket.inherited", "ticket.returned"),
        _l("A ticket of yours changes hands"),
    ),
)
OTHER = "other"


def choice_of(kind: str) -> str:
    """Under which choice a kind of notice falls."""
    return next((name for name, kinds, _words in CHOICES if kind in kinds), OTHER)


def choice_name(kind: str) -> str:
    """What a kind of notice is about, without any name or word of anybody."""
    return next((str(words) for _name, kinds, words in CHOICES if kind in kinds), _("Something new for you"))


def sentence(notice: Notice, absent: str = "") -> str:
    """What the notice says; the bare kind where it has no words yet. `absent` is for whom its reader stands in."""
    known = KINDS.get(notice.kind)
    words = known[2](notice.payload) if known else notice.kind
    return _("For %(name)s: %(words)s", name=absent, words=words) if absent else words


def mark(notice: Notice) -> tuple[str, str]:
    """Its icon and tone."""
    known = KINDS.get(notice.kind)
    return (known[0], known[1]) if known else ("bell", "")
