"""Promises on tickets: each change of a ticket moves them in its own transaction, and the history alone proves them."""

import random
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import select, text
from sqlalchemy.engine import Engine

from helpdesk import clock
from helpdesk.models import (
    Calendar,
    CalendarVersion,
    Event,
    Organisation,
    Reply,
    State,
    Target,
    Ticket,
    TicketPromise,
)
from helpdesk.models.promise import book, change_book
from helpdesk.models.ticket.keeping import choose
from queues import promises
from tests.promise_check import check_history

HOUR = 3600
OFFICE = [[[540, 1080]]] * 5 + [[], []]


@pytest.fixture
def at(session: Any, move_clock: Any) -> Any:
    """Put the one clock to a moment of Kyiv: `at(2026, 6, 5, 16, 30)`; everything after happens then."""
    began: list[datetime] = [session.scalar(text("SELECT clock_timestamp()"))]

    def put(*parts: int) -> datetime:
        wanted = datetime(*parts, tzinfo=ZoneInfo("Europe/Kyiv"))
        real = session.scalar(text("SELECT clock_timestamp()"))
        move_clock(f"{(wanted - real).total_seconds():.3f} seconds")
        session.info.pop("held_now", None)
        began.append(wanted)
        return wanted

    return put


def target(session: Any, **columns: Any) -> Target:
    row = Target(**columns)
    session.add(row)
    change_book()
    return row


def office(session: Any, name: str = "Office", week: Any = OFFICE, zone: str = "Europe/Kyiv", **days: Any) -> Calendar:
    calendar = Calendar(name=name)
    session.add(calendar)
    session.flush()
    session.add(CalendarVersion(calendar_id=calendar.id, version=1, time_zone=zone, week=week, days=days))
    change_book()
    return calendar


def promise(ticket: Ticket, kind: str) -> TicketPromise:
    return [row for row in ticket.promises if row.kind == kind][-1]


def facts(session: Any, ticket: Ticket) -> list[str]:
    session.flush()
    query = select(Event.kind, Event.payload).where(Event.ticket_id == ticket.id, Event.kind.like("promise.%"))
    return [
        f"{payload['promise']} {kind.removeprefix('promise.')}"
        for kind, payload in session.execute(query.order_by(Event.id))
    ]


def close_to(moment: datetime | None, *parts: int) -> bool:
    wanted = datetime(*parts, tzinfo=ZoneInfo("Europe/Kyiv"))
    return moment is not None and abs((moment - wanted).total_seconds()) < 5


