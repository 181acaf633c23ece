"""Tickets through the API: read, found, changed, answered, by the same rules as on the screens."""

from datetime import timedelta

import pytest

from helpdesk import clock
from helpdesk.models import Message, OutboxItem, State, Ticket


@pytest.fixture
def ticket(make, cast):
    found = make.ticket(cast.support, channel=cast.mailbox, title="Где мой заказ?")
    found.claim(cast.ann)
    return found


def test_a_ticket_says_all_that_its_page_says(program, cast, ticket):
    answer = program(cast.ann).get(f"/tickets/{ticket.id}")
    assert answer.status_code == 200
    found = answer.json
    assert (found["title"], found["state"], found["kind"]) == ("Где мой заказ?", "open", "active")
    assert found["owner"] == {"id": cast.ann.id, "name": "Ann"}
    assert found["queue"]["id"] == cast.support.id
    assert found["arrived_at"].endswith("Z")
    assert answer.headers["ETag"] == f'"{ticket.version}"'


def test_a_list_goes_on_where_the_page_before_ended(program, make, cast):
    made = [make.ticket(cast.support).id for _ in range(5)]
    make.ticket(cast.billing)
    ann, found, path = program(cast.ann), [], "/tickets?limit=2"
    while path:
        page = ann.get(path).json
        found += [one["id"] for one in page["items"]]
        path = page["next_cursor"] and f"/tickets?limit=2&cursor={page['next_cursor']}"
    assert found == made[::-1]


def test_a_cursor_serves_its_own_list_alone(program, make, cast):
    for _ in range(3):
        make.ticket(cast.support)
    ann = program(cast.ann)
    cursor = ann.get("/tickets?limit=1").json["next_cursor"]
    for path in (
        f"/tickets?limit=1&kind=active&cursor={cursor}",
        f"/customers?cursor={cursor}",
        f"/tickets?cursor={cursor[:-1]}",
        "/tickets?cursor=WzFd.k1.aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ):
        answer = ann.get(path)
        assert answer.status_code == 422, path
        assert answer.json["errors"][0]["pointer"] == "/cursor"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ("owner=me", 1),
        ("owner=nobody", 1),
        ("state=new", 1),
        ("state=new&state=open", 2),
        ("kind=paused", 0),
        ("number=%(number)s", 1),
        ("number=0", 0),
        ("customer=%(customer)s", 1),
        ("queue=%(queue)s", 2),
        ("queue=%(other)s", 0),
    ],
)
def test_lists_are_filtered(program, make, cast, ticket, filters, count):
    make.ticket(cast.support)
    make.ticket(cast.billing)
    values = {
        "number": ticket.number,
        "customer": ticket.customer_id,
        "queue": cast.support.id,
        "other": cast.billing.id,
    }
    assert len(program(cast.ann).get(f"/tickets?{filters % values}").json["items"]) == count


def test_what_changed_lately_is_found_in_the_order_of_change(program, make, cast, ticket, session, move_clock):
    other = make.ticket(cast.support)
    session.commit()
    ann = program(cast.ann)
    move_clock("1 hour")
    since = (clock.now() - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    other.retitle(cast.ann, "Другое")
    session.flush()
    move_clock("2 hours")
    ticket.prioritise(cast.ann, 1)
    session.flush()
    move_clock("0")
    first = ann.get(f"/tickets?updated_since={since}&limit=1").json
    second = ann.get(f"/tickets?updated_since={since}&limit=1&cursor={first['next_cursor']}").json
    assert [page["items"][0]["id"] for page in (first, second)] == [other.id, ticket.id]
    assert second["next_cursor"] is None


def test_facts_are_changed_where_nobody_changed_them_meanwhile(program, cast, ticket, session, make):
    make.item("request_type", "Жалоба")
    ann = program(cast.ann)
    seen = ann.get(f"/tickets/{ticket.id}").headers["ETag"]
    body = {"title": "Заказ 17 не пришёл", "priority": 1, "tags": ["Доставка", "срочно"], "type": "жалоба"}
    changed = ann.patch(f"/tickets/{ticket.id}", body, If_Match=seen)
    assert changed.status_code == 200
    assert changed.json["tags"] == ["доставка", "срочно"]
    assert (ticket.title, ticket.priority, ticket.request_type) == ("Заказ 17 не пришёл", 1, "Жалоба")
    late = ann.patch(f"/tickets/{ticket.id}", {"title": "Другое"}, If_Match=seen)
    assert late.status_code == 412
    assert late.json["facts"] == {"version": ticket.version}
    assert ticket.title == "Заказ 17 не пришёл"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"priority": 5}, "/priority"),
        ({"priority": "1"}, "/priority"),
        ({"colour": "red"}, "/colour"),
        ({"tags": ["x" * 51]}, "/tags/0"),
        ({"title": ""}, "/title"),
        ({"title": "a\x00b"}, "/title"),
        ([], ""),
    ],
)
def test_what_is_wrong_is_named(program, cast, ticket, body, pointer):
    answer = program(cast.ann).patch(f"/tickets/{ticket.id}", body)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert [one["pointer"] for one in answer.json["errors"]] == [pointer]
    assert answer.json["errors"][0]["in"] == "body"


