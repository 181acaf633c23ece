"""The types of customers: one rule for a card and for a list of many."""

import pytest
from sqlalchemy import select

from helpdesk.addresses import normalise_email
from helpdesk.customer_kinds import STAFF_DOMAINS, CustomerKind, kind_column, kind_of, read_domains
from helpdesk.errors import Refused
from helpdesk.models import Customer, Identity, write_setting
from helpdesk.queries.people_list import Tab, list_people
from helpdesk.queries.search_filters import conditions, read_question
from tests.clients import sign_in


@pytest.fixture
def cast_of_kinds(session, make, cast):
    """One ticket of a customer of each type."""
    write_setting(STAFF_DOMAINS, ["Desk.example"])
    found = {}
    for name, spaces, columns in (
        ("Канал", [("telegram:bot", "1")], {}),
        ("Почта", [("email", "kto@else.example")], {}),
        ("Система", [("email", "crm@else.example"), ("crm:shop", "77")], {}),
        ("Домен", [("email", "petr@desk.example")], {}),
        ("Отмечен", [("phone", "+380441112233")], {"internal": True}),
        ("Гость", [("visitor:3", "abc")], {}),
        ("Гость с почтой", [("visitor:3", "abd"), ("email", "gast@else.example")], {}),
    ):
        customer = make.customer(name, **columns)
        session.query(Identity).filter_by(customer_id=customer.id).delete()
        ticket_customer = customer
        for namespace, value in spaces:
            make.add(Identity(customer_id=customer.id, namespace=namespace, value=value))
        session.expire(customer)
        make.ticket(cast.support, ticket_customer)
        found[name] = customer
    return found


KINDS = {
    "Канал": "channel",
    "Почта": "channel",
    "Система": "crm",
    "Домен": "internal",
    "Отмечен": "internal",
    "Гость": "anonymous",
    "Гость с почтой": "channel",
}


def test_one_and_many_follow_the_same_rule(session, cast_of_kinds):
    assert {name: kind_of(customer).value for name, customer in cast_of_kinds.items()} == KINDS
    rows = session.execute(select(Customer.name, kind_column()).where(Customer.name.in_(KINDS))).tuples()
    assert dict(rows.all()) == KINDS


@pytest.mark.parametrize("kind", list(CustomerKind))
def test_people_are_narrowed_by_type(session, cast, cast_of_kinds, kind):
    narrowed = conditions(cast.ann, read_question(f"who:{kind.value}"))
    found = {row.name for row in list_people(cast.ann, Tab.ALL, narrowed=narrowed).rows}
    assert found == {name for name, code in KINDS.items() if code == kind.value}


def test_the_type_is_chosen_in_the_panel_and_told_in_words(app, session, cast, cast_of_kinds):
    ann = sign_in(app, cast.ann)
    answer = ann.get("/views/narrowed?base=people:all&who=crm")
    page = ann.get(answer.headers["Location"]).text
    assert "Customer: CRM" in page
    assert "Система" in page
    assert "Отмечен" not in page.split('id="list-scroll"')[1]
    assert ann.get("/views/list?in=filter:people:all/who:martian").status_code == 422


def test_a_colleague_is_marked_on_the_customers_page(app, session, cast, cast_of_kinds):
    customer = cast_of_kinds["Почта"]
    data = {"name": customer.name, "version": customer.version, "internal_shown": "1", "internal": "1"}
    ann = sign_in(app, cast.ann)
    assert ann.post(f"/customers/{customer.id}", data=data).status_code in {302, 303}
    assert kind_of(session.get(Customer, customer.id)) == CustomerKind.INTERNAL
    assert "Colleague" in ann.get(f"/customers/{customer.id}/exchange").text


def test_administrators_set_our_domains(app, session, cast):
    dora = sign_in(app, cast.dora)
    data = {"number_pattern": "########", "staff_domains": "@Desk.example, firma.example"}
    assert dora.post("/admin/installation", data=data).status_code in {302, 303}
    assert "desk.example firma.example" in dora.get("/admin/installation").text
    assert dora.post("/admin/installation", data=data | {"staff_domains": "nonsense"}).status_code == 422


def test_domains_are_read_as_people_type_them():
    assert read_domains(" @B.example;a.example,\n b.example ") == ["a.example", "b.example"]
    assert read_domains("") == []
    with pytest.raises(Refused):
        read_domains("petr@desk.example")


def test_our_own_domain_may_be_written_in_our_letters(session, make):
    write_setting(STAFF_DOMAINS, read_domains("Пошта.УКР"))
    colleague = make.customer("Пётр", normalise_email("petr@пошта.укр"))
    kind = session.scalar(select(kind_column()).where(Customer.id == colleague.id))
    assert kind_of(colleague) == kind == CustomerKind.INTERNAL
