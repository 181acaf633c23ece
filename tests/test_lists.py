"""Lists by keyset, what narrows them, saved views, people by typing."""

import re
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from helpdesk import clock
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.models import Category, Draft, Group, Identity, Order, Reply, State, TicketPerson
from helpdesk.queries import lists, saved_views
from helpdesk.queries.list_marks import Words, drafts_begun, last_words
from helpdesk.queries.narrowing import read_narrowing, tell, write_pairs
from helpdesk.queries.people_search import find_people
from helpdesk.views.desk_lists import FIRST_ROWS
from tests.clients import sign_in

HX = {"HX-Request": "true"}


def walk(read: Any) -> list[list[int]]:
    """All pages of a list, as ids."""
    pages, after = [], None
    while True:
        page = read(after)
        pages.append([row.id for row in page.rows])
        after = page.next_after
        if after is None:
            return pages


def ids(page: lists.Page) -> list[int]:
    return [row.id for row in page.rows]


# --- keyset


def test_pages_of_equal_clocks_hold_each_ticket_once(cast: Any, make: Any, session: Any) -> None:
    at = clock.now() - timedelta(hours=1)
    tickets = [make.ticket(cast.support, channel=cast.mailbox) for _ in range(7)]
    for ticket in tickets:
        with ticket.changing(None):
            ticket.arrived_at = ticket.first_unanswered_at = at
    session.flush()
    pages = walk(lambda after: lists.of_queue(cast.support, lists.View.WAITING, after, limit=3))
    assert pages == [[one.id for one in tickets[:3]], [one.id for one in tickets[3:6]], [tickets[6].id]]
    everywhere = walk(lambda after: lists.seen_by(cast.ann, Order.WAIT, after, limit=2))
    assert list(chain(*everywhere)) == [one.id for one in tickets]


def test_my_list_goes_on_from_active_to_paused(cast: Any, make: Any, session: Any) -> None:
    tickets = [make.ticket(cast.support, minutes_ago=60 - n) for n in range(6)]
    for ticket in tickets:
        ticket.claim(cast.ann)
    for ticket in tickets[:3]:
        ticket.pause(cast.ann)
    session.flush()
    pages = walk(lambda after: lists.owned_by(cast.ann, 2, after))
    assert list(chain(*pages)) == [one.id for one in (*tickets[3:], *tickets[:3])]
    assert [len(page) for page in pages] == [2, 2, 2]


@pytest.mark.parametrize("after", ["", "x", "1-2", "1-2-3-4", "-", "99999999999999999999", "1--3", "active-1-2"])
def test_a_made_up_place_is_refused(after: str, cast: Any) -> None:
    with pytest.raises(Refused):
        lists.of_queue(cast.support, lists.View.WAITING, after)


