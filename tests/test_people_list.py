"""The people's list: who is in it, in which order, with which words, for whom; and its pages."""

from datetime import timedelta

import pytest

from helpdesk import clock, handled
from helpdesk.errors import Refused
from helpdesk.models import Draft, Identity, Reply, State, Task
from helpdesk.queries.people_list import Tab, has_important, important, list_people
from helpdesk.queries.search_filters import conditions, read_question


def names(page):
    return [row.name for row in page.rows]


def walk(user, tab, limit, **options):
    """All pages of a list, as names."""
    found, after = [], None
    while True:
        page = list_people(user, tab, after, limit, **options)
        found += names(page)
        after = page.next_after
        if after is None:
            return found


@pytest.fixture
def people(make, cast):
    """Four people of Support, the first longest ago, one with two tickets; and one of Billing."""
    found = {}
    for number, name in enumerate(("Анна", "Борис", "Вера", "Глеб")):
        found[name] = make.ticket(cast.support, make.customer(name), minutes_ago=100 - 10 * number)
    found["Вера 2"] = make.ticket(cast.support, found["Вера"].customer, minutes_ago=500)
    found["Жанна"] = make.ticket(cast.billing, make.customer("Жанна"), minutes_ago=1)
    return found


def test_each_person_stands_once_the_latest_first(session, cast, people):
    assert names(list_people(cast.ann, Tab.ALL)) == ["Глеб", "Вера", "Борис", "Анна"]
    assert names(list_people(cast.carl, Tab.ALL)) == ["Жанна"]
    assert names(list_people(cast.dora, Tab.ALL)) == ["Жанна", "Глеб", "Вера", "Борис", "Анна"]


def test_who_takes_part_sees_the_person_wherever_the_ticket_is(session, cast, people):
    people["Жанна"].add_person(cast.carl, cast.ann)
    session.flush()
    assert names(list_people(cast.ann, Tab.ALL))[0] == "Жанна"


def test_two_groups_with_a_right_to_one_queue_make_no_second_row(session, make, cast, people):
    make.allow(make.group("Second", cast.ann), cast.support)
    assert names(list_people(cast.ann, Tab.ALL)) == ["Глеб", "Вера", "Борис", "Анна"]


@pytest.mark.parametrize("tab", [Tab.ALL, Tab.UNREAD, Tab.UNREAD_NEWEST, Tab.ACTIVE])
@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_pages_hold_everybody_once(session, make, cast, people, tab, limit):
    for number in range(7):
        make.ticket(cast.support, make.customer(f"Ещё {number}"), minutes_ago=number)
    for number in range(5):
        make.ticket(cast.support, people["Глеб"].customer, minutes_ago=200 + number)
    whole = names(list_people(cast.ann, tab, limit=100))
    assert len(whole) == len(set(whole)) == 11
    assert walk(cast.ann, tab, limit) == whole


def test_unread_stand_in_the_order_they_were_written(session, make, cast, people):
    anna, boris = people["Анна"], people["Борис"]
    handled.mark_handled(cast.ann, anna.customer, handled.unread_of(cast.ann, anna.customer_id).seen)
    make.hear(anna, "Ау!")
    handled.mark_handled(cast.ann, boris.customer, handled.unread_of(cast.ann, boris.customer_id).seen)
    session.flush()
    page = list_people(cast.ann, Tab.UNREAD)
    assert names(page) == ["Вера", "Глеб", "Анна"]
    assert [row.unread for row in page.rows] == [2, 1, 1]
    assert page.rows[-1].words == "Ау!"
    assert names(list_people(cast.ann, Tab.UNREAD_NEWEST)) == ["Анна", "Вера", "Глеб"]


def test_active_are_those_with_an_active_dialog(session, cast, people):
    people["Глеб"].finish(cast.ann, State.SOLVED)
    people["Борис"].pause(cast.ann)
    people["Вера"].finish(cast.ann, State.SOLVED)
    session.flush()
    assert names(list_people(cast.ann, Tab.ACTIVE)) == ["Анна", "Вера"]
    marks = {row.name: row.active for row in list_people(cast.ann, Tab.ALL).rows}
    assert marks == {"Глеб": False, "Вера": True, "Борис": False, "Анна": True}


