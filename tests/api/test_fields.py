"""Lists and fields for programs: read, set, and required on close as everywhere."""

from typing import Any

import pytest


@pytest.fixture
def ann(program: Any, cast: Any) -> Any:
    return program(cast.ann)


@pytest.fixture
def ticket(make: Any, cast: Any) -> Any:
    return make.ticket(cast.support)


def test_definitions_are_told(ann: Any, make: Any, cast: Any) -> None:
    field = make.field("choice", "Тариф", options=["Малый"], required_on_close=True, queue_ids=[cast.support.id])
    reason = make.item("reason", "Брак", active=False)
    told = ann.get("/fields").json["items"]
    assert told == [
        {
            "id": field.id,
            "about": "ticket",
            "kind": "choice",
            "label": "Тариф",
            "hint": "",
            "active": True,
            "required_on_close": True,
            "queue_ids": [cast.support.id],
            "options": [{"id": 1, "label": "Малый", "active": True}],
        }
    ]
    assert ann.get("/lists").json["reasons"] == [{"id": reason.id, "name": "Брак", "active": False, "queue_ids": []}]


def test_a_ticket_is_sorted(ann: Any, make: Any, cast: Any, ticket: Any) -> None:
    number, plan = make.field("number", "Сумма"), make.field("choices", "Тариф", options=["Малый", "Большой"])
    reason, part = make.item("reason", "Брак"), make.item("component", "Касса")
    body = {
        "reason_ids": [reason.id],
        "component_ids": [part.id],
        "fields": {str(number.id): 12.5, str(plan.id): [2, 1]},
    }
    answer = ann.patch(f"/tickets/{ticket.id}", body)
    assert answer.status_code == 200
    assert answer.json["reasons"] == [{"id": reason.id, "name": "Брак"}]
    assert answer.json["fields"] == {str(number.id): 12.5, str(plan.id): [1, 2]}
    emptied = ann.patch(f"/tickets/{ticket.id}", {"fields": {str(number.id): None}, "component_ids": []}).json
    assert (emptied["fields"], emptied["components"]) == ({str(plan.id): [1, 2]}, [])


WRONG = [
    {"fields": {"987654": "x"}},
    {"fields": {"x": "x"}},
    {"fields": {"1": {"a": 1}}},
    {"fields": [1]},
    {"reason_ids": [987654]},
    {"reason_ids": ["1"]},
    {"type": "Чего нет"},
]


@pytest.mark.parametrize("body", WRONG, ids=str)
def test_what_is_wrong_is_refused(ann: Any, ticket: Any, body: dict[str, Any]) -> None:
    assert ann.patch(f"/tickets/{ticket.id}", body).status_code == 422


def test_closing_requires_what_is_needed(ann: Any, make: Any, ticket: Any) -> None:
    field = make.field("text", "Итог", required_on_close=True)
    refused = ann.post(f"/tickets/{ticket.id}/closure", {"state": "solved"})
    assert refused.status_code == 422
    assert refused.json["facts"] == {"fields": [field.id]}
    ann.patch(f"/tickets/{ticket.id}", {"fields": {str(field.id): "Вернули"}})
    assert ann.post(f"/tickets/{ticket.id}/closure", {"state": "solved"}).status_code == 200


def test_a_customer_has_fields(ann: Any, make: Any, cast: Any) -> None:
    city = make.field("text", "Город", about="customer")
    answer = ann.patch(f"/customers/{cast.eve.id}", {"fields": {str(city.id): "Одесса"}})
    assert answer.json["fields"] == {str(city.id): "Одесса"}
    body = {
        "name": "Олег",
        "identities": [{"namespace": "email", "value": "oleg@customer.example"}],
        "fields": {str(city.id): "Киев"},
    }
    made = ann.post("/customers", body)
    assert (made.status_code, made.json["fields"]) == (201, {str(city.id): "Киев"})
