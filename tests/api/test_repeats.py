"""A repeated request is one act and has one answer, also when both come at the same moment."""

import threading

import pytest

from helpdesk.models import ApiToken, IdempotencyKey, Message, Scope
from tests.api.conftest import Program


def test_a_repeated_request_is_one_act(program, make, cast, session):
    ticket = make.ticket(cast.support)
    ann, path = program(cast.ann), f"/tickets/{ticket.id}/notes"
    first = ann.post(path, {"body": "Заметка"}, Idempotency_Key="k-1")
    second = ann.post(path, {"body": "Заметка"}, Idempotency_Key="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json == first.json
    assert second.headers["Idempotent-Replayed"] == "true"
    assert session.query(Message).filter_by(kind="note").count() == 1
    assert ann.post(path, {"body": "Заметка"}, Idempotency_Key="k-2").json["id"] != first.json["id"]


def test_a_key_is_for_one_request(program, make, cast):
    ticket = make.ticket(cast.support)
    ann, path = program(cast.ann), f"/tickets/{ticket.id}/notes"
    ann.post(path, {"body": "Заметка"}, Idempotency_Key="k-1")
    for other in (
        ann.post(path, {"body": "Другая"}, Idempotency_Key="k-1"),
        ann.post("/claims", Idempotency_Key="k-1"),
    ):
        assert other.status_code == 422
        assert other.json["errors"][0] == {
            "in": "header",
            "pointer": "/Idempotency-Key",
            "detail": other.json["detail"],
        }
    assert program(cast.bob).post(path, {"body": "Моя"}, Idempotency_Key="k-1").status_code == 201


def test_who_was_refused_may_try_again_with_the_same_key(program, make, cast):
    ticket = make.ticket(cast.support)
    ann, body = program(cast.ann), {"body": "Ответ"}
    assert ann.post(f"/tickets/{ticket.id}/replies", body, Idempotency_Key="k-1").status_code == 422
    ann.post(f"/tickets/{ticket.id}/claims", {})
    assert ann.post(f"/tickets/{ticket.id}/replies", body, Idempotency_Key="k-1").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 101, "with space", "ключ"])
def test_what_is_no_key_is_refused(program, cast, key):
    answer = program(cast.ann).post("/claims", Idempotency_Key=key.encode().decode("latin-1"))
    assert answer.status_code == 422


def test_a_key_of_a_page_is_another_key(program, make, cast, session):
    ticket = make.ticket(cast.support)
    session.add(IdempotencyKey(user_id=cast.ann.id, key="k-1", ticket_id=ticket.id))
    assert program(cast.ann).post("/claims", Idempotency_Key="k-1").json["ticket"]["id"] == ticket.id


def test_two_at_the_same_moment_are_one_claim(app, make_committed, committed):
    cast = make_committed.cast()
    for _ in range(4):
        make_committed.ticket(cast.support)
    _token, text = ApiToken.issue(cast.ann, cast.ann, "tests", list(Scope), None)
    committed.commit()
    barrier, answers = threading.Barrier(4), []

    def claim():
        sent = {"Authorization": f"Bearer {text}", "Idempotency-Key": "k-1"}
        barrier.wait()
        with app.app_context():
            answers.append(app.test_client().post("/api/v1/claims", headers=sent).json)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len({answer["ticket"]["id"] for answer in answers}) == 1
    held = Program(app, text).get("/tickets?owner=me").json["items"]
    assert len(held) == 1


def test_a_secret_that_is_shown_once_is_not_kept_for_a_repeated_request(program, cast, session, monkeypatch):
    from helpdesk.config import settings

    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])
    dora, body = program(cast.dora), {"name": "Заказы", "url": "http://127.0.0.1/in"}
    first = dora.post("/webhooks", body, Idempotency_Key="k-1")
    assert first.json["secret"].startswith("whsec_")
    assert dora.post("/webhooks", body, Idempotency_Key="k-1").json == first.json
    kept = session.query(IdempotencyKey).one()
    assert first.json["secret"] not in str(kept.answer)
