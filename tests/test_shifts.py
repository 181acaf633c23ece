"""People come and go: tickets that need an owner who is not here, going home, limits by kind, shift notes."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock, staff
from helpdesk.errors import Conflict, NotFound, Refused, TooMany
from helpdesk.models import (
    Availability,
    Event,
    Message,
    Notice,
    OwnerAway,
    Reply,
    State,
    Ticket,
    TicketPerson,
    write_setting,
)
from helpdesk.models.availability import change
from helpdesk.models.ticket.states import Kind
from queues import fifo, housekeeping, shifts
from tests.clients import sign_in


def facts(session: Any, ticket: Ticket, kind: str) -> list[dict[str, Any]]:
    query = select(Event.payload).where(Event.ticket_id == ticket.id, Event.kind == kind).order_by(Event.id)
    return list(session.scalars(query))


@pytest.fixture
def taken(cast: Any, make: Any) -> Ticket:
    """Ann's ticket, its customer waiting."""
    ticket = make.ticket(cast.support, minutes_ago=60)
    ticket.claim(cast.ann)
    make.session.flush()
    return ticket


# --- the owner is not here


def test_of_an_owner_who_is_offline_a_ticket_goes_back_at_once_and_keeps_its_place(
    cast: Any, make: Any, taken: Ticket, session: Any
) -> None:
    younger = make.ticket(cast.support, minutes_ago=5)
    assert shifts.return_tickets() == 0
    change(cast.ann, Availability.OFFLINE, "болеет", by=cast.sue)
    assert shifts.return_tickets() == 1
    assert shifts.return_tickets() == 0, "safe to run twice"
    [fact] = facts(session, taken, "ticket.released")
    assert fact == {
        "former_owner_id": cast.ann.id,
        "cause": "owner offline",
        "away_since": cast.ann.availability_since.isoformat(),
    }
    assert session.scalars(select(Notice.kind).where(Notice.user_id == cast.ann.id)).all() == ["ticket.returned"]
    assert [fifo.claim_next(cast.bob).id, fifo.claim_next(cast.bob).id] == [taken.id, younger.id]


def test_of_an_owner_who_is_away_it_goes_back_after_the_queues_minutes(
    cast: Any, taken: Ticket, session: Any, move_clock: Any
) -> None:
    cast.support.owner_wait_minutes = 20
    change(cast.ann, Availability.AWAY, "Lunch", by=cast.ann)
    assert shifts.return_tickets() == 0
    move_clock("19 minutes")
    assert shifts.return_tickets() == 0
    move_clock("21 minutes")
    assert shifts.return_tickets() == 1
    assert facts(session, taken, "ticket.released")[0]["cause"] == "owner away"


def test_who_is_back_in_time_keeps_it(cast: Any, taken: Ticket, move_clock: Any) -> None:
    change(cast.ann, Availability.AWAY, "Break", by=cast.ann)
    move_clock("14 minutes")
    change(cast.ann, Availability.AVAILABLE, by=cast.ann)
    move_clock("30 minutes")
    assert shifts.return_tickets() == 0
    assert taken.owner_id == cast.ann.id


def test_a_queue_may_leave_tickets_with_their_owner(cast: Any, taken: Ticket) -> None:
    cast.support.owner_away = OwnerAway.OWNER
    change(cast.ann, Availability.OFFLINE)
    assert shifts.return_tickets() == 0
    assert taken.owner_id == cast.ann.id


def test_whoever_left_for_good_keeps_nothing(cast: Any, session: Any, taken: Ticket) -> None:
    cast.support.owner_away = OwnerAway.OWNER
    taken.finish(cast.ann, State.SOLVED)
    session.flush()
    staff.deactivate(cast.dora, cast.ann, give_back=True)
    taken.reopen(cast.bob, "by hand")
    session.flush()
    assert (taken.owner_id, shifts.return_tickets()) == (cast.ann.id, 1)
    session.refresh(taken)
    assert taken.owner_id is None