def test_merge_and_the_way_back(program, make, cast, ticket):
    other = make.ticket(cast.support, ticket.customer, channel=cast.mailbox)
    hidden = make.ticket(cast.billing, ticket.customer, channel=cast.mailbox)
    make.session.commit()
    ann, path = program(cast.ann), f"/tickets/{ticket.id}"
    assert ann.post(f"{path}/merge", {"into_id": hidden.id}).status_code == 404
    assert ann.post(f"{path}/merge", {"into_id": ticket.id}).status_code == 422
    merged = ann.post(f"{path}/merge", {"into_id": other.id}).json
    assert (merged["state"], merged["merged_into_id"]) == ("merged", other.id)
    assert len(ann.get(f"/tickets/{other.id}/messages").json["items"]) == 2
    assert ann.post(f"{path}/merge", {"into_id": other.id}).status_code == 409
    undone = ann.post(f"{path}/merge/undo", {}).json
    assert (undone["state"], undone["merged_into_id"]) == ("open", None)
    assert ann.post(f"{path}/merge/undo", {}).status_code == 409


def test_states_move_by_the_rules(program, cast, ticket):
    ann, path = program(cast.ann), f"/tickets/{ticket.id}"
    assert ann.post(f"{path}/pause", {}).json["state"] == "waiting"
    assert ann.post(f"{path}/waking").json["state"] == "open"
    assert ann.post(f"{path}/waking").status_code == 422
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    assert ann.post(f"{path}/pause", {"until": soon}).json["state"] == "pending"
    closed = ann.post(f"{path}/closure", {"state": "solved", "reason": "отправлен"}).json
    assert (closed["state"], closed["closing_reason"]) == ("solved", "отправлен")
    assert ann.post(f"{path}/closure", {"state": "solved"}).status_code == 422
    assert ann.post(f"{path}/reopening").json["state"] == "open"
    kinds = [one["kind"] for one in ann.get(f"{path}/events").json["items"]]
    assert kinds.count("ticket.state") == 6  # the claim is the first


def test_an_answer_goes_through_the_outbox(program, cast, ticket, session):
    ann = program(cast.ann)
    messages = ann.get(f"/tickets/{ticket.id}/messages").json["items"]
    assert [one["kind"] for one in messages] == ["inbound"]
    body = {"body": "Посылка в пути.", "seen_id": messages[-1]["id"]}
    answer = ann.post(f"/tickets/{ticket.id}/replies", body)
    assert answer.status_code == 201
    assert answer.json["delivery"] == "queued"
    item = session.query(OutboxItem).filter_by(message_id=answer.json["id"]).one()
    assert item.envelope["to"] == [ticket.customer.identities[0].value]
    assert ann.get(f"/messages/{answer.json['id']}").json == answer.json


def test_an_answer_waits_for_what_its_author_has_not_seen(program, make, cast, ticket):
    ann = program(cast.ann)
    seen = ann.get(f"/tickets/{ticket.id}/messages").json["items"][-1]["id"]
    nudge = make.hear(ticket, "Ну что там?")
    late = ann.post(f"/tickets/{ticket.id}/replies", {"body": "В пути.", "seen_id": seen})
    assert late.status_code == 409
    assert late.json["facts"] == {"unseen": [nudge.id]}


def test_who_does_not_own_a_ticket_does_not_answer_on_it(program, cast, ticket):
    assert program(cast.bob).post(f"/tickets/{ticket.id}/replies", {"body": "Я"}).status_code == 422


