"""Spam by one key: filed without an answer, its sender blocked on request, found in its view and brought back."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import blocking
from helpdesk.errors import Refused
from helpdesk.models import BlockedSender, Event, Message, OutboxItem, State, Tally
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.spam import floods, list_spam
from tests.clients import sign_in


@pytest.fixture
def ticket(make: Any, cast: Any) -> Any:
    """Eve's ticket in Support; eve writes from an address of a domain of her own."""
    return make.ticket(cast.support, make.customer(address="eve@shop.example"), channel=cast.mailbox)


def blocked(session: Any) -> list[str]:
    return list(session.scalars(select(BlockedSender.value).order_by(BlockedSender.id)))


def test_one_key_files_spam(app: Any, session: Any, cast: Any, ticket: Any) -> None:
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/tickets/{ticket.id}").text
    assert 'data-key="!"' in page
    dialog = ann.get(f"/tickets/{ticket.id}/dialogs/spam", headers={"HX-Request": "true"}).text
    assert "eve@shop.example" in dialog and 'value="@shop.example"' in dialog
    answer = ann.post(f"/tickets/{ticket.id}/spam", data={"block": ""})
    assert answer.status_code == 303
    assert (ticket.state, ticket.kind, ticket.spam_cause) == (State.SPAM, Kind.FINISHED, "person")
    assert blocked(session) == [] and not session.scalars(select(OutboxItem)).all()


@pytest.mark.parametrize("value", ["eve@shop.example", "@shop.example"])
def test_the_sender_is_blocked_on_request(app: Any, session: Any, cast: Any, ticket: Any, value: str) -> None:
    sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/spam", data={"block": value})
    row = session.scalars(select(BlockedSender)).one()
    assert (row.value, row.by_id, row.project_id) == (value, cast.ann.id, ticket.project_id)
    told = session.scalars(select(Event).where(Event.kind == "admin.changed")).all()
    assert told[-1].payload["name"] == value and told[-1].actor_id == cast.ann.id


def test_nobody_else_can_be_blocked_by_the_form(app: Any, session: Any, cast: Any, ticket: Any) -> None:
    sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/spam", data={"block": "@bank.example"})
    assert ticket.state == State.SPAM and blocked(session) == []


def test_a_public_domain_is_not_offered(make: Any, cast: Any) -> None:
    assert blocking.blockable("eve@gmail.com") == ["eve@gmail.com"]
    assert blocking.blockable("Eve@News.Shop.example") == ["eve@news.shop.example", "@news.shop.example"]


@pytest.mark.parametrize("typed", ["", "кто-то там", "@", "*@shop.example", "@gmail.com"])
def test_what_cannot_be_blocked(session: Any, cast: Any, typed: str) -> None:
    with pytest.raises(Refused):
        blocking.block(cast.sue, cast.mailbox.project_id, typed)


def test_our_own_addresses_cannot_be_blocked(session: Any, cast: Any) -> None:
    for typed in (cast.mailbox.address, "@desk.example"):
        with pytest.raises(Refused):
            blocking.block(cast.sue, cast.mailbox.project_id, typed)


def test_blocking_twice_is_once(session: Any, cast: Any) -> None:
    first = blocking.block(cast.sue, cast.mailbox.project_id, "Win@Spam.example")
    assert blocking.block(cast.ann, cast.mailbox.project_id, "win@spam.example") is first
    assert first.value == "win@spam.example"


def test_the_view_shows_spam_of_ones_queues(app: Any, cast: Any, make: Any, ticket: Any) -> None:
    ticket.file_as_spam(None, "flood")
    elsewhere = make.ticket(cast.billing, title="Чужое")
    elsewhere.file_as_spam(None, "server")
    page = sign_in(app, cast.ann).get("/spam").text
    assert ticket.title in page and "Чужое" not in page and "more than 60 times" in page
    assert [row.id for row in list_spam(cast.ann).rows] == [ticket.id]
    assert list_spam(cast.ann, cause="server").rows == []
    assert floods(cast.ann) == [(ticket.customer.name, 1)] and floods(cast.carl) == []


