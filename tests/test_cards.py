"""The card beside a ticket and the large card: the customer’s channels, tickets, files, as far as one may see them."""

from typing import Any

import pytest

from helpdesk.files import attach, put
from helpdesk.models import State, Ticket
from tests.clients import Client, sign_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


@pytest.fixture
def ticket(cast: Any, make: Any) -> Ticket:
    return make.ticket(cast.support, cast.eve, channel=cast.mailbox)  # type: ignore[no-any-return]


def test_the_facts_stand_before_the_customer(ticket: Ticket, ann: Client) -> None:
    card = ann.get(f"/tickets/{ticket.id}/card", headers=HTMX).text
    assert 0 < card.index('id="facts"') < card.index('id="customer-name"')


def test_the_switch_leads_to_what_is_open_in_each_channel(ticket: Ticket, cast: Any, make: Any, ann: Client) -> None:
    assert "channel-switch" not in ann.get(f"/tickets/{ticket.id}/card", headers=HTMX).text
    chat = make.channel(cast.support, kind="http", name="Чат")
    active = make.ticket(cast.support, cast.eve, channel=chat)
    later = make.ticket(cast.support, cast.eve, channel=chat)
    later.finish(cast.ann, State.SOLVED)
    hidden = make.ticket(cast.billing, cast.eve, channel=make.channel(cast.billing, name="Счета"))
    card = ann.get(f"/tickets/{ticket.id}/card", headers=HTMX).text
    switch = card[card.index("channel-switch") : card.index("</nav>")]
    assert f'href="/tickets/{active.id}"' in switch
    assert f'href="/tickets/{later.id}"' not in switch
    assert f'href="/tickets/{ticket.id}" aria-current="true"' in switch
    assert f"/tickets/{hidden.id}" not in card
    assert card.index("Open beside this one") < card.index(f"/tickets/{active.id}", card.index("Open beside"))
    assert card.index("Earlier") < card.rindex(f"/tickets/{later.id}")


def test_the_card_asks_the_same_however_many_tickets(ticket: Ticket, cast: Any, make: Any, ann: Client) -> None:
    for number in range(12):
        make.ticket(cast.support, cast.eve, title=f"Раньше {number}").finish(cast.ann, State.SOLVED)
    card = ann.get(f"/tickets/{ticket.id}/card", headers=HTMX).text
    assert card.count("Раньше ") == 5
    assert '<span class="num">13</span>' in card


def test_the_history_comes_when_it_is_opened(ticket: Ticket, cast: Any, ann: Client) -> None:
    ticket.finish(cast.ann, State.SOLVED)
    card = ann.get(f"/tickets/{ticket.id}/card", headers=HTMX).text
    assert "State: New" not in card
    lines = ann.get(f"/tickets/{ticket.id}/history", headers=HTMX).text
    assert "State: New → Solved" in lines
    assert "<html" not in lines
    assert "<html" in ann.get(f"/tickets/{ticket.id}/history").text


def test_files_are_those_of_tickets_that_one_sees(
    app: Any, ticket: Ticket, cast: Any, make: Any, ann: Client, session: Any
) -> None:
    hidden = make.ticket(cast.billing, cast.eve, channel=make.channel(cast.billing))
    for where, name in ((ticket, "счёт.pdf"), (hidden, "тайна.pdf")):
        attach(make.hear(where, "Файл"), name, "application/pdf", put(b"%PDF-1"))
    session.flush()
    page = ann.get(f"/customers/{cast.eve.id}/files", headers=HTMX).text
    assert "счёт.pdf" in page
    assert "тайна.pdf" not in page
    assert "тайна.pdf" in sign_in(app, cast.dora).get(f"/customers/{cast.eve.id}/files", headers=HTMX).text


def test_the_large_card_is_a_fragment_or_leads_to_the_page(ticket: Ticket, cast: Any, make: Any, ann: Client) -> None:
    hidden = make.ticket(cast.billing, cast.eve, title="Тайное", channel=make.channel(cast.billing))
    card = ann.get(f"/customers/{cast.eve.id}/card", headers=HTMX).text
    assert 'id="large-card-title"' in card
    assert ticket.title in card
    assert hidden.title not in card
    assert ann.get(f"/customers/{cast.eve.id}/card").location == f"/customers/{cast.eve.id}"
