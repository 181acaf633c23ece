"""Who is here: the switch, signing in and out, silence, and who may change whose state."""

from typing import Any

import pytest
from sqlalchemy import select, update

from helpdesk import clock
from helpdesk.clock import SQL_NOW
from helpdesk.errors import Refused
from helpdesk.models import Availability, AvailabilityChange, User
from helpdesk.models.availability import LEFT, Cause, change, note_presence
from queues import shifts
from tests.clients import sign_in


def changes(session: Any, user: User) -> list[tuple[str, str, str, int | None]]:
    rows = session.scalars(
        select(AvailabilityChange).where(AvailabilityChange.user_id == user.id).order_by(AvailabilityChange.id)
    )
    return [(row.state, row.reason, row.cause, row.by_id) for row in rows]


def test_every_change_is_kept_with_who_made_it(cast: Any, session: Any) -> None:
    assert change(cast.ann, Availability.AWAY, " Обед ", by=cast.ann, cause=Cause.BY_HAND)
    assert not change(cast.ann, Availability.AWAY, "Обед", by=cast.ann)
    assert change(cast.ann, Availability.OFFLINE, "болеет", by=cast.sue, cause=Cause.BY_HAND)
    assert changes(session, cast.ann) == [
        ("away", "Обед", "by hand", cast.ann.id),
        ("offline", "болеет", "by hand", cast.sue.id),
    ]
    assert (cast.ann.availability, cast.ann.availability_reason) == ("offline", "болеет")


def test_another_reason_is_no_new_absence(cast: Any, session: Any, move_clock: Any) -> None:
    change(cast.ann, Availability.AWAY, "Lunch")
    since = cast.ann.availability_since
    move_clock("1 hour")
    change(cast.ann, Availability.AWAY, "Meeting")
    assert cast.ann.availability_since == since


def test_nobody_is_available_who_does_not_work_here(cast: Any) -> None:
    cast.ann.active = False
    with pytest.raises(Refused):
        change(cast.ann, Availability.AVAILABLE)


def test_the_switch(app: Any, cast: Any, session: Any) -> None:
    ann = sign_in(app, cast.ann)
    assert "You have been away" not in ann.get("/queues").text
    assert "Training" in ann.get("/availability", headers={"HX-Request": "true"}).text
    answer = ann.post(
        "/availability",
        data={"state": "away", "reason": "<b>Обед</b>"},
        headers={"Referer": "http://localhost/queues?x=1"},
    )
    assert answer.location == "/queues?x=1"
    page = ann.get("/queues").text
    assert "You have been away since" in page and ": &lt;b&gt;Обед&lt;/b&gt;" in page
    assert "I am back" in page
    assert ann.post("/availability", data={"state": "gone"}).status_code == 422
    refused = ann.post("/availability", data={"state": "away"}, headers={"Referer": "http://localhost/claims"})
    assert refused.location == "/", "only forms go there"
    ann.post("/availability", data={"state": "available"}, headers={"Referer": "http://evil.example/x"})
    assert cast.ann.availability == "available"
    assert [change[0] for change in changes(session, cast.ann)] == ["away", "away", "available"]


def test_reasons_and_silence_are_settings(app: Any, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    form = {"idle_minutes": "5", "away_reasons": "Lunch\n\nПерекур\nLunch", "limit_email": "10"}
    assert dora.post("/admin/availability", data=form).status_code == 303
    page = dora.get("/admin/availability").text
    assert "Lunch\nПерекур" in page
    assert 'value="10"' in page
    assert "Перекур" in sign_in(app, cast.ann).get("/availability").text
    assert dora.post("/admin/availability", data=form | {"limit_email": "many"}).status_code == 422


def test_signing_in_and_out(app: Any, cast: Any, session: Any) -> None:
    from helpdesk.passwords import hash_password

    cast.ann.password_hash = hash_password("корова на лугу 17")
    cast.ann.availability = "offline"
    other = sign_in(app, cast.ann)
    stranger = sign_in(app, cast.bob)
    stranger.post("/sign-out")
    stranger.token = ""
    stranger.post("/sign-in", data={"email": cast.ann.email, "password": "корова на лугу 17"})
    assert cast.ann.availability == "available"
    stranger.token = ""
    other.post("/sign-out")
    assert cast.ann.availability == "available", "she is signed in elsewhere"
    assert changes(session, cast.bob)[-1] == ("offline", "", "sign-out", cast.bob.id)


def watched(session: Any) -> None:
    """As if the chore had run without a gap until now."""
    shifts.mark_absent()
    moment = clock.now().isoformat()
    from helpdesk.models import write_setting

    write_setting(shifts.WATCH, {"since": "2020-01-01T00:00:00+00:00", "last": moment})
    session.commit()


def test_whoever_is_silent_is_gone_and_comes_back_with_the_next_click(
    app: Any, cast: Any, session: Any, move_clock: Any
) -> None:
    change(cast.bob, Availability.AWAY, "Training")
    session.execute(update(User).values(availability_since=SQL_NOW, present_at=SQL_NOW))
    move_clock("9 minutes")
    watched(session)
    assert shifts.mark_absent() == 0
    note_presence([cast.sue.id])
    move_clock("11 minutes")
    watched(session)
    assert shifts.mark_absent() == 3
    session.expire_all()
    assert {user.name: user.availability for user in session.scalars(select(User))} == {
        "Ann": "offline",
        "Bob": "away",
        "Carl": "offline",
        "Dora": "offline",
        "Sue": "available",
    }
    assert cast.ann.availability_reason == LEFT
    ann = sign_in(app, cast.ann)
    ann.get("/queues/tiles", headers={"X-Background": "1"})
    assert cast.ann.availability == "offline", "no hand made that request"
    ann.get("/queues")
    kept = changes(session, cast.ann)[-2:]
    assert kept == [("offline", "left", "left", None), ("available", "", "back", cast.ann.id)]
    move_clock("5 hours")
    watched(session)
    shifts.mark_absent()
    session.expire_all()
    assert cast.bob.availability == "offline"


def test_a_silence_that_was_ours_makes_nobody_absent(cast: Any, session: Any, move_clock: Any) -> None:
    watched(session)
    move_clock("2 hours")  # the whole machine was down
    assert shifts.mark_absent() == 0
    session.expire_all()
    assert cast.ann.availability == "available"


def test_presence_is_written_once_a_minute(cast: Any, session: Any, move_clock: Any) -> None:
    note_presence([cast.ann.id])
    session.expire_all()
    first = cast.ann.present_at
    note_presence([cast.ann.id])
    session.expire_all()
    assert cast.ann.present_at == first
    move_clock("2 minutes")
    note_presence([cast.ann.id])
    session.expire_all()
    assert cast.ann.present_at > first
