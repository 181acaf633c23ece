"""Webhooks: made with the event, signed, sent again, given up, and never a way into the network behind us."""

import hashlib
import hmac
import http.client
import json
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from helpdesk import webhook_changes
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Event, Webhook, WebhookDelivery
from helpdesk.models.event import Noted
from helpdesk.queries.backlog import lanes_with_work
from helpdesk.webhook_changes import Wanted
from queues import lanes, webhooks
from tests.api.receivers import Answering, load_example, serving

NEVER = False


@pytest.fixture
def allowed(monkeypatch):
    """Receivers of tests listen on this very machine."""
    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])


@pytest.fixture
def cast_committed(make_committed):
    return make_committed.cast()


def drain():
    """What a worker of the lane does; returns how many deliveries it tried."""
    return webhooks.drain(lambda: NEVER)


def made(by, url, **more):
    webhook, secret = webhook_changes.create(by, Wanted("Orders", url, **more))
    db.session.commit()
    return webhook, secret


def deliveries(webhook):
    db.session.rollback()
    return db.session.query(WebhookDelivery).filter_by(webhook_id=webhook.id).order_by(WebhookDelivery.id).all()


def let_pass(hours):
    """Let time pass for webhooks: all their moments are longer ago now, over whichever connection they are read."""
    db.session.rollback()
    by = timedelta(hours=hours)
    for model, names in (
        (Webhook, ("failing_since", "try_after")),
        (WebhookDelivery, ("created_at", "not_before", "finished_at")),
    ):
        db.session.query(model).update({name: getattr(model, name) - by for name in names})
    db.session.commit()


def test_the_receiver_is_told_of_each_event_once_and_signed(make_committed, cast_committed, allowed):
    cast, receiver = cast_committed, Answering(204)
    with serving(receiver.handler()) as url:
        webhook, secret = made(cast.dora, url)
        ticket = make_committed.ticket(cast.support, title="Секретный заголовок")
        ticket.claim(cast.ann)
        ticket.note(cast.ann, "Секретная заметка")
        db.session.commit()
        assert "webhooks" in lanes_with_work()
        events = db.session.query(Event).filter(Event.ticket_id == ticket.id).order_by(Event.id).all()
        assert drain() == len(events) > 3
        assert drain() == 0
    told = [json.loads(body) for _headers, body in receiver.got]
    assert [one["id"] for one in told] == [f"event_{event.id}" for event in events]
    assert [one["kind"] for one in told] == [event.kind for event in events]
    assert all(one["ticket"] == {"id": ticket.id, "number": ticket.number} for one in told)
    assert {"kind": "user", "id": cast.ann.id} in [one["actor"] for one in told]
    for headers, body in receiver.got:
        expected = hmac.new(secret.encode(), headers["Helpdesk-Timestamp"].encode() + b"." + body, hashlib.sha256)
        assert headers["Helpdesk-Signature"] == f"v1={expected.hexdigest()}"
        assert "Секрет" not in body.decode()
    assert {row.state for row in deliveries(webhook)} == {"sent"}
    assert "webhooks" not in lanes_with_work()


def test_an_event_that_is_rolled_back_is_told_to_nobody(make_committed, cast_committed, allowed):
    webhook, _secret = made(cast_committed.dora, "http://127.0.0.1:9/hook")
    ticket = make_committed.ticket(cast_committed.support)
    db.session.flush()
    assert db.session.query(WebhookDelivery).count() > 0
    db.session.rollback()
    assert deliveries(webhook) == []
    assert ticket is not None


@pytest.mark.parametrize("wish", ["kind", "queue", "off"])
def test_a_webhook_gets_only_what_it_asked_for(make, cast, allowed, wish):
    more = {"kind": {"kinds": ("ticket.claimed",)}, "queue": {"queue_id": cast.billing.id}, "off": {}}[wish]
    webhook, _secret = made(cast.dora, "http://127.0.0.1:9/hook", **more)
    if wish == "off":
        webhook_changes.switch(cast.dora, webhook, on=False)
    here, there = make.ticket(cast.support), make.ticket(cast.billing)
    here.claim(cast.ann)
    db.session.flush()
    told = [row.event for row in db.session.query(WebhookDelivery).all()]
    if wish == "off":
        assert told == []
    elif wish == "kind":
        assert [event.kind for event in told] == ["ticket.claimed"]
    else:
        assert {event.ticket_id for event in told} == {there.id}


def test_events_written_in_any_way_are_told(make, cast, allowed):
    """Also those that do not pass through the ORM."""
    made(cast.dora, "http://127.0.0.1:9/hook", kinds=("message.note",))
    ticket = make.ticket(cast.support)
    db.session.execute(
        db.insert(Event).values(
            ticket_id=ticket.id, queue_id=ticket.queue_id, kind=Noted.kind, payload={}, actor_kind="system"
        )
    )
    assert db.session.query(WebhookDelivery).count() == 1


