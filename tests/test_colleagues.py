"""Colleagues who are called in: who is named, who gets sight, a task and a notice, and what the thread says."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.colleagues import Named, find_named, marked, say_to_colleagues
from helpdesk.errors import Refused
from helpdesk.models import Event, Message, Notice, Task, TicketPerson
from helpdesk.models.absence import be_out
from helpdesk.models.task import STARTS_IN
from helpdesk.permissions import visible
from tests.clients import sign_in


def sees(session: Any, user: Any, ticket: Any) -> bool:
    from helpdesk.models import Ticket

    return session.scalar(select(Ticket.id).where(Ticket.id == ticket.id, visible(user))) is not None


def notices(session: Any, user: Any) -> list[Notice]:
    return list(session.scalars(select(Notice).where(Notice.user_id == user.id).order_by(Notice.id)))


# --- who is named -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("@Олена Петренко, глянь, будь ласка", ["Олена Петренко"]),
        ("посмотри, @олена петренко!", ["Олена Петренко"]),
        ("@Олена", ["Олена"]),
        ("@Оленазавтра", []),
        ("пишите на help@Олена", []),
        ("@Олена и @Олена Петренко", ["Олена", "Олена Петренко"]),
        ("@", []),
        ("никого", []),
    ],
)
def test_a_whole_name_after_an_at_names_somebody(make: Any, session: Any, words: str, named: list[str]) -> None:
    make.user("Олена", email="o1@desk.example")
    make.user("Олена Петренко", email="o2@desk.example")
    assert [one.name for one in find_named(words)] == named


def test_one_of_two_with_the_same_name_must_be_chosen(make: Any, session: Any) -> None:
    first, second = make.user("Ирина", email="i1@desk.example"), make.user("Ирина", email="i2@desk.example")
    with pytest.raises(Refused, match="Ирина"):
        find_named("@Ирина, глянь")
    assert [one.id for one in find_named("@Ирина, глянь", [Named("user", second.id, "")])] == [second.id]
    both = [Named("user", one.id, "") for one in (first, second)]
    assert {one.id for one in find_named("@Ирина и @Ирина", both)} == {first.id, second.id}


def test_who_was_picked_but_deleted_from_the_text_is_not_named(cast: Any) -> None:
    assert find_named("уже не нужно", [Named("user", cast.bob.id, "")]) == []


# --- what happens -----------------------------------------------------------------------------------------------------


def test_whoever_is_named_sees_the_ticket_and_has_a_task_and_a_notice(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    assert not sees(session, cast.carl, ticket)
    note = say_to_colleagues(ticket, cast.ann, f"@{cast.carl.name} проверь оплату")
    session.flush()
    assert sees(session, cast.carl, ticket)
    assert note.kind == "note" and note.facts["mentions"] == [{"user": cast.carl.id, "name": "Carl"}]
    assert note.facts["added"] == [{"user": cast.carl.id, "name": "Carl"}]
    task = session.scalars(select(Task).where(Task.user_id == cast.carl.id)).one()
    assert (task.title, task.ticket_id, task.due_at) == (ticket.title, ticket.id, clock.now() + STARTS_IN) or (
        abs(task.due_at - clock.now() - STARTS_IN).total_seconds() < 60
    )
    (notice,) = notices(session, cast.carl)
    assert (notice.kind, notice.ticket_id) == ("colleague.mentioned", ticket.id)
    assert notice.payload["task_at"] == task.due_at.isoformat()
    people = session.scalars(select(Event).where(Event.ticket_id == ticket.id, Event.kind == "ticket.people")).all()
    assert [event.payload for event in people] == [{"user_id": cast.carl.id, "added": True, "message_id": note.id}]


def test_a_colleague_alone_leaves_a_line_for_operators(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    line = say_to_colleagues(ticket, cast.ann, "", people=[cast.bob])
    session.flush()
    assert (line.kind, line.user_id, line.is_internal) == ("system", cast.ann.id, True)
    assert line.facts["added"] == [{"user": cast.bob.id, "name": "Bob"}]
    assert [notice.kind for notice in notices(session, cast.bob)] == ["colleague.added"]


def test_a_comment_alone_is_a_note_and_nothing_at_all_is_refused(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    note = say_to_colleagues(ticket, cast.ann, "Жду ответа банка")
    assert (note.kind, note.facts) == ("note", {})
    with pytest.raises(Refused):
        say_to_colleagues(ticket, cast.ann, "  ")
    assert session.scalars(select(Task)).all() == []


def test_who_takes_part_already_is_told_but_gets_no_second_task(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    say_to_colleagues(ticket, cast.ann, "", people=[cast.bob])
    note = say_to_colleagues(ticket, cast.ann, "@Bob, ещё раз")
    session.flush()
    assert "added" not in note.facts
    assert len(session.scalars(select(Task).where(Task.user_id == cast.bob.id)).all()) == 1
    assert [notice.kind for notice in notices(session, cast.bob)] == ["colleague.added", "colleague.mentioned"]
    with pytest.raises(Refused):
        say_to_colleagues(ticket, cast.ann, "", people=[cast.bob])


def test_nobody_calls_themselves(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    say_to_colleagues(ticket, cast.ann, "Я, @Ann, займусь")
    session.flush()
    assert notices(session, cast.ann) == [] and session.scalars(select(TicketPerson)).all() == []


def test_a_team_is_told_and_only_who_saw_nothing_is_added(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    mixed = make.group("Mixed", cast.bob, cast.carl)
    note = say_to_colleagues(ticket, cast.ann, f"@{mixed.name} кто знает?")
    session.flush()
    assert note.facts["mentions"] == [{"group": mixed.id, "name": mixed.name}]
    assert {row.user_id for row in session.scalars(select(TicketPerson))} == {cast.carl.id}
    assert [len(notices(session, user)) for user in (cast.bob, cast.carl)] == [1, 1]
    assert session.scalars(select(Task)).all() == []


def test_a_team_of_more_than_fifty_is_too_many(cast: Any, make: Any, session: Any) -> None:
    crowd = make.group("Crowd", *[make.user(f"Many{number}") for number in range(51)])
    with pytest.raises(Refused, match="51"):
        say_to_colleagues(make.ticket(cast.support), cast.ann, f"@{crowd.name} привет")


def test_who_stands_in_is_told_as_well(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    be_out(cast.bob, clock.now(), None, stand_in=cast.sue)
    say_to_colleagues(ticket, cast.ann, "@Bob, срочно")
    session.flush()
    (notice,) = notices(session, cast.sue)
    assert notice.payload["for_id"] == cast.bob.id


# --- as the browser meets it ------------------------------------------------------------------------------------------


def test_only_who_works_on_the_ticket_calls_others_in(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    url, form = f"/tickets/{ticket.id}/colleagues", {"user_id": cast.carl.id}
    assert sign_in(app, cast.carl).post(url, data=form).status_code == 404
    assert sign_in(app, reader).post(url, data=form).status_code == 403
    assert not sees(session, cast.carl, ticket)
    assert sign_in(app, cast.ann).post(url, data=form).status_code == 303
    assert sees(session, cast.carl, ticket)


def test_a_note_from_the_composer_names_by_its_text(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    form = {"body": "@Carl глянь", "mention": f"user:{cast.carl.id}"}
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/notes", data=form).status_code == 303
    note = session.scalars(select(Message).where(Message.kind == "note")).one()
    assert note.facts["mentions"] == [{"user": cast.carl.id, "name": "Carl"}]
    page = sign_in(app, cast.carl).get(f"/tickets/{ticket.id}")
    assert page.status_code == 200 and '<b class="mention">@Carl</b>' in page.text


def test_those_who_work_here_come_first_and_names_are_only_text(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    evil = make.user("<img src=x onerror=alert(1)>", email="evil@desk.example")
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/colleagues").text
    assert "<img" not in page and "&lt;img" in page
    assert page.index("Bob") < page.index("Carl") and page.index("Sue") < page.index("Carl")
    say = f"@{evil.name} привет <script>"
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/notes", data={"body": say}).status_code == 303
    thread = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/thread").text
    assert "<img src=x" not in thread and "<script>" not in thread


def test_marked_escapes_everything_and_marks_only_stored_names() -> None:
    html = marked('@Bob <b> @Carl "x"', [{"user": 1, "name": "Bob"}])
    assert html == '<b class="mention">@Bob</b> &lt;b&gt; @Carl &#34;x&#34;'


def test_whoever_was_called_in_from_elsewhere_answers_by_a_note_alone(
    app: Any, cast: Any, make: Any, session: Any
) -> None:
    ticket = make.ticket(cast.support)
    say_to_colleagues(ticket, cast.ann, "@Carl, что скажешь?")
    carl, at = sign_in(app, cast.carl), f"/tickets/{ticket.id}"
    page = carl.get(at).text
    assert 'id="composer"' in page and "you can leave notes" in page
    assert carl.put(f"{at}/draft", data={"mode": "note", "body": "Пишу"}).status_code == 200
    assert carl.post(f"{at}/notes", data={"body": "Оплата прошла, @Dora"}).status_code == 303
    note = session.scalars(select(Message).where(Message.kind == "note", Message.user_id == cast.carl.id)).one()
    assert note.facts == {} and notices(session, cast.dora) == []
    for path, form in (("replies", {"body": "Здравствуйте"}), ("colleagues", {"user_id": cast.dora.id})):
        assert carl.post(f"{at}/{path}", data=form).status_code == 403
