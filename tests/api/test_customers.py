"""Customers through the API."""

import pytest

from helpdesk.models import Organisation


def test_a_customer_is_made_found_changed(program, make, cast, session):
    ann = program(cast.ann)
    organisation = make.add(Organisation(name="ООО Ромашка"))
    body = {
        "name": "Пётр Сидоров",
        "identities": [
            {"namespace": "email", "value": "Petr@Пример.рф"},
            {"namespace": "phone", "value": "+380 44 123 45 67"},
        ],
        "note": "Просил звонить утром.",
        "organisation_id": organisation.id,
    }
    made = ann.post("/customers", body)
    assert made.status_code == 201, made.json
    found = made.json
    assert [one["value"] for one in found["identities"]] == ["petr@xn--e1afmkfd.xn--p1ai", "+380441234567"]
    assert found["organisation"]["name"] == "ООО Ромашка"
    assert ann.get("/customers?q=Сидоров").json["items"] == [found]
    assert ann.get("/customers?q=44 123 45").json["items"] == [found]
    assert ann.get(f"/customers/{found['id']}").json == found
    changed = ann.patch(
        f"/customers/{found['id']}", {"note": "", "organisation_id": None}, If_Match=made.headers["ETag"]
    )
    assert (changed.json["note"], changed.json["organisation"], changed.json["name"]) == ("", None, "Пётр Сидоров")
    assert ann.patch(f"/customers/{found['id']}", {"note": "x"}, If_Match=made.headers["ETag"]).status_code == 412


def test_an_address_belongs_to_one_customer(program, cast):
    address = cast.eve.identities[0].value
    body = {"name": "Другая Ева", "identities": [{"namespace": "email", "value": address}]}
    answer = program(cast.ann).post("/customers", body)
    assert (answer.status_code, answer.json["facts"]) == (409, {"customer": cast.eve.id})


def test_addresses_come_and_go(program, cast):
    ann, path = program(cast.ann), f"/customers/{cast.eve.id}/identities"
    added = ann.post(path, {"namespace": "email", "value": "eva@work.example", "shared": True})
    assert added.status_code == 201
    (_first, second) = added.json["identities"]
    assert second["shared"] is True
    gone = ann.delete(f"{path}/{second['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert ann.delete(f"{path}/{second['id']}").status_code == 404
    last = ann.get(f"/customers/{cast.eve.id}").json["identities"][0]
    assert ann.delete(f"{path}/{last['id']}").status_code == 422


def test_the_list_is_alphabetical_and_goes_on(program, make, cast):
    for name in ("Яна", "Анна", "Ёлка"):
        make.customer(name)
    ann = program(cast.ann)
    first = ann.get("/customers?limit=2").json
    second = ann.get(f"/customers?limit=2&cursor={first['next_cursor']}").json
    names = [one["name"] for one in first["items"] + second["items"]]
    assert names == ["Анна", "Ева Иванова", "Ёлка", "Яна"]


@pytest.mark.parametrize(
    ("namespace", "value"), [("email", "nobody"), ("phone", "12"), ("email", "a b@c.example"), ("telegram", "1")]
)
def test_what_is_no_address_is_refused(program, cast, namespace, value):
    body = {"name": "Имя", "identities": [{"namespace": namespace, "value": value}]}
    assert program(cast.ann).post("/customers", body).status_code == 422
