"""The whole API as each role, with requests that its own document allows and forbids (schemathesis).

Whatever is asked: no fault of ours (5xx), nothing that the document does not say, and not a word of what the role may
not see. The few examples here are the same each time; `python -m tests.api.schema_run` takes many and fresh ones.
"""

import os
import random
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from helpdesk.config import settings as configuration
from helpdesk.db import db
from helpdesk.models import ApiToken, Scope, Webhook, WebhookDelivery

EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))  # 0: few, and always the same
FEW = {"ann": 1, "carl": 2, "sue": 1, "dora": 1, "no scopes": 1, "anonymous": 1}
POWERLESS = {"no scopes", "anonymous"}
SEED = int(os.environ.get("API_SEED", "0")) or random.randrange(2**32)
# Forbidden requests are refused before anybody's rights are looked at: one role stands for all, but in the long run.
RUNS = [
    (name, mode)
    for mode in GenerationMode
    for name in FEW
    if EXAMPLES or mode == GenerationMode.POSITIVE or name == "ann"
]

CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]


@pytest.fixture
def scene(app: Any, session: Any, make: Any, cast: Any, monkeypatch: Any) -> Any:
    """Tickets in two queues, each with a word of its own that only its people may ever read."""
    monkeypatch.setattr(configuration(), "api_requests_per_minute", 1_000_000)
    words, tickets, messages = {}, [], []
    for queue, owner in ((cast.support, cast.ann), (cast.billing, cast.carl)):
        word = words[queue.id] = f"канарейка{queue.id}"
        for state in ("new", "claimed", "paused", "finished"):
            ticket = make.ticket(queue, title=f"{word} {state}", channel=make.channel(queue))
            tickets.append(ticket.id)
            if state != "new":
                ticket.claim(owner)
                messages.append(ticket.note(owner, f"{word} в заметке").id)
            if state == "paused":
                ticket.pause(owner)
            if state == "finished":
                ticket.finish(owner, "solved", f"{word} сделано")
            messages.append(make.hear(ticket, f"{word} в письме").id)
    webhook = Webhook(name="Orders", url="https://orders.example/")
    session.add(webhook)
    webhook.keep_secret("whsec_made-up")
    delivery = WebhookDelivery(webhook_id=webhook.id)
    session.add(delivery)
    session.flush()
    people = {name: getattr(cast, name) for name in ("ann", "carl", "sue", "dora")}
    tokens = {name: ApiToken.issue(user, user, name, list(Scope), None)[1] for name, user in people.items()}
    tokens["no scopes"] = ApiToken.issue(cast.ann, cast.ann, "none", [], None)[1]
    hidden = {
        "ann": [words[cast.billing.id]],
        "sue": [words[cast.billing.id]],
        "carl": [words[cast.support.id]],
        "no scopes": list(words.values()),
        "anonymous": list(words.values()),
    }
    ids = {
        "ticket_id": tickets,
        "message_id": messages,
        "customer_id": [cast.eve.id],
        "identity_id": [cast.eve.identities[0].id],
        "queue_id": [cast.support.id, cast.billing.id],
        "user_id": [user.id for user in people.values()],
        "webhook_id": [webhook.id],
        "delivery_id": [delivery.id],
    }
    return SimpleNamespace(tokens=tokens, hidden=hidden, ids=ids)


def limits(name: str, mode: Any) -> Any:
    """How many examples of an operation, and whether they are fresh ones."""
    few = FEW[name] if mode == GenerationMode.POSITIVE else 1
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def aim(case: Any, ids: dict[str, list[int]], data: Any) -> None:
    """Mostly ask for what is there: an id that hypothesis thinks of is nobody's."""
    for place in (case.path_parameters, case.body):
        if not isinstance(place, dict):
            continue
        for name in sorted(ids.keys() & place.keys()):
            if data.draw(st.integers(0, 9)):
                place[name] = data.draw(st.sampled_from(ids[name]))


@pytest.mark.parametrize(("name", "mode"), RUNS, ids=[f"{name}, {mode.value}" for name, mode in RUNS])
def test_no_request_brings_a_fault_or_a_word_too_many(app: Any, session: Any, scene: Any, name: str, mode: Any) -> None:
    if EXAMPLES:
        print(f"\nAPI_SEED={SEED} {name} {mode.value}")
    session.commit()
    with app.app_context():
        schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    token = scene.tokens.get(name)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for result in schema.get_all_operations():
        operation = result.ok()
        strategy = operation.as_strategy(generation_mode=mode)

        @seed(SEED)
        @limits(name, mode)
        @given(case=strategy, data=st.data())
        def one(case: Any, data: Any) -> None:
            if mode == GenerationMode.POSITIVE:
                aim(case, scene.ids, data)
            before = session.connection().begin_nested()
            try:
                with app.app_context():
                    answer = case.call(headers=headers)
            finally:
                before.rollback()
                db.session.expire_all()
            if name in POWERLESS and case.operation.path != "/token":
                assert answer.status_code >= 400, f"{name} may: {case.as_curl_command()}"
            check(case, answer, mode, token)
            for word in scene.hidden.get(name, ()):
                assert word not in answer.text, f"{name} reads {word}: {case.as_curl_command()}"

        one()


def check(case: Any, answer: Any, mode: Any, token: str | None) -> None:
    """The answer is one that the document tells of."""
    checks = list(CONFORMS)
    if mode == GenerationMode.NEGATIVE and token is not None:
        checks.append(negative_data_rejection)
    case.validate_response(answer, checks=checks)