def test_old_events_that_are_brought_back_are_no_news(make, cast, allowed):
    made(cast.dora, "http://127.0.0.1:9/hook", kinds=("message.note",))
    ticket = make.ticket(cast.support)
    old = {"ticket_id": ticket.id, "kind": Noted.kind, "payload": {}, "actor_kind": "system", "at": "2020-01-01"}
    db.session.execute(db.insert(Event).values(old))
    assert db.session.query(WebhookDelivery).count() == 0


def test_what_is_not_taken_is_sent_again_later_under_the_same_id(make_committed, cast_committed, allowed):
    receiver = Answering(500, 503, 204)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
        make_committed.ticket(cast_committed.support)
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        assert drain() == 1  # the second one waits for the first
        assert drain() == 0
        first, second = deliveries(webhook)
        assert (first.state, first.attempts, first.status, first.words) == ("queued", 1, 500, "answer 1")
        assert (second.state, second.attempts) == ("queued", 0)
        assert db.session.get(Webhook, webhook.id).failing_since is not None
        let_pass(0.01)
        assert drain() == 1
        let_pass(0.02)
        assert drain() == 2
    ids = [json.loads(body)["id"] for _headers, body in receiver.got]
    assert len(ids) == 4
    assert len(set(ids)) == 2
    assert ids[:3] == [ids[0]] * 3
    assert {row.state for row in deliveries(webhook)} == {"sent"}
    assert db.session.get(Webhook, webhook.id).failing_since is None


def test_an_event_that_the_receiver_does_not_like_holds_up_no_other(make_committed, cast_committed, allowed):
    receiver = Answering(422, 204)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
        make_committed.ticket(cast_committed.support)
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        assert drain() == 2
    assert [row.state for row in deliveries(webhook)] == ["queued", "sent"]


def test_a_receiver_that_is_away_is_no_burden_to_another(make_committed, cast_committed, allowed):
    receiver = Answering(204)
    with serving(receiver.handler()) as url:
        made(cast_committed.dora, "http://127.0.0.1:9/hook", kinds=("ticket.opened",))
        webhook, _secret = webhook_changes.create(cast_committed.dora, Wanted("Other", url, ("ticket.opened",)))
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        assert drain() == 2
    assert [row.state for row in deliveries(webhook)] == ["sent"]


def test_after_days_of_failure_a_webhook_is_switched_off_and_says_so(make_committed, cast_committed, allowed, app):
    cast, receiver = cast_committed, Answering(500)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast.dora, url, kinds=("ticket.opened",), give_up_days=2)
        make_committed.ticket(cast.support)
        db.session.commit()
        drain()
        let_pass(47)
        drain()
        assert db.session.get(Webhook, webhook.id).active
        let_pass(3)
        drain()
    found = db.session.get(Webhook, webhook.id)
    assert not found.active
    assert "took nothing for days" in found.off_words
    make_committed.ticket(cast.support)
    assert len(deliveries(webhook)) == 1
    from tests.clients import sign_in

    page = sign_in(app, cast.sue).get("/status").text
    assert "took nothing for days" in page
    receiver.statuses[:] = [204]
    webhook_changes.switch(cast.dora, db.session.get(Webhook, webhook.id), on=True)
    assert db.session.get(Webhook, webhook.id).off_words == ""


def test_gone_is_gone(make_committed, cast_committed, allowed):
    with serving(Answering(410).handler()) as url:
        webhook, _secret = made(cast_committed.dora, url)
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        assert drain() == 1
    assert not db.session.get(Webhook, webhook.id, populate_existing=True).active


def test_a_test_and_send_again(make_committed, cast_committed, allowed):
    cast, receiver = cast_committed, Answering(204)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast.dora, url)
        test = webhook_changes.send_test(webhook)
        db.session.commit()
        assert drain() == 1
        webhook_changes.send_again(db.session.get(Webhook, webhook.id), test.id)
        db.session.commit()
        assert drain() == 1
    first, second = [json.loads(body) for _headers, body in receiver.got]
    assert first == second
    assert (first["kind"], first["id"]) == ("webhook.test", f"test_{test.id}")


def test_a_lease_that_was_lost_changes_nothing(make_committed, cast_committed, allowed, monkeypatch):
    """A worker that was thought dead comes back when another one has taken its deliveries."""
    receiver = Answering(204)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        rounds = webhooks._take("slow")
        outcomes = [webhooks._post(one) for one in rounds]
        db.session.query(WebhookDelivery).update({"lease_token": "another"})
        db.session.commit()
        webhooks._record(rounds[0], outcomes[0], "slow")
    (row,) = deliveries(webhook)
    assert (row.state, row.lease_token, row.attempts) == ("sending", "another", 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5432/",
        "https://127.0.0.1/",
        "https://[::1]/hook",
        "https://169.254.169.254/latest",
        "http://example.com/hook",
        "ftp://example.com/",
        "https:///nowhere",
        "javascript:alert(1)",
        "https://exa mple.com",
    ],
)
def test_a_webhook_is_no_way_into_the_network_behind_us(cast, session, url):
    with pytest.raises(Refused):
        webhook_changes.create(cast.dora, Wanted("Orders", url))