def test_without_targets_nothing_is_promised(make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    assert ticket.promises == [] and ticket.due_at is None and not ticket.promised


def test_first_answer_is_due_in_working_hours_and_kept_by_a_reply(make: Any, cast: Any, session: Any, at: Any) -> None:
    cast.support.calendar_id = office(session).id
    target(session, first_seconds=4 * HOUR)
    at(2026, 6, 5, 16)  # Friday
    ticket = make.ticket(cast.support, minutes_ago=0)
    first = promise(ticket, "first")
    assert close_to(first.due_at, 2026, 6, 8, 11)
    assert ticket.due_at == first.due_at and close_to(ticket.due_warn_at, 2026, 6, 8, 10, 12)
    ticket.claim(cast.ann)
    ticket.note(cast.ann, "смотрю")
    ticket.reply(None, Reply("Мы получили ваше письмо", automatic=True))
    assert first.is_open
    at(2026, 6, 8, 9, 30)
    ticket.reply(cast.ann, Reply("Здравствуйте!"))
    assert first.met_at == ticket.last_reply_at and first.breached_at is None
    assert ticket.due_at is None
    assert facts(session, ticket) == ["first made", "first met"]
    check_history(session)


def test_next_answer_starts_with_the_first_unanswered_message(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, first_seconds=HOUR, next_seconds=2 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply("Здравствуйте!"))
    at(2026, 6, 5, 11)
    make.hear(ticket, "Спасибо, а как?")
    at(2026, 6, 5, 12)
    make.hear(ticket, "Ау?")
    assert [row.kind for row in ticket.promises] == ["first", "next"]
    assert close_to(ticket.due_at, 2026, 6, 5, 13)
    ticket.reply(cast.ann, Reply("Вот так."))
    assert promise(ticket, "next").met_at is not None
    check_history(session)


def test_waiting_for_the_customer_stops_the_clock(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, solution_seconds=8 * HOUR, first_seconds=HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    at(2026, 6, 5, 10, 30)
    ticket.pause(cast.ann)
    assert ticket.due_at is None and promise(ticket, "solution").paused_at is not None
    assert abs(promise(ticket, "solution").spent_seconds - HOUR // 2) <= 1
    at(2026, 6, 7, 10, 30)
    ticket.wake(None, "time")
    assert close_to(promise(ticket, "first").due_at, 2026, 6, 7, 11)
    assert close_to(promise(ticket, "solution").due_at, 2026, 6, 7, 18)
    at(2026, 6, 7, 11, 30)
    ticket.finish(cast.ann, State.SOLVED)
    first, solution = promise(ticket, "first"), promise(ticket, "solution")
    assert close_to(first.breached_at, 2026, 6, 7, 11)  # broken at its time, though nobody had looked
    assert first.met_at is None and first.cancelled_at is not None and solution.met_at is not None
    check_history(session)


def test_reopening_goes_on_with_what_was_spent(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, solution_seconds=8 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    at(2026, 6, 5, 12)
    ticket.finish(cast.ann, State.SOLVED)
    at(2026, 6, 9, 12)
    ticket.reopen(cast.ann, "by hand")
    solution = promise(ticket, "solution")
    assert len(ticket.promises) == 1 and solution.is_open
    assert close_to(solution.due_at, 2026, 6, 9, 18)
    check_history(session)


@pytest.mark.parametrize("state", [State.SPAM, State.UNSOLVED])
def test_spam_cancels_and_unsolved_keeps(make: Any, cast: Any, session: Any, at: Any, state: State) -> None:
    target(session, solution_seconds=8 * HOUR, first_seconds=HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    ticket.finish(cast.ann, state)
    solution = promise(ticket, "solution")
    assert (solution.met_at is None) == (state == State.SPAM)
    assert promise(ticket, "first").cancelled_at is not None and ticket.due_at is None
    check_history(session)


def test_taking_a_reply_back_takes_back_that_it_was_kept(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, first_seconds=HOUR, next_seconds=HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    due = ticket.due_at
    ticket.claim(cast.ann)
    message = ticket.reply(cast.ann, Reply("Здравствуйте!"))
    make.hear(ticket, "И ещё одно")
    session.flush()
    ticket.undo_reply(cast.ann, message)
    first = promise(ticket, "first")
    assert first.is_open and first.due_at == due == ticket.due_at
    assert promise(ticket, "next").cancelled_at is not None
    assert facts(session, ticket)[-2:] == ["next cancelled", "first changed"]
    check_history(session)


def test_the_most_specific_target_holds(make: Any, cast: Any, session: Any) -> None:
    works = Organisation(name="ТОВ «Весна»")
    session.add(works)
    session.flush()
    general = target(session, first_seconds=8 * HOUR, solution_seconds=80 * HOUR)
    queue = target(session, queue_id=cast.support.id, first_seconds=7 * HOUR)
    urgent = target(session, priority=1, first_seconds=6 * HOUR)
    both = target(session, queue_id=cast.support.id, priority=1, first_seconds=5 * HOUR)
    outage = target(session, request_type="Авария", first_seconds=4 * HOUR)
    contract = target(session, organisation_id=works.id, first_seconds=3 * HOUR)
    ticket = make.ticket(cast.support)
    assert choose(book(), ticket, "first") is queue
    assert choose(book(), ticket, "solution") is general
    ticket.prioritise(cast.ann, 1)
    assert choose(book(), ticket, "first") is both
    make.item("request_type", "Авария")
    ticket.retype(cast.ann, "авария")
    assert choose(book(), ticket, "first") is outage
    ticket.customer.organisation = works
    session.flush()
    assert choose(book(), ticket, "first") is contract
    assert choose(book(), make.ticket(cast.billing, priority=1), "first") is urgent


def test_raising_the_priority_counts_the_rest_by_the_shorter_target(
    make: Any, cast: Any, session: Any, at: Any
) -> None:
    target(session, solution_seconds=8 * HOUR)
    target(session, priority=1, solution_seconds=2 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    at(2026, 6, 5, 11)
    ticket.prioritise(cast.ann, 1)
    assert close_to(ticket.due_at, 2026, 6, 5, 12)
    ticket.prioritise(cast.ann, 3)
    at(2026, 6, 5, 15)
    ticket.prioritise(cast.ann, 1)
    assert close_to(ticket.due_at, 2026, 6, 5, 15)  # over already: due at once, not before it was promised
    check_history(session)


def test_moving_to_a_queue_without_targets_and_back(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, queue_id=cast.support.id, first_seconds=2 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    at(2026, 6, 5, 11)
    ticket.move(cast.ann, cast.billing)
    assert ticket.due_at is None and promise(ticket, "first").cancelled_at is not None
    at(2026, 6, 5, 15)
    ticket.move(cast.ann, cast.support)
    assert close_to(ticket.due_at, 2026, 6, 5, 16)
    check_history(session)


def test_a_ticket_that_comes_into_a_target_later_counts_from_then(make: Any, cast: Any, session: Any, at: Any) -> None:
    target(session, queue_id=cast.billing.id, first_seconds=2 * HOUR)
    at(2026, 6, 5, 10)
    ticket = make.ticket(cast.support, minutes_ago=0)
    at(2026, 6, 6, 10)
    ticket.move(cast.ann, cast.billing)
    assert close_to(ticket.due_at, 2026, 6, 6, 12)
    check_history(session)


def test_a_night_shift_over_the_change_of_clocks(make: Any, cast: Any, session: Any, at: Any) -> None:
    cast.support.calendar_id = office(session, week=[[[1320, 1800]]] * 7).id
    target(session, first_seconds=6 * HOUR)
    at(2026, 3, 28, 22, 30)  # clocks go forward at 3:00
    assert close_to(make.ticket(cast.support, minutes_ago=0).due_at, 2026, 3, 29, 5, 30)
    at(2026, 10, 24, 23, 30)  # and back at 4:00
    assert close_to(make.ticket(cast.support, minutes_ago=0).due_at, 2026, 10, 25, 4, 30)
    check_history(session)


def test_an_edited_calendar_counts_for_the_rest(make: Any, cast: Any, session: Any, at: Any) -> None:
    calendar = office(session)
    cast.support.calendar_id = calendar.id
    target(session, solution_seconds=10 * HOUR)
    at(2026, 6, 5, 16)  # Friday: two hours, Monday would have the other eight
    ticket = make.ticket(cast.support, minutes_ago=0)
    assert close_to(ticket.due_at, 2026, 6, 8, 17)
    at(2026, 6, 6, 12)
    calendar.version = 2
    monday = {"2026-06-08": {"name": "Троица", "hours": []}}
    session.add(CalendarVersion(calendar_id=calendar.id, version=2, time_zone="Europe/Kyiv", week=OFFICE, days=monday))
    change_book()
    session.commit()
    assert promises.review() == 1
    assert promises.review() == 0
    session.refresh(ticket)
    assert close_to(ticket.due_at, 2026, 6, 9, 17)
    assert facts(session, ticket) == ["solution made", "solution changed"]
    check_history(session)


def test_switching_a_target_off_cancels_what_it_promised(make: Any, cast: Any, session: Any) -> None:
    row = target(session, solution_seconds=10 * HOUR)
    ticket = make.ticket(cast.support)
    row.active = False
    change_book()
    session.commit()
    assert promises.review() == 1
    session.refresh(ticket)
    assert ticket.due_at is None
    check_history(session)


def test_a_calendar_that_never_opens_has_no_due_time(make: Any, cast: Any, session: Any) -> None:
    cast.support.calendar_id = office(session, week=[[]] * 7).id
    target(session, solution_seconds=HOUR)
    ticket = make.ticket(cast.support)
    assert promise(ticket, "solution").is_open and ticket.due_at is None


def statements(call: Any) -> int:
    sent: list[str] = []

    def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa_event.listen(Engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        sa_event.remove(Engine, "before_cursor_execute", note)
    return len([one for one in sent if re.search(r"\b(targets|ticket_promises|calendars|calendar_versions)\b", one)])


def test_without_targets_a_transaction_asks_once_however_many_tickets(make: Any, cast: Any, session: Any) -> None:
    session.commit()

    def many() -> None:
        for _number in range(5):
            ticket = make.ticket(cast.support)
            ticket.prioritise(cast.ann, 2)

    asked = statements(many)
    assert asked == 1


def test_claims_notes_and_tags_ask_nothing(make: Any, cast: Any, session: Any) -> None:
    target(session, first_seconds=HOUR)
    ticket = make.ticket(cast.support)
    session.commit()
    ticket.title  # noqa: B018 - reads the row again, which is not what is measured

    def work() -> None:
        ticket.claim(cast.ann)
        ticket.note(cast.ann, "смотрю")
        ticket.retag(cast.ann, ["оплата"])
        ticket.release(cast.ann)

    before = session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1))
    assert statements(work) == 0
    assert session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1)) > before


def test_clock_of_the_database_is_back(session: Any) -> None:
    assert timedelta(0) <= clock.now() - session.scalar(text("SELECT now()")) < timedelta(minutes=5)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_week_is_proved_by_the_history_alone(
    make: Any, cast: Any, session: Any, at: Any, move_clock: Any, seed: int
) -> None:
    """Everything that moves a promise, in any order, over the night in which the clocks change."""
    dice = random.Random(seed)
    night = office(session, "Ночь", week=[[[1320, 1800]]] * 7)
    calendar = office(session, "Офис", **{"2026-03-27": {"name": "Выходной", "hours": []}})
    cast.support.calendar_id, cast.billing.calendar_id = calendar.id, night.id
    target(session, first_seconds=3 * HOUR, next_seconds=2 * HOUR, solution_seconds=20 * HOUR)
    target(session, priority=1, first_seconds=HOUR, solution_seconds=4 * HOUR, at_breach={"queue_id": cast.billing.id})
    spare = target(session, queue_id=cast.billing.id, next_seconds=30 * HOUR, at_warning={"raise": "one"})
    moment = datetime(2026, 3, 26, 8, tzinfo=ZoneInfo("UTC"))
    tickets: list[Ticket] = []
    for _step in range(45):
        moment += timedelta(minutes=dice.randrange(5, 200), seconds=dice.randrange(60))
        move_clock(f"{(moment - session.scalar(text('SELECT clock_timestamp()'))).total_seconds():.3f} seconds")
        if len(tickets) < 5 or dice.random() < 0.05:
            tickets.append(make.ticket(cast.support, minutes_ago=0, priority=dice.choice([1, 3])))
        _live(dice, session, make, cast, dice.choice(tickets), calendar, spare)
        session.commit()
        if dice.random() < 0.3:
            promises.review()
            promises.watch()
        session.expire_all()
    assert check_history(session) > 25
    for ticket in tickets:
        open_dues = [row.due_at for row in ticket.promises if row.is_open and row.due_at]
        assert ticket.due_at == min(open_dues, default=None)


def _live(dice: random.Random, session: Any, make: Any, cast: Any, ticket: Ticket, calendar: Any, spare: Any) -> None:
    """One thing that happens to a ticket, to a calendar or to a target."""
    act = dice.choice(
        ["hear", "reply", "undo", "pause", "wake", "finish", "reopen", "move", "priority", "edit", "switch"]
    )
    match act:
        case "hear":
            make.hear(ticket, "Ещё вопрос")
        case "reply" | "undo" if ticket.kind == "active":
            ticket.claim(cast.ann) if ticket.owner_id is None else None
            message = ticket.reply(cast.ann, Reply("Ответ"))
            session.flush()
            if act == "undo":
                ticket.undo_reply(cast.ann, message)
        case "pause" if ticket.kind == "active":
            ticket.pause(cast.ann)
        case "wake" if ticket.kind == "paused":
            ticket.wake(None, "time")
        case "finish" if ticket.kind != "finished":
            ticket.finish(cast.ann, dice.choice([State.SOLVED, State.UNSOLVED, State.SPAM]))
        case "reopen" if ticket.kind == "finished":
            ticket.reopen(dice.choice([cast.ann, None]), "by hand")
        case "move":
            ticket.move(cast.sue, dice.choice([cast.support, cast.billing]))
        case "priority":
            ticket.prioritise(cast.sue, dice.choice([1, 2, 3]))
        case "edit":
            calendar.version += 1
            week = [[[540, dice.choice([960, 1080, 1200])]]] * 5 + [[], []]
            session.add(
                CalendarVersion(
                    calendar_id=calendar.id, version=calendar.version, time_zone="Europe/Kyiv", week=week, days={}
                )
            )
            change_book()
        case "switch":
            spare.active = not spare.active
            change_book()


def test_a_customers_new_organisation_brings_its_contract(make: Any, cast: Any, session: Any, at: Any) -> None:
    works = Organisation(name="ТОВ «Ліс»")
    session.add(works)
    session.flush()
    target(session, solution_seconds=8 * HOUR)
    target(session, organisation_id=works.id, solution_seconds=3 * HOUR)
    at(2026, 6, 5, 10)
    ticket, other = make.ticket(cast.support, minutes_ago=0), make.ticket(cast.support, minutes_ago=0)
    customer = ticket.customer
    session.commit()
    at(2026, 6, 5, 11)
    customer.edit(cast.ann, customer.name, "", works, customer.version)
    session.commit()
    assert promises.review() == 1
    session.refresh(ticket)
    assert close_to(ticket.due_at, 2026, 6, 5, 13) and close_to(other.due_at, 2026, 6, 5, 18)
    check_history(session)


def test_merging_what_was_answered_gives_nobody_more_time(session: Any, make: Any, at: Any) -> None:
    cast = make.cast()
    target(session, first_seconds=HOUR, next_seconds=HOUR, real_time=True)
    at(2026, 6, 5, 10, 0)
    answered = make.ticket(cast.support, cast.eve, channel=cast.mailbox, minutes_ago=0)
    answered.claim(cast.ann)
    answered.reply(cast.ann, Reply(body="Да", to=["eve@mail.example"]))
    waits = make.ticket(cast.support, cast.eve, channel=cast.mailbox, minutes_ago=0)
    session.flush()
    due_at = waits.due_at
    at(2026, 6, 5, 10, 40)
    answered.merge_into(cast.ann, waits)
    session.flush()
    assert promise(waits, "next").is_open
    assert abs(waits.due_at - due_at) < timedelta(seconds=2)
    check_history(session)
    answered.unmerge(cast.ann)
    session.flush()
    assert waits.due_at == due_at
    check_history(session)
