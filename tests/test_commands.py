"""The command bar's list: what each person may go to, colleagues of a ticket, and what is found as one types."""

from typing import Any

from helpdesk.models import Macro
from tests.clients import sign_in

HTMX = {"HX-Request": "true"}


def test_places_are_those_that_one_may_see(app: Any, cast: Any) -> None:
    page = sign_in(app, cast.ann).get("/commands", headers=HTMX).text
    assert cast.support.name in page
    assert cast.billing.name not in page
    assert "/admin/queues" not in page
    assert "/admin/queues" in sign_in(app, cast.dora).get("/commands", headers=HTMX).text


def test_places_in_russian(app: Any, cast: Any) -> None:
    cast.ann.language = "ru"
    page = sign_in(app, cast.ann).get("/commands", headers=HTMX).text
    assert "Мои очереди" in page


def test_colleagues_of_a_ticket(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    page = sign_in(app, cast.ann).get(f"/commands/tickets/{ticket.id}", headers=HTMX).text
    assert "Assign to Bob" in page
    assert f"/tickets/{ticket.id}/dialogs/assign?user_id={cast.bob.id}" in page
    assert "Assign to Carl" not in page  # he may not work there
    assert "Mention Carl" in page
    assert sign_in(app, cast.carl).get(f"/commands/tickets/{ticket.id}").status_code == 404


def test_the_assign_dialog_has_that_person_chosen(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/dialogs/assign?user_id={cast.sue.id}", headers=HTMX).text
    assert f'<option value="{cast.sue.id}" selected>' in page


def test_tickets_by_number_and_people_by_name(app: Any, cast: Any, make: Any) -> None:
    mine = make.ticket(cast.support, make.customer("Пётр Хлебников"))
    hidden = make.ticket(cast.billing, make.customer("Хлебникова Анна"))
    ann = sign_in(app, cast.ann)
    page = ann.get("/commands/found", query_string={"q": mine.number}, headers=HTMX).text
    assert f'href="/tickets/{mine.id}"' in page
    assert (
        f'href="/tickets/{hidden.id}"'
        not in ann.get("/commands/found", query_string={"q": hidden.number}, headers=HTMX).text
    )
    page = ann.get("/commands/found", query_string={"q": "хлебн"}, headers=HTMX).text
    assert "Пётр Хлебников" in page
    assert "Хлебникова Анна" not in page


def test_the_wrong_layout_is_asked_for_when_the_right_one_says_nothing(app: Any, cast: Any, make: Any) -> None:
    make.ticket(cast.support, make.customer("Хлебников"))
    ann = sign_in(app, cast.ann)
    page = ann.get("/commands/found", query_string={"q": "[kt,", "other": "хлеб"}, headers=HTMX).text
    assert "Хлебников" in page


def test_a_half_typed_condition_is_no_fault(app: Any, cast: Any) -> None:
    answer = sign_in(app, cast.ann).get("/commands/found", query_string={"q": "queue:нет-такой"}, headers=HTMX)
    assert answer.status_code == 200


def test_macros_of_a_ticket(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    own = make.add(Macro(name="Ждём клиента", user_id=cast.ann.id, actions={"state": "waiting"}))
    make.add(Macro(name="Чужой", user_id=cast.bob.id, actions={"state": "waiting"}))
    page = sign_in(app, cast.ann).get(f"/commands/tickets/{ticket.id}", headers=HTMX).text
    assert "Ждём клиента" in page
    assert f"/macros/{own.id}" in page
    assert "Чужой" not in page