def test_a_rare_condition_is_looked_for_in_stretches(cast: Any, make: Any, session: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(lists, "STRETCHES", (2, 3))
    tickets = [make.ticket(cast.support, minutes_ago=60 - n, channel=cast.mailbox) for n in range(13)]
    for place in (4, 11):
        tickets[place].retag(cast.ann, ["редкий"])
    narrowed = read_narrowing(cast.ann, "tag:редкий").where

    def read(after: str | None) -> lists.Page:
        return lists.of_queue(cast.support, lists.View.WAITING, after, limit=1, narrowed=narrowed)

    # A page reads five tickets at most: it may be empty, and still the next one goes on from there.
    assert walk(read) == [[tickets[4].id], [], [tickets[11].id]]


# --- narrowing


def test_conditions_of_a_list(cast: Any, make: Any, session: Any) -> None:
    plain = make.ticket(cast.support, customer=make.customer("Олег"))
    caller = make.customer("Ирина")
    session.add(Identity(customer_id=caller.id, namespace="phone", value="+380661234567"))
    phoned = make.ticket(cast.support, customer=caller)
    category = make.add(Category(name="Оплата"))
    phoned.categorise(cast.ann, category)
    phoned.claim(cast.bob)
    chat = make.ticket(cast.support, channel=make.channel(cast.support, kind="http"))
    chat.finish(cast.ann, State.SOLVED)
    session.flush()

    def found(written: str, order: Order = Order.NEWEST) -> set[int]:
        return set(ids(lists.seen_by(cast.ann, order, narrowed=read_narrowing(cast.ann, written).where)))

    assert found("has:phone") == {phoned.id}
    assert found("has:email") == {plain.id, phoned.id, chat.id}
    assert found("kind:http") == {chat.id} and found("kind:http,email") == {plain.id, phoned.id, chat.id}
    assert found(f"owner:#{cast.bob.id}") == {phoned.id} and found("owner:any") == {phoned.id}
    assert found("owner:none state:active") == {plain.id}
    assert found("state:active,finished") == {plain.id, phoned.id, chat.id}
    assert found(f"category:#{category.id}") == {phoned.id}
    assert found(f"queue:#{cast.support.id} state:finished") == {chat.id}
    assert found("has:email", Order.WAIT) == {plain.id, phoned.id}
    for refused in (f"queue:#{cast.billing.id}", "has:dog", "due:never", "просто слова", "state:unknown"):
        with pytest.raises(Refused):
            read_narrowing(cast.ann, refused)


def test_conditions_are_told_in_words_and_written_back(cast: Any) -> None:
    written = f'queue:#{cast.support.id} tag:"два слова" has:phone state:active,paused owner:me'
    narrowing = read_narrowing(cast.ann, written)
    assert narrowing.written == written and write_pairs(narrowing.pairs) == written
    told = tell(cast.ann, narrowing.pairs)
    assert told == [
        f"Queue: {cast.support.name}",
        "Tag: два слова",
        "has a phone",
        "State: all active, all paused",
        "Owner: me",
    ]
    assert read_narrowing(cast.ann, "state:finished").only_closed
    assert not read_narrowing(cast.ann, "state:finished,open").only_closed


def test_a_field_of_ones_own_is_one_more_condition(app: Any, cast: Any, make: Any, session: Any) -> None:
    contract = make.field("text", "Договор")
    plan = make.field("choice", "Тариф", options=["Базовый", "Полный"])
    marks = make.field("choices", "Метки", options=["новый", "старый"])
    size, since, vip = make.field("number", "Размер"), make.field("date", "С какого дня"), make.field("checkbox", "VIP")
    city = make.field("text", "Город", about="customer")
    mine, other = make.ticket(cast.support), make.ticket(cast.support)
    mine.set_fields(
        cast.ann,
        {
            str(contract.id): "ДГ-17 от марта",
            str(plan.id): 2,
            str(marks.id): [1, 2],
            str(size.id): 3.5,
            str(since.id): "2026-03-31",
            str(vip.id): True,
        },
    )
    other.set_fields(cast.ann, {str(plan.id): 1, str(marks.id): [2]})
    mine.customer.fields = {str(city.id): "Харьков"}
    session.flush()
    asked = {
        contract: "дг-17",
        plan: "2",
        marks: "1",
        size: "3.5",
        since: "2026-03-31",
        vip: "1",
        city: "харьк",
    }
    for field, value in asked.items():
        narrowing = read_narrowing(cast.ann, write_pairs([("field", f"{field.id}={value}")]))
        assert ids(lists.of_queue(cast.support, lists.View.WAITING, narrowed=narrowing.where)) == [mine.id], field.label
    assert tell(cast.ann, [("field", f"{plan.id}=2")]) == ["Тариф: Полный"]
    for refused in ("field:987654=1", "field:x=1", f"field:{plan.id}=9", f"field:{size.id}=много", f"field:{vip.id}="):
        with pytest.raises(Refused):
            read_narrowing(cast.ann, refused)
    ann, base = sign_in(app, cast.ann), f"queue:{cast.support.id}"
    answer = ann.get(
        "/views/narrowed", query_string={"base": base, f"field-{plan.id}": "2", f"field-{contract.id}": ""}
    )
    rows = ann.get(answer.location, headers=HX).get_data(as_text=True)
    assert f'data-id="{mine.id}"' in rows and f'data-id="{other.id}"' not in rows
    panel = ann.get("/views/filter", query_string={"in": f"filter:{base}/field:{plan.id}=2"}, headers=HX)
    assert '<option value="2" selected>Полный</option>' in panel.get_data(as_text=True)


def test_the_panel_leads_to_the_narrowed_list(app: Any, cast: Any, make: Any) -> None:
    name = '<img src=x onerror="alert(1)">'
    ticket = make.ticket(cast.support, customer=make.customer(name), title="<b>Тема</b>")
    ticket.retag(cast.ann, ["vip"])
    other = make.ticket(cast.support)
    ann, base = sign_in(app, cast.ann), f"queue:{cast.support.id}"
    panel = ann.get(f"/views/filter?in={base}", headers=HX)
    assert panel.status_code == 200 and 'name="has_phone"' in panel.get_data(as_text=True)
    answer = ann.get("/views/narrowed", query_string={"base": base, "tag": "vip", "has_email": "1", "kind": "email"})
    assert answer.status_code == 303
    page = ann.get(answer.location).get_data(as_text=True)
    assert f'data-id="{ticket.id}"' in page and f'data-id="{other.id}"' not in page
    assert "<img src=x" not in page and "<b>Тема" not in page and "&lt;img" in page
    assert "Tag: vip" in page and "Clear the filter" in page
    beside = ann.get("/views/narrowed", query_string={"base": base, "tag": "vip", "at": f"/tickets/{other.id}"})
    assert beside.location.startswith(f"/tickets/{other.id}?in=filter:")
    page = ann.get(beside.location).get_data(as_text=True)
    assert f'data-id="{ticket.id}"' in page
    assert ann.get("/views/narrowed", query_string={"base": base, "from": "вчера днём"}).status_code in {303, 422}
    hidden = f"queue:{cast.billing.id}"
    assert ann.get("/views/narrowed", query_string={"base": hidden, "tag": "vip"}).status_code == 404
    assert ann.get(f"/views/list?in={hidden}").status_code == 404
    assert ann.get("/views/list?in=nonsense").status_code == 404


def test_a_live_list_asks_for_as_many_rows_as_it_shows(app: Any, cast: Any, make: Any) -> None:
    for n in range(45):
        make.ticket(cast.support, minutes_ago=60 - n, channel=cast.mailbox)
    ann, url = sign_in(app, cast.ann), f"/queues/{cast.support.id}"
    rows = ann.get(url, headers=HX).get_data(as_text=True)
    assert rows.count('class="row-item') == FIRST_ROWS and 'rel="next"' in rows
    further = ann.get(re.findall(r'rel="next" href="([^"]+)"', rows)[0], headers=HX).get_data(as_text=True)
    assert further.count('class="row-item') == 45 - FIRST_ROWS  # whoever goes on gets more at once
    rows = ann.get(f"{url}?span=60", headers=HX).get_data(as_text=True)
    assert rows.count('class="row-item') == 45 and 'rel="next"' not in rows


def test_rows_say_the_last_words_and_my_own_draft(cast: Any, make: Any, session: Any, app: Any) -> None:
    mine, theirs = make.ticket(cast.support), make.ticket(cast.support)
    make.hear(mine, "Ещё раз: где мой\nзаказ?")
    session.add_all(
        [
            Draft(user_id=cast.ann.id, ticket_id=mine.id, mode="reply", body="Здравствуйте, Ева"),
            Draft(user_id=cast.bob.id, ticket_id=theirs.id, mode="note", body="Тайна боба"),
        ]
    )
    session.flush()
    both = [mine.id, theirs.id]
    assert last_words(both)[mine.id].text == "Ещё раз: где мой заказ?"
    begun = drafts_begun(cast.ann, both)
    assert begun[mine.id].text == "Здравствуйте, Ева" and theirs.id not in begun
    rows = sign_in(app, cast.ann).get(f"/queues/{cast.support.id}", headers=HX).get_data(as_text=True)
    assert "Здравствуйте, Ева" in rows and "Тайна боба" not in rows and "2 messages are unread" in rows


def test_last_words_are_neither_automatic_nor_taken_back(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    make.hear(ticket, "Где мой заказ?")
    ticket.reply(None, Reply(body="Мы получили Ваше письмо", to=["eve@mail.example"], automatic=True))
    assert last_words([ticket.id])[ticket.id].text == "Где мой заказ?"
    ticket.claim(cast.ann)
    answer = ticket.reply(cast.ann, Reply(body="Ой", to=["eve@mail.example"]))
    session.flush()
    assert last_words([ticket.id])[ticket.id] == Words("Ой", said_by_us=True)
    ticket.undo_reply(cast.ann, answer)
    session.flush()
    assert last_words([ticket.id])[ticket.id] == Words("Где мой заказ?")


def test_the_name_of_a_hidden_queue_is_not_told(cast: Any) -> None:
    narrowing = read_narrowing(cast.ann, f"queue:#{cast.support.id},#{cast.billing.id}")
    assert tell(cast.ann, narrowing.pairs) == [f"Queue: {cast.support.name}"]
    assert cast.billing.name in tell(cast.dora, narrowing.pairs)[0]


def test_all_tickets_hold_what_one_may_see_and_no_more(app: Any, cast: Any, make: Any, session: Any) -> None:
    seen, hidden, shared = make.ticket(cast.support), make.ticket(cast.billing), make.ticket(cast.billing)
    session.add(TicketPerson(ticket_id=shared.id, user_id=cast.ann.id))
    rows = sign_in(app, cast.ann).get("/views/all", headers=HX).get_data(as_text=True)
    assert [f'data-id="{one.id}"' in rows for one in (seen, hidden, shared)] == [True, False, True]
    assert f"/tickets/{seen.id}/claims" in rows and f"/tickets/{shared.id}/claims" not in rows


# --- saved views


def test_a_view_of_ones_own_and_one_of_a_group(cast: Any, make: Any, session: Any) -> None:
    own = saved_views.save_view(cast.ann, "  Мои  срочные ", "owner:me priority:1", Order.WAIT, None)
    shared = saved_views.save_view(cast.ann, "Команда", "state:active", Order.DUE, cast.front.id)
    assert own.name == "Мои срочные"
    assert [view.name for view in saved_views.views_of(cast.ann)] == ["Команда", "Мои срочные"]
    assert [view.name for view in saved_views.views_of(cast.bob)] == ["Команда"]
    assert saved_views.views_of(cast.carl) == []
    with pytest.raises(NotFound):
        saved_views.get_view(cast.bob, own.id)
    with pytest.raises(Forbidden):
        saved_views.get_view(cast.bob, shared.id, to_change=True)
    assert saved_views.get_view(cast.dora, shared.id, to_change=True) is shared
    with pytest.raises(NotFound):
        saved_views.get_view(cast.dora, own.id)


def test_who_left_the_group_sees_its_views_no_more(app: Any, cast: Any, session: Any) -> None:
    shared = saved_views.save_view(cast.ann, "Команда", "state:active", Order.WAIT, cast.front.id)
    bob = sign_in(app, cast.bob)
    address = f"/views/{shared.id}/tickets"
    assert bob.get(address).status_code == 200 and "Команда" in bob.get("/views/all").get_data(as_text=True)
    cast.front.users.remove(cast.bob)
    session.flush()
    assert bob.get(address).status_code == 404
    assert "Команда" not in bob.get("/views/all").get_data(as_text=True)
    cast.front.users.remove(cast.ann)  # its author keeps it, for everybody who is still there
    session.flush()
    assert saved_views.get_view(cast.ann, shared.id, to_change=True) is shared
    assert saved_views.get_view(cast.sue, shared.id) is shared
    session.delete(session.get(Group, cast.front.id))
    session.flush()
    session.refresh(shared)
    assert shared.group_id is None and saved_views.views_of(cast.sue) == []


def test_a_view_is_refused_what_no_list_understands(cast: Any) -> None:
    saved_views.save_view(cast.ann, "Одна", "", Order.WAIT, None)
    with pytest.raises(Conflict):
        saved_views.save_view(cast.ann, "одна", "", Order.WAIT, None)
    for name, conditions, order, group in (
        ("", "", Order.WAIT, None),
        ("x" * 81, "", Order.WAIT, None),
        ("Две", "слова", Order.WAIT, None),
        ("Две", "has:dog", Order.WAIT, None),
        ("Две", "", "random", None),
        ("Две", "", Order.WAIT, cast.back.id),
    ):
        with pytest.raises(Refused):
            saved_views.save_view(cast.ann, name, conditions, order, group)


def test_views_are_made_ordered_renamed_and_deleted_on_screens(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    done = make.ticket(cast.support)
    done.finish(cast.ann, State.SOLVED)
    ann = sign_in(app, cast.ann)
    form = ann.get(f"/views/new?in=filter:queue:{cast.support.id}:finished/has:email", headers=HX)
    conditions = f"queue:#{cast.support.id} state:finished has:email"
    assert f'value="{conditions}"' in form.get_data(as_text=True)
    data = {"name": "<i>Готовые</i>", "conditions": conditions, "ordering": "newest", "group_id": ""}
    made = ann.post("/views", data=data)
    assert made.status_code == 303
    page = ann.get(made.location).get_data(as_text=True)
    assert f'data-id="{done.id}"' in page and f'data-id="{ticket.id}"' not in page and "<i>Готовые" not in page
    second = saved_views.save_view(cast.ann, "Яблоки", "", Order.WAIT, None)
    first = saved_views.views_of(cast.ann)[0]
    ann.post("/views/order", data={"view_id": second.id, "to": "up"})
    ann.post("/profile/density", data={"density": "compact"})  # another choice of hers leaves the order alone
    assert [view.id for view in saved_views.views_of(cast.ann)] == [second.id, first.id]
    assert ann.post(f"/views/{first.id}", data=data | {"name": "Сделано"}).status_code == 303
    assert first.name == "Сделано" and first.changed_at is not None
    assert sign_in(app, cast.bob).post(f"/views/{first.id}/removal").status_code == 404
    assert ann.post(f"/views/{first.id}/removal").status_code == 303
    assert [view.id for view in saved_views.views_of(cast.ann)] == [second.id]


def test_a_view_whose_queue_is_lost_says_so(app: Any, cast: Any, make: Any, session: Any) -> None:
    view = saved_views.save_view(cast.carl, "Счета", f"queue:#{cast.billing.id}", Order.WAIT, None)
    make.ticket(cast.billing)
    carl = sign_in(app, cast.carl)
    assert 'class="row-item' in carl.get(f"/views/{view.id}/tickets").get_data(as_text=True)
    cast.back.users.remove(cast.carl)
    session.flush()
    page = carl.get(f"/views/{view.id}/tickets").get_data(as_text=True)
    assert "This view finds nothing any more" in page and 'class="row-item' not in page


# --- people


def test_people_are_found_by_beginnings_and_by_phones_however_written(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    irina = make.customer("Ирина Волкова", "irina.volkova@example.com")
    irina.add_identity(cast.ann, "phone", "+380 66 123-45-67")
    ticket = make.ticket(cast.support, customer=irina)
    session.flush()
    for typed in ("Ирина", "ирин", "волк", "irina.vol", "irina.volkova@example.com", "+38 (066) 123-45-67",
                  "066 123 45", "0661234567", "66 123-45"):  # fmt: skip
        assert [person.id for person in find_people(cast.ann, typed)] == [irina.id], typed
    assert find_people(cast.ann, "Ирина")[0].ticket_id == ticket.id
    assert find_people(cast.ann, "и") == [] and find_people(cast.ann, "??") == []
    page = sign_in(app, cast.ann).get("/views/people?q=ирина").get_data(as_text=True)
    assert "Ирина Волкова" in page and f"/customers/{irina.id}" in page


def test_only_people_whom_one_may_see_are_found(cast: Any, make: Any, session: Any) -> None:
    theirs, nobodys = make.customer("Тайнова Анна"), make.customer("Тайнова Яна")
    ticket = make.ticket(cast.billing, customer=theirs)
    for customer in (theirs, nobodys):
        customer.reindex()
    session.flush()
    assert [person.name for person in find_people(cast.ann, "тайнова")] == ["Тайнова Яна"]
    assert {person.id for person in find_people(cast.carl, "тайнова")} == {theirs.id, nobodys.id}
    session.add(TicketPerson(ticket_id=ticket.id, user_id=cast.ann.id))
    session.flush()
    assert {person.id for person in find_people(cast.ann, "тайнова")} == {theirs.id, nobodys.id}


def test_at_most_eight_and_never_a_script(app: Any, cast: Any, make: Any, session: Any) -> None:
    for n in range(10):
        make.customer(f"Одинаковский <script>{n}</script>").reindex()
    session.flush()
    assert len(find_people(cast.ann, "одинаковск")) == 8
    page = sign_in(app, cast.ann).get("/views/people?q=одинаковск").get_data(as_text=True)
    assert "<script>" not in page and page.count('role="option"') == 8


def test_of_rows_that_are_shown_already_only_the_place_comes(app: Any, cast: Any, make: Any) -> None:
    tickets = [make.ticket(cast.support, minutes_ago=60 - n, channel=cast.mailbox) for n in range(3)]
    ann, url = sign_in(app, cast.ann), f"/queues/{cast.support.id}"
    rows = ann.get(url, headers=HX).get_data(as_text=True)
    stamps = dict(re.findall(r'data-id="(\d+)"[^>]* data-stamp="(\w+)"', rows))
    tickets[1].prioritise(cast.bob, 1)
    known = ",".join(f"{id_}.{stamp}" for id_, stamp in stamps.items())
    rows = ann.get(f"{url}?span=50", headers=HX | {"X-Rows": known + ",x.1,7"}).get_data(as_text=True)
    assert rows.count("data-same") == 2 and rows.count('class="row-link"') == 1
    assert f'data-id="{tickets[1].id}"' in rows
    assert ann.get(url, headers=HX | {"X-Rows": known}).get_data(as_text=True).count("data-same") == 0
