"""The screens of a new ticket, of participants, of the customer's change, and of words without reopening."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.models import Channel, Customer, Message, OutboxItem, Participant, State, Ticket, TicketPerson
from tests.clients import Client, sign_in


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


def tickets(session: Any) -> list[Ticket]:
    return list(session.scalars(select(Ticket).order_by(Ticket.id)))


def mail(cast: Any, **more: Any) -> dict[str, Any]:
    form = {"queue_id": cast.support.id, "who": "adam@new.example", "name": "Адам", "subject": "Договор"}
    return form | {"body": "Ваш договор готов", "key": "k1"} | more


def test_a_double_click_sends_one_mail(session: Any, cast: Any, ann: Client) -> None:
    first, second = (ann.post("/tickets", data=mail(cast)) for _twice in range(2))
    (ticket,) = tickets(session)
    assert first.location == second.location == f"/tickets/{ticket.id}"
    assert (ticket.customer.name, ticket.owner_id) == ("Адам", cast.ann.id)
    assert session.scalars(select(OutboxItem)).one().envelope["to"] == ["adam@new.example"]
    message = session.scalars(select(Message)).one()
    page = ann.post(f"/messages/{message.id}/undo")
    assert page.status_code in {303, 409}, "undo works as for every reply, or says that it is too late"


def test_what_is_refused_keeps_what_was_typed(session: Any, cast: Any, ann: Client) -> None:
    for wrong, words in (
        ({"who": "Адам"}, "Choose a customer"),
        ({"queue_id": ""}, "Choose a queue"),
        ({"cc": cast.mailbox.address}, "one of our own"),
        ({"who": cast.mailbox.address}, "one of our own"),
    ):
        page = ann.post("/tickets", data=mail(cast, **wrong))
        assert page.status_code == 422 and words in page.text and "Ваш договор готов" in page.text
    assert tickets(session) == [] and session.scalars(select(OutboxItem)).all() == []
    assert ann.post("/tickets", data=mail(cast, queue_id=cast.billing.id)).status_code == 404


def test_an_active_ticket_is_shown_first(session: Any, make: Any, cast: Any, ann: Client) -> None:
    eve = make.customer("Ева", "eve@known.example")
    eve.reindex()
    active = make.ticket(cast.support, customer=eve, channel=cast.mailbox)
    hidden = make.ticket(cast.billing, customer=eve)
    form = mail(cast, who="eve@known.example")
    page = ann.post("/tickets", data=form)
    assert page.status_code == 409
    assert f"/tickets/{active.id}" in page.text and f"/tickets/{hidden.id}" not in page.text
    assert f"/tickets/{active.id}" in ann.get("/tickets/new/customers?who=eve@known").text
    assert ann.post("/tickets", data=form | {"anyway": "1"}).status_code == 303
    assert len(tickets(session)) == 3


def test_a_known_customer_is_chosen_by_address(session: Any, make: Any, cast: Any, ann: Client) -> None:
    eve = make.customer("Ева Иванова", "eve@known.example")
    eve.reindex()
    session.commit()
    found = ann.get("/tickets/new/customers?who=Иванова").text
    identity = eve.identities[0]
    assert f'name="identity_id" value="{identity.id}"' in found
    ann.post("/tickets", data=mail(cast, who="Иванова", identity_id=identity.id))
    assert tickets(session)[0].customer_id == eve.id


def test_a_visit_waits_in_line_of_a_queue_that_one_sees(session: Any, cast: Any, make: Any, ann: Client) -> None:
    make.allow(cast.front, cast.billing, "see")
    form = {"queue_id": cast.billing.id, "who": "+380 44 123 45 67", "name": "Ева", "subject": "Счёт"}
    form |= {"body": "Приходила за счётом", "way": "visit", "direction": "in", "key": "k2"}
    assert ann.post("/tickets/entries", data=form).status_code == 422, "she cannot take it there"
    assert ann.post("/tickets/entries", data=form | {"place": "line"}).status_code == 303
    (ticket,) = tickets(session)
    assert (ticket.owner_id, ticket.queue_id, ticket.state) == (None, cast.billing.id, State.NEW)
    desk = session.scalars(select(Channel).where(Channel.kind == "desk")).one()
    dora = sign_in(ann.app, cast.dora)
    assert desk.name not in dora.get("/admin/channels").text
    assert dora.get(f"/admin/channels/{desk.id}").status_code == 404
    page = ann.get(f"/tickets/{ticket.id}").text
    assert "visit, they came to us" in page


def test_participants_are_changed_on_the_card(session: Any, cast: Any, make: Any, ann: Client) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    url = f"/tickets/{ticket.id}/participants"
    assert ann.post(url, data={"address": "boss@customer.example"}).status_code == 303
    page = ann.get(f"/tickets/{ticket.id}").text
    assert page.count("boss@customer.example") >= 2, "on the card and in the copy field"
    assert ann.post(url, data={"address": cast.mailbox.address}).status_code == 422
    ann.post(url, data={"address": "boss@customer.example", "remove": "1"})
    page = ann.get(f"/tickets/{ticket.id}").text
    assert 'value="boss@customer.example"' not in page
    assert session.scalars(select(Participant.removed).where(Participant.address.like("boss%"))).one()


def test_the_customer_is_changed_from_what_was_forwarded(session: Any, cast: Any, make: Any, ann: Client) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    make.hear(ticket, "Посмотрите\n\n-------- Пересылаемое сообщение --------\nОт: Адам <adam@new.example>\n\nКод?")
    ticket.claim(cast.ann)
    dialog = ann.get(f"/tickets/{ticket.id}/dialogs/customer").text
    assert 'value="adam@new.example"' in dialog
    form = {"address": "adam@new.example", "name": "Адам"}
    assert ann.post(f"/tickets/{ticket.id}/customer", data=form).status_code == 303
    assert ticket.customer.name == "Адам"
    page = ann.get(f"/tickets/{ticket.id}").text
    assert 'name="to" value="adam@new.example"' in page and "on behalf of the customer" in page
    carl = sign_in(ann.app, cast.carl)
    assert carl.post(f"/tickets/{ticket.id}/customer", data=form).status_code == 404
    assert session.scalars(select(Customer).where(Customer.name == "Адам")).one().id == ticket.customer_id


def test_words_without_reopening(session: Any, cast: Any, make: Any, ann: Client) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    assert ann.post(f"/tickets/{ticket.id}/messages", data={"body": "Ещё"}).status_code == 409
    ticket.finish(cast.ann, State.SOLVED)
    assert f"/tickets/{ticket.id}/dialogs/beside" in ann.get(f"/tickets/{ticket.id}").text
    assert ann.post(f"/tickets/{ticket.id}/messages", data={"body": "Ещё одно слово"}).status_code == 303
    page = ann.get(f"/tickets/{ticket.id}").text
    assert "Ещё одно слово" in page and ticket.state == State.SOLVED
    cast.mailbox.queue_id = cast.billing.id
    assert ann.post(f"/tickets/{ticket.id}/messages", data={"body": "Ещё"}).status_code == 403


def test_channels_are_put_in_order(session: Any, cast: Any, make: Any, app: Any) -> None:
    second = make.channel(cast.billing)
    dora = sign_in(app, cast.dora)
    assert dora.post(f"/admin/channels/{second.id}/position").status_code == 303
    order = session.scalars(select(Channel.id).order_by(Channel.position, Channel.id)).all()
    assert order[0] == second.id
    third = make.channel(cast.support)
    assert session.scalars(select(Channel.id).order_by(Channel.position, Channel.id)).all()[-1] == third.id


def test_colleagues_are_brought_along_by_who_works_in_the_queue(app, cast, make, session):
    ann = sign_in(app, cast.ann)
    assert 'name="takes_part" value="1" checked' in ann.get("/tickets/new?kind=hand").text
    form = {
        "who": "+380 44 123 45 67",
        "queue_id": cast.support.id,
        "subject": "Перезвонить",
        "body": "Просит счёт",
        "way": "call",
        "direction": "in",
        "place": "line",
        "takes_part": "1",
        "user_id": cast.carl.id,
    }
    assert ann.post("/tickets/entries", data=form).status_code == 303
    ticket = session.scalars(select(Ticket).where(Ticket.title == "Перезвонить")).one()
    people = select(TicketPerson.user_id).where(TicketPerson.ticket_id == ticket.id)
    assert set(session.scalars(people)) == {cast.ann.id, cast.carl.id}
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    refused = sign_in(app, reader).post("/tickets/entries", data=form | {"subject": "Другое", "anyway": "1"})
    assert refused.status_code == 422
    assert session.scalar(select(Ticket.id).where(Ticket.title == "Другое")) is None
