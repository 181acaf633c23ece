"""The pages of people: their list, one person's whole exchange, and marking from both."""

import re

import pytest

from helpdesk import client_events, handled
from helpdesk.client_events import What
from helpdesk.models import Right, State, Tally, Ticket
from helpdesk.models.ticket import lock_for_joining
from tests.clients import sign_in


@pytest.fixture
def eves(make, cast):
    """Eve has one ticket by mail, one in a chat, and one in Billing, which ann may not see."""
    chat = make.channel(cast.support, kind="telegram", name="Бот поддержки")
    mail = make.ticket(cast.support, cast.eve, title="Счёт не пришёл", channel=cast.mailbox, minutes_ago=50)
    dialog = make.ticket(cast.support, cast.eve, title="Вопрос из чата", channel=chat, minutes_ago=40)
    hidden = make.ticket(cast.billing, cast.eve, title="Тайное дело")
    make.hear(mail, "Жду счёт с понедельника")
    make.hear(dialog, "А в чате ответите?")
    make.hear(hidden, "Секрет бухгалтерии")
    return mail, dialog, hidden


def token_of(page):
    return re.search(r'name="seen" value="([^"]*)"', page)[1]


def thread_of(page):
    return page.split('id="thread"')[1].split("</ol>")[0]


def test_the_exchange_shows_all_that_one_may_see_in_order(app, session, make, cast, eves):
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/customers/{cast.eve.id}/exchange").text
    assert thread_of(page).index("Жду счёт с понедельника") < thread_of(page).index("А в чате ответите?")
    assert "Секрет" not in page
    assert "Тайное" not in page
    assert eves[0].number_text in page
    both = sign_in(app, cast.dora).get(f"/customers/{cast.eve.id}/exchange").text
    assert "Секрет бухгалтерии" in both


def test_what_was_merged_is_read_and_answered_where_it_is_shown(app, session, make, cast):
    target = make.ticket(cast.support, cast.eve, "Раньше", minutes_ago=60, channel=cast.mailbox)
    elsewhere = make.ticket(cast.billing, cast.eve, "Позже", minutes_ago=5, channel=cast.mailbox)
    make.hear(elsewhere, "Это туда же")
    target.claim(cast.ann)
    lock_for_joining(Ticket, [target.id, elsewhere.id])
    elsewhere.merge_into(cast.dora, target)
    session.commit()
    ann = sign_in(app, cast.ann)  # who may not see Billing
    page = ann.get(f"/customers/{cast.eve.id}/exchange").text
    assert "Это туда же" in thread_of(page)
    seen = re.search(r'name="seen" value="([^"]*)"', page.split('id="composer"')[1])[1]
    data = {"body": "Сделаем", "seen": seen, "exchange": ""}
    assert ann.post(f"/tickets/{target.id}/replies", data=data, headers={"HX-Request": "true"}).status_code == 200


def test_one_channel_of_the_person_can_be_chosen(app, session, make, cast, eves):
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/customers/{cast.eve.id}/exchange?channel={eves[1].channel_id}").text
    assert "А в чате ответите?" in thread_of(page)
    assert "Жду счёт" not in thread_of(page)
    assert "Бот поддержки" in page


def test_a_person_whom_one_sees_on_no_ticket_has_an_empty_exchange(app, session, make, cast, eves):
    reader = make.user("Reader")
    page = sign_in(app, reader).get(f"/customers/{cast.eve.id}/exchange")
    assert page.status_code == 200
    assert "Жду счёт" not in page.text


def test_looking_claims_nothing_and_marks_nothing(app, session, cast, eves):
    sign_in(app, cast.ann).get(f"/customers/{cast.eve.id}/exchange")
    assert [ticket.owner_id for ticket in eves] == [None, None, None]
    assert handled.unread_of(cast.dora, cast.eve.id).count == 6


