"""Calendars and targets on their screens: what is typed, kept, taken over, and shown."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.calendar_text import parse_days, parse_hours, write_days, write_hours
from helpdesk.errors import Refused
from helpdesk.holiday_sets import holidays_of
from helpdesk.models import Calendar, CalendarVersion, Notice, Target
from helpdesk.models.notice import count_unseen, tell_people
from helpdesk.views.targets import parse_duration, write_duration
from queues import housekeeping, promises
from tests.clients import sign_in

WEEK = {f"day{number}": "9:00-18:00" for number in range(5)} | {"day5": "", "day6": ""}
TARGET = {
    "queue_id": 0,
    "priority": 0,
    "organisation_id": 0,
    "request_type": "",
    "first_seconds": "4:00",
    "next_seconds": "",
    "solution_seconds": "",
    "real_time": "n",
    "warn_percent": 80,
    "warn_seconds": "",
}
for stage in ("at_warning", "at_breach"):
    TARGET |= {f"{stage}_raise": "", f"{stage}_queue_id": 0, f"{stage}_user_id": 0, f"{stage}_group_id": 0}


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", []),
        ("9-18", [[540, 1080]]),
        ("14:00–18:00, 9:00 - 13.00", [[540, 780], [840, 1080]]),
        ("22:00-6:00", [[1320, 1800]]),
        ("0:00-24:00", [[0, 1440]]),
        ("0:00-0:00", [[0, 1440]]),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: list[list[int]]) -> None:
    assert parse_hours(text) == hours
    assert parse_hours(write_hours(hours)) == hours


@pytest.mark.parametrize("text", ["с девяти", "25:00-26:00", "9:70-10:00", "9:00-12:00, 11:00-13:00", "9:00"])
def test_what_is_no_time_is_refused(app: Any, text: str) -> None:
    with app.test_request_context(), pytest.raises(Refused):
        parse_hours(text)


def test_special_days_are_read_and_written(app: Any) -> None:
    text = "31.12.2026 9:00-15:00 Короткий день\n2026-01-02\n\n2026-01-01 1-8 января: каникулы"
    days = parse_days(text)
    assert list(days) == ["2026-01-01", "2026-01-02", "2026-12-31"]
    assert days["2026-01-01"] == {"name": "1-8 января: каникулы", "hours": []}
    assert days["2026-12-31"] == {"name": "Короткий день", "hours": [[540, 900]]}
    assert parse_days(write_days(days)) == days
    with app.test_request_context(), pytest.raises(Refused):
        parse_days("2026-02-30 Нет такого")


def test_ready_sets() -> None:
    ukraine = holidays_of("UA", [2026, 2027], "uk")
    assert ukraine[date(2026, 8, 24)] == "День незалежності України" and date(2027, 5, 2) in ukraine
    russia = holidays_of("RU", [2026], "ru")
    assert date(2026, 11, 4) in russia and date(2026, 3, 9) in russia  # moved from a Sunday


def test_an_administrator_makes_a_calendar_and_takes_holidays_over(app: Any, cast: Any, session: Any) -> None:
    dora = sign_in(app, cast.dora)
    made = dora.post("/admin/calendars", data={"name": "Офис", "time_zone": "Europe/Kyiv", "days": "", **WEEK})
    assert made.status_code == 303
    calendar = session.scalars(select(Calendar)).one()
    page = dora.get(made.location).get_data(as_text=True)
    assert 'value="9:00–18:00"' in page and "now:" in page
    year = clock.now().year
    path = f"/admin/calendars/{calendar.id}/holidays"
    assert dora.post(path, data={"country": "UA", "first": year, "last": year + 1}).status_code == 303
    said = session.get(CalendarVersion, (calendar.id, 2))
    assert f"{year + 1}-08-24" in said.days and session.get(CalendarVersion, (calendar.id, 1)).days == {}
    dora.post(path, data={"country": "UA", "first": year, "last": year + 1})
    assert session.get(Calendar, calendar.id).version == 2  # nothing was new, so nothing was changed


def test_a_typing_mistake_keeps_what_was_typed(app: Any, cast: Any, session: Any) -> None:
    data = {"name": "Ночь", "time_zone": "Europe/Kyiv", "days": "завтра выходной", **WEEK, "day0": "22:00-6:00"}
    answer = sign_in(app, cast.dora).post("/admin/calendars", data=data)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "завтра выходной" in page and "22:00-6:00" in page
    assert session.scalar(select(func.count()).select_from(Calendar)) == 0


def test_queues_follow_their_calendar_and_open_promises_are_counted_anew(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    dora = sign_in(app, cast.dora)
    assert dora.post("/admin/promises", data=TARGET).status_code == 303
    ticket = make.ticket(cast.support, minutes_ago=0)
    by_day = ticket.due_at
    dora.post("/admin/calendars", data={"name": "Никогда", "time_zone": "Europe/Kyiv", "days": ""})
    calendar = session.scalars(select(Calendar)).one()
    dora.post(
        "/admin/calendars/use", data={f"queue-{cast.support.id}": calendar.id, f"project-{cast.support.project_id}": ""}
    )
    assert cast.support.calendar_id == calendar.id
    assert promises.review() == 1
    session.refresh(ticket)
    assert by_day is not None and ticket.due_at is None


def test_a_target_says_why_on_the_ticket(app: Any, cast: Any, make: Any, session: Any) -> None:
    dora = sign_in(app, cast.dora)
    dora.post(
        "/admin/promises", data=TARGET | {"queue_id": cast.support.id, "priority": 1, "at_breach_raise": "urgent"}
    )
    target = session.scalars(select(Target)).one()
    assert target.first_seconds == 4 * 3600 and target.at_breach == {"raise": "urgent"}
    ticket = make.ticket(cast.support, priority=1)
    page = dora.get(f"/tickets/{ticket.id}").get_data(as_text=True)
    assert "4 h, because: priority urgent + queue Support" in page
    rows = dora.get(f"/queues/{cast.support.id}?view=due").get_data(as_text=True)
    assert "chip-due" in rows and ticket.number_text in rows
    assert dora.post(f"/admin/promises/{target.id}/removal").status_code == 303
    assert dora.get(f"/admin/promises/{target.id}").status_code == 404


def test_a_target_without_any_time_is_refused(app: Any, cast: Any) -> None:
    answer = sign_in(app, cast.dora).post("/admin/promises", data=TARGET | {"first_seconds": ""})
    assert answer.status_code == 422


def test_durations(app: Any) -> None:
    assert [parse_duration(text) for text in ("4:30", "4", "", "0:15")] == [16200, 14400, None, 900]
    assert write_duration(16200) == "4:30"
    for text in ("скоро", "0:00", "99999"):
        with app.test_request_context(), pytest.raises(Refused):
            parse_duration(text)


def test_due_first_pages_by_due_time(app: Any, cast: Any, make: Any, session: Any, monkeypatch: Any) -> None:
    from helpdesk.queries import lists

    session.add(Target(first_seconds=3600))
    session.add(Target(priority=1, first_seconds=600))
    session.flush()
    slow, quick = make.ticket(cast.support, minutes_ago=5), make.ticket(cast.support, minutes_ago=1, priority=1)
    first = lists.of_queue(cast.support, lists.View.DUE, limit=1)
    assert [row.id for row in first.rows] == [quick.id]
    second = lists.of_queue(cast.support, lists.View.DUE, first.next_after, limit=1)
    assert [row.id for row in second.rows] == [slow.id] and second.next_after is None


def test_notices_are_counted_listed_and_seen(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    due = clock.now().isoformat()
    tell_people([cast.ann.id, cast.ann.id, cast.bob.id], "promise.warned", ticket.id, promise="first", due_at=due)
    session.flush()
    ann = sign_in(app, cast.ann)
    assert 'class="bell-count num" aria-hidden="true">1<' in ann.get("/queues").get_data(as_text=True)
    notice = session.scalars(select(Notice).where(Notice.user_id == cast.ann.id)).one()
    page = ann.get("/notices").get_data(as_text=True)
    assert "First answer is due soon" in page and ticket.number_text in page
    assert sign_in(app, cast.bob).get(f"/notices/{notice.id}").status_code == 404
    ticket.move(cast.sue, cast.billing)
    page = ann.get("/notices").get_data(as_text=True)
    assert ticket.title not in page and "You do not see this ticket any more." in page
    assert ann.get(f"/notices/{notice.id}").location == f"/tickets/{ticket.id}"
    assert count_unseen(cast.ann) == 0 and count_unseen(cast.bob) == 1
    sign_in(app, cast.bob).post("/notices/seen")
    assert count_unseen(cast.bob) == 0


def test_seen_notices_are_forgotten_and_unseen_ones_kept(cast: Any, session: Any) -> None:
    old = clock.now() - timedelta(days=100)
    session.add_all([Notice(user_id=cast.ann.id, kind="promise.warned", at=old, seen_at=seen) for seen in (old, None)])
    session.commit()
    assert housekeeping.forget_notices() == 1
    assert count_unseen(cast.ann) == 1