def test_the_time_runs_since_the_answer_came(cast: Any, make: Any, taken: Ticket, move_clock: Any) -> None:
    taken.reply(cast.ann, Reply(body="Код выслан"))
    change(cast.ann, Availability.AWAY, "Training", by=cast.ann)
    move_clock("2 hours")
    assert shifts.return_tickets() == 0, "nobody waits for her"
    make.hear(taken, "Не пришёл")
    assert shifts.return_tickets() == 0
    move_clock("2 hours 16 minutes")
    assert shifts.return_tickets() == 1


def test_a_ticket_given_to_somebody_away_waits_its_minutes_there(cast: Any, taken: Ticket, move_clock: Any) -> None:
    change(cast.bob, Availability.AWAY, "Lunch")
    move_clock("1 hour")
    fifo.hand_over(cast.ann, taken.id, cast.bob)
    assert shifts.return_tickets() == 0
    move_clock("1 hour 16 minutes")
    assert shifts.return_tickets() == 1


def test_a_ticket_that_wakes_and_a_failed_delivery_need_their_owner(
    cast: Any, make: Any, taken: Ticket, session: Any, move_clock: Any
) -> None:
    failing = make.ticket(cast.support)
    failing.claim(cast.ann)
    for ticket in (taken, failing):
        ticket.reply(cast.ann, Reply(body="Проверим и напишем"))
    taken.pause(cast.ann, clock.now() + timedelta(hours=1))
    session.flush()
    change(cast.ann, Availability.OFFLINE, by=cast.ann)
    assert shifts.return_tickets() == 0
    message = session.scalars(select(Message).where(Message.ticket_id == failing.id, Message.kind == "reply")).one()
    failing.note_delivery(None, message, "failed", "550 no such user")
    session.flush()
    assert shifts.return_tickets() == 1
    assert failing.owner_id is None
    move_clock("61 minutes")
    assert housekeeping.wake_tickets() == 1
    session.expire_all()
    assert (taken.kind, taken.owner_id) == (Kind.ACTIVE, cast.ann.id)
    assert shifts.return_tickets() == 1
    session.expire_all()
    assert taken.owner_id is None


def test_what_its_owner_looked_after_needs_nobody(cast: Any, taken: Ticket, session: Any, move_clock: Any) -> None:
    taken.reply(cast.ann, Reply(body="Проверим"))
    taken.pause(cast.ann, clock.now() + timedelta(hours=1))
    session.flush()
    move_clock("61 minutes")
    housekeeping.wake_tickets()
    session.expire_all()
    assert taken.attention_at is not None
    taken.note(cast.ann, "Позвоню завтра")
    assert taken.attention_at is None
    change(cast.ann, Availability.OFFLINE, by=cast.ann)
    assert shifts.return_tickets() == 0


# --- who is not here takes nothing


@pytest.mark.parametrize("state", [Availability.AWAY, Availability.OFFLINE])
def test_who_is_not_here_takes_nothing(cast: Any, make: Any, state: Availability) -> None:
    ticket, bobs = make.ticket(cast.support), make.ticket(cast.support)
    fifo.claim_this(cast.bob, bobs.id)
    change(cast.ann, state)
    for take in (
        lambda: fifo.claim_next(cast.ann),
        lambda: fifo.claim_next(cast.ann, cast.support.id),
        lambda: fifo.claim_this(cast.ann, ticket.id),
        lambda: fifo.hand_over(cast.ann, bobs.id, cast.ann),
    ):
        with pytest.raises(Refused, match="you are back") as refusal:
            take()
        assert refusal.value.details == {"away": True}


