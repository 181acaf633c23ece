"""What mail does to tickets that are paused or finished, by their queue's policy; and what calls for nobody."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.models import FollowUp, Message, OutboxItem, Reply, State, Ticket
from queues import bounces, intake
from queues.channels.base import Bounce, Inbound
from queues.channels.email import tokens
from queues.channels.email.adapter import EmailAdapter
from tests.test_intake import Post, message_of, ticket_of


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


@pytest.fixture
def ticket(session: Any, post: Post) -> Ticket:
    return ticket_of(session, post(message_id="<one@customer.example>"))


def test_closed_queue_gets_no_new_work(session: Any, cast: Any, post: Post, ticket: Ticket) -> None:
    ticket.move(cast.ann, cast.billing)
    ticket.finish(cast.ann, State.SOLVED)
    cast.billing.active = False
    session.commit()
    follow_up = ticket_of(session, post(in_reply_to="<one@customer.example>"))
    assert follow_up is not ticket
    assert (follow_up.queue_id, follow_up.previous_id) == (cast.support.id, ticket.id)


def test_spam_gets_no_polite_refusal(session: Any, cast: Any, post: Post, ticket: Ticket) -> None:
    cast.support.follow_up = FollowUp.REFUSE
    ticket.finish(cast.ann, State.SPAM)
    session.commit()
    answers = len(session.scalars(select(OutboxItem)).all())
    assert ticket_of(session, post(in_reply_to="<one@customer.example>")) is ticket
    assert (ticket.state, len(session.scalars(select(OutboxItem)).all())) == (State.SPAM, answers)


def test_another_case_of_the_address_is_the_same_person(session: Any, post: Post, ticket: Ticket) -> None:
    event = post(sender="Eve@Customer.Example", in_reply_to="<one@customer.example>")
    assert ticket_of(session, event) is ticket


def test_old_numbers_are_found_after_the_pattern_changed(session: Any, cast: Any, post: Post, ticket: Ticket) -> None:
    from helpdesk.models.project import write_setting

    old = ticket.number
    write_setting("number_pattern", "DESK-YYYY-####C")
    session.commit()
    newer = ticket_of(session, post(sender="adam@customer.example"))
    assert newer.number.startswith("DESK-20")
    assert ticket_of(session, post(subject=f"Re: {old}")) is ticket
    assert ticket_of(session, post(sender="adam@customer.example", subject=f"Re: [{newer.number}]")) is newer


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("action", ["failed", "delayed"])
def test_only_a_failed_letter_of_a_person_makes_work(
    session: Any, cast: Any, post: Post, ticket: Ticket, monkeypatch: pytest.MonkeyPatch, action: str, automatic: bool
) -> None:
    ticket.claim(cast.ann)
    reply = ticket.reply(None if automatic else cast.ann, Reply(body="Код выслан", automatic=automatic))
    ticket.pause(cast.ann)
    session.commit()
    item = session.scalars(select(OutboxItem).where(OutboxItem.message_id == reply.id)).one()
    bounce = Bounce(action, "5.1.1", "eve@customer.example", "no such user", token=tokens.bounce_token(item.id))
    waits, parse = ticket.first_unanswered_at, EmailAdapter.parse

    def report(self: EmailAdapter, inbound: Inbound) -> Any:
        said = parse(self, inbound)
        return type(said)(**{**vars(said), "nature": "bounce", "bounce": bounce, "sender": "mailer-daemon@mx.example"})

    monkeypatch.setattr(EmailAdapter, "parse", report)
    event = post(sender="mailer-daemon@mx.example")
    assert ticket_of(session, event) is ticket
    assert message_of(session, event).nature == "bounce"
    woken = action == "failed" and not automatic
    assert ticket.kind == ("active" if woken else "paused")
    assert session.get_one(Message, reply.id).delivery == ("bounced" if action == "failed" else "queued")
    assert ticket.first_unanswered_at == waits, "a report is nobody's question"


def test_place_of_a_report_is_proved(session: Any, cast: Any, ticket: Ticket) -> None:
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply(body="Код выслан"))
    session.commit()
    item = session.scalars(select(OutboxItem).order_by(OutboxItem.id.desc())).first()
    proved = Bounce("failed", "5.1.1", "eve@customer.example", "no", token=tokens.bounce_token(item.id))
    assert bounces.place_of_bounce(proved) == (item.id, ticket.id)
    forged = Bounce("failed", "5.1.1", "eve@customer.example", "no", original_header_id="<t1.1.k1.aaaa@desk.example>")
    assert bounces.place_of_bounce(forged) is None
    assert intake.drain() == 0
