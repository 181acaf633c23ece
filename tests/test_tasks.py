"""Personal tasks: whose they are, when they are due, and that each person is reminded exactly once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock, reminders
from helpdesk.errors import Refused
from helpdesk.models import Notice, Task, Ticket
from helpdesk.models.absence import be_out
from helpdesk.models.task import count_due, make_task
from helpdesk.permissions import visible
from helpdesk.queries import tasks as reading
from tests.clients import sign_in


def told(session: Any, user: Any) -> list[str]:
    return list(session.scalars(select(Notice.kind).where(Notice.user_id == user.id).order_by(Notice.id)))


def a_task(session: Any, user: Any, minutes: float, title: str = "Перезвонить", **more: Any) -> Task:
    task = make_task(None, user, title, clock.now() + timedelta(minutes=minutes), **more)
    session.flush()
    return task


def test_whoever_is_due_is_reminded_once(cast: Any, session: Any) -> None:
    due, later, finished = (a_task(session, cast.ann, minutes) for minutes in (-1, 60, -5))
    finished.finish()
    assert reminders.remind_due() == 1
    assert reminders.remind_due() == 0
    assert told(session, cast.ann) == ["task.due"]
    assert due.reminded_at is not None and later.reminded_at is None


def test_a_run_that_was_cut_off_has_told_nobody_and_the_next_tells(cast: Any, session: Any, monkeypatch: Any) -> None:
    a_task(session, cast.ann, -1)
    session.commit()

    def killed(*_given: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reminders.live, "touch", killed)
        reminders.remind_due()
    assert told(session, cast.ann) == []
    assert reminders.remind_due() == 1
    assert told(session, cast.ann) == ["task.due"]


def test_another_time_means_another_reminder(cast: Any, session: Any) -> None:
    task = a_task(session, cast.ann, -1)
    reminders.remind_due()
    task.describe(task.title, "", clock.now() - timedelta(seconds=1))
    session.flush()
    assert reminders.remind_due() == 1


def test_who_stands_in_is_reminded_as_well(cast: Any, session: Any) -> None:
    be_out(cast.ann, clock.now(), None, stand_in=cast.bob)
    a_task(session, cast.ann, -1)
    reminders.remind_due()
    assert told(session, cast.bob) == ["task.due"]


def test_the_count_is_what_is_due_now(cast: Any, session: Any) -> None:
    for minutes in (-60, -1, 30):
        a_task(session, cast.ann, minutes)
    a_task(session, cast.bob, -1)
    assert count_due(cast.ann) == 2


def test_today_ends_where_the_person_is(cast: Any, session: Any) -> None:
    cast.ann.time_zone = "Asia/Vladivostok"
    until = reading.end_of_today(cast.ann)
    before = make_task(None, cast.ann, "сегодня", until - timedelta(minutes=1))
    after = make_task(None, cast.ann, "завтра", until)
    session.flush()
    assert (reading.due_today(cast.ann), reading.due_later(cast.ann)) == ([before], [after])


@pytest.mark.parametrize("title", ["", "  ", "д" * 501])
def test_a_task_needs_a_title_of_bearable_length(cast: Any, session: Any, title: str) -> None:
    with pytest.raises(Refused):
        make_task(cast.ann, cast.ann, title, clock.now())


# --- as the browser meets it ------------------------------------------------------------------------------------------


def test_remind_me_on_a_ticket(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann = sign_in(app, cast.ann)
    form = {"ticket_id": ticket.id, "when": "hour", "title": "Проверить оплату", "back": "ticket"}
    answer = ann.post("/tasks", data=form)
    assert answer.location.endswith(f"/tickets/{ticket.id}")
    task = session.scalars(select(Task)).one()
    assert (task.user_id, task.ticket_id, task.customer_id) == (cast.ann.id, ticket.id, ticket.customer_id)
    assert timedelta(minutes=59) < task.due_at - clock.now() <= timedelta(hours=1)
    assert "Проверить оплату" in ann.get(f"/tickets/{ticket.id}/card").text
    assert "Проверить оплату" in ann.get("/tasks").text + ann.get("/tasks?tab=later").text
    assert told(session, cast.ann) == []


def test_a_day_is_typed_in_the_readers_zone(app: Any, cast: Any, session: Any) -> None:
    cast.ann.time_zone = "Asia/Tokyo"
    answer = sign_in(app, cast.ann).post("/tasks", data={"title": "Отчёт", "due": "2031-03-04T09:30"})
    assert answer.status_code == 303
    assert session.scalars(select(Task)).one().due_at.isoformat() == "2031-03-04T00:30:00+00:00"
    assert sign_in(app, cast.ann).post("/tasks", data={"title": "Отчёт", "due": "вчера"}).status_code == 422


def test_a_task_for_a_colleague_gives_sight_only_by_who_works_there(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    ticket = make.ticket(cast.support)
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    form = {"ticket_id": ticket.id, "user_id": cast.carl.id, "title": "Глянь", "when": "hour"}
    seen = select(Ticket.id).where(Ticket.id == ticket.id, visible(cast.carl))
    assert sign_in(app, reader).post("/tasks", data=form).status_code == 403
    assert session.scalar(seen) is None
    assert sign_in(app, cast.ann).post("/tasks", data=form).status_code == 303
    assert session.scalar(seen) == ticket.id
    assert told(session, cast.carl) == ["task.given"]


def test_done_is_undone_and_deleted_by_its_person_or_its_giver_alone(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    task = make_task(cast.ann, cast.bob, "Проверить", clock.now())
    session.flush()
    task_id = task.id
    assert sign_in(app, cast.sue).post(f"/tasks/{task_id}/done").status_code == 404
    assert sign_in(app, cast.bob).post(f"/tasks/{task_id}/done").status_code == 303
    assert session.get(Task, task_id).done_at is not None
    assert "Проверить" in sign_in(app, cast.bob).get("/tasks?tab=done").text
    assert sign_in(app, cast.bob).post(f"/tasks/{task_id}/undone").status_code == 303
    assert session.get(Task, task_id).done_at is None
    assert sign_in(app, cast.ann).post(f"/tasks/{task_id}/removal").status_code == 303
    assert session.get(Task, task_id) is None


def test_a_ticket_that_went_out_of_sight_keeps_its_title_to_itself(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    ticket = make.ticket(cast.support, title="Тайная жалоба")
    make_task(cast.ann, cast.carl, "Глянь", clock.now(), ticket)
    page = sign_in(app, cast.carl).get("/tasks").text
    assert "Глянь" in page and "Тайная жалоба" not in page


def test_on_a_ticket_the_notes_of_others_stay_theirs(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    make_task(cast.bob, cast.bob, "Спросить склад", clock.now(), ticket, note="только для себя")
    card = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/card").text
    assert "Спросить склад" in card and "только для себя" not in card and "/done" not in card