def test_one_button_brings_back_and_takes(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    change(cast.ann, Availability.AWAY, "Break")
    ann = sign_in(app, cast.ann)
    page = ann.post("/claims", data={"key": "click"})
    assert page.status_code == 422
    assert 'name="back" value="1"' in page.text
    assert 'name="key" value="click"' in page.text
    assert ann.post("/claims", data={"key": "click", "back": "1"}).location == f"/tickets/{ticket.id}"
    assert cast.ann.availability == "available"


def test_finishing_is_possible_while_away(app: Any, cast: Any, make: Any, taken: Ticket) -> None:
    other = make.ticket(cast.support)
    change(cast.ann, Availability.AWAY, "Break")
    answer = sign_in(app, cast.ann).post(f"/tickets/{taken.id}/closure-and-next", data={"state": "solved"})
    assert answer.location == "/queues"
    assert (taken.state, other.owner_id) == (State.SOLVED, None)


# --- going home


def test_going_home_gives_back_what_is_chosen(app: Any, cast: Any, make: Any, taken: Ticket, session: Any) -> None:
    second, third = make.ticket(cast.support), make.ticket(cast.support)
    for ticket in (second, third):
        ticket.claim(cast.ann)
    session.flush()
    ann = sign_in(app, cast.ann)
    form = ann.get("/availability/leaving", headers={"HX-Request": "true"}).text
    assert "You have 3 open tickets" in form
    data = {
        "what": "chosen",
        "ticket": [str(taken.id), str(second.id)],
        "note": "Ушла домой",
        f"note_{second.id}": "Ждём склад",
        "sign_out": "1",
    }
    assert ann.post("/availability/leaving", data=data).location == "/sign-in"
    assert [t.owner_id for t in (taken, second, third)] == [None, None, cast.ann.id]
    notes = select(Message.text).where(Message.kind == "note").order_by(Message.ticket_id)
    assert session.scalars(notes).all() == ["Ушла домой", "Ждём склад"]
    assert facts(session, taken, "ticket.released")[0]["cause"] == "going home"
    assert cast.ann.availability == "offline"
    assert ann.get("/queues").status_code == 302, "she is signed out"


def test_going_home_with_everything_or_with_nothing(app: Any, cast: Any, taken: Ticket) -> None:
    ann = sign_in(app, cast.ann)
    ann.post("/availability/leaving", data={"what": "keep"})
    assert (taken.owner_id, cast.ann.availability) == (cast.ann.id, "offline")
    ann.post("/availability", data={"state": "available"})
    ann.post("/availability/leaving", data={"what": "all"})
    assert (taken.owner_id, cast.ann.availability) == (None, "offline")


# --- a supervisor looks after the tickets of others


def test_a_supervisor_gives_back_the_tickets_of_who_fell_ill(
    app: Any, cast: Any, make: Any, taken: Ticket, session: Any
) -> None:
    make.allow(cast.back, cast.support)
    hidden = make.ticket(cast.billing)
    hidden.owner, hidden.owner_id = cast.ann, cast.ann.id
    session.flush()
    sue = sign_in(app, cast.sue)
    page = sue.get(f"/people/{cast.ann.id}/tickets").text
    assert taken.number_text in page
    assert hidden.number_text not in page, "not her queue"
    ill = {"state": "offline", "reason": "ill"}
    assert sue.post(f"/people/{cast.ann.id}/availability", data=ill).status_code == 303
    assert (cast.ann.availability, cast.ann.availability_reason) == ("offline", "ill")
    chosen = {"ticket": [str(taken.id), str(hidden.id)], "note": "Анна болеет"}
    sue.post(f"/people/{cast.ann.id}/tickets/release", data=chosen)
    assert (taken.owner_id, hidden.owner_id) == (None, cast.ann.id)
    assert facts(session, taken, "ticket.released")[0]["cause"] == "by supervisor"
    assert sue.post(f"/people/{cast.ann.id}/tickets/release", data=chosen).status_code == 404
    assert sign_in(app, cast.bob).get(f"/people/{cast.ann.id}/tickets").status_code == 403


def test_a_supervisor_says_nothing_about_people_of_other_teams(app: Any, cast: Any, make: Any) -> None:
    make.ticket(cast.billing).claim(cast.carl)
    sue = sign_in(app, cast.sue)
    assert sue.post(f"/people/{cast.carl.id}/availability", data={"state": "offline"}).status_code == 404
    assert sue.get(f"/people/{cast.carl.id}/tickets").status_code == 404
    assert cast.carl.availability == "available"
    dora = sign_in(app, cast.dora)
    assert dora.post(f"/people/{cast.carl.id}/availability", data={"state": "offline"}).status_code == 303
    assert cast.carl.availability == "offline"


def test_a_supervisor_hands_tickets_over(app: Any, cast: Any, taken: Ticket, session: Any) -> None:
    sue = sign_in(app, cast.sue)
    url = f"/people/{cast.ann.id}/tickets/handover"
    form = {"ticket": str(taken.id), "reason": "Анна болеет"}
    assert "Carl may not work" in sue.post(url, data=form | {"user_id": str(cast.carl.id)}).text
    change(cast.bob, Availability.AWAY, "Lunch")
    assert sue.post(url, data=form | {"user_id": str(cast.bob.id)}).status_code == 303
    assert taken.owner_id == cast.bob.id
    [fact] = facts(session, taken, "ticket.handed_over")
    assert (fact["former_owner_id"], fact["reason"]) == (cast.ann.id, "Анна болеет")
    told = dict(session.execute(select(Notice.user_id, Notice.kind)).tuples().all())
    assert told == {cast.ann.id: "ticket.taken", cast.bob.id: "ticket.given"}
    assert "Bob is not available" in sue.get(f"/people/{cast.ann.id}/tickets").text


def test_nobody_gives_back_the_tickets_of_a_colleague(cast: Any, taken: Ticket) -> None:
    with pytest.raises(NotFound):
        shifts.release_all(cast.bob, cast.ann, [taken.id])
    with pytest.raises(NotFound):
        shifts.hand_over_all(cast.bob, cast.ann, cast.bob, [taken.id])


# --- joining and taking over


def test_others_join_or_take_over_before_they_answer(app: Any, cast: Any, taken: Ticket, session: Any) -> None:
    bob = sign_in(app, cast.bob)
    page = bob.get(f"/tickets/{taken.id}").text
    assert f'formaction="/tickets/{taken.id}/joining"' in page
    assert f"/tickets/{taken.id}/dialogs/takeover" in page
    assert bob.post(f"/tickets/{taken.id}/replies", data={"body": "Здравствуйте"}).status_code == 422
    bob.post(f"/tickets/{taken.id}/joining")
    assert session.get(TicketPerson, (taken.id, cast.bob.id)) is not None
    assert facts(session, taken, "ticket.people") == [{"user_id": cast.bob.id, "added": True}]
    assert bob.post(f"/tickets/{taken.id}/replies", data={"body": "Здравствуйте"}).status_code == 303
    assert '/joining"' not in bob.get(f"/tickets/{taken.id}").text
    bob.post(f"/tickets/{taken.id}/handover", data={"user_id": str(cast.bob.id), "reason": "клиент на линии"})
    assert taken.owner_id == cast.bob.id
    assert facts(session, taken, "ticket.handed_over")[0]["reason"] == "клиент на линии"
    ann = sign_in(app, cast.ann)
    assert "Bob took over a ticket of yours" in ann.get("/notices").text
    assert ann.get(f"/tickets/{taken.id}").text.count("Take over") == 1


# --- limits by kind of channel


@pytest.fixture
def kinds(cast: Any, make: Any) -> Any:
    """A chat and a mailbox that bring tickets to Support."""
    return {"email": cast.mailbox, "http": make.channel(cast.support, kind="http")}


def test_of_a_full_kind_the_line_goes_on_without_it_and_stays_in_order(
    cast: Any, make: Any, kinds: Any, session: Any
) -> None:
    cast.ann.claim_limits = {"email": 1}
    first, second, third = (make.ticket(cast.support, minutes_ago=m, channel=kinds["email"]) for m in (90, 80, 20))
    calls = [make.ticket(cast.support, minutes_ago=m, channel=kinds["http"]) for m in (70, 60)]
    got = [fifo.claim_next(cast.ann, queue_id).id for queue_id in (cast.support.id, cast.support.id, None)]
    assert got == [first.id, calls[0].id, calls[1].id]
    assert facts(session, calls[0], "ticket.claimed")[0]["full_kinds"] == ["email"]
    assert "full_kinds" not in facts(session, first, "ticket.claimed")[0]
    for take in (
        lambda: fifo.claim_next(cast.ann),
        lambda: fifo.claim_next(cast.ann, cast.support.id),
        lambda: fifo.claim_this(cast.ann, third.id),
    ):
        with pytest.raises(TooMany, match="your limit"):
            take()
    assert fifo.claim_next(cast.bob).id == second.id, "nobody else is held up"
    fifo.release(cast.ann, first.id)
    assert fifo.claim_next(cast.ann).id == first.id


def test_the_oldest_over_all_queues_leaves_out_a_full_kind(cast: Any, make: Any, kinds: Any) -> None:
    make.allow(cast.front, cast.billing)
    cast.ann.claim_limits = {"email": 1}
    fifo.claim_this(cast.ann, make.ticket(cast.support, channel=kinds["email"]).id)
    make.ticket(cast.billing, minutes_ago=90)
    call = make.ticket(cast.support, minutes_ago=10, channel=kinds["http"])
    assert fifo.claim_next(cast.ann) is call


def test_ones_own_figure_counts_before_everybodys(cast: Any, make: Any, kinds: Any) -> None:
    write_setting("claim_limits", {"email": 1})
    cast.bob.claim_limits = {"email": 2}
    for _ in range(4):
        make.ticket(cast.support, channel=kinds["email"])
    fifo.claim_next(cast.ann)
    with pytest.raises(TooMany):
        fifo.claim_next(cast.ann)
    fifo.claim_next(cast.bob)
    fifo.claim_next(cast.bob)
    with pytest.raises(TooMany):
        fifo.claim_next(cast.bob)


def test_limits_are_set_for_a_person(app: Any, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    form = {"name": "Ann", "email": cast.ann.email, "role": "operator", "groups": str(cast.front.id)}
    assert dora.post(f"/people/{cast.ann.id}", data=form | {"limit_email": "7"}).status_code == 302
    assert cast.ann.claim_limits == {"email": 7}
    assert 'value="7"' in dora.get(f"/people/{cast.ann.id}").text
    assert dora.post(f"/people/{cast.ann.id}", data=form | {"limit_email": "0"}).status_code == 422


def test_a_lost_right_beats_a_form(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    with pytest.raises(NotFound):
        fifo.claim_next(cast.carl, cast.support.id)
    with pytest.raises(Conflict):
        fifo.claim_this(cast.bob, ticket.id)
        fifo.claim_this(cast.ann, ticket.id)


# --- the note above the line


def test_a_shift_note_stands_above_the_line(app: Any, cast: Any, make: Any) -> None:
    ann = sign_in(app, cast.ann)
    url = f"/queues/{cast.support.id}"
    assert ann.post(f"{url}/note", data={"text": "Склад <b>закрыт</b>\nдо пятницы"}).status_code == 303
    page = sign_in(app, cast.bob).get(url).text
    assert "Склад &lt;b&gt;закрыт&lt;/b&gt;\nдо пятницы" in page
    assert "Ann" in page
    ann.post(f"{url}/note", data={"text": "Склад открыт"})
    former = ann.get(f"{url}/note").text
    assert "Склад открыт" in former
    assert "до пятницы" in former
    ann.post(f"{url}/note", data={"clear": "1", "text": "x"})
    assert "shift-note" not in ann.get(url).text
    assert ann.post(f"{url}/note", data={"text": "x" * 1001}).status_code == 422
