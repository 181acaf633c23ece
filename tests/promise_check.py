"""An independent reading of a ticket's history: every due time and every spent second computed again, slowly.

Reads events and the kept versions of calendars, nothing of the tables of promises and nothing of the code that made
them. Time is counted on the wall clock minute by minute, with the odd seconds at both ends.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

MINUTE = timedelta(minutes=1)
KINDS = ("made", "paused", "resumed", "met", "cancelled", "changed", "warned", "breached")


def check_history(session: Any) -> int:
    """Check all promises of the database; returns how many facts. Raises AssertionError at the first that is wrong."""
    session.flush()
    rows = session.execute(
        text("SELECT ticket_id, kind, payload FROM events WHERE kind LIKE 'promise.%' ORDER BY ticket_id, id")
    ).all()
    known: dict[tuple[int, str, str], dict[str, Any]] = {}
    for ticket_id, kind, payload in rows:
        stage = kind.removeprefix("promise.")
        assert stage in KINDS
        key = (ticket_id, payload["promise"], payload["asked_at"])
        if stage == "made":
            assert key not in known, f"{key} was made twice"
            known[key] = {"spent": 0, "ended": False}
        _step(session, known[key], stage, payload)
    return len(rows)


def _step(session: Any, state: dict[str, Any], stage: str, payload: dict[str, Any]) -> None:
    now = _moment(payload.get("at") or payload.get("counted_from"))
    if stage not in {"made", "breached", "changed"}:
        assert not state["ended"] or stage == "resumed", f"{stage} after the end"
    if stage in {"paused", "met", "cancelled"}:
        assert payload["spent"] == _spent(session, state, now), (stage, payload, state)
    if stage == "changed" and payload["why"] in {"target", "calendar"}:
        assert payload["spent"] == _spent(session, state, now), (stage, payload, state)
    if stage in {"made", "changed"}:
        state |= {name: payload.get(name) for name in ("seconds", "calendar_id", "calendar_version")}
    if stage in {"paused", "cancelled"}:
        state["from"] = None
        state["spent"] = payload["spent"]
    if stage in {"made", "resumed", "changed"}:
        state["from"] = _moment(payload.get("counted_from"))
        state["spent"] = payload.get("spent", 0)
        state["ended"] = False
        _check_due(session, state, payload)
    if stage == "met":
        state["ended"] = True
        assert payload["late"] == ("breached" in state)
        if payload["promise"] == "solution":
            state["from"], state["spent"] = None, payload["spent"]
    if stage == "cancelled":
        state["ended"] = True
    if stage == "breached":
        assert _moment(payload["at"]) == state["due"] and "breached" not in state
        state["breached"] = state["due"]


def _check_due(session: Any, state: dict[str, Any], payload: dict[str, Any]) -> None:
    due = _moment(payload.get("due_at"))
    left = state["seconds"] - state["spent"]
    if state["from"] is None:
        expected = None
    elif left <= 0:
        expected = state.get("breached") or state["from"]
    else:
        expected = _add(_hours(session, state), state["from"], left)
    assert due == expected, (due, expected, payload)
    state["due"] = due


def _spent(session: Any, state: dict[str, Any], now: datetime) -> int:
    if state.get("from") is None:
        return int(state["spent"])
    hours = _hours(session, state)
    total, moment = timedelta(0), state["from"]
    while moment < now:
        border = min(moment.replace(second=0, microsecond=0) + MINUTE, now)
        if _is_open(hours, moment):
            total += border - moment
        moment = border
    return int(state["spent"] + total.total_seconds())


def _add(hours: Any, moment: datetime, seconds: int) -> datetime | None:
    left = timedelta(seconds=seconds)
    for _minute in range(60 * 24 * 90):
        border = moment.replace(second=0, microsecond=0) + MINUTE
        if _is_open(hours, moment):
            if border - moment >= left:
                return moment + left
            left -= border - moment
        moment = border
    return None


def _hours(session: Any, state: dict[str, Any]) -> Any:
    if state["calendar_id"] is None:
        return None
    query = text("SELECT time_zone, week, days FROM calendar_versions WHERE calendar_id = :id AND version = :version")
    return session.execute(query, {"id": state["calendar_id"], "version": state["calendar_version"]}).one()


def _is_open(hours: Any, moment: datetime) -> bool:
    if hours is None:
        return True
    local = moment.astimezone(ZoneInfo(hours.time_zone))
    minute = local.hour * 60 + local.minute
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        special = hours.days.get(day.isoformat())
        intervals = special["hours"] if special is not None else hours.week[day.weekday()]
        if any(start <= minute + back * 1440 < end for start, end in intervals):
            return True
    return False


def _moment(text_: str | None) -> datetime | None:
    return datetime.fromisoformat(text_) if text_ else None
