"""The desk through its pages, as an operator uses it."""

from email import message_from_bytes, policy
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import select

from helpdesk.models import Draft, Message, OutboxItem, State, Ticket
from tests.clients import sign_in


@pytest.fixture
def ann(app: Any, cast: Any) -> Any:
    return sign_in(app, cast.ann)


def test_my_queues_and_the_line(ann: Any, cast: Any, make: Any) -> None:
    make.ticket(cast.support, title="Старый", minutes_ago=50)
    make.ticket(cast.support, title="Новый", minutes_ago=5)
    make.ticket(cast.billing, title="Чужой")
    page = ann.get("/queues").text
    assert cast.support.name in page
    assert cast.billing.name not in page
    line = ann.get(f"/queues/{cast.support.id}").text
    assert 0 < line.index("Старый") < line.index("Новый")
    assert ann.get(f"/queues/{cast.billing.id}").status_code == 404


def test_take_next_leads_to_the_oldest(ann: Any, cast: Any, make: Any) -> None:
    oldest = make.ticket(cast.support, minutes_ago=50)
    make.ticket(cast.support, minutes_ago=5)
    answer = ann.post("/claims")
    assert answer.status_code == 303
    assert answer.location == f"/tickets/{oldest.id}"
    assert oldest.owner_id == cast.ann.id


def test_take_next_answers_the_workspace_with_the_ticket_itself(ann: Any, cast: Any, make: Any) -> None:
    """One answer instead of two; reload and back find the ticket under the address that it names."""
    ticket = make.ticket(cast.support)
    line = f"queue:{cast.support.id}"
    answer = ann.post("/claims", headers={"X-Panes": "1", "X-List": line})
    assert answer.status_code == 200
    assert f'<meta name="desk-url" content="/tickets/{ticket.id}">' in answer.text
    assert f'id="ticket-bar" data-ticket="{ticket.id}"' in answer.text
    assert f'data-list-key="{line}" data-kept' in answer.text
    assert "<html" not in answer.text
    assert ticket.owner_id == cast.ann.id


