"""Out of office: when it begins and ends, who stands in, and what becomes of tickets that need their owner."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import absences, clock
from helpdesk.errors import Refused
from helpdesk.models import Absence, Event, Notice
from helpdesk.models.absence import be_out, end, planned, running, stand_ins
from helpdesk.models.availability import Availability
from helpdesk.notice_words import sentence
from queues import shifts
from tests.clients import Client, sign_in

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def out(user: Any, stand_in: Any = None, **more: Any) -> Absence:
    return be_out(user, clock.now() - HOUR, more.pop("until", clock.now() + DAY), stand_in=stand_in, **more)


# --- who stands in ----------------------------------------------------------------------------------------------------


def test_the_first_in_the_chain_who_is_here_stands_in(cast: Any) -> None:
    out(cast.ann, cast.bob)
    assert stand_ins([cast.ann.id, cast.sue.id]) == {cast.ann.id: cast.bob.id}
    out(cast.bob, cast.sue)
    assert stand_ins([cast.ann.id, cast.bob.id]) == {cast.ann.id: cast.sue.id, cast.bob.id: cast.sue.id}


def test_a_circle_has_nobody(cast: Any) -> None:
    out(cast.ann, cast.bob)
    out(cast.bob, cast.carl)
    out(cast.carl, cast.ann)
    assert stand_ins([cast.ann.id, cast.bob.id, cast.carl.id]) == {}


def test_a_chain_that_ends_with_somebody_out_or_gone_has_nobody(cast: Any) -> None:
    out(cast.ann, cast.bob)
    out(cast.bob)
    assert stand_ins([cast.ann.id]) == {}
    end(cast.bob)
    cast.bob.active = False
    assert stand_ins([cast.ann.id]) == {}


def test_a_planned_absence_does_not_hold_yet(cast: Any) -> None:
    be_out(cast.ann, clock.now() + HOUR, clock.now() + DAY, stand_in=cast.bob)
    assert (running([cast.ann.id]), stand_ins([cast.ann.id])) == ({}, {})
    assert planned(cast.ann) is not None


def test_a_new_absence_replaces_the_one_before(cast: Any, session: Any) -> None:
    out(cast.ann, cast.bob)
    out(cast.ann, cast.sue)
    assert stand_ins([cast.ann.id]) == {cast.ann.id: cast.sue.id}
    open_ones = select(Absence).where(Absence.user_id == cast.ann.id, Absence.ended_at.is_(None))
    assert len(session.scalars(open_ones).all()) == 1


def test_what_cannot_be_is_refused(cast: Any) -> None:
    now = clock.now()
    for given in (
        {"from_at": now, "until_at": now - HOUR},
        {"from_at": now - DAY, "until_at": now - HOUR},
        {"from_at": now, "until_at": None, "stand_in": cast.ann},
        {"from_at": now, "until_at": None, "words": "д" * 501},
    ):
        with pytest.raises(Refused):
            be_out(cast.ann, **given)


# --- the timetable ----------------------------------------------------------------------------------------------------


def test_it_begins_and_ends_by_itself_once(cast: Any, session: Any, move_clock: Any) -> None:
    be_out(cast.ann, clock.now() + HOUR, clock.now() + DAY)
    session.commit()
    assert absences.keep() == 0
    move_clock("2 hours")
    assert (absences.keep(), absences.keep()) == (1, 0)
    session.refresh(cast.ann)
    assert (cast.ann.availability, cast.ann.availability_reason) == ("offline", "out of office")
    move_clock("2 days")
    assert running([cast.ann.id]) == {}
    assert (absences.keep(), absences.keep()) == (1, 0)
    assert planned(cast.ann) is None


def test_what_needs_its_owner_goes_to_who_stands_in(cast: Any, make: Any, session: Any) -> None:
    ticket, calm = make.ticket(cast.support), make.ticket(cast.support)
    for one in (ticket, calm):
        one.claim(cast.ann)
    calm.first_unanswered_at = None
    out(cast.ann, cast.bob)
    session.commit()
    absences.keep()
    assert shifts.return_tickets() == 1
    assert (ticket.owner_id, calm.owner_id) == (cast.bob.id, cast.ann.id)
    event = session.scalars(select(Event).where(Event.kind == "ticket.handed_over")).one()
    assert event.payload["cause"] == "stands in"
    assert session.scalars(select(Notice.kind).where(Notice.user_id == cast.bob.id)).all() == ["ticket.inherited"]


@pytest.mark.parametrize("why", ["is not here", "may not work there", "nobody"])
def test_else_it_goes_back_to_its_queue(cast: Any, make: Any, session: Any, why: str) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    stand_in = {"is not here": cast.bob, "may not work there": cast.carl, "nobody": None}[why]
    cast.bob.availability = Availability.OFFLINE
    out(cast.ann, stand_in)
    session.commit()
    absences.keep()
    assert shifts.return_tickets() == 1
    assert ticket.owner_id is None


def test_also_where_tickets_stay_with_their_owner(cast: Any, make: Any, session: Any) -> None:
    cast.support.owner_away = "owner"
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    out(cast.ann, cast.bob)
    session.commit()
    absences.keep()
    assert shifts.return_tickets() == 1 and ticket.owner_id == cast.bob.id


# --- as the browser meets it ------------------------------------------------------------------------------------------


def test_one_says_it_on_ones_own_page_and_ends_it(app: Any, cast: Any, session: Any) -> None:
    ann = sign_in(app, cast.ann)
    form = {"from": "2031-03-04T09:00", "until": "2031-03-10T09:00", "stand_in": cast.bob.id, "words": "Отпуск"}
    assert ann.post("/profile/absence", data=form).status_code == 303
    absence = planned(cast.ann)
    assert absence is not None and absence.stand_in_id == cast.bob.id and absence.words == "Отпуск"
    assert absence.from_at.isoformat() == "2031-03-04T07:00:00+00:00"
    assert "Отпуск" in ann.get("/profile/absence").text
    assert ann.post("/profile/absence/end").status_code == 303
    assert planned(cast.ann) is None
    assert ann.post("/profile/absence", data={"from": "никогда"}).status_code == 422


def test_whoever_chooses_a_colleague_reads_that_they_are_out(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    out(cast.bob, cast.sue, words="Отпуск на море")
    for url in ("colleagues", "colleagues/new", "dialogs/assign"):
        page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/{url}").text
        assert "Sue stands in" in page, url


# --- for somebody else ------------------------------------------------------------------------------------------------


@pytest.fixture
def sue(app: Any, cast: Any) -> Client:
    """Sue supervises the queue in which ann and bob work; carl works in another one."""
    return sign_in(app, cast.sue)


def test_a_supervisor_enters_and_ends_it_for_somebody(sue: Client, app: Any, cast: Any, session: Any) -> None:
    form = {"from": "", "until": "2031-03-10T09:00", "stand_in": cast.bob.id, "words": "Болеет"}
    assert sue.post(f"/people/{cast.ann.id}/absence", data=form).status_code == 303
    assert stand_ins([cast.ann.id]) == {cast.ann.id: cast.bob.id}
    assert (cast.ann.availability, cast.ann.availability_reason) == ("offline", "out of office")
    assert "Болеет" in sue.get(f"/people/{cast.ann.id}/absence").text
    assert "Bob stands in" in sue.get(f"/people/{cast.ann.id}/tickets").text
    told = session.scalars(select(Notice).where(Notice.user_id == cast.ann.id)).one()
    assert told.kind == "absence.entered" and sentence(told).startswith("Sue entered that you are out of office until")
    ann = sign_in(app, cast.ann)
    assert ann.get(f"/notices/{told.id}").location == "/profile/absence"
    assert sue.post(f"/people/{cast.ann.id}/absence/end").status_code == 303
    assert planned(cast.ann) is None
    kinds = session.scalars(select(Notice.kind).where(Notice.user_id == cast.ann.id).order_by(Notice.id)).all()
    assert kinds == ["absence.entered", "absence.ended"]
    logged = [
        (event.actor_id, event.payload["changes"]["absence"])
        for event in session.scalars(select(Event).where(Event.kind == "admin.changed").order_by(Event.id))
        if event.payload["ref_id"] == cast.ann.id and "absence" in event.payload["changes"]
    ]
    entered = {"from": logged[0][1][1]["from"], "until": "2031-03-10T07:00:00+00:00", "stand_in_id": cast.bob.id}
    assert logged == [(cast.sue.id, [None, entered]), (cast.sue.id, [entered, None])]


def test_only_within_ones_rights(sue: Client, app: Any, cast: Any, session: Any) -> None:
    assert sue.post(f"/people/{cast.carl.id}/absence", data={"words": "Отпуск"}).status_code == 404
    assert sue.get(f"/people/{cast.carl.id}/absence").status_code == 404
    assert sign_in(app, cast.bob).post(f"/people/{cast.ann.id}/absence", data={}).status_code == 403
    stranger = sue.post(f"/people/{cast.ann.id}/absence", data={"stand_in": cast.carl.id})
    assert stranger.status_code == 422 and planned(cast.ann) is None
    assert session.scalars(select(Notice)).all() == []
    dora = sign_in(app, cast.dora)
    assert dora.post(f"/people/{cast.carl.id}/absence", data={"stand_in": cast.ann.id}).status_code == 303
    assert stand_ins([cast.carl.id]) == {cast.carl.id: cast.ann.id}
    assert f"/people/{cast.carl.id}/absence" in dora.get(f"/people/{cast.carl.id}").text


def test_ones_own_tells_nobody(app: Any, cast: Any, session: Any) -> None:
    ann = sign_in(app, cast.ann)
    assert ann.post("/profile/absence", data={"words": "Отпуск"}).status_code == 303
    assert ann.post("/profile/absence/end").status_code == 303
    assert session.scalars(select(Notice)).all() == []
