"""Drafts on the server: versions, other windows, blocks, the form of a new ticket; and what is sent of them."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.difference import changes
from helpdesk.drafts import MOST_FORMER
from helpdesk.models import Draft, Message, OutboxItem, Ticket
from helpdesk.queries.drafts import drafts_of
from tests.clients import Client, sign_in


@pytest.fixture
def desk(app: Any, session: Any, make: Any, cast: Any) -> Any:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    session.flush()
    ann, bob = sign_in(app, cast.ann), sign_in(app, cast.bob)
    return SimpleNamespace(
        ticket=ticket, at=f"/tickets/{ticket.id}", ann=ann, bob=bob, cast=cast, session=session, make=make
    )


class Window:
    """One window of a person's on the ticket: it knows what the server told it last."""

    def __init__(self, client: Client, url: str, name: str) -> None:
        self.client, self.url, self.name, self.version = client, url, name, ""

    def write(self, body: str, **more: str) -> Any:
        form = {"mode": "reply", "body": body, "version": self.version, "window": self.name, **more}
        answer = self.client.put(self.url, data=form).json
        self.version = answer["version"]
        return answer["former"]

    def look(self) -> Any:
        told = self.client.get(self.url).json
        self.version = told["version"]
        return told


def two(desk: Any) -> tuple[Window, Window]:
    return (Window(desk.ann, f"{desk.at}/draft", "one"), Window(desk.ann, f"{desk.at}/draft", "two"))


def test_one_window_goes_on_writing(desk: Any) -> None:
    one, _two = two(desk)
    assert [one.write("При"), one.write("Привет"), one.write("")] == [None, None, None]
    assert one.look()["body"] == ""


def test_the_newer_text_stands_and_the_other_is_told(desk: Any) -> None:
    one, other = two(desk)
    one.write("Из первого")
    assert other.write("Из второго")["body"] == "Из первого"
    assert one.look() | {"body": "Из второго"} == one.look()
    assert one.look()["former"]["body"] == "Из первого"
    assert "Из первого" in desk.ann.get(desk.at).text, "told on the page too, wherever it is opened next"
    assert other.write("Из второго, дальше")["body"] == "Из первого"
    assert other.write("Из второго, дальше", settled="1") is None
    assert "Из первого" not in desk.ann.get(desk.at).text


def test_text_that_goes_on_from_the_other_window_is_no_conflict(desk: Any) -> None:
    one, other = two(desk)
    one.write("Начало")
    assert other.write("Начало и конец") is None


def test_not_more_than_a_few_texts_are_kept_aside(desk: Any) -> None:
    for number in range(2 * MOST_FORMER):
        Window(desk.ann, f"{desk.at}/draft", f"w{number}").write(f"{number} текст")
    draft = desk.session.scalars(select(Draft)).one()
    assert [one["body"] for one in draft.former] == [f"{number} текст" for number in range(4, 9)]


def test_sending_one_text_does_not_lose_the_other(desk: Any) -> None:
    one, other = two(desk)
    one.write("Несравненно лучший ответ")
    other.write("Простой ответ")
    desk.ann.post(f"{desk.at}/replies", data={"body": "Простой ответ"})
    draft = desk.session.scalars(select(Draft)).one()
    assert (draft.body, draft.former[0]["body"]) == ("", "Несравненно лучший ответ")


def test_a_version_never_comes_again(desk: Any) -> None:
    one, other = two(desk)
    one.write("первый")
    old = one.version
    desk.ann.post(f"{desk.at}/replies", data={"body": "первый"})
    other.write("второй")
    assert other.version != old
    assert one.write("третий")["body"] == "второй", "a window that slept through it all overwrites nothing"


def test_blocks_are_kept_and_outlive_another_reply(desk: Any) -> None:
    one, _two = two(desk)
    one.write("Коротко", blocks='[{"kind": "link", "title": "Ещё", "url": "https://x.example", "onclick": "evil()"}]')
    draft = desk.session.scalars(select(Draft)).one()
    assert draft.blocks == [{"kind": "link", "title": "Ещё", "url": "https://x.example"}]
    desk.ann.post(f"{desk.at}/replies", data={"body": "Коротко"})
    assert desk.session.scalars(select(Draft)).one().blocks, "put together and not yet sent"
    mark = drafts_of(desk.cast.ann, [desk.ticket.id])[desk.ticket.id]
    assert (mark.mode, mark.built) == ("reply", True)


@pytest.mark.parametrize(
    "blocks", ["[", "{}", '[{"kind": "script"}]', "[1]", '[{"kind": ["text"]}]', f"[{'1,' * 60}1]"]
)
def test_what_are_no_blocks_is_refused(desk: Any, blocks: str) -> None:
    answer = desk.ann.put(f"{desk.at}/draft", data={"body": "x", "blocks": blocks})
    assert answer.status_code == 422


def test_only_ones_own_drafts_are_marked(desk: Any) -> None:
    one, _two = two(desk)
    one.write("моё")
    assert set(drafts_of(desk.cast.ann, [desk.ticket.id])) == {desk.ticket.id}
    assert drafts_of(desk.cast.bob, [desk.ticket.id]) == {}
    one.write("")
    assert drafts_of(desk.cast.ann, [desk.ticket.id]) == {}