def test_claim_that_lost_says_who_has_it(app: Any, ann: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    sign_in(app, cast.bob).post(f"/tickets/{ticket.id}/claims")
    answer = ann.post(f"/tickets/{ticket.id}/claims", headers={"Accept": "application/json"})
    assert answer.status_code == 409
    assert answer.json["owner"] == "Bob"


def test_reply_from_page_to_outbox(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/claims")
    page = ann.get(f"/tickets/{ticket.id}").text
    assert "Здравствуйте! Помогите" in page
    seen = session.scalar(select(Message.id).where(Message.ticket_id == ticket.id))
    answer = ann.post(f"/tickets/{ticket.id}/replies", data={"body": "Уже чиним", "seen": seen, "then": "finish"})
    assert answer.status_code == 303
    item = session.scalars(select(OutboxItem)).one()
    assert item.envelope["to"] == [ticket.customer.identities[0].value]
    assert item.message.text == "Уже чиним"
    assert ticket.state == State.SOLVED


def test_reply_is_held_back_when_something_came(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/claims")
    seen = session.scalar(select(Message.id).where(Message.ticket_id == ticket.id))
    make.hear(ticket, "Уже не надо, спасибо")
    form = {"body": "Мой длинный ответ", "seen": seen}
    ann.put(f"/tickets/{ticket.id}/draft", data=form)
    answer = ann.post(f"/tickets/{ticket.id}/replies", data=form, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "Уже не надо, спасибо" in answer.text
    assert answer.text.count("came while you wrote") == 1
    page = ann.post(f"/tickets/{ticket.id}/replies", data=form).text  # without scripts: a whole page, the text in it
    assert "<html" in page
    assert page.count("came while you wrote") == 1
    assert "Мой длинный ответ</textarea>" in page
    assert session.scalars(select(OutboxItem)).all() == []
    assert session.scalars(select(Draft)).one().body == "Мой длинный ответ"


def test_draft_comes_back_and_goes_with_the_reply(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/claims")
    assert ann.put(f"/tickets/{ticket.id}/draft", data={"mode": "reply", "body": "начато"}).status_code == 200
    assert "начато" in ann.get(f"/tickets/{ticket.id}").text
    file = (b"content", "счёт.txt")
    uploaded = ann.post(f"/tickets/{ticket.id}/draft/files", data={"file": (BytesIO(file[0]), file[1])})
    ann.post(f"/tickets/{ticket.id}/replies", data={"body": "готово", "upload": uploaded.json["id"]})
    assert session.scalars(select(Draft)).all() == []
    reply = session.scalars(select(Message).where(Message.kind == "reply")).one()
    assert [attachment.name for attachment in reply.attachments] == ["счёт.txt"]


def test_a_pasted_picture_stands_in_the_text(ann: Any, cast: Any, make: Any, session: Any) -> None:
    from io import BytesIO

    from queues.channels import adapter_for
    from queues.letters import write_letter

    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ann.post(f"/tickets/{ticket.id}/claims")
    url, png = f"/tickets/{ticket.id}/draft/files", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50

    def put(name: str, **form: str) -> Any:
        return ann.post(url, data={"file": (BytesIO(png), name), **form}).json

    pasted, chosen = put("снимок.png", inline="1"), put("фото.png")
    assert put("page.html", inline="1")["mark"] == chosen["mark"] == "", "only pictures stand in a text"
    assert f'data-mark="{pasted["mark"]}"' in ann.get(f"/tickets/{ticket.id}").text
    body = f"Нажмите сюда: {pasted['mark']} и готово"
    ann.post(f"/tickets/{ticket.id}/replies", data={"body": body, "upload": [pasted["id"], chosen["id"]]})
    thread = ann.get(f"/tickets/{ticket.id}/thread").text
    assert "Нажмите сюда: [снимок.png] и готово" in thread
    letter = write_letter(session.scalars(select(OutboxItem)).one())
    raw = adapter_for("email").compose(letter, cast.mailbox.settings).rendered
    mail = message_from_bytes(raw, policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    picture = next(part for part in mail.walk() if part.get_content_disposition() == "inline")
    assert f'Нажмите сюда: <img src="cid:{picture["content-id"].strip("<>")}" alt=""> и готово' in html
    assert [part.get_filename() for part in mail.iter_attachments()] == ["фото.png"]


def test_undo_takes_a_reply_back(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    waited = ticket.first_unanswered_at
    ann.post(f"/tickets/{ticket.id}/claims")
    ann.post(f"/tickets/{ticket.id}/replies", data={"body": "ой"})
    reply = session.scalars(select(Message).where(Message.kind == "reply")).one()
    assert ann.post(f"/messages/{reply.id}/undo").status_code == 303
    assert reply.delivery == "cancelled"
    assert ticket.first_unanswered_at == waited


def test_reply_taken_back_is_the_draft_again(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/claims")
    file = {"file": (BytesIO(b"content"), "счёт.txt")}
    uploaded = ann.post(f"/tickets/{ticket.id}/draft/files", data=file).json["id"]
    sent = {"body": "Вот счёт", "upload": uploaded, "then": "finish"}
    ann.post(f"/tickets/{ticket.id}/replies", data=sent)
    reply = session.scalars(select(Message).where(Message.kind == "reply")).one()
    assert ticket.kind == "finished"
    ann.put(f"/tickets/{ticket.id}/draft", data={"mode": "reply", "body": "и ещё"})
    answer = ann.post(f"/messages/{reply.id}/undo", headers={"HX-Request": "true"})
    assert "Вот счёт" in answer.text.split("data-restored")[1]
    draft = session.scalars(select(Draft)).one()
    assert draft.body == "Вот счёт\n\nи ещё"
    assert [file.name for file in draft.attachments] == ["счёт.txt"]
    assert ticket.kind == "active"
    ann.post(f"/tickets/{ticket.id}/replies", data={"body": draft.body, "upload": draft.attachments[0].id})
    again = session.scalars(select(Message).where(Message.kind == "reply").order_by(Message.id.desc())).first()
    assert [file.name for file in again.attachments] == ["счёт.txt"]


def test_a_note_begun_meanwhile_is_not_part_of_a_reply_taken_back(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/claims")
    ann.post(f"/tickets/{ticket.id}/replies", data={"body": "Добрый день"})
    reply = session.scalars(select(Message).where(Message.kind == "reply")).one()
    ann.put(f"/tickets/{ticket.id}/draft", data={"mode": "note", "body": "клиент врёт"})
    ann.post(f"/tickets/{ticket.id}/draft/files", data={"file": (BytesIO(b"x"), "досье.txt")})
    answer = ann.post(f"/messages/{reply.id}/undo", headers={"HX-Request": "true"})
    draft = session.scalars(select(Draft)).one()
    assert (draft.mode, draft.body) == ("reply", "Добрый день")
    assert "досье.txt" not in answer.text.split("data-restored")[1].split("</template>")[0]
    assert [block["name"] for block in draft.blocks] == [file.name for file in draft.attachments] == ["досье.txt"]
    assert "клиент врёт" in answer.text.split("data-former-text")[1].split("</blockquote>")[0]


def test_note_is_not_sent(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/notes", data={"body": "перезвонить вечером"})
    assert "перезвонить вечером" in ann.get(f"/tickets/{ticket.id}/thread").text
    assert session.scalars(select(OutboxItem)).all() == []


def test_states_by_hand(ann: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ann.post(f"/tickets/{ticket.id}/pause", data={"choice": "1d"})
    assert ticket.state == State.PENDING
    ann.post(f"/tickets/{ticket.id}/waking")
    assert ticket.state == State.OPEN
    ann.post(f"/tickets/{ticket.id}/closure", data={"state": "unsolved", "reason": "не отвечает"})
    assert (ticket.state, ticket.closing_reason) == (State.UNSOLVED, "не отвечает")
    ann.post(f"/tickets/{ticket.id}/reopening")
    assert ticket.state == State.OPEN
    history = ann.get(f"/tickets/{ticket.id}/history").text
    assert "не отвечает" in history


def test_facts_by_hand(ann: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    make.item("request_type", "Вопрос")
    facts = {"title": "Новое имя", "tags": "Возврат, срочно", "request_type": "вопрос"}
    ann.post(f"/tickets/{ticket.id}/facts", data=facts)
    assert (ticket.title, ticket.tags, ticket.request_type) == ("Новое имя", ["возврат", "срочно"], "Вопрос")
    ann.post(f"/tickets/{ticket.id}/priority", data={"priority": 1})
    assert ticket.priority == 1
    ann.post(f"/tickets/{ticket.id}/colleagues", data={"user_id": cast.carl.id})
    assert ann.post(f"/tickets/{ticket.id}/priority", data={"priority": 9}).status_code == 422


DIALOGS = ["assign", "snooze", "finish", "move", "priority", "forward", "reason"]


@pytest.mark.parametrize("name", DIALOGS)
def test_every_dialog_opens_as_fragment_and_as_page(ann: Any, cast: Any, make: Any, name: str) -> None:
    ticket = make.ticket(cast.support)
    url = f"/tickets/{ticket.id}/dialogs/{name}"
    assert "<html" not in ann.get(url, headers={"HX-Request": "true"}).text
    assert "<html" in ann.get(url).text


def test_participant_sees_a_ticket_of_another_queue(app: Any, ann: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    carl = sign_in(app, cast.carl)
    assert carl.get(f"/tickets/{ticket.id}").status_code == 404
    ann.post(f"/tickets/{ticket.id}/colleagues", data={"user_id": cast.carl.id})
    assert carl.get(f"/tickets/{ticket.id}").status_code == 200
    assert carl.post(f"/tickets/{ticket.id}/closure").status_code == 403


def test_number_leads_to_the_ticket_with_and_without_spaces(ann: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    for spoken in (ticket.number, ticket.number_text.replace(" ", "%20")):
        assert ann.get(f"/t/{spoken}").location == f"/tickets/{ticket.id}"


def count_queries(call: Any) -> int:
    """How many statements `call` sends."""
    from sqlalchemy.engine import Engine

    sent: list[str] = []

    def note(_c: Any, _cur: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    sa_event.listen(Engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        sa_event.remove(Engine, "before_cursor_execute", note)
    return len(sent)


def test_pages_send_as_many_queries_for_many_rows_as_for_few(ann: Any, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    pages = [f"/queues/{cast.support.id}", f"/tickets/{ticket.id}", "/queues"]
    for page in pages:
        ann.get(page)
    few = [count_queries(lambda page=page: ann.get(page)) for page in pages]
    for number in range(12):
        make.ticket(cast.support)
        make.hear(ticket, f"сообщение {number}")
        ticket.note(cast.bob, "заметка")
    session.commit()
    assert [count_queries(lambda page=page: ann.get(page)) for page in pages] == few
    assert session.query(Ticket).count() == 13
