"""Promises as templates show them: a chip on a row, a panel on the ticket."""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from helpdesk.business_time import business_between
from helpdesk.models import Ticket, TicketPromise
from helpdesk.models.calendar import hours_of
from helpdesk.models.ticket.states import Kind
from helpdesk.promise_words import because, duration, kind_name


def due_chip(due_at: datetime | None, warn_at: datetime | None, now: datetime) -> dict[str, Any] | None:
    """The due time of a ticket as its chip: word, tone, icon, moment; None where nothing is due."""
    if due_at is None:
        return None
    if due_at <= now:
        return {"at": due_at, "word": _("overdue"), "tone": "red", "mark": "clock-exclamation"}
    if warn_at is not None and warn_at <= now:
        return {"at": due_at, "word": _("due soon"), "tone": "amber", "mark": "hourglass"}
    return {"at": due_at, "word": _("due"), "tone": "", "mark": "hourglass"}


def panel(ticket: Ticket, now: datetime) -> list[dict[str, Any]]:
    """The ticket's promises, the latest of each kind, due first at the top. Reads them and what they are counted by."""
    latest = {row.kind: row for row in ticket.promises}
    shown = [row for row in latest.values() if row.is_open or row.met_at or row.breached_at]
    shown.sort(key=lambda row: (not row.is_open, row.due_at is None, row.due_at or row.asked_at))
    return [_shape(ticket, row, now) for row in shown]


def _shape(ticket: Ticket, row: TicketPromise, now: datetime) -> dict[str, Any]:
    chip = due_chip(row.due_at, row.warn_at, now) if row.is_open else None
    word, tone, mark = _standing(ticket, row, now)
    return {
        "name": kind_name(row.kind),
        "word": word,
        "tone": tone,
        "mark": mark,
        "due": chip,
        "left": _left(row, now),
        "met_at": row.met_at,
        "was_due_at": row.breached_at,
        "why": because(row.target, row.seconds),
    }


def _standing(ticket: Ticket, row: TicketPromise, now: datetime) -> tuple[str, str, str]:
    if row.met_at is not None:
        return (_("late"), "red", "clock-exclamation") if row.breached_at else (_("kept"), "green", "check")
    if not row.is_open:
        return _("broken"), "red", "clock-exclamation"
    if row.is_late(now):
        return _("overdue"), "red", "clock-exclamation"
    if row.paused_at is not None or ticket.kind == Kind.PAUSED:
        return _("stands still"), "", "player-stop"
    if row.warn_at is not None and row.warn_at <= now:
        return _("due soon"), "amber", "hourglass"
    return _("running"), "", "hourglass"


def _left(row: TicketPromise, now: datetime) -> str:
    """What is left of its time, as a sentence."""
    if not row.is_open:
        return ""
    spent = float(row.spent_seconds)
    if row.counted_from is not None:
        spent += business_between(row.counted_from, now, hours_of(row.calendar_id, row.calendar_version))
    left = row.seconds - spent
    if row.is_late(now):
        return _("over by %(time)s", time=duration(max(-left, 0)))
    if row.calendar_id is None:
        return _("%(time)s left", time=duration(left))
    return _("%(time)s of working time left", time=duration(left))
