"""What other systems tell of customers: where it stands, who sees it, and that it makes no work."""

import pytest
from sqlalchemy import func, select

from helpdesk import client_events
from helpdesk.client_events import What, sentence
from helpdesk.models import (
    Conversation,
    Event,
    Message,
    MessageKind,
    OutboxItem,
    Right,
    Scope,
    SearchDocument,
    State,
    Ticket,
)
from tests.api.conftest import Program, program  # noqa: F401  fixtures
from tests.clients import sign_in

PAID = {"offer": "Курс “Старт”", "amount": "4 900 ₽"}


def test_it_makes_no_work_and_leaves_by_no_way(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    session.commit()
    before = (ticket.line_at, ticket.state, ticket.first_unanswered_at, ticket.unread, ticket.last_customer_at)
    message = client_events.record_event(cast.dora, cast.eve, What.PAYMENT_OK, PAID)
    session.commit()
    assert (message.ticket_id, message.kind, message.unhandled) == (ticket.id, "event", False)
    assert message.is_internal
    after = (ticket.line_at, ticket.state, ticket.first_unanswered_at, ticket.unread, ticket.last_customer_at)
    assert after == before
    assert session.scalars(select(OutboxItem)).all() == []
    found = select(SearchDocument).where(SearchDocument.kind == "message", SearchDocument.ref_id == message.id)
    assert session.scalars(found).all() == []
    told = session.scalars(select(Event).where(Event.kind == "message.event")).one()
    assert (told.ticket_id, told.actor_id) == (ticket.id, cast.dora.id)
    assert "Старт" not in str(told.payload)


def test_where_no_ticket_is_active_it_stands_beside_them_all(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    session.commit()
    ticket.finish(cast.ann, State.SOLVED)
    session.commit()
    message = client_events.record_event(cast.dora, cast.eve, What.FUNNEL_STOP, {"funnel": "Прогрев"})
    session.commit()
    assert (message.ticket_id, message.conversation_id) == (None, ticket.conversation_id)
    assert ticket.kind == "finished"
    assert session.scalar(select(func.count()).select_from(Ticket)) == 1


def test_the_active_dialog_comes_before_a_newer_finished_one(session, make, cast):
    active = make.ticket(cast.support, cast.eve, minutes_ago=100)
    newer = make.ticket(cast.support, cast.eve, minutes_ago=1)
    session.commit()
    newer.finish(cast.ann, State.SOLVED)
    session.commit()
    assert client_events.record_event(cast.dora, cast.eve, What.ORDERED, {}).ticket_id == active.id


def test_whoever_never_wrote_has_a_place_for_it_too(app, session, make, cast):
    stranger = make.customer("Новый подписчик")
    first = client_events.record_event(cast.dora, stranger, What.SUBSCRIBED, {"funnel": "Вебинар"})
    second = client_events.record_event(cast.dora, stranger, What.FUNNEL_START, {"funnel": "Прогрев"})
    session.commit()
    assert first.conversation_id == second.conversation_id
    assert session.get(Conversation, first.conversation_id).customer_id == stranger.id
    page = sign_in(app, cast.ann).get(f"/customers/{stranger.id}/exchange").text
    assert "Вебинар" in page
    assert "Прогрев" in page


def test_events_of_a_hidden_ticket_stay_hidden(app, session, make, cast):
    make.ticket(cast.billing, cast.eve)
    client_events.record_event(cast.dora, cast.eve, What.PAYMENT_FAILED, {"offer": "Тайный тариф"})
    session.commit()
    assert "Тайный тариф" not in sign_in(app, cast.ann).get(f"/customers/{cast.eve.id}/exchange").text
    assert "Тайный тариф" in sign_in(app, cast.carl).get(f"/customers/{cast.eve.id}/exchange").text


def test_who_unsubscribed_is_shown_so_until_they_subscribe_again(session, make, cast):
    make.ticket(cast.support, cast.eve)
    client_events.record_event(cast.dora, cast.eve, What.UNSUBSCRIBED, {})
    assert cast.eve.unsubscribed_at is not None
    client_events.record_event(cast.dora, cast.eve, What.RESUBSCRIBED, {})
    assert cast.eve.unsubscribed_at is None


def test_a_merged_customers_news_reach_who_they_became(session, make, cast):
    from helpdesk.models.customer_merge import merge_into

    ticket = make.ticket(cast.support, cast.eve)
    other = make.customer("Ева И.")
    session.commit()
    merge_into(other, cast.eve, cast.dora)
    session.commit()
    assert client_events.record_event(cast.dora, other, What.PAYMENT_OK, {}).ticket_id == ticket.id


def test_the_thread_shows_it_in_the_readers_language(app, session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    client_events.record_event(cast.dora, cast.eve, What.SUBSCRIBED, {"funnel": "Вебинар", "lead_tool": "Квиз"})
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}").text
    assert "line-event" in page
    assert "Subscribed: funnel “Вебинар”, lead tool “Квиз”" in page
    history = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/history").text
    assert "Told by another system: Subscribed" in history


def test_it_cannot_be_forwarded(app, session, make, cast):
    ticket = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    ticket.claim(cast.ann)
    message = client_events.record_event(cast.dora, cast.eve, What.PAYMENT_FAILED, PAID)
    data = {"message_id": message.id, "to": "friend@else.example"}
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/forwards", data=data).status_code == 422
    assert session.scalars(select(OutboxItem)).all() == []


@pytest.mark.parametrize("what", list(What))
def test_each_kind_has_its_sentence_and_icon(app, session, what):
    details = {"funnel": "Ф", "block": "Б", "source": "И", "lead_tool": "Л", "offer": "О", "amount": "1", "text": "Т"}
    with app.test_request_context():
        told = sentence({"event": what.value, "details": details})
        assert all(word in told for word in ("Ф", "Б", "И", "Л", "О", "Т"))
        assert sentence({"event": what.value}) or what == What.OTHER
        assert sentence({}) == ""


def test_a_program_tells_it_over_the_api(session, make, cast, program):  # noqa: F811
    ticket = make.ticket(cast.support, cast.eve)
    session.commit()
    path = f"/customers/{cast.eve.id}/events"
    dora: Program = program(cast.dora)
    answer = dora.call("POST", path, {"event": {"what": "payment-ok", **PAID}})
    assert answer.status_code == 201
    assert answer.json["what"] == "payment-ok"
    listed = dora.get(f"/tickets/{ticket.id}/messages").json["items"][-1]
    assert (listed["id"], listed["kind"], listed["event"]) == (
        answer.json["id"],
        MessageKind.EVENT,
        {"what": "payment-ok", "details": PAID},
    )
    wrong = [
        {},
        {"event": {"what": "exploded"}},
        {"event": {"what": "other"}},
        {"event": {"what": "funnel-start", "offer": "x"}},
        {"event": {"what": "subscribed", "funnel": "x" * 201}},
        {"event": {"what": "other", "text": "a\x00b"}},
    ]
    assert {dora.call("POST", path, body).status_code for body in wrong} == {422}
    assert dora.call("POST", "/customers/987654321/events", {"event": {"what": "unsubscribed"}}).status_code == 404
    reader = program(cast.dora, Scope.CUSTOMERS_READ)
    assert reader.call("POST", path, {"event": {"what": "unsubscribed"}}).status_code == 403


def test_a_system_without_rights_in_the_queue_tells_and_reads_nothing(session, make, cast, program):  # noqa: F811
    ticket = make.ticket(cast.support, cast.eve)
    machine = make.user("Shop")
    make.allow(make.group("Shops", machine), cast.billing, Right.SEE)
    session.commit()
    shop = program(machine)
    answer = shop.call("POST", f"/customers/{cast.eve.id}/events", {"event": {"what": "ordered", "offer": "Курс"}})
    assert answer.status_code == 201
    assert set(answer.json) == {"id", "customer_id", "what", "at"}
    assert shop.get(f"/messages/{answer.json['id']}").status_code == 404
    assert session.get(Message, answer.json["id"]).ticket_id == ticket.id
