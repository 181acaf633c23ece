"""The status page, quarantine and metrics: the equation holds, shows when it does not, and everybody sees their own."""

from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Event, InboundEvent, Tally
from helpdesk.queries.counters import Ledger, ledgers, queue_figures
from queues import intake, ledger
from queues.channels.base import Inbound
from queues.cli import mail as mail_commands
from tests.clients import sign_in

MAIL = (
    b"From: =?utf-8?b?0JXQstCw?= <eve@customer.example>\r\nTo: support@desk.example\r\nSubject: Help\r\n"
    b"Message-ID: <%d@customer.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
) + "Здравствуйте, не приходит код.\r\n".encode()


def mail(number: int) -> Inbound:
    return Inbound(f"key-{number}", MAIL % number, {"sender": "eve@customer.example"})


def quarantined(channel: Any, number: int = 1, reason: str = "Its character set is unknown.") -> InboundEvent:
    """An event that was received and could not be understood."""
    intake.accept(channel.id, mail(number))
    event = db.session.scalars(select(InboundEvent).order_by(InboundEvent.id.desc())).first()
    assert event is not None
    intake.count(channel.id, waiting=-1, quarantined=1)
    event.state, event.reason, event.finished_at = "quarantined", reason, clock.now()
    db.session.flush()
    return event


def test_ledger_equation() -> None:
    assert Ledger(10, 1, 7, 1, 1).balanced
    assert not Ledger(10, 1, 7, 1, 0).balanced


def test_every_step_of_an_event_keeps_the_equation(cast: Any, session: Any) -> None:
    channel = cast.mailbox
    for number in range(3):
        intake.accept(channel.id, mail(number))
    intake.accept(channel.id, mail(1))
    assert ledgers([channel.id])[channel.id] == Ledger(received=3, waiting=3)
    event = quarantined(channel, 7)
    assert ledgers([channel.id])[channel.id] == Ledger(received=4, waiting=3, quarantined=1)
    intake.drop(event.id, cast.dora, "реклама")
    session.flush()
    assert ledgers([channel.id])[channel.id] == Ledger(received=4, waiting=3, dropped=1)


def test_status_shows_the_equation_with_a_tick(app: Any, cast: Any) -> None:
    intake.accept(cast.mailbox.id, mail(1))
    page = sign_in(app, cast.dora).get("/status")
    assert page.status_code == 200
    assert "1 = 1 + 0 + 0 + 0" in page.text
    assert "nothing lost" in page.text and "does not add up" not in page.text


def test_status_raises_alarm_when_an_event_is_missing(app: Any, cast: Any, session: Any) -> None:
    intake.accept(cast.mailbox.id, mail(1))
    session.add(Tally(scope=f"channel:{cast.mailbox.id}", name="waiting", delta=-1))
    page = sign_in(app, cast.dora).get("/status")
    assert "1 = 0 + 0 + 0 + 0" in page.text
    assert "does not add up" in page.text


def test_supervisors_see_the_channels_they_look_after(app: Any, cast: Any, make: Any) -> None:
    other = make.channel(cast.billing, name="Billing mailbox")
    assert other.name not in sign_in(app, cast.sue).get("/status").text
    assert cast.mailbox.name in sign_in(app, cast.sue).get("/status").text
    assert other.name in sign_in(app, cast.dora).get("/status").text


@pytest.mark.parametrize("path", ["/status", "/quarantine", "/quarantine/1/raw"])
def test_operators_are_refused(app: Any, cast: Any, path: str) -> None:
    assert sign_in(app, cast.ann).get(path).status_code == 403


def test_quarantine_lists_retries_and_drops(app: Any, cast: Any, session: Any) -> None:
    event = quarantined(cast.mailbox)
    client = sign_in(app, cast.sue)
    assert "Its character set is unknown." in client.get("/quarantine").text
    assert client.post(f"/quarantine/{event.id}/drop", data={"reason": " "}).status_code == 422
    assert client.post(f"/quarantine/{event.id}/retry").status_code == 303
    session.refresh(event)
    assert (event.state, event.attempts, event.reason) == ("waiting", 0, None)
    assert client.post(f"/quarantine/{event.id}/retry").status_code == 404
    facts = session.scalars(select(Event).where(Event.kind == "admin.changed")).all()
    assert [fact.actor_id for fact in facts] == [cast.sue.id]


