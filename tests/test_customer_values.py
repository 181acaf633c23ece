"""What is known of a customer, changed in place: nothing typed is lost, and colleagues do not overwrite each other."""

import html
import re
from typing import Any

import pytest

from helpdesk.models import Organisation
from tests.clients import Client, sign_in

HX = {"HX-Request": "true"}


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


def save(client: Client, customer: Any, name: str, value: Any, was: str = "", **more: Any) -> Any:
    data = {name: value, "was": was, **more}
    return client.post(f"/customers/{customer.id}/values/{name}", data=data, headers=HX)


def was_of(page: str) -> str:
    found = re.search(r'name="was" value="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def test_each_value_in_its_place(ann: Client, cast: Any, make: Any) -> None:
    eve = cast.eve
    make.add(Organisation(name="ТОВ «Весна»"))
    city, sum_ = (
        make.field("choice", "Город", about="customer", options=["Киев"]),
        make.field("number", "Долг", about="customer"),
    )
    vip, likes = (
        make.field("checkbox", "VIP", about="customer"),
        make.field("choices", "Любит", about="customer", options=["Чай", "Кофе"]),
    )
    assert save(ann, eve, "name", "Ева Новая", was=eve.name).status_code == 200
    assert save(ann, eve, "organisation", "тов «весна»").status_code == 200
    assert save(ann, eve, "language", "uk").status_code == 200
    answer = save(ann, eve, "note", "Звонить\r\nпосле обеда")
    assert "Звонить" in answer.text and "<html" not in answer.text and "<input" not in answer.text
    for field, typed in ((city, "1"), (sum_, "12,5"), (vip, "1"), (likes, ["2", "1"])):
        assert save(ann, eve, f"field-{field.id}", typed).status_code == 200
    assert (eve.name, eve.organisation.name, eve.language) == ("Ева Новая", "ТОВ «Весна»", "uk")
    assert eve.fields == {str(city.id): 1, str(sum_.id): 12.5, str(vip.id): True, str(likes.id): [1, 2]}
    for name, word in (("note", "после обеда"), (f"field-{city.id}", "Киев"), (f"field-{likes.id}", "Кофе")):
        page = ann.get(f"/customers/{eve.id}/values/{name}", headers=HX).text
        assert "<form" in page and word in page
        shown = ann.get(f"/customers/{eve.id}/values/{name}?shown=1&at=large", headers=HX).text
        assert "<form" not in shown and f"cv-{name}-large" in shown
    card = ann.get(f"/tickets/{make.ticket(cast.support, eve).id}").text
    assert "Киев" in card and "Чай, Кофе" in card


@pytest.mark.parametrize(
    ("name", "typed"),
    [("name", ""), ("organisation", "Нет такой"), ("language", "fr"), ("note", "а" * 20_001)],
)
def test_a_refused_value_keeps_what_was_typed_and_says_why(ann: Client, cast: Any, name: str, typed: str) -> None:
    before = ann.get(f"/customers/{cast.eve.id}/values/{name}", headers=HX).text
    answer = save(ann, cast.eve, name, typed, was=was_of(before))
    assert answer.status_code == 422
    assert "form-error" in answer.text and "<form" in answer.text
    if name != "language":
        assert html.escape(typed) in answer.text


def test_a_colleagues_change_is_shown_first(ann: Client, cast: Any, session: Any) -> None:
    was = was_of(ann.get(f"/customers/{cast.eve.id}/values/note", headers=HX).text)
    cast.eve.edit(cast.bob, cast.eve.name, "Боб был тут", None, cast.eve.version)
    session.commit()
    answer = save(ann, cast.eve, "note", "Анна была тут", was=was)
    assert answer.status_code == 409
    assert "Боб был тут" in answer.text and "Анна была тут" in answer.text
    assert cast.eve.note == "Боб был тут"
    assert save(ann, cast.eve, "note", "Анна была тут", was=was_of(answer.text)).status_code == 200
    assert cast.eve.note == "Анна была тут"


def test_without_scripts_the_whole_form_stands_in(ann: Client, cast: Any, make: Any) -> None:
    city = make.field("text", "Город", about="customer")
    assert ann.get(f"/customers/{cast.eve.id}/values/note").location.endswith("/edit")
    form = {"name": "Ева", "version": cast.eve.version, f"field-{city.id}": "Одесса"}
    assert ann.post(f"/customers/{cast.eve.id}", data=form).status_code == 303
    assert cast.eve.fields == {str(city.id): "Одесса"}
    wrong = make.field("number", "Долг", about="customer")
    form = {"name": "Ева Б.", "version": cast.eve.version, f"field-{wrong.id}": "много"}
    answer = ann.post(f"/customers/{cast.eve.id}", data=form)
    assert answer.status_code == 422 and 'value="много"' in answer.text


def test_unknown_names_are_not_found(ann: Client, cast: Any, make: Any) -> None:
    ticket_field = make.field("text", "Договор")
    for name in ("blocked", "field-987654", "field-x", f"field-{ticket_field.id}"):
        assert save(ann, cast.eve, name, "1").status_code == 404


def test_an_address_is_added_in_place(ann: Client, cast: Any, make: Any) -> None:
    url = f"/customers/{cast.eve.id}/identities"
    answer = ann.post(url, data={"value": "eve@work.example", "shared": "1", "at": "large"}, headers=HX)
    assert answer.status_code == 200
    assert 'id="reach-large"' in answer.text and "eve@work.example" in answer.text
    refused = ann.post(url, data={"value": "не адрес"}, headers=HX)
    assert refused.status_code == 422 and 'value="не адрес"' in refused.text
    other = make.customer("Олег", "oleg@customer.example")
    taken = ann.post(url, data={"value": "oleg@customer.example"}, headers=HX)
    assert taken.status_code == 409
    assert other.name in taken.text and f"/customers/{cast.eve.id}/merge" in taken.text
    assert ann.post(url, data={"value": "+380441234567"}).status_code == 303


def test_values_are_text_and_never_markup(ann: Client, cast: Any, make: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    field = make.field("text", evil, about="customer", hint=evil)
    for name in ("name", "note", f"field-{field.id}"):
        was = was_of(ann.get(f"/customers/{cast.eve.id}/values/{name}", headers=HX).text)
        assert "<img" not in save(ann, cast.eve, name, evil, was=was).text
    for page in (f"/customers/{cast.eve.id}", f"/customers/{cast.eve.id}/edit"):
        assert "<img src=x" not in ann.get(page).text
