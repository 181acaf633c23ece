"""Notices as they reach people: in the corner, in words, by their choice, and never more than they may see."""

from typing import Any

from sqlalchemy import select

from helpdesk import clock
from helpdesk.colleagues import say_to_colleagues
from helpdesk.models import Notice
from helpdesk.models.absence import be_out
from helpdesk.models.notice import tell_people
from tests.clients import sign_in


def corner(app: Any, user: Any, after: int = 0) -> str:
    return str(sign_in(app, user).get(f"/notices/arrivals?after={after}").text)


def test_a_mention_arrives_with_the_words_and_a_way_to_all_of_them(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, title="Не пришла посылка")
    say_to_colleagues(ticket, cast.ann, "@Carl <b>глянь</b>, пожалуйста")
    page = corner(app, cast.carl)
    assert "Ann mentioned you" in page and "Не пришла посылка" in page
    assert "&lt;b&gt;глянь" in page and "<b>глянь" not in page
    assert corner(app, cast.bob) == corner(app, cast.ann) == ""


def test_only_what_is_new_and_unseen_arrives(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    for words in ("@Bob раз", "@Bob два"):
        say_to_colleagues(ticket, cast.ann, words)
    session.flush()
    first, second = session.scalars(select(Notice.id).where(Notice.user_id == cast.bob.id).order_by(Notice.id)).all()
    assert f'data-arrival="{second}"' in corner(app, cast.bob, after=first)
    assert f'data-arrival="{first}"' not in corner(app, cast.bob, after=first)
    sign_in(app, cast.bob).post("/notices/seen")
    assert corner(app, cast.bob) == ""


def test_the_full_version_marks_the_names_and_counts_as_seen(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    say_to_colleagues(ticket, cast.ann, "@Bob <i>срочно</i>")
    session.flush()
    notice = session.scalars(select(Notice)).one()
    page = sign_in(app, cast.bob).get(f"/notices/{notice.id}/words", headers={"HX-Request": "true"}).text
    assert '<b class="mention">@Bob</b> &lt;i&gt;срочно' in page
    assert session.get(Notice, notice.id).seen_at is not None
    assert sign_in(app, cast.carl).get(f"/notices/{notice.id}/words").status_code == 404


def test_who_lost_sight_of_the_ticket_reads_nothing_of_it(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support, title="Тайна")
    say_to_colleagues(ticket, cast.ann, "@Carl секрет")
    ticket.remove_person(cast.ann, cast.carl)
    session.flush()
    notice = session.scalars(select(Notice).where(Notice.user_id == cast.carl.id)).one()
    page = corner(app, cast.carl)
    assert "секрет" not in page and "Тайна" not in page
    assert sign_in(app, cast.carl).get(f"/notices/{notice.id}/words").status_code == 404


def test_a_notice_leads_to_the_very_message(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    note = say_to_colleagues(ticket, cast.ann, "@Bob глянь")
    session.flush()
    notice = session.scalars(select(Notice)).one()
    answer = sign_in(app, cast.bob).get(f"/notices/{notice.id}")
    assert answer.location.endswith(f"/tickets/{ticket.id}#message-{note.id}")


def test_each_kind_makes_itself_known_as_its_reader_chose(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    say_to_colleagues(ticket, cast.ann, "@Bob код от сейфа 4711")
    assert 'data-desktop=""' in corner(app, cast.bob)
    cast.bob.choose(desktop=True)
    page = corner(app, cast.bob)
    assert 'data-desktop="A colleague mentions or adds you"' in page and "data-loud" in page and "data-shown" in page
    cast.bob.choose(desktop=True, desktop_words=True)
    assert "код от сейфа 4711" in corner(app, cast.bob).split('data-desktop="')[1].split('"')[0]
    cast.bob.choose(notices={"colleagues": {"shown": False, "sound": False, "desktop": False}})
    page = corner(app, cast.bob)
    assert 'data-desktop=""' in page and "data-loud" not in page and "data-shown" not in page


def test_who_stands_in_reads_for_whom(app: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    be_out(cast.bob, clock.now(), None, stand_in=cast.sue)
    tell_people([cast.bob.id], "ticket.given", ticket.id, name="Ann")
    assert "For Bob: Ann gave you a ticket" in corner(app, cast.sue)
    assert "For Bob" not in corner(app, cast.bob)