def test_quarantine_of_other_queues_is_absent(app: Any, cast: Any, make: Any) -> None:
    event = quarantined(make.channel(cast.billing))
    client = sign_in(app, cast.sue)
    assert str(event.reason) not in client.get("/quarantine").text
    assert client.get(f"/quarantine/{event.id}/raw").status_code == 404
    assert client.post(f"/quarantine/{event.id}/retry").status_code == 404
    assert client.post(f"/quarantine/{event.id}/drop", data={"reason": "x"}).status_code == 404


def test_raw_download_cannot_be_shown_by_a_browser(app: Any, cast: Any) -> None:
    event = quarantined(cast.mailbox)
    answer = sign_in(app, cast.dora).get(f"/quarantine/{event.id}/raw")
    assert answer.data == mail(1).raw
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_metrics_answer_this_machine_alone(app: Any, cast: Any) -> None:
    intake.accept(cast.mailbox.id, mail(1))
    stranger = sign_in(app, cast.ann)
    page = stranger.get("/metrics")
    assert page.status_code == 200
    assert f'helpdesk_inbound_received_total{{channel="{cast.mailbox.id}"}} 1.0' in page.text
    assert stranger.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 404
    assert stranger.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 404


def test_metrics_with_a_token(app: Any, cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpdesk.config import settings

    monkeypatch.setattr(settings(), "metrics_token", "geheim")
    client = sign_in(app, cast.ann)
    assert client.get("/metrics").status_code == 404
    good = {"Authorization": "Bearer geheim"}
    assert client.get("/metrics", headers=good, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_queue_figures_of_visible_queues(cast: Any, make: Any) -> None:
    old = make.ticket(cast.support, minutes_ago=90)
    taken = make.ticket(cast.support, minutes_ago=300)
    taken.claim(cast.ann)
    make.ticket(cast.billing)
    make.session.flush()
    (support,) = queue_figures(cast.ann)
    assert (support.queue_id, support.waiting, support.active) == (cast.support.id, 1, 2)
    assert support.oldest_at == old.line_at


def test_oldest_wait_looks_past_the_head_where_priority_orders(cast: Any, make: Any) -> None:
    cast.support.by_priority = True
    old = make.ticket(cast.support, minutes_ago=90)
    make.ticket(cast.support, minutes_ago=5, priority=1)
    (support,) = queue_figures(cast.ann)
    assert support.oldest_at == old.line_at


def test_reconciliation_sets_wrong_counters_right_and_says_so(make_committed: Any, committed: Any) -> None:
    cast = make_committed.cast()
    make_committed.ticket(cast.support)
    committed.commit()
    intake.accept(cast.mailbox.id, mail(1))
    assert ledger.reconcile() == 0
    committed.add(Tally(scope=f"queue:{cast.support.id}", name="waiting", delta=5))
    committed.add(Tally(scope=f"channel:{cast.mailbox.id}", name="ticketed", delta=1))
    committed.execute(text("DELETE FROM inbound_events"))
    committed.commit()
    assert ledger.reconcile() == 3
    found = ledger.last_result()
    assert found is not None
    wrong = {(row["scope"], row["name"]): (row["said"], row["counted"]) for row in found["differences"]}
    assert wrong == {
        (f"queue:{cast.support.id}", "waiting"): (6, 1),
        (f"channel:{cast.mailbox.id}", "ticketed"): (1, 0),
        (f"channel:{cast.mailbox.id}", "waiting"): (1, 0),
    }
    assert ledgers([cast.mailbox.id])[cast.mailbox.id].received == 1
    assert not ledgers([cast.mailbox.id])[cast.mailbox.id].balanced
    assert ledger.reconcile() == 0


def test_retry_from_the_terminal(app: Any, make_committed: Any, committed: Any) -> None:
    channel = make_committed.channel(make_committed.queue())
    first, second = quarantined(channel, 1), quarantined(channel, 2)
    committed.commit()

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(mail_commands, ["retry", *arguments], obj=lambda: app)

    assert run().exit_code == 2
    assert run(str(first.id)).exit_code == 0
    committed.refresh(first)
    committed.refresh(second)
    assert (first.state, second.state) == ("waiting", "quarantined")
    assert run("--all").output == "Waiting to be understood again: 1.\n"
    committed.refresh(second)
    assert second.state == "waiting"
    assert ledgers([channel.id])[channel.id] == Ledger(received=2, waiting=2)
