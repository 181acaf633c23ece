"""Days and times that people type: years that nobody means are refused wherever a row would keep them."""

from typing import Any

import pytest

from tests.clients import sign_in

FAR = ("0001-01-01T00:00", "1969-12-31T23:59", "9001-01-01T00:00", "9999-12-31T23:59")
ZONES = ("Europe/Moscow", "America/New_York")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("typed", FAR)
def test_years_that_nobody_means_are_refused(app: Any, session: Any, make: Any, typed: str, zone: str) -> None:
    cast = make.cast()
    cast.ann.time_zone = zone
    ticket = make.ticket(cast.support)
    session.commit()
    ann = sign_in(app, cast.ann)
    snoozing = {"act": "snooze", "ids": str(ticket.id), "choice": "", "until": typed, "key": "1"}
    answers = [
        ann.post(f"/tickets/{ticket.id}/pause", data={"until": typed}),
        ann.post("/tickets/bulk", data=snoozing),
        ann.post("/tasks", data={"title": "Позвонить", "due": typed}),
        ann.post("/profile/absence", data={"from": typed}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422]
    assert ann.get("/tasks").status_code == ann.get("/profile/absence").status_code == 200
    assert ticket.pending_until is None