def test_earlier_messages_come_by_pages(app, session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    for number in range(70):
        make.hear(ticket, f"Сообщение {number:03}")
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/customers/{cast.eve.id}/exchange").text
    assert "Сообщение 069" in page
    assert "Сообщение 009" not in page
    url = re.search(r'data-more-url="([^"]+)"', page)[1].replace("&amp;", "&")
    earlier = ann.get(url, headers={"HX-Request": "true"}).text
    found = set(re.findall(r"Сообщение \d{3}", page)) | set(re.findall(r"Сообщение \d{3}", earlier))
    assert len(found) == 70
    first = re.search(r'data-from="(\d+)"', page)[1]
    again = ann.get(f"/customers/{cast.eve.id}/exchange/thread", headers={"X-Thread-From": first}).text
    assert again.count("Сообщение") == thread_of(page).count("Сообщение") == 60


def test_the_composer_is_the_one_of_the_active_ticket_last_spoken_on(app, session, cast, eves):
    mail, dialog, _hidden = eves
    mail.claim(cast.ann)
    dialog.finish(cast.bob, State.SOLVED)
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/customers/{cast.eve.id}/exchange").text
    assert f"/tickets/{mail.id}/replies" in page
    data = {"body": "Счёт отправлен", "seen": mail.unread_last_id, "exchange": ""}
    answer = ann.post(f"/tickets/{mail.id}/replies", data=data, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "Счёт отправлен" in answer.text
    assert "А в чате ответите?" in answer.text  # the whole exchange goes on, not the ticket alone
    mail.finish(cast.ann, State.SOLVED)
    page = ann.get(f"/customers/{cast.eve.id}/exchange").text
    assert 'id="composer"' not in page
    assert f"/tickets/{max(mail.id, dialog.id)}" in page


def test_marking_from_the_ticket_tells_and_offers_undo(app, session, make, cast, eves):
    mail, dialog, hidden = eves
    ann = sign_in(app, cast.ann)
    page = ann.get(f"/tickets/{mail.id}").text
    assert 'data-key="Shift+Enter"' in page
    late = make.hear(mail, "Ещё одно")
    answer = ann.post(
        f"/customers/{cast.eve.id}/handling", data={"seen": token_of(page)}, headers={"HX-Request": "true"}
    )
    assert "data-toast" in answer.text
    assert (mail.unread, dialog.unread, hidden.unread) == (1, 0, 2)
    assert mail.unread_first_id == late.id
    undo = re.search(r'action="([^"]+/undoing)"', answer.text)[1]
    assert sign_in(app, cast.bob).post(undo).status_code == 404
    assert ann.post(undo, headers={"HX-Request": "true"}).status_code == 200
    assert (mail.unread, dialog.unread) == (3, 2)


def test_without_scripts_marking_leads_back(app, session, cast, eves):
    ann = sign_in(app, cast.ann)
    seen = token_of(ann.get(f"/tickets/{eves[0].id}").text)
    back = f"/tickets/{eves[0].id}"
    answer = ann.post(f"/customers/{cast.eve.id}/handling", data={"seen": seen, "back": back})
    assert (answer.status_code, answer.headers["Location"]) == (303, back)
    strange = ann.post(f"/customers/{cast.eve.id}/handling", data={"seen": seen, "back": "https://evil.example/"})
    assert strange.headers["Location"] == f"/customers/{cast.eve.id}/exchange"
    assert 'data-key="Shift+Enter"' not in ann.get(back).text


def test_whoever_may_only_look_gets_no_button(app, session, make, cast, eves):
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, Right.SEE)
    page = sign_in(app, reader).get(f"/tickets/{eves[0].id}").text
    assert 'data-key="Shift+Enter"' not in page


def test_the_list_of_people_stands_beside_and_narrows(app, session, cast, eves):
    ann = sign_in(app, cast.ann)
    start = ann.get("/people-list")
    assert start.headers["Location"].endswith("tab=all")
    page = ann.get("/people-list?tab=unread").text
    assert f"/customers/{cast.eve.id}/exchange" in page
    narrowed = ann.get("/views/list?in=filter:people:all/kind:telegram").text
    assert cast.eve.name in narrowed
    nobody = ann.get("/views/list?in=filter:people:all/has:phone").text
    assert cast.eve.name not in nobody.split('id="list-scroll"')[1]
    fragment = ann.get("/people-list?tab=all", headers={"HX-Request": "true"}).text
    assert fragment.lstrip().startswith('<div id="people"')


def test_everything_is_for_administrators_with_its_number(app, session, make, cast, eves):
    dora = sign_in(app, cast.dora)
    session.add(Tally(scope="desk", name="unread", delta=1000 - handled.unread_everywhere()))
    page = dora.get("/admin/handled").text
    assert "1000" in page
    assert dora.post("/admin/handled").status_code == 303
    assert dora.post("/admin/handled").status_code == 409


def test_an_event_stands_on_the_customers_side_for_operators(app, session, make, cast, eves):
    details = {"funnel": "Вебинар", "source": "реклама", "lead_tool": "квиз"}
    client_events.record_event(cast.dora, cast.eve, What.SUBSCRIBED, details)
    page = sign_in(app, cast.dora).get(f"/customers/{cast.eve.id}/exchange").text
    assert "funnel “Вебинар”" in page
    assert "line-event" in page