def test_the_page_of_drafts(desk: Any) -> None:
    one, _two = two(desk)
    one.write("Почти готово")
    desk.ann.put("/drafts/mail", data={"body": "Новое письмо", "subject": "Счёт", "who": "eve"})
    page = desk.ann.get("/drafts").text
    assert "Почти готово" in page
    assert "Счёт" in page
    assert "Почти готово" not in desk.bob.get("/drafts").text
    draft = desk.session.scalars(select(Draft).where(Draft.ticket_id.is_not(None))).one()
    assert desk.bob.post(f"/drafts/{draft.id}/removal").status_code == 404
    assert desk.ann.post(f"/drafts/{draft.id}/removal").status_code == 303
    assert "Почти готово" not in desk.ann.get("/drafts").text


def test_what_was_typed_stays_when_the_ticket_goes_out_of_sight(desk: Any) -> None:
    long = "Почти готово. " * 40
    desk.bob.put(f"{desk.at}/draft", data={"body": long + "Конец"})
    desk.ticket.move(desk.cast.dora, desk.cast.billing)
    desk.session.commit()
    assert desk.bob.get(desk.at).status_code == 404
    page = desk.bob.get("/drafts").text
    assert "Конец" in page
    assert desk.ticket.title not in page
    assert desk.ticket.number_text not in page


def test_a_new_ticket_keeps_its_form_and_its_files(desk: Any, app: Any) -> None:
    desk.ann.put("/drafts/mail", data={"who": "new@customer.example", "subject": "Счёт", "body": "Начато"})
    uploaded = desk.ann.post("/drafts/mail/files", data={"file": (BytesIO(b"x"), "счёт.txt")}).json
    page = desk.ann.get("/tickets/new").text
    for words in ("new@customer.example", "Счёт", "Начато", "счёт.txt"):
        assert words in page
    form = {"who": "не адрес", "subject": "Счёт", "body": "Готово", "queue_id": desk.cast.support.id}
    posted = form | {"files": (BytesIO(b"y"), "без скриптов.txt")}
    refused = desk.ann.post("/tickets", data=posted)
    assert refused.status_code == 422
    assert "без скриптов.txt" in refused.text
    assert "счёт.txt" in refused.text
    assert desk.ann.delete(f"/drafts/mail/files/{uploaded['id']}").status_code == 204
    sent = desk.ann.post("/tickets", data=form | {"who": "new@customer.example"})
    assert sent.status_code == 303
    ticket = desk.session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
    message = desk.session.scalars(select(Message).where(Message.ticket_id == ticket.id)).one()
    assert [file.name for file in message.attachments] == ["без скриптов.txt"]
    assert "Начато" not in desk.ann.get("/tickets/new").text
    assert desk.ann.put("/drafts/novel", data={}).status_code == 404


def test_the_guard_shows_what_was_said_and_compares_answers(desk: Any) -> None:
    seen = desk.session.scalar(select(Message.id).where(Message.ticket_id == desk.ticket.id))
    desk.ticket.add_person(desk.cast.ann, desk.cast.bob)
    desk.bob.post(f"{desk.at}/replies", data={"body": "Деньги вернём завтра <b>"})
    form = {"body": "Деньги вернём сегодня", "seen": seen, "then": "finish"}
    answer = desk.ann.post(f"{desk.at}/replies", data=form, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "<del>завтра &lt;b&gt;</del><ins>сегодня</ins>" in answer.text
    assert 'name="then" value="finish"' in answer.text, "sending anyway finishes too"
    assert len(desk.session.scalars(select(OutboxItem)).all()) == 1


def test_changes_of_texts() -> None:
    assert changes("один два", "один три") == [("both", "один "), ("theirs", "два"), ("mine", "три")]
    assert changes("", "один") is None
    assert changes("совсем другое", "ничего похожего здесь") is None
    assert changes("слово " * 5000, "слово") is None


def test_send_finish_and_next_says_where_to_go(desk: Any) -> None:
    answer = desk.ann.post(
        f"{desk.at}/replies", data={"body": "Готово", "then": "next"}, headers={"HX-Request": "true"}
    )
    assert answer.headers["X-Next"] == "/claims"
    assert desk.ticket.kind == "finished"


def test_a_persons_signature_stands_below_their_mails_only(desk: Any) -> None:
    from queues.letters import write_letter

    desk.cast.support.signature = "Служба поддержки {operator}"
    desk.ann.post("/profile/signature", data={"signature": "Анна {number} {{7*7}}"})
    assert desk.ann.get(f"{desk.at}/variables").json["closing"] == "Анна {number} {{7*7}}\n\nСлужба поддержки Ann"
    desk.ann.post(f"{desk.at}/replies", data={"body": "Готово"})
    letter = write_letter(desk.session.scalars(select(OutboxItem)).one())
    assert letter.closing == "Анна {number} {{7*7}}\n\nСлужба поддержки Ann"
    assert desk.ann.post("/profile/signature", data={"signature": "x" * 2001}).status_code == 422
