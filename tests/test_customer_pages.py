"""The pages of customers, organisations and search, as people use them."""

from typing import Any

import pytest

from helpdesk.db import db
from helpdesk.indexing import index_message
from helpdesk.models import Customer, Organisation
from helpdesk.models.customer_merge import open_merges
from helpdesk.models.ticket import Ticket
from tests.clients import sign_in

CANARY = "абракадабра"
PAYLOAD = "\"><img src=x onerror=alert(1)>'{{7*7}}"


@pytest.fixture
def hidden(cast: Any, make: Any) -> Ticket:
    """A ticket of Support, which carl may not see, with a word of its own in title, text, note and file name."""
    ticket = make.ticket(cast.support, cast.eve, title=f"Про {CANARY}")
    index_message(make.hear(ticket, f"Здесь {CANARY} 9876543210"))
    ticket.note(cast.ann, f"Заметка {CANARY}")
    return ticket


def test_a_customer_shows_only_tickets_that_the_reader_may_see(app: Any, cast: Any, make: Any, hidden: Ticket) -> None:
    own = make.ticket(cast.billing, cast.eve, title="Счёт за март")
    eve = f"/customers/{cast.eve.id}"
    ann, carl, dora = (sign_in(app, user).get(eve).text for user in (cast.ann, cast.carl, cast.dora))
    assert CANARY in ann
    assert "Счёт за март" not in ann
    assert "1 ticket" in ann
    assert CANARY not in carl
    assert "Счёт за март" in carl
    assert hidden.number_text not in carl
    assert "2 tickets" in dora
    assert own.number_text in dora


def test_a_hidden_ticket_never_appears(app: Any, cast: Any, hidden: Ticket) -> None:
    carl = sign_in(app, cast.carl)
    for path in (
        f"/search?q={CANARY}",
        "/search?q=9876543210",
        f"/search?q={hidden.number}",
        f"/search?q=аб&older_than={10**9}",
        f"/customers?q={CANARY}",
        f"/customers/{cast.eve.id}",
        f"/customers/{cast.eve.id}/merge?q={CANARY}",
    ):
        answer = carl.get(path)
        assert answer.status_code == 200, path
        page = answer.text.replace(f'value="{CANARY}"', "").replace(f"<title>{CANARY}", "")
        assert CANARY not in page, path
        assert hidden.number_text not in page, path


def test_words_lead_to_tickets_and_a_number_leads_to_its_ticket(app: Any, cast: Any, hidden: Ticket) -> None:
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/search?q={CANARY}").text
    assert f"<mark>{CANARY}</mark>" in page
    assert f'href="/tickets/{hidden.id}"' in page
    assert "1 ticket" in page
    for typed in (hidden.number, hidden.number_text.replace(" ", "%20"), f"%23{hidden.number}"):
        assert ann.get(f"/search?q={typed}").location == f"/tickets/{hidden.id}"


def test_search_finds_people_too(app: Any, cast: Any) -> None:
    Customer.for_identity("email", "kovalchuk@acme.example", "Олена Ковальчук")
    page = sign_in(app, cast.ann).get("/search?q=коваль").text
    assert "Олена Ковальчук" in page
    assert "kovalchuk@acme.example" in page


@pytest.mark.parametrize("path", ["/search?q=", "/customers?q=", "/organisations?q="])
def test_what_was_typed_is_shown_as_text(app: Any, cast: Any, make: Any, path: str) -> None:
    make.customer(name=PAYLOAD)
    index_message(make.hear(make.ticket(cast.support, title=f"alert {PAYLOAD}"), f"alert {PAYLOAD}"))
    db.session.flush()
    ann = sign_in(app, cast.ann)
    for question in ("alert", PAYLOAD):
        page = ann.open(path.partition("?")[0], query_string={"q": question}).text
        assert "<img src=x" not in page
        assert "{{7*7}}" in page or question == "alert"
    for query in ({"q": "x", "after": PAYLOAD}, {"q": "x", "older_than": PAYLOAD}):
        answer = ann.open(path.partition("?")[0], query_string=query)
        assert "<img src=x" not in answer.text
        assert answer.status_code in {200, 422}


def test_search_pages_go_on_where_they_ended(app: Any, cast: Any, make: Any) -> None:
    for number in range(30):
        index_message(make.hear(make.ticket(cast.support, title=f"Запрос {number}"), "одинаковое слово"))
    ann = sign_in(app, cast.ann)
    first = ann.get("/search?q=слово").text
    assert first.count('id="hit-') == 25
    assert "30 tickets" in first
    more = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = ann.get(more).text
    assert second.count('id="hit-') == 5
    assert "Запрос 29" in first
    assert "Запрос 29" not in second


def test_a_list_of_customers_in_the_alphabet_of_people(app: Any, cast: Any, make: Any) -> None:
    for name in ("Ящук", "Ёлкина", "Євтушенко", "Адамова"):
        make.customer(name=name)
    page = sign_in(app, cast.ann).get("/customers").text
    places = [page.index(name) for name in ("Адамова", "Ёлкина", "Євтушенко", "Ящук")]
    assert places == sorted(places)


