"""The panel of facts: one Save, nothing typed is lost, and colleagues do not overwrite each other."""

import html
import json
import re
import threading
from typing import Any

import pytest

from helpdesk import fact_changes
from helpdesk.db import db
from helpdesk.errors import Conflict
from helpdesk.models import Category, State, Ticket, User
from tests.clients import Client, sign_in

HX = {"HX-Request": "true"}


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


@pytest.fixture
def ticket(make: Any, cast: Any) -> Any:
    return make.ticket(cast.support, title="Не пришёл счёт")


def shown(page: str) -> dict[str, Any]:
    """What the form says it shows."""
    found = re.search(r'name="was" value="([^"]*)"', page)
    assert found
    was: dict[str, Any] = json.loads(html.unescape(found[1]))
    return was


def opened(client: Client, ticket: Any) -> dict[str, Any]:
    was = shown(client.get(f"/tickets/{ticket.id}/facts", headers=HX).text)
    return {"was": json.dumps(was)}


def test_everything_by_one_save(session: Any, ann: Client, ticket: Any, cast: Any, make: Any) -> None:
    kind, reasons = make.item("request_type", "Возврат"), [make.item("reason", name) for name in ("Брак", "Цвет")]
    part, category = make.item("component", "Касса"), make.add(Category(name="Оплата"))
    plan = make.field("choices", "Тариф", options=["Малый", "Большой"])
    urgent = make.field("checkbox", "Срочно")
    form = {
        **opened(ann, ticket),
        "has": ["reasons", "components", "people", f"field-{plan.id}", f"field-{urgent.id}"],
        "title": " Возврат   денег ",
        "request_type": kind.id,
        "category": category.id,
        "reasons": [one.id for one in reasons],
        "components": [part.id],
        "people": [cast.bob.id],
        "priority": 2,
        "group": cast.front.id,
        "tags": "Деньги, деньги,  срочно ",
        f"field-{plan.id}": ["2", "1"],
        f"field-{urgent.id}": "1",
        "state": "waiting",
    }
    answer = ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX)
    assert answer.status_code == 200
    assert "<html" not in answer.text and 'id="facts"' in answer.text
    assert json.loads(answer.headers["HX-Trigger"]) == {"facts:saved": {"visit": True}}
    assert fact_changes.current(ticket) == {
        "title": "Возврат денег",
        "state": State.WAITING,
        "request_type": kind.id,
        "category": category.id,
        "reasons": sorted(one.id for one in reasons),
        "components": [part.id],
        "priority": 2,
        "group": cast.front.id,
        "people": [cast.bob.id],
        "tags": ["деньги", "срочно"],
        f"field-{plan.id}": [1, 2],
        f"field-{urgent.id}": True,
    }
    for word in ("Возврат", "Брак", "Касса", "Оплата", "Малый, Большой", "деньги"):
        assert word in answer.text
    unticked = {**opened(ann, ticket), "has": ["reasons", f"field-{urgent.id}"]}
    ann.post(f"/tickets/{ticket.id}/facts", data=unticked, headers=HX)
    assert ticket.reason_ids == [] and ticket.component_ids == [part.id]
    assert f"{urgent.id}" not in ticket.fields


def test_without_scripts_it_is_a_page_and_leads_back(ann: Client, ticket: Any) -> None:
    page = ann.get(f"/tickets/{ticket.id}/facts")
    assert "<html" in page.text and 'name="title"' in page.text
    answer = ann.post(f"/tickets/{ticket.id}/facts", data={"was": json.dumps(shown(page.text)), "title": "Иначе"})
    assert answer.status_code == 303 and answer.location.endswith(f"/tickets/{ticket.id}")
    assert ticket.title == "Иначе"


def test_what_nobody_touched_is_left_to_colleagues(ann: Client, ticket: Any, cast: Any) -> None:
    form = opened(ann, ticket)
    ticket.prioritise(cast.bob, 1)
    ticket.retag(cast.bob, ["срочно"])
    form |= {"title": "Новое имя", "priority": "3", "tags": ""}
    assert ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX).status_code == 200
    assert (ticket.title, ticket.priority, ticket.tags) == ("Новое имя", 1, ["срочно"])


def test_a_clash_shows_both_and_saves_nothing(ann: Client, ticket: Any, cast: Any, session: Any) -> None:
    form = opened(ann, ticket) | {"title": "Моё имя", "priority": "2"}
    ticket.retitle(cast.bob, "Имя от Боба")
    session.commit()
    answer = ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX)
    assert answer.status_code == 409
    assert 'value="Моё имя"' in answer.text and "Имя от Боба" in answer.text
    assert (ticket.title, ticket.priority) == ("Имя от Боба", 3)
    again = {"was": json.dumps(shown(answer.text)), "title": "Моё имя", "priority": "2"}
    assert ann.post(f"/tickets/{ticket.id}/facts", data=again, headers=HX).status_code == 200
    assert (ticket.title, ticket.priority) == ("Моё имя", 2)


def test_the_same_change_by_two_is_no_clash(ann: Client, ticket: Any, cast: Any) -> None:
    form = opened(ann, ticket) | {"priority": "1"}
    ticket.prioritise(cast.bob, 1)
    assert ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX).status_code == 200


