"""Numbers of a former system: how their marks are written down, and which ticket a mail with one belongs to."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.errors import Conflict, Refused
from helpdesk.former import DIGITS, MIXED, find_marks, read_template
from helpdesk.models import FormerNumber, FormerPattern, Project, Queue, Ticket
from helpdesk.models.former import carry_numbers, former_numbers_of, marks_in
from helpdesk.models.ticket import find_by_number
from helpdesk.queries.search import by_number
from tests.clients import sign_in
from tests.test_intake import Post, message_of, ticket_of

OLD = "2024010112345678"
SUBJECT = f"Re: [Ticket#{OLD}] Не приходит код"


@pytest.mark.parametrize(
    ("written", "alphabet", "template"),
    [
        ("[Ticket#2024010112345678]", DIGITS, "[Ticket#{number}]"),
        ("[Ticket#{number}]", DIGITS, "[Ticket#{number}]"),
        ("[#####]", DIGITS, "[{number}]"),
        ("[#12345]", DIGITS, "[#{number}]"),
        ("[ABC-123]", DIGITS, "[ABC-{number}]"),
        ("[{number}]", MIXED, "[{number}]"),
        ("Заявка  № 12345", DIGITS, "Заявка № {number}"),
    ],
)
def test_examples_become_templates(written: str, alphabet: str, template: str) -> None:
    assert read_template(written, alphabet) == template


@pytest.mark.parametrize("written", ["", "Ticket", "{number}", "{number}{number}", "[{nummer}]", "12345", "x" * 61])
def test_what_tells_no_number_is_refused(app: Any, written: str) -> None:
    with app.test_request_context(), pytest.raises(Refused):
        read_template(written)


@pytest.mark.parametrize(
    ("template", "alphabet", "subject", "keys"),
    [
        ("[Ticket#{number}]", DIGITS, SUBJECT, [OLD]),
        ("[Ticket#{number}]", DIGITS, SUBJECT.lower(), [OLD]),
        ("[Ticket#{number}]", DIGITS, "[Ticket#12a]", []),
        ("[Ticket#{number}]", DIGITS, "[Ticket#]", []),
        ("[#{number}]", DIGITS, "[#1] и [#22]", ["1", "22"]),
        ("[{number}]", MIXED, "Ответ: [ABC-123]", ["ABC123"]),
        ("[{number}]", MIXED, "[EXTERNAL] ответ", []),
        ("Заявка № {number}", DIGITS, "RE: ЗАЯВКА №77 закрыта", ["77"]),
        ("#{number}", DIGITS, "#" + "9" * 50, []),
    ],
)
def test_marks_are_found_in_subjects(template: str, alphabet: str, subject: str, keys: list[str]) -> None:
    assert [mark.key for mark in find_marks([(template, alphabet)], subject)] == keys


def test_a_hostile_subject_is_read_at_once() -> None:
    assert find_marks([("[{number}]", MIXED), ("a {number} a", DIGITS)], "[" + "a-" * 100_000 + " 1" * 1000) == []


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    FormerPattern.add(cast.mailbox.project_id, f"[Ticket#{OLD}]", DIGITS)
    session.commit()
    return Post(session, cast.mailbox)


def test_the_same_pattern_is_known_once(cast: Any, post: Post) -> None:
    with pytest.raises(Conflict):
        FormerPattern.add(cast.mailbox.project_id, "[Ticket#{number}]", DIGITS)


def test_first_mail_opens_a_ticket_that_keeps_the_number_and_the_next_joins(session: Any, post: Post) -> None:
    ticket = ticket_of(session, post(subject=SUBJECT))
    assert former_numbers_of(ticket.id) == [OLD]
    assert ticket_of(session, post(subject=SUBJECT)) is ticket
    assert find_by_number(OLD) is ticket


def test_a_stranger_with_the_number_gets_a_ticket_of_their_own_with_a_hint(session: Any, post: Post) -> None:
    ticket = ticket_of(session, post(subject=SUBJECT))
    event = post(sender="mallory@elsewhere.example", subject=SUBJECT)
    other = ticket_of(session, event)
    assert other is not ticket
    assert message_of(session, event).facts["claims_tickets"] == [ticket.number]
    assert session.scalars(select(FormerNumber.ticket_id)).all() == [ticket.id]


def test_an_imported_ticket_is_joined_by_whom_we_know_with_it(session: Any, post: Post) -> None:
    ticket = ticket_of(session, post(subject="Без номера"))
    carry_numbers(ticket, marks_in(ticket.project_id, SUBJECT))
    session.commit()
    assert ticket_of(session, post(subject=SUBJECT)) is ticket
    assert ticket_of(session, post(sender="adam@customer.example", subject=SUBJECT)) is not ticket


def test_two_in_one_batch_are_one_ticket(session: Any, cast: Any, post: Post) -> None:
    from queues import intake
    from queues.channels.base import Inbound

    for count in range(2):
        raw = (
            f"From: eve@customer.example\r\nTo: {cast.mailbox.address}\r\nMessage-ID: <b{count}@c>\r\n"
            f"Subject: [Ticket#{OLD}] hello\r\n\r\nhello {count}\r\n"
        )
        intake.accept(cast.mailbox.id, Inbound(f"batch {count}", raw.encode()))
    intake.drain()
    assert len(session.scalars(select(Ticket)).all()) == 1


def test_another_project_does_not_know_the_number(session: Any, post: Post, cast: Any) -> None:
    assert marks_in(cast.mailbox.project_id + 1, SUBJECT) == []


def test_a_number_that_two_projects_had_leads_to_the_ticket_one_may_see(
    app: Any, session: Any, make: Any, cast: Any, post: Post
) -> None:
    seen = ticket_of(session, post(subject=SUBJECT))
    other = make.add(Queue(project_id=make.add(Project(name="Other")).id, name="Elsewhere"))
    hidden = make.ticket(other)
    session.add(FormerNumber(project_id=other.project_id, ticket_id=hidden.id, number=OLD, number_key=OLD))
    session.commit()
    assert hidden.id > seen.id
    assert sign_in(app, cast.ann).get(f"/t/{OLD}").headers["Location"].endswith(f"/tickets/{seen.id}")


def test_the_old_number_leads_to_the_ticket(app: Any, session: Any, cast: Any, post: Post) -> None:
    ticket = ticket_of(session, post(subject=SUBJECT))
    assert by_number(cast.ann, OLD) == ticket.id
    assert by_number(cast.carl, OLD) is None
    client = sign_in(app, cast.ann)
    assert client.get(f"/t/{OLD}").headers["Location"].endswith(f"/tickets/{ticket.id}")
    assert f"formerly {OLD}" in client.get(f"/tickets/{ticket.id}").text