def test_customers_page_by_page(app: Any, cast: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpdesk.queries.customers import list_customers

    for number in range(7):
        make.customer(name=f"Тезка {number % 2}")
    seen, after = [], None
    while True:
        page = list_customers(after=after, limit=3)
        seen += [customer.id for customer in page.customers]
        if (after := page.next_after) is None:
            break
    assert len(seen) == len(set(seen)) == 8  # eve among them


def test_a_customer_is_edited_with_what_was_typed_kept(app: Any, cast: Any) -> None:
    Organisation.found(cast.dora, "ACME", ["acme.example"])
    ann, eve = sign_in(app, cast.ann), cast.eve
    form = {"name": "Ева Новая", "note": "звонить утром", "organisation": "acme", "version": eve.version}
    assert ann.post(f"/customers/{eve.id}", data=form).status_code == 303
    assert (eve.name, eve.note, eve.organisation.name) == ("Ева Новая", "звонить утром", "ACME")
    again = ann.post(f"/customers/{eve.id}", data=form | {"note": "мой долгий текст"})
    assert again.status_code == 409
    assert "мой долгий текст" in again.text
    wrong = ann.post(f"/customers/{eve.id}", data=form | {"organisation": "Нет такой", "version": eve.version})
    assert wrong.status_code == 422
    assert "Нет такой" in wrong.text
    assert ann.post(f"/customers/{eve.id}", data=form, token=False).status_code in {400, 403}


def test_addresses_are_managed_on_the_page(app: Any, cast: Any, make: Any) -> None:
    ann, eve = sign_in(app, cast.ann), cast.eve
    base = f"/customers/{eve.id}/identities"
    assert ann.post(base, data={"value": "067 123 45 67"}).status_code == 303
    assert ann.post(base, data={"value": "Eve.Two@customer.example"}).status_code == 303
    assert {i.namespace for i in eve.identities} == {"email", "phone"}
    phone = next(i for i in eve.identities if i.namespace == "phone")
    assert ann.post(f"{base}/{phone.id}/sharing", data={"shared": "1"}).status_code == 303
    assert phone.shared
    page = ann.get(f"/customers/{eve.id}").text
    assert 'href="tel:+380671234567"' in page
    removal = f"{base}/{phone.id}/removal"
    assert ann.post(removal).status_code == 303
    assert ann.post(removal).status_code == 404
    assert ann.post(base, data={"value": "nonsense"}).status_code == 422
    other = make.customer()
    assert ann.post(f"{base}/{other.identities[0].id}/removal").status_code == 404


def test_merging_on_the_page_and_back(app: Any, cast: Any, make: Any) -> None:
    ann, eve = sign_in(app, cast.ann), cast.eve
    twin = make.customer(name="Иванова Ева", address="e.i@customer.example")
    ticket = make.ticket(cast.support, twin, title="Второй ящик")
    assert "Иванова Ева" in ann.get(f"/customers/{eve.id}").text
    assert "e.i@customer.example" in ann.get(f"/customers/{eve.id}/merge").text
    assert ann.post(f"/customers/{eve.id}/merges", data={"other": twin.id}).status_code == 303
    assert ann.get(f"/customers/{twin.id}").location == f"/customers/{eve.id}"
    assert "Второй ящик" in ann.get(f"/customers/{eve.id}").text
    assert ann.post(f"/customers/{eve.id}/merges", data={"other": twin.id}).status_code == 409
    [merge] = open_merges(eve)
    assert ann.post(f"/customers/{twin.id}/merges/{merge.id}/undoing").status_code in {404, 409}
    assert ann.post(f"/customers/{eve.id}/merges/{merge.id}/undoing").status_code == 303
    assert ticket.customer_id == twin.id
    assert "Второй ящик" in ann.get(f"/customers/{twin.id}").text


def test_supervisors_block_and_keep_organisations(app: Any, cast: Any) -> None:
    ann, sue, eve = sign_in(app, cast.ann), sign_in(app, cast.sue), cast.eve
    assert ann.post(f"/customers/{eve.id}/blocking", data={"blocked": "1"}).status_code == 403
    assert sue.post(f"/customers/{eve.id}/blocking", data={"blocked": "1"}).status_code == 303
    assert eve.blocked
    form = {"name": "Пошта", "domains": "пошта.укр\ncustomer.example", "note": PAYLOAD}
    assert ann.post("/organisations", data=form).status_code == 403
    made = sue.post("/organisations", data=form)
    assert made.status_code == 303
    page = ann.get(made.location).text
    assert "пошта.укр" in page
    assert "<img src=x" not in page
    assert "Ева Иванова" in page
    assert "Пошта" in ann.get("/organisations?q=пош").text
    again = sue.post("/organisations", data=form)
    assert again.status_code == 409
    assert "customer.example" in again.text
    assert sue.post(made.location, data=form | {"domains": "gmail.com"}).status_code == 422
    assert sue.post(made.location, data=form | {"domains": "", "name": "Нова пошта"}).status_code == 303
    assert "Нова пошта" in ann.get(made.location).text