def test_last_words_are_the_customers_or_ours_and_never_a_note(session, make, cast, people):
    ticket = people["Анна"]
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply("Уже смотрю"))
    ticket.note(cast.ann, "Скандалит")
    make.hear(ticket, "Меня нет", nature="auto-reply")
    session.flush()
    first = list_people(cast.ann, Tab.ALL).rows[0]
    assert (first.name, first.words, first.words_of) == ("Анна", "Уже смотрю", "us")


def test_words_of_a_hidden_ticket_are_not_shown(session, make, cast, people):
    """Boris wrote to Billing last; whoever sees Support alone reads what he wrote there, and when."""
    hidden = make.ticket(cast.billing, people["Борис"].customer, minutes_ago=0)
    make.hear(hidden, "Секрет бухгалтерии")
    session.flush()
    row = next(row for row in list_people(cast.ann, Tab.ALL).rows if row.name == "Борис")
    assert (row.unread, row.ticket_id) == (1, people["Борис"].id)
    assert "Секрет" not in row.words
    assert names(list_people(cast.ann, Tab.ALL))[0] == "Глеб"


def test_marks_say_who_is_lost_and_where_i_write(session, make, cast, people):
    people["Анна"].customer.blocked = True
    people["Борис"].customer.identities[0].unreachable_since = clock.now()
    people["Вера"].customer.unsubscribed_at = clock.now()
    make.add(Draft(user_id=cast.ann.id, ticket_id=people["Глеб"].id, body="Здрав"))
    make.add(Draft(user_id=cast.bob.id, ticket_id=people["Анна"].id, body="Не моё"))
    make.add(Identity(customer_id=people["Глеб"].customer_id, namespace="telegram:bot", value="7"))
    session.commit()
    rows = {row.name: row for row in list_people(cast.ann, Tab.ALL).rows}
    found = {name: row.status for name, row in rows.items()}
    assert found == {"Анна": "blocked", "Борис": "unreachable", "Вера": "unsubscribed", "Глеб": ""}
    assert [name for name, row in rows.items() if row.draft] == ["Глеб"]
    assert rows["Глеб"].kinds == ("email", "telegram")


def test_a_person_meets_a_filter_by_any_of_their_tickets(session, make, cast, people):
    chat = make.channel(cast.support, kind="telegram")
    make.ticket(cast.support, people["Анна"].customer, minutes_ago=900, channel=chat)
    make.ticket(cast.support, people["Анна"].customer, minutes_ago=901, channel=chat)
    make.add(Identity(customer_id=people["Глеб"].customer_id, namespace="phone", value="+380441234567"))

    def found(question, **options):
        narrowed = conditions(cast.ann, read_question(question))
        return walk(cast.ann, Tab.ALL, 2, narrowed=narrowed)

    assert found("kind:telegram") == ["Анна"]
    assert found("has:phone") == ["Глеб"]
    assert found("has:email") == ["Глеб", "Вера", "Борис", "Анна"]


def test_important_are_those_with_my_tasks_of_today(session, make, cast, people):
    end = clock.now() + timedelta(hours=3)

    def task(user, ticket, hours, **columns):
        columns.setdefault("customer_id", ticket.customer_id)
        due = clock.now() + timedelta(hours=hours)
        return make.add(Task(user_id=user.id, title="Перезвонить", due_at=due, ticket_id=ticket.id, **columns))

    assert not has_important(cast.ann, end)
    task(cast.ann, people["Анна"], 2)
    task(cast.ann, people["Борис"], -30)
    task(cast.ann, people["Борис"], 1)
    task(cast.ann, people["Глеб"], 5)
    task(cast.ann, people["Вера"], 1, done_at=clock.now())
    task(cast.bob, people["Вера"], 1)
    assert has_important(cast.ann, end)
    rows = important(cast.ann, end)
    assert [(row.name, row.words) for row in rows] == [("Борис", "Перезвонить"), ("Анна", "Перезвонить")]
    assert [row.name for row in important(cast.bob, end)] == ["Вера"]


@pytest.mark.parametrize("after", ["x", "1", "1-2-3", "--", "999999999999999999-1"])
def test_a_made_up_place_is_refused(session, cast, after):
    with pytest.raises(Refused):
        list_people(cast.ann, Tab.ALL, after)