def test_rescue_brings_the_place_in_line_back(app: Any, session: Any, cast: Any, make: Any, ticket: Any) -> None:
    arrived, line_at = ticket.arrived_at, ticket.line_at
    blocking.block(cast.ann, ticket.project_id, "@shop.example")
    ticket.file_as_spam(cast.ann)
    ann = sign_in(app, cast.ann)
    assert "@shop.example" in ann.get(f"/tickets/{ticket.id}/dialogs/rescue", headers={"HX-Request": "true"}).text
    assert ann.post(f"/tickets/{ticket.id}/rescue", data={"unblock": "1"}).status_code == 303
    assert (ticket.kind, ticket.spam_cause) == (Kind.ACTIVE, None)
    assert (ticket.arrived_at, ticket.line_at, ticket.first_unanswered_at) == (arrived, line_at, line_at)
    assert ticket.last_customer_at is not None
    assert blocked(session) == [] and not session.scalars(select(OutboxItem)).all()
    waiting = session.scalars(
        select(Tally.delta).where(Tally.scope == f"queue:{ticket.queue_id}", Tally.name == "waiting")
    )
    assert sum(waiting) == 1


def test_rescue_keeps_the_block_unless_asked(app: Any, session: Any, cast: Any, ticket: Any) -> None:
    blocking.block(cast.ann, ticket.project_id, "eve@shop.example")
    ticket.file_as_spam(cast.ann)
    sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/rescue")
    assert ticket.kind == Kind.ACTIVE and blocked(session) == ["eve@shop.example"]


def test_only_spam_can_be_rescued(app: Any, cast: Any, ticket: Any) -> None:
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/rescue").status_code == 422


def test_many_are_rescued_at_once_and_only_ones_own(app: Any, session: Any, cast: Any, make: Any, ticket: Any) -> None:
    second, elsewhere = make.ticket(cast.support), make.ticket(cast.billing)
    for one in (ticket, second, elsewhere):
        one.file_as_spam(None, "flood")
    chosen = [str(one.id) for one in (ticket, second, elsewhere)]
    answer = sign_in(app, cast.ann).post("/spam/rescues", data={"ticket_id": chosen})
    assert answer.status_code == 303
    assert [one.kind for one in (ticket, second, elsewhere)] == [Kind.ACTIVE, Kind.ACTIVE, Kind.FINISHED]


def test_a_second_active_ticket_is_not_made(app: Any, session: Any, cast: Any, make: Any, ticket: Any) -> None:
    from helpdesk.models import Ticket

    ticket.file_as_spam(cast.ann)
    Ticket.open(ticket.conversation, ticket.queue, "Второе", ticket.arrived_at)
    answer = sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/rescue")
    assert answer.status_code == 409 and ticket.state == State.SPAM


def test_supervisors_look_after_blocked_senders(app: Any, session: Any, cast: Any) -> None:
    sue = sign_in(app, cast.sue)
    project = str(cast.mailbox.project_id)
    assert sue.post("/blocked-senders", data={"sender": "нет", "project_id": project}).status_code == 422
    assert sue.post("/blocked-senders", data={"sender": "@spam.example", "project_id": project}).status_code == 303
    session.add(Tally(scope=f"blocked:{session.scalars(select(BlockedSender.id)).one()}", name="met", delta=7))
    page = sue.get("/blocked-senders").text
    assert "@spam.example" in page and "Sue" in page and '<td class="num">7</td>' in page
    row = session.scalars(select(BlockedSender)).one()
    assert sue.post(f"/blocked-senders/{row.id}/removal").status_code == 303
    assert blocked(session) == []


def test_nothing_of_spam_is_lost(session: Any, ticket: Any, cast: Any) -> None:
    ticket.file_as_spam(cast.ann)
    assert session.scalars(select(Message).where(Message.ticket_id == ticket.id)).one().text
