"""Named conditions in a search, in three languages, with rights and time zones."""

import contextlib
from datetime import UTC, datetime

import pytest

from helpdesk.errors import Refused
from helpdesk.indexing import index_message
from helpdesk.models import State
from helpdesk.queries.search import find_customers, find_tickets
from helpdesk.queries.search_filters import NAMES, Question, read_question
from tests.clients import sign_in


def ids(user, question):
    return {hit.row.id for hit in find_tickets(user, question).hits}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("queue:billing код", Question("код", [("queue", "billing")])),
        ("код очередь:«Возврат денег» оплата", Question("код оплата", [("queue", "Возврат денег")])),
        ('owner:"Ann Lee" state:open', Question("", [("owner", "Ann Lee"), ("state", "open")])),
        ("стан:solved", Question("", [("state", "solved")])),
        ("Re: http://x.example от: письмо", Question("Re: http://x.example от: письмо", [])),
        ("FROM:2026-03 to:31.03.2026", Question("", [("from", "2026-03"), ("to", "31.03.2026")])),
        ("queue:", Question("queue:", [])),
    ],
)
def test_a_question_is_taken_apart(typed, meant):
    assert read_question(typed) == meant


def test_each_condition_finds_its_own(session, make, cast):
    first = make.ticket(cast.support, title="Код")
    second = make.ticket(cast.support, customer=make.customer("Пётр Ильич", "petr@firma.example"), title="Счёт")
    hidden = make.ticket(cast.billing, title="Счёт")
    index_message(make.hear(second, "Пришлите счёт на оплату"))
    second.claim(cast.ann)
    second.customer.reindex()
    first.prioritise(cast.ann, 1)
    first.retag(cast.ann, ["VIP"])
    session.flush()
    assert ids(cast.ann, f'queue:"{cast.support.name}"') == {first.id, second.id}
    assert ids(cast.ann, "owner:me") == {second.id}
    assert ids(cast.ann, "owner:none") == {first.id}
    assert ids(cast.ann, "владелец:я state:open") == {second.id}
    assert ids(cast.ann, "customer:ильич") == {second.id}
    assert ids(cast.ann, "customer:petr@firma.example") == {second.id}
    assert ids(cast.ann, f"number:{second.number}") == {second.id}
    assert ids(cast.ann, "from:petr@firma.example") == {second.id}
    assert ids(cast.ann, "to:petr@firma") == {second.id}
    assert ids(cast.ann, "priority:urgent") == {first.id}
    assert ids(cast.ann, "tag:vip") == {first.id}
    assert ids(cast.ann, "оплату owner:me") == {second.id}
    assert ids(cast.ann, "оплату owner:none") == set()
    assert hidden.id not in ids(cast.ann, "state:active")
    assert hidden.id in ids(cast.dora, "state:active")


def test_states_and_kinds(session, make, cast):
    open_one, done = make.ticket(cast.support), make.ticket(cast.support)
    done.finish(cast.ann, State.SOLVED)
    session.flush()
    assert ids(cast.ann, "state:solved") == {done.id}
    assert ids(cast.ann, "state:finished") == {done.id}
    assert ids(cast.ann, "состояние:активные") == {open_one.id}


def test_a_period_is_meant_in_the_readers_zone(session, make, cast):
    ticket = make.ticket(cast.support)
    ticket.arrived_at = datetime(2026, 2, 28, 22, 30, tzinfo=UTC)  # half past midnight on the 1st of March in Kyiv
    session.flush()
    cast.ann.time_zone, cast.bob.time_zone = "Europe/Kyiv", "UTC"
    assert ids(cast.ann, "from:2026-03-01 to:2026-03-31") == {ticket.id}
    assert ids(cast.ann, "from:2026-03 to:2026-03") == {ticket.id}
    assert ids(cast.bob, "from:01.03.2026 to:31.03.2026") == set()
    assert ids(cast.bob, "from:2026-02-28 to:2026-02-28") == {ticket.id}
    assert ids(cast.ann, "from:today") == set()


@pytest.mark.parametrize(
    "question",
    ["queue:nowhere", "state:asleep", "owner:nobodyatall", "from:2026-02-30", "to:somebody", "priority:9"],
)
def test_what_means_nothing_is_refused_with_a_sentence(session, cast, question):
    with pytest.raises(Refused):
        find_tickets(cast.ann, question)


def test_a_queue_that_is_hidden_is_as_good_as_absent(session, cast):
    with pytest.raises(Refused):
        find_tickets(cast.ann, f'queue:"{cast.billing.name}"')


def test_pages_go_on_by_keyset(session, make, cast):
    made = [make.ticket(cast.support).id for _number in range(5)]
    seen, older_than = [], None
    for _page in range(3):
        found = find_tickets(cast.ann, "state:active", older_than, limit=2)
        seen += [hit.row.id for hit in found.hits]
        older_than = found.older_than
    assert seen == sorted(made, reverse=True)
    assert older_than is None


def test_the_page_says_what_is_wrong(app, session, cast):
    ann = sign_in(app, cast.ann)
    answer = ann.get("/search?q=queue:nowhere")
    assert answer.status_code == 422
    assert "No queue that you may see has “nowhere” in its name." in answer.get_data(as_text=True)


@pytest.mark.parametrize("typed", ["from:9999-12", "to:9999-12-31", "from:0001-01-01", "до:31.12.9999", "to:٠٠٠١-٠١"])
def test_a_day_at_the_end_of_the_calendar_is_refused(session, cast, typed):
    with pytest.raises(Refused):
        find_tickets(cast.ann, typed)


STRANGE = ["²", "①", "²²²²²²²²²", "код ²", "½", "'", "\\", ":*", "<->", "%", "a'b", "\u0301", "٣"]


@pytest.mark.parametrize("typed", STRANGE)
def test_strange_characters_find_nothing_and_break_nothing(session, cast, typed):
    assert find_tickets(cast.ann, typed).hits == []
    assert find_customers(typed) == []
    for name in NAMES:
        with contextlib.suppress(Refused):
            assert find_tickets(cast.ann, f"{name}:{typed.split()[-1]}").hits == []


@pytest.mark.parametrize("typed", ["from:eve@customer.example", "to:eve@customer.example"])
def test_what_is_hidden_takes_no_place_among_what_is_met(session, make, cast, monkeypatch, typed):
    eve = make.customer("Ева", "eve@customer.example")
    seen = make.ticket(cast.support, customer=eve)
    index_message(make.hear(seen, "Код"))
    for _number in range(3):
        index_message(make.hear(make.ticket(cast.billing, customer=eve), "Счёт"))
    session.flush()
    monkeypatch.setattr("helpdesk.queries.search_filters.MOST_MET", 1)
    assert ids(cast.ann, typed) == {seen.id}