def test_a_call_is_written_down(program, make, cast):
    identity = {"namespace": "phone", "value": "+380 44 123 45 67"}
    body = {"queue_id": cast.support.id, "title": "Звонок", "text": "Где заказ?", "way": "call", "identity": identity}
    made = program(cast.ann).post("/tickets", {**body, "name": "Пётр"})
    assert made.status_code == 201, made.json
    assert (made.json["title"], made.json["state"], made.json["owner"]) == ("Звонок", "new", None)
    assert made.json["customer"]["name"] == "Пётр"
    assert program(cast.carl).post("/tickets", body).status_code == 404
    both = program(cast.ann).post("/tickets", {**body, "customer_id": cast.eve.id})
    assert both.status_code == 422


def test_a_program_writes_first(program, make, cast, session):
    body = {
        "queue_id": cast.support.id,
        "title": "Ваш заказ 17",
        "text": "Он готов.",
        "way": "mail",
        "customer_id": cast.eve.id,
        "waits": True,
    }
    made = program(cast.ann).post("/tickets", body)
    assert made.status_code == 201, made.json
    assert (made.json["state"], made.json["owner"]["name"]) == ("waiting", "Ann")
    item = session.query(OutboxItem).one()
    assert item.envelope["to"] == [cast.eve.identities[0].value]


def test_a_note_is_for_colleagues(program, cast, ticket, session):
    answer = program(cast.bob).post(f"/tickets/{ticket.id}/notes", {"body": "Звонил, не отвечает."})
    assert (answer.status_code, answer.json["kind"]) == (201, "note")
    assert session.get(Message, answer.json["id"]).user_id == cast.bob.id
    assert session.query(OutboxItem).count() == 0


def test_files_are_fetched_by_a_link_without_a_token(app, program, make, cast, ticket, session):
    from helpdesk.files import attach

    message = make.hear(ticket, "Вот чек.")
    attach(message, "чек.pdf", "application/pdf", b"%PDF-1.4")
    session.flush()
    (file,) = program(cast.ann).get(f"/messages/{message.id}").json["files"]
    assert (file["name"], file["size"]) == ("чек.pdf", 8)
    path = file["url"].partition("//")[2].partition("/")[2]
    session.commit()
    with app.app_context():
        answer = app.test_client().get(f"/{path}")
        assert answer.data == b"%PDF-1.4"
        answer.close()


def test_claims_take_the_oldest_first(program, make, cast, session):
    old, young = make.ticket(cast.support, minutes_ago=30), make.ticket(cast.support, minutes_ago=5)
    ann = program(cast.ann)
    assert ann.post("/claims").json["ticket"]["id"] == old.id
    assert ann.post(f"/queues/{cast.support.id}/claims").json["ticket"]["id"] == young.id
    assert ann.post("/claims").json == {"ticket": None}
    assert ann.post(f"/tickets/{old.id}/release").json["owner"] is None
    handed = ann.post(f"/tickets/{old.id}/handover", {"user_id": cast.bob.id}).json
    assert handed["owner"]["id"] == cast.bob.id
    taken = program(cast.ann).post(f"/tickets/{old.id}/claims", {})
    assert (taken.status_code, taken.json["facts"]["owner"]) == (409, "Bob")


def test_a_strict_queue_wants_to_know_why(program, make, cast, session):
    cast.support.strict = True
    make.ticket(cast.support, minutes_ago=30)
    young = make.ticket(cast.support, minutes_ago=5)
    ann = program(cast.ann)
    refused = ann.post(f"/tickets/{young.id}/claims", {})
    assert (refused.status_code, refused.json["facts"]) == (422, {"needs_reason": True})
    assert ann.post(f"/tickets/{young.id}/claims", {"reason": "позвонил сам"}).status_code == 200
    claimed = ann.get(f"/tickets/{young.id}/events").json["items"]
    assert [one["facts"]["reason"] for one in claimed if one["kind"] == "ticket.claimed"] == ["позвонил сам"]


def test_a_move_keeps_the_clocks(program, make, cast, ticket, session):
    other = make.queue("Returns")
    make.allow(cast.front, other)
    before = ticket.arrived_at
    moved = program(cast.ann).post(f"/tickets/{ticket.id}/move", {"queue_id": other.id}).json
    assert (moved["queue"]["id"], moved["owner"]) == (other.id, None)
    assert session.get(Ticket, ticket.id).arrived_at == before
    assert State(moved["state"]) == State.OPEN


def test_queues_come_with_their_figures(program, make, cast):
    make.ticket(cast.support, minutes_ago=30)
    (queue,) = program(cast.ann).get("/queues").json["items"]
    assert (queue["id"], queue["waiting"], queue["active"]) == (cast.support.id, 1, 1)
    assert queue["oldest_at"] is not None
