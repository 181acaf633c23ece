"""The conversation as operators read it: the gap rule, days in the reader's zone, quiet lines, pages, long threads."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import g
from sqlalchemy import event as sa_event
from sqlalchemy import insert, select

from helpdesk import clock
from helpdesk.errors import Refused
from helpdesk.models import Message, Reply, State, Ticket
from helpdesk.queries import thread as reading
from helpdesk.views import thread_shapes
from tests.clients import Client, sign_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ticket(cast: Any, make: Any) -> Ticket:
    return make.ticket(cast.support, cast.eve, channel=cast.mailbox, minutes_ago=2 * 24 * 60)  # type: ignore[no-any-return]


@pytest.fixture
def ann(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.ann)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-12T{text}+00:00")


def said(ticket: Ticket, moments: list[datetime], make: Any, text: str = "Слова {}") -> list[Message]:
    return [make.hear(ticket, text.format(number), at=moment) for number, moment in enumerate(moments)]


def shown(page: str) -> list[tuple[str, bool]]:
    """(id, continues) of the messages on a page."""
    items = re.findall(r'<li class="(said[^"]*)" id="(message-\d+)"', page)
    return [(id_, "is-continued" in classes) for classes, id_ in items]


@contextmanager
def counted(session: Any) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    engine = session.get_bind()
    sa_event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa_event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("10:00:59", "10:01:00", True),  # a new minute of the clock begins nothing
        ("10:00:00", "10:00:59.999", True),
        ("10:00:00", "10:01:00", False),  # a whole minute is no gap under a minute
        ("10:00:00", "10:01:01", False),
        ("10:00:00", "10:00:00", True),
    ],
)
def test_messages_group_by_the_gap(ticket: Ticket, make: Any, first: str, second: str, together: bool) -> None:
    former, later = said(ticket, [at(first), at(second)], make)
    assert thread_shapes.continues(former, later) is together


def test_a_chain_may_be_longer_than_a_minute(ticket: Ticket, make: Any, ann: Client) -> None:
    said(ticket, [at("10:00:00") + timedelta(seconds=50 * number) for number in range(5)], make)
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert [continues for _id, continues in shown(page)][1:] == [False, True, True, True, True]
    assert page.count('class="said-head"') == 2  # the opening message, and the head of the group
    assert page.count('class="said-later"') == 4


def test_another_author_or_kind_or_address_ends_a_group(ticket: Ticket, make: Any, cast: Any, session: Any) -> None:
    former, later = said(ticket, [at("10:00:00"), at("10:00:10")], make)
    later.sender = "info@customer.example"
    assert not thread_shapes.continues(former, later)
    note, reply = ticket.note(cast.ann, "Заметка"), ticket.note(cast.bob, "Другая")
    session.flush()
    assert not thread_shapes.continues(note, reply)
    again = ticket.note(cast.bob, "Ещё")
    session.flush()
    assert thread_shapes.continues(reply, again)
    again.kind = "reply"
    assert not thread_shapes.continues(reply, again)


def test_days_are_those_of_the_reader(ticket: Ticket, make: Any, cast: Any, ann: Client) -> None:
    said(ticket, [at("20:59:50"), at("21:00:10")], make)  # either side of midnight in Moscow, 20 seconds apart
    cast.ann.time_zone = "UTC"
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert page.count('data-day="2026-03-12"') == 1
    assert [continues for _id, continues in shown(page)][-1]
    cast.ann.time_zone, cast.ann.language = "Europe/Moscow", "ru"
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert page.count('data-day="2026-03-12"') == page.count('data-day="2026-03-13"') == 1
    assert "четверг, 12 марта 2026" in page
    assert not [continues for _id, continues in shown(page)][-1]  # under a new day the head stands again


def test_today_and_yesterday_have_their_names(ticket: Ticket, make: Any, ann: Client) -> None:
    now = clock.now()
    said(ticket, [now - timedelta(days=1), now], make)
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert 0 < page.index(">Yesterday<") < page.index(">Today<")


def test_what_happened_stands_in_its_place(
    ticket: Ticket, make: Any, cast: Any, ann: Client, session: Any, move_clock: Any
) -> None:
    make.hear(ticket, "До передачи")
    move_clock("1 minute")
    g.pop("clock", None)
    ticket.finish(cast.ann, State.UNSOLVED)
    ticket.reopen(cast.ann, "by hand")
    move_clock("2 minutes")
    make.hear(ticket, "После")
    session.flush()
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert page.index("До передачи") < page.index("State: ") < page.index("После")
    assert "Note added" not in page
    assert "The customer wrote" not in page  # the message itself says so


def test_notes_and_lines_tell_no_stored_sentence(ticket: Ticket, cast: Any, ann: Client, session: Any) -> None:
    ticket.finish(cast.ann, State.SOLVED)
    session.flush()
    english = ann.get(f"/tickets/{ticket.id}/thread").text
    cast.ann.language = "ru"
    russian = ann.get(f"/tickets/{ticket.id}/thread").text
    assert "State: New → Solved" in english
    assert "State: New → Solved" not in russian


def fill(session: Any, ticket: Ticket, count: int) -> list[int]:
    """So many messages of the customer at once, an hour apart."""
    begin = clock.now() - timedelta(days=400)
    rows = [
        {
            "conversation_id": ticket.conversation_id,
            "ticket_id": ticket.id,
            "seq": 100 + number,
            "kind": "inbound",
            "customer_id": ticket.customer_id,
            "text": f"Сообщение {number}",
            "visible_text": f"Сообщение {number}",
            "sender": "eve@customer.example",
            "at": begin + timedelta(hours=number),
        }
        for number in range(count)
    ]
    return list(session.scalars(insert(Message).returning(Message.id, sort_by_parameter_order=True), rows))


def test_two_thousand_messages_cost_what_twenty_cost(
    ticket: Ticket, cast: Any, make: Any, ann: Client, session: Any
) -> None:
    short = make.ticket(cast.support)
    fill(session, short, 20)
    fill(session, ticket, 2000)
    sizes, counts = [], []
    for one in (short, ticket):
        ann.get(f"/tickets/{one.id}/thread")
        session.expire_all()
        with counted(session) as statements:
            page = ann.get(f"/tickets/{one.id}/thread", headers=HTMX).text
        sizes.append(len(shown(page)))
        counts.append(len(statements))
    assert sizes == [21, reading.FIRST]
    assert counts[1] <= counts[0] + 1  # one more: where what is new begins, far above


def test_earlier_pages_join_without_gap_or_repetition(ticket: Ticket, ann: Client, session: Any) -> None:
    ids = [session.scalar(select(Message.id)), *fill(session, ticket, 150)]
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    found = [int(id_.removeprefix("message-")) for id_, _continues in shown(page)]
    while more := re.search(r'data-more-url="([^"]+)"', page):
        page = ann.get(more[1].replace("&amp;", "&"), headers=HTMX).text
        found = [int(id_.removeprefix("message-")) for id_, _continues in shown(page)] + found
    assert found == sorted(ids)


def test_a_page_that_is_shown_is_answered_whole_again(ticket: Ticket, make: Any, ann: Client, session: Any) -> None:
    fill(session, ticket, 150)
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    first = re.search(r'data-from="(\d+)"', page)
    assert first
    make.hear(ticket, "Ещё одно")
    session.flush()
    again = ann.get(f"/tickets/{ticket.id}/thread", headers={**HTMX, "X-Thread-From": first[1]}).text
    assert len(shown(again)) == reading.FIRST + 1
    assert f'data-from="{first[1]}"' in again
    assert "Ещё одно" in again


def test_any_message_can_be_gone_to(ticket: Ticket, ann: Client, session: Any) -> None:
    ids = fill(session, ticket, 400)
    window = re.search(r'data-from="(\d+)"', ann.get(f"/tickets/{ticket.id}/thread").text)
    assert window
    url = f"/tickets/{ticket.id}/thread/page?around={ids[100]}&before={window[1]}"
    page = ann.get(url, headers=HTMX).text
    here = [int(id_.removeprefix("message-")) for id_, _continues in shown(page)]
    assert ids[100] in here[1:-1]
    assert "data-more-url" in page
    down = re.search(r'data-down-url="([^"]+)"', page)
    up = re.search(r'data-up-url="([^"]+)"', page)
    assert down and up
    below = [id_ for id_, _ in shown(ann.get(down[1].replace("&amp;", "&"), headers=HTMX).text)]
    above = [id_ for id_, _ in shown(ann.get(up[1].replace("&amp;", "&"), headers=HTMX).text)]
    assert below[0] == f"message-{here[-1] + 1}"
    assert above[-1] == f"message-{int(window[1]) - 1}"


def test_pages_of_another_team_are_not_there(ticket: Ticket, app: Any, cast: Any, session: Any) -> None:
    fill(session, ticket, 3)
    assert sign_in(app, cast.carl).get(f"/tickets/{ticket.id}/thread/page?before=99999").status_code == 404


def test_where_new_begins(ticket: Ticket, cast: Any, make: Any, ann: Client, session: Any) -> None:
    ticket.hand_over(cast.ann, cast.ann)
    ticket.note(cast.ann, "Смотрю")
    asked = make.hear(ticket, "И ещё вопрос")
    session.flush()
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    first = session.scalar(select(Message.id).where(Message.ticket_id == ticket.id).order_by(Message.id).limit(1))
    assert f'data-first-new="{first}"' in page  # nobody has answered anything yet
    assert 'id="new-line"' not in page  # nothing stands above it that would not be new
    ticket.reply(cast.ann, Reply(body="Ответ"))
    session.flush()
    assert "data-first-new" not in ann.get(f"/tickets/{ticket.id}/thread").text
    later = make.hear(ticket, "Спасибо, а дальше?")
    session.flush()
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert f'data-first-new="{later.id}"' in page
    assert page.index(f"message-{asked.id}") < page.index('id="new-line"') < page.index(f'id="message-{later.id}"')


def test_long_messages_are_folded(ticket: Ticket, make: Any, ann: Client) -> None:
    short, long = make.hear(ticket, "строка\n" * 40), make.hear(ticket, "строка\n" * 41)
    wide = make.hear(ticket, "слово " * 700)
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert f'id="long-{long.id}"' in page
    assert f'id="long-{wide.id}"' in page
    assert f'id="long-{short.id}"' not in page


def test_the_message_that_is_answered_is_shown_and_linked(ticket: Ticket, make: Any, ann: Client, session: Any) -> None:
    asked, other, answer = (make.hear(ticket, text) for text in ("Первый вопрос", "Второй", "К первому"))
    answer.answers_id = asked.id
    session.flush()
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert f'href="#message-{asked.id}" data-jump' in page
    answer.answers_id = other.id  # the one right above needs no mark
    session.flush()
    assert "data-jump" not in ann.get(f"/tickets/{ticket.id}/thread").text


def test_ticks_have_words(ticket: Ticket, cast: Any, ann: Client, session: Any) -> None:
    ticket.hand_over(cast.ann, cast.ann)
    reply = ticket.reply(cast.ann, Reply(body="Ответ"))
    for state, word in (("delivered", "Delivered"), ("read", "Read")):
        reply.delivery = state
        session.flush()
        page = ann.get(f"/tickets/{ticket.id}/thread").text
        assert f'<span class="visually-hidden">{word}</span>' in page
    reply.delivery, reply.delivery_note = "bounced", "550 no such user"
    session.flush()
    page = ann.get(f"/tickets/{ticket.id}/thread").text
    assert "550 no such user" in page
    assert "Try again" in page


def test_a_reply_names_what_it_answers_where_the_channel_can(cast: Any, make: Any, ann: Client, session: Any) -> None:
    chat = make.ticket(cast.support, channel=make.channel(cast.support, kind="http", name="Чат"))
    other = make.ticket(cast.support)
    chat.hand_over(cast.ann, cast.ann)
    asked = make.hear(chat, "Какой адрес?")
    page = ann.get(f"/tickets/{chat.id}/thread").text
    assert f'data-answers="{asked.id}"' in page
    elsewhere = session.scalar(select(Message.id).where(Message.ticket_id == other.id))
    assert "data-answers=" not in ann.get(f"/tickets/{other.id}/thread").text  # a mail answers the mail before it
    with pytest.raises(Refused):
        chat.reply(cast.ann, Reply(body="Вот", answers_id=elsewhere))
    with pytest.raises(Refused):
        chat.reply(cast.ann, Reply(body="Вот", answers_id=chat.note(cast.ann, "Между нами").id))
    reply = chat.reply(cast.ann, Reply(body="Вот", answers_id=asked.id))
    assert reply.answers_id == asked.id
