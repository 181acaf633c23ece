"""The supervisor's first page: queues, people, and what lies with whom."""

from datetime import timedelta

from helpdesk import clock
from helpdesk.models import Right
from helpdesk.models.availability import Availability, change
from helpdesk.queries.supervision import owners, supervises, watched_queues
from tests.clients import sign_in


def test_queues_with_who_waits_and_who_is_here(session, make, cast):
    make.ticket(cast.support, minutes_ago=30)
    late = make.ticket(cast.support, minutes_ago=5)
    late.claim(cast.ann)
    late.due_at = clock.now() - timedelta(minutes=1)
    make.ticket(cast.billing)
    change(cast.bob, Availability.AVAILABLE)
    change(cast.ann, Availability.AWAY, "Lunch")
    session.flush()
    (watch,) = watched_queues(cast.sue)
    assert (watch.figures.waiting, watch.figures.active, watch.overdue) == (1, 2, 1)
    present = {cast.ann: False, cast.bob: True, cast.sue: cast.sue.availability == Availability.AVAILABLE}
    assert (watch.here, watch.people) == (sum(present.values()), 3)
    assert {one.figures.queue_id for one in watched_queues(cast.dora)} == {cast.support.id, cast.billing.id}


def test_people_the_longest_wait_first(session, make, cast):
    for minutes, owner in ((10, cast.ann), (50, cast.bob), (20, cast.bob)):
        make.ticket(cast.support, minutes_ago=minutes).claim(owner)
    paused = make.ticket(cast.support, minutes_ago=90)
    paused.claim(cast.ann)
    paused.pause(cast.ann)
    make.ticket(cast.billing, minutes_ago=500).claim(cast.carl)
    session.flush()
    loads = owners(cast.sue)
    assert [load.name for load in loads[:2]] == ["Bob", "Ann"]
    assert [(load.active, load.paused) for load in loads[:2]] == [(2, 0), (1, 1)]
    assert "Carl" not in {load.name for load in loads}
    assert next(load for load in loads if load.name == "Sue").active == 0


def test_who_supervises_what(session, make, cast):
    assert supervises(cast.sue)
    assert supervises(cast.dora)
    assert not supervises(cast.ann)
    make.allow(make.group("Leads", cast.ann), cast.billing, Right.SUPERVISE)
    assert supervises(cast.ann)
    assert [watch.figures.queue_id for watch in watched_queues(cast.ann)] == [cast.billing.id]


def test_the_page_and_its_fragment(app, session, make, cast):
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    session.flush()
    sue = sign_in(app, cast.sue)
    page = sue.get("/supervision").get_data(as_text=True)
    assert cast.support.name in page
    assert cast.billing.name not in page
    fragment = sue.get("/supervision", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert fragment.startswith('<div id="supervision-board"')
    assert sign_in(app, cast.ann).get("/supervision").status_code == 403


def test_the_number_of_queries_does_not_grow_with_tickets(session, make, cast):
    from sqlalchemy import event

    from helpdesk.db import db

    def count():
        seen = []
        connection = db.session.connection()
        listener = lambda *_args: seen.append(1)  # noqa: E731
        event.listen(connection, "before_cursor_execute", listener)
        watched_queues(cast.sue)
        owners(cast.sue)
        event.remove(connection, "before_cursor_execute", listener)
        return len(seen)

    make.ticket(cast.support).claim(cast.ann)
    session.flush()
    few = count()
    for _number in range(5):
        make.ticket(cast.support).claim(cast.bob)
    session.flush()
    assert count() == few