def test_a_refused_value_keeps_all_that_was_typed(ann: Client, ticket: Any, make: Any, session: Any) -> None:
    number = make.field("number", "Сумма")
    session.commit()
    form = opened(ann, ticket) | {"title": "Новое имя", f"field-{number.id}": "много"}
    answer = ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX)
    assert answer.status_code == 422
    assert "Сумма" in answer.text and 'value="много"' in answer.text and 'value="Новое имя"' in answer.text
    assert "data-touched" in answer.text
    assert re.search(rf'name="field-{number.id}"[^>]* autofocus', answer.text)
    assert (ticket.title, ticket.fields) == ("Не пришёл счёт", {})


def test_the_state_moves_by_its_rules(ann: Client, ticket: Any, cast: Any, make: Any, session: Any) -> None:
    need = make.field("text", "Итог", required_on_close=True)
    session.commit()

    def save(**typed: Any) -> int:
        form = {**opened(ann, ticket), **typed}
        return int(ann.post(f"/tickets/{ticket.id}/facts", data=form, headers=HX).status_code)

    assert save(state="merged") == 422
    assert save(state="spam") == 422
    assert save(state="solved") == 422
    assert save(state="solved", **{f"field-{need.id}": "Деньги вернули"}) == 200
    assert (ticket.state, ticket.fields) == (State.SOLVED, {str(need.id): "Деньги вернули"})
    assert save(state="waiting") == 422
    assert save(state="open") == 200
    assert ticket.state == State.OPEN


@pytest.mark.parametrize(
    "typed",
    [
        {"was": "[1, 2]", "title": "x"},
        {"was": '{"title": {"a": [1]}, "state": 7}', "title": "x"},
        {"was": "{", "title": "x"},
        {"category": "987654"},
        {"category": "-1"},
        {"group": "abc"},
        {"priority": ""},
        {"priority": "9"},
        {"request_type": "99999999999999999999"},
        {"people": ["987654"], "has": ["people"]},
        {"reasons": ["987654"], "has": ["reasons"]},
        {"field-987654": "x"},
        {"field-": "x"},
        {"field-x": "x", "has": ["field-99999999999999999999", "made-up"]},
        {"tags": "," * 300},
        {"title": ""},
    ],
    ids=str,
)
def test_nonsense_is_refused_and_never_a_fault(ann: Client, ticket: Any, typed: dict[str, Any]) -> None:
    assert ann.post(f"/tickets/{ticket.id}/facts", data=typed, headers=HX).status_code in {200, 409, 422}


def test_who_only_sees_reads_and_changes_nothing(app: Any, make: Any, cast: Any, ticket: Any) -> None:
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    client = sign_in(app, reader)
    assert client.get(f"/tickets/{ticket.id}/facts?shown=1", headers=HX).status_code == 200
    assert client.get(f"/tickets/{ticket.id}/facts", headers=HX).status_code == 403
    assert client.post(f"/tickets/{ticket.id}/facts", data={"title": "x"}).status_code == 403
    assert "data-facts-edit" not in client.get(f"/tickets/{ticket.id}").text
    assert sign_in(app, cast.carl).get(f"/tickets/{ticket.id}/facts?shown=1").status_code == 404


def test_names_and_values_are_text_and_never_markup(ann: Client, ticket: Any, make: Any, cast: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    field = make.field("text", f"Поле {evil}", hint=evil)
    choice = make.field("choice", "Выбор", options=[evil])
    reason = make.item("reason", evil)
    ticket.set_fields(cast.ann, {str(field.id): evil, str(choice.id): 1})
    ticket.set_reasons(cast.ann, [reason.id])
    ticket.retag(cast.ann, [evil])
    for page in (f"/tickets/{ticket.id}", f"/tickets/{ticket.id}/facts", f"/tickets/{ticket.id}/history"):
        assert "<img src=x" not in ann.get(page).text


def test_many_definitions_cost_a_ticket_page_no_queries(
    ann: Client, ticket: Any, make: Any, cast: Any, session: Any
) -> None:
    def queries() -> int:
        from sqlalchemy import event

        told: list[str] = []
        listener = lambda *args: told.append(args[2])  # noqa: E731 - SQLAlchemy's own signature
        event.listen(db.engine, "before_cursor_execute", listener)
        try:
            assert ann.get(f"/tickets/{ticket.id}").status_code == 200
        finally:
            event.remove(db.engine, "before_cursor_execute", listener)
        return len(told)

    ann.get(f"/tickets/{ticket.id}")
    before = queries()
    for number in range(200):
        field = make.field("text", f"Поле {number}")
        ticket.set_fields(cast.ann, {str(field.id): "да"})
    session.commit()
    ann.get(f"/tickets/{ticket.id}")
    assert queries() <= before


def test_two_saves_at_once_leave_one_clash(app: Any, committed: Any, make_committed: Any) -> None:
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support)
    committed.commit()
    ticket_id, ids = ticket.id, {"Анна": cast.ann.id, "Боб": cast.bob.id}
    ready, results = threading.Barrier(2), []

    def save(name: str) -> None:
        with app.app_context():
            row = db.session.get(Ticket, ticket_id)
            was = fact_changes.current(row)
            db.session.rollback()
            ready.wait(10)
            try:
                held = db.session.get(Ticket, ticket_id, with_for_update=True, populate_existing=True)
                fact_changes.save(db.session.get(User, ids[name]), held, was, {"title": f"Имя {name}"})
                db.session.commit()
                results.append("saved")
            except Conflict:
                db.session.rollback()
                results.append("clash")
            db.session.remove()

    threads = [threading.Thread(target=save, args=(name,)) for name in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["clash", "saved"]
