"""What each role meets at each operation, and that nothing hidden is ever told."""

import pytest

from helpdesk.models import Right, Scope, Webhook
from tests.access_table import ROWS, Access
from tests.api.conftest import Program

CANARY = "канарейка"

# Operations on a ticket of Support: the status for ann who owns it, a reader who may only see, carl of Billing.
ON_A_TICKET = {
    ("GET", "/tickets/{ticket}", None): (200, 200, 404),
    ("GET", "/tickets/{ticket}/events", None): (200, 200, 404),
    ("GET", "/tickets/{ticket}/messages", None): (200, 200, 404),
    ("GET", "/messages/{message}", None): (200, 200, 404),
    ("PATCH", "/tickets/{ticket}", '{"title": "Другое"}'): (200, 403, 404),
    ("POST", "/tickets/{ticket}/notes", '{"body": "Заметка"}'): (201, 403, 404),
    ("POST", "/tickets/{ticket}/replies", '{"body": "Ответ"}'): (201, 403, 404),
    ("POST", "/tickets/{ticket}/claims", "{}"): (200, 403, 404),
    ("POST", "/tickets/{ticket}/pause", "{}"): (200, 403, 404),
    ("POST", "/tickets/{ticket}/merge", '{"into_id": TICKET}'): (422, 403, 404),
    ("POST", "/tickets/{ticket}/merge/undo", "{}"): (409, 403, 404),
    ("POST", "/tickets/{ticket}/waking", None): (422, 403, 404),
    ("POST", "/tickets/{ticket}/closure", '{"state": "solved"}'): (200, 403, 404),
    ("POST", "/tickets/{ticket}/reopening", None): (422, 403, 404),
    ("POST", "/tickets/{ticket}/release", None): (200, 403, 404),
    ("POST", "/tickets/{ticket}/handover", '{"user_id": BOB}'): (200, 403, 404),
    ("POST", "/tickets/{ticket}/move", '{"queue_id": QUEUE}'): (200, 403, 404),
    ("POST", "/queues/{queue}/claims", None): (200, 403, 404),
}


def operations(app):
    """Every operation as (method, path with variables, scope)."""
    return [
        (operation.method, operation.path, operation.scope)
        for noun in app.extensions["api_nouns"]
        for operation in noun.operations
    ]


def test_every_route_of_the_api_takes_tokens_alone(app):
    rules = {route for route, row in ROWS.items() if row.access is Access.TOKEN}
    found = {f"{method} /api/v1{path}" for method, path, _scope in operations(app)}
    assert {rule.replace("<int:", "{").replace(">", "}") for rule in rules} == found


def filled(path, values):
    for name, value in values.items():
        path = path.replace("{" + name + "}", str(value)).replace("{" + name + "_id}", str(value))
    return path


@pytest.fixture
def scene(make, cast, session):
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    message = make.hear(ticket, "Ещё вопрос")
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, Right.SEE)
    values = {"ticket": ticket.id, "message": message.id, "queue": cast.support.id, "customer": cast.eve.id}
    values |= {"identity": cast.eve.identities[0].id, "webhook": 1, "delivery": 1}
    return {"people": {"ann": cast.ann, "reader": reader, "carl": cast.carl}, "values": values, "bob": cast.bob.id}


@pytest.mark.parametrize(("method", "path", "body"), ON_A_TICKET)
def test_a_ticket_is_for_those_who_see_it_and_its_verbs_for_those_who_work(app, program, scene, method, path, body):
    import json

    raw = body and body.replace("BOB", str(scene["bob"])).replace("QUEUE", str(scene["values"]["queue"]))
    raw = raw and raw.replace("TICKET", str(scene["values"]["ticket"]))
    met = {}
    for name in ("carl", "reader", "ann"):
        answer = program(scene["people"][name]).call(method, filled(path, scene["values"]), raw and json.loads(raw))
        met[name] = answer.status_code
    assert (met["ann"], met["reader"], met["carl"]) == ON_A_TICKET[method, path, body]


def test_a_token_does_nothing_without_its_scope(app, cast, program, scene):
    """Each operation, with a token that has every other scope."""
    faults = {}
    for method, path, scope in operations(app):
        if scope is None:
            continue
        others = [one for one in Scope if one != scope]
        answer = program(cast.dora, *others).call(method, filled(path, scene["values"]))
        if (answer.status_code, answer.json["facts"]) != (403, {"scope": scope.value}):
            faults[method, path] = answer.status_code
    assert not faults


def test_without_a_token_nothing_is_answered(app, program, scene):
    statuses = {
        (method, path): program(None).call(method, filled(path, scene["values"])).status_code
        for method, path, _scope in operations(app)
    }
    assert set(statuses.values()) == {401}


@pytest.mark.parametrize("name", ["ann", "sue"])
def test_webhooks_are_for_administrators(app, cast, program, scene, session, name):
    session.add(Webhook(id=1, name="Orders", url="https://orders.example/"))
    for method, path, scope in operations(app):
        if scope == Scope.WEBHOOKS_MANAGE:
            body = {"name": "x", "url": "https://example.com/"} if path == "/webhooks" and method == "POST" else None
            body = {} if method == "PATCH" else body
            answer = program(getattr(cast, name)).call(method, filled(path, scene["values"]), body)
            assert answer.status_code == 403, (method, path)
    assert program(cast.dora).get("/webhooks").status_code == 200


def test_what_is_hidden_is_never_told(app, make, cast, program, session):
    """Lists, searches, ids tried one after the other: carl never reads a word of a queue that is not his."""
    hidden = make.ticket(cast.support, title=f"{CANARY} в заголовке", channel=cast.mailbox)
    hidden.claim(cast.ann)
    hidden.note(cast.ann, f"{CANARY} в заметке")
    hidden.retag(cast.ann, [CANARY])
    heard = make.hear(hidden, f"{CANARY} в письме")
    mine = make.ticket(cast.billing)
    session.flush()
    carl: Program = program(cast.carl)
    paths = [
        "/tickets",
        f"/tickets?owner={cast.ann.id}",
        f"/tickets?queue={cast.support.id}",
        f"/tickets?number={hidden.number}",
        f"/tickets?customer={hidden.customer_id}",
        "/tickets?updated_since=2000-01-01T00:00:00Z",
        f"/tickets/{hidden.id}",
        f"/tickets/{hidden.id}/messages",
        f"/tickets/{hidden.id}/events",
        *(f"/messages/{number}" for number in range(heard.id - 5, heard.id + 5)),
        f"/customers?q={CANARY}",
        "/queues",
    ]
    for path in paths:
        assert CANARY not in carl.get(path).text, path
    assert [one["id"] for one in carl.get("/tickets").json["items"]] == [mine.id]
    assert CANARY in program(cast.ann).get("/tickets").text