def test_an_address_that_changes_its_mind_is_refused_when_sent(make_committed, cast_committed, monkeypatch):
    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])
    receiver = Answering(204)
    with serving(receiver.handler()) as url:
        webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        monkeypatch.setattr(settings(), "outbound_allow", [])
        assert drain() == 1
    assert receiver.got == []
    assert "private address" in deliveries(webhook)[0].words


def test_old_deliveries_are_forgotten(make_committed, cast_committed, allowed):
    with serving(Answering(204).handler()) as url:
        webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
        make_committed.ticket(cast_committed.support)
        db.session.commit()
        drain()
    assert webhooks.forget_deliveries() == 0
    let_pass(8 * 24)
    assert webhooks.forget_deliveries() == 1
    assert deliveries(webhook) == []


def test_a_bell_rings_for_a_test(make_committed, cast_committed, allowed):
    webhook, _secret = made(cast_committed.dora, "http://127.0.0.1:9/hook")
    lanes.lane_queue("webhooks").empty()
    lanes.hush("webhooks")  # another test may have rung a moment ago
    webhook_changes.send_test(webhook)
    db.session.commit()
    assert lanes.lane_queue("webhooks").count == 1
    lanes.lane_queue("webhooks").empty()
    lanes.hush("webhooks")


# --- the example receiver ---------------------------------------------------------------------------------------------


class Post:
    """A request as our sender would make it; each test spoils something of it."""

    def __init__(self, url, secret, body=None, at=None):
        self.url = urlsplit(url)
        self.body = json.dumps(body or {"id": "event_1", "kind": "ticket.opened"}).encode()
        self.at = str(int(time.time()) if at is None else at)
        self.signature = (
            "v1=" + hmac.new(secret.encode(), self.at.encode() + b"." + self.body, hashlib.sha256).hexdigest()
        )

    def send(self, **headers):
        sent = {"Helpdesk-Timestamp": self.at, "Helpdesk-Signature": self.signature}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=10)
        connection.request("POST", self.url.path, self.body, {k: v for k, v in sent.items() if v is not None})
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def example(monkeypatch):
    """The receiver of docs/examples, running, with a secret; gives (address, secret, module)."""
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_example")
    module = load_example("webhook_receiver")
    with serving(module.Receiver) as url:
        yield url, "whsec_example", module


def test_the_example_takes_what_we_send(make_committed, cast_committed, allowed, example, capsys):
    url, secret, module = example
    webhook, _secret = made(cast_committed.dora, url, kinds=("ticket.opened",))
    webhook.keep_secret(secret)
    make_committed.ticket(cast_committed.support)
    db.session.commit()
    assert drain() == 1
    (row,) = deliveries(webhook)
    assert (row.state, row.status) == ("sent", 204)
    assert module.seen == {f"event_{row.event_id}"}


def test_the_example_refuses_what_is_forged_or_stale_and_takes_a_repeated_event_once(example, capsys):
    url, secret, module = example
    good = Post(url, secret)
    assert good.send() == 204
    assert good.send() == 204  # the same event again: taken, and not done twice
    assert capsys.readouterr().out.count("ticket.opened") == 1
    assert Post(url, "whsec_other", {"id": "x"}).send() == 401
    assert Post(url, secret, {"id": "x"}, at=int(time.time()) - 301).send() == 401
    assert Post(url, secret, {"id": "x"}, at=int(time.time()) + 301).send() == 401
    assert good.send(Helpdesk_Timestamp=str(int(good.at) + 1)) == 401
    assert good.send(Helpdesk_Signature=None) == 401
    assert good.send(Helpdesk_Signature="v1=" + "0" * 64) == 401
    assert good.send(Helpdesk_Timestamp="now") == 401
    assert good.send(Content_Length=str(10**9)) == 413
    spoiled = Post(url, secret)
    spoiled.body = spoiled.body.replace(b"opened", b"closed")
    assert spoiled.send() == 401
    assert module.seen == {"event_1"}


def test_events_out_of_order_are_harmless(example, capsys):
    url, secret, module = example
    for number in (3, 1, 3, 2):
        assert Post(url, secret, {"id": f"event_{number}", "kind": "ticket.opened"}).send() == 204
    assert module.seen == {"event_1", "event_2", "event_3"}


def test_names_and_addresses_of_customers_never_leave(session, make, cast):
    ticket, said = make.ticket(cast.support), []
    ticket.bring_in(cast.ann, "canary@secret.example")
    ticket.change_customer(cast.ann, make.customer("Canary Secret", "canary2@secret.example"))
    ticket.retitle(cast.ann, "canary title")
    session.flush()
    for event in session.query(Event).filter_by(ticket_id=ticket.id):
        delivery = WebhookDelivery(id=1, event_id=event.id)
        said.append(json.dumps(webhooks.payload(delivery, event, ticket.number)))
    assert len(said) >= 4
    assert not [one for one in said if "canary" in one.lower()]
