"""The screens of merging, splitting, linking and following: who may, what they say before, and the way back."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.models import Message, Notice, Right, State, Ticket, TicketLink, TicketWatcher
from helpdesk.models.ticket import Kind, lock_for_joining
from tests.clients import sign_in


@pytest.fixture
def cast(make: Any) -> Any:
    return make.cast()


@pytest.fixture
def two(make: Any, cast: Any) -> tuple[Ticket, Ticket]:
    """Two tickets of eve in one queue."""
    first = make.ticket(cast.support, cast.eve, "Не пришёл заказ", minutes_ago=180, channel=cast.mailbox)
    second = make.ticket(cast.support, cast.eve, "Где мой <b>заказ</b>?", minutes_ago=60, channel=cast.mailbox)
    make.session.commit()
    return first, second


@pytest.fixture
def ann(app: Any, session: Any, cast: Any) -> Any:
    session.commit()
    return sign_in(app, cast.ann)


def test_dialog_offers_the_customers_other_tickets_first(ann: Any, two: Any, make: Any, cast: Any) -> None:
    first, second = two
    make.ticket(cast.support, make.customer("Пётр"), "Чужой заказ", channel=cast.mailbox)
    make.session.commit()
    page = ann.get(f"/tickets/{first.id}/merge").text
    assert second.number_text in page
    assert "Чужой" not in page
    assert "<b>заказ</b>" not in page
    assert second.number_text in ann.get(f"/tickets/{first.id}/merge?q={second.number}").text
    assert "Чужой" in ann.get(f"/tickets/{first.id}/merge?q=Чужой").text


def test_preview_says_what_will_be(ann: Any, two: Any, session: Any, cast: Any) -> None:
    first, second = two
    first.bring_in(cast.ann, "boss@customer.example")
    first.retag(cast.ann, ["доставка"])
    session.commit()
    page = ann.get(f"/tickets/{first.id}/merge?target={second.id}").text
    for words in ("shown together", "finished as merged", "place in line", "boss@customer.example", "доставка"):
        assert words in page


def test_merge_undo_and_numbers(ann: Any, two: Any, session: Any) -> None:
    first, second = two
    answer = ann.post(f"/tickets/{first.id}/merge", data={"target_id": second.id})
    assert answer.status_code == 303
    page = ann.get(answer.location).text
    assert f"/tickets/{first.id}/merge/undo" in page
    assert "merged into this one" in page
    assert ann.get(f"/t/{first.number}").location.endswith(f"/tickets/{second.id}")
    assert ann.get(f"/search?q={first.number}").location.endswith(f"/tickets/{second.id}")
    merged = ann.get(f"/tickets/{first.id}").text
    assert "Undo the merge" in merged
    assert "/reopening" not in merged
    undone = ann.post(f"/tickets/{first.id}/merge/undo")
    assert undone.status_code == 303
    session.refresh(first)
    assert first.state == State.NEW
    assert ann.post(f"/tickets/{first.id}/merge/undo").status_code == 409


def test_one_must_work_on_both(app: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    other = make.ticket(cast.billing, cast.eve, "Счёт", channel=cast.mailbox)
    session.commit()
    ann = sign_in(app, cast.ann)
    assert ann.post(f"/tickets/{two[0].id}/merge", data={"target_id": other.id}).status_code == 404
    make.allow(cast.front, cast.billing, Right.SEE)
    session.commit()
    assert ann.post(f"/tickets/{two[0].id}/merge", data={"target_id": other.id}).status_code == 403
    assert ann.get(f"/tickets/{two[0].id}/merge?target={other.id}").status_code == 403
    assert two[0].merged_into_id is None


def test_undo_needs_both_too(app: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    other = make.ticket(cast.billing, cast.eve, "Счёт", channel=cast.mailbox)
    session.commit()
    dora = sign_in(app, cast.dora)
    assert dora.post(f"/tickets/{two[0].id}/merge", data={"target_id": other.id}).status_code == 303
    ann = sign_in(app, cast.ann)
    assert ann.post(f"/tickets/{two[0].id}/merge/undo").status_code == 404
    page = ann.get(f"/tickets/{two[0].id}").text
    assert other.number_text not in page
    assert other.title not in page
    assert ann.get(f"/t/{two[0].number}").location.endswith(f"/tickets/{two[0].id}")


def test_undo_needs_the_end_of_the_chain_too(ann: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    first, second = two
    hidden = make.ticket(cast.billing, cast.eve, "Счёт", channel=cast.mailbox)
    lock_for_joining(Ticket, [first.id, second.id, hidden.id])
    first.merge_into(cast.ann, second)
    second.merge_into(cast.dora, hidden)
    make.hear(hidden, "Тайна бухгалтерии")
    session.commit()
    assert ann.get(f"/tickets/{first.id}/merge/undo").status_code == 404
    assert ann.post(f"/tickets/{first.id}/merge/undo").status_code == 404
    assert first.merged_into_id == second.id


def test_nothing_is_written_beside_a_merged_ticket(ann: Any, session: Any, cast: Any, two: Any) -> None:
    first, second = two
    ann.post(f"/tickets/{first.id}/merge", data={"target_id": second.id})
    answer = ann.post(f"/tickets/{first.id}/messages", data={"body": "Мимо коллеги"})
    assert answer.status_code == 422
    assert session.scalars(select(Message).where(Message.kind == "reply")).all() == []


def test_messages_of_a_merged_ticket_are_read_where_they_are_shown(
    app: Any, session: Any, make: Any, cast: Any, two: Any
) -> None:
    other = make.ticket(cast.billing, cast.eve, "Счёт", channel=cast.mailbox)
    said = make.hear(two[0], "Тайна первой очереди")
    said.html = "<p>x</p>"
    session.commit()
    carl = sign_in(app, cast.carl)
    assert carl.get(f"/messages/{said.id}/html").status_code == 404
    two[0].merge_into(cast.dora, other)
    session.commit()
    assert "Тайна первой очереди" in carl.get(f"/tickets/{other.id}").text
    assert carl.get(f"/messages/{said.id}/html").status_code == 302
    two[0].unmerge(cast.dora)
    session.commit()
    assert carl.get(f"/messages/{said.id}/html").status_code == 404


def test_other_customer_is_offered_a_link_instead(ann: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    other = make.ticket(cast.support, make.customer("Пётр"), "Тот же сбой", channel=cast.mailbox)
    session.commit()
    page = ann.get(f"/tickets/{two[0].id}/merge?target={other.id}").text
    assert "different customers" in page
    assert 'value="duplicate"' in page
    assert ann.post(f"/tickets/{two[0].id}/merge", data={"target_id": other.id}).status_code == 422
    ann.post(f"/tickets/{two[0].id}/links", data={"number": other.number, "what": "duplicate"})
    assert session.scalars(select(TicketLink.how)).all() == ["duplicate"]


def test_undo_asks_where_unclear_messages_belong(ann: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    first, second = two
    first.merge_into(cast.ann, second)
    unclear = make.hear(second, "А где мой второй заказ?")
    session.commit()
    page = ann.get(f"/tickets/{first.id}/merge/undo").text
    assert "второй заказ" in page
    ann.post(f"/tickets/{first.id}/merge/undo", data={"own": unclear.id})
    session.refresh(unclear)
    assert unclear.ticket_id == first.id


def test_split_in_mail_lets_both_be_worked_on_and_is_undone(
    ann: Any, session: Any, make: Any, cast: Any, two: Any
) -> None:
    first = two[0]
    first.claim(cast.ann)
    about_else = make.hear(first, "И ещё: не могу войти в кабинет, помогите пожалуйста")
    session.commit()
    before = {name: getattr(first, name) for name in ("state", "first_unanswered_at", "last_customer_at", "owner_id")}
    assert "не могу войти" in ann.get(f"/tickets/{first.id}/split?message={about_else.id}").text
    answer = ann.post(f"/tickets/{first.id}/split", data={"message": about_else.id})
    fresh = session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
    assert answer.location.endswith(f"/tickets/{fresh.id}")
    assert (fresh.kind, first.kind, fresh.title[:7]) == (Kind.ACTIVE, Kind.ACTIVE, "И ещё: ")
    assert (fresh.owner_id, about_else.ticket_id, fresh.customer_id) == (cast.ann.id, fresh.id, first.customer_id)
    assert fresh.first_unanswered_at == about_else.at
    assert first.number_text in ann.get(f"/tickets/{fresh.id}").text
    assert fresh.number_text in ann.get(f"/tickets/{first.id}").text
    assert ann.post(f"/tickets/{fresh.id}/split/undo").status_code == 303
    session.refresh(first)
    assert {name: getattr(first, name) for name in before} == before
    session.refresh(about_else)
    assert about_else.ticket_id == first.id
    assert (fresh.state, fresh.merged_into_id) == (State.MERGED, first.id)
    assert ann.get(f"/t/{fresh.number}").location.endswith(f"/tickets/{first.id}")
    assert ann.post(f"/tickets/{fresh.id}/merge/undo").status_code == 422


def test_split_within_a_conversation_waits_or_changes_places(ann: Any, session: Any, make: Any, cast: Any) -> None:
    chat = make.channel(cast.support, kind="http", settings={"url": "https://hooks.example/x"})
    ticket = make.ticket(cast.support, cast.eve, "Чат", channel=chat)
    one, two = make.hear(ticket, "Первое"), make.hear(ticket, "Второе")
    session.commit()
    assert ann.post(f"/tickets/{ticket.id}/split", data={"message": one.id, "place": "own"}).status_code == 422
    ann.post(f"/tickets/{ticket.id}/split", data={"message": one.id, "place": "wait", "title": "Первое дело"})
    fresh = session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
    assert (fresh.state, fresh.title, ticket.kind) == (State.WAITING, "Первое дело", Kind.ACTIVE)
    ann.post(f"/tickets/{ticket.id}/split", data={"message": two.id, "place": "swap"})
    other = session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
    session.refresh(ticket)
    assert (other.kind, ticket.state) == (Kind.ACTIVE, State.WAITING)


def test_split_refuses_all_messages_and_those_of_others(ann: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    first, second = two
    from helpdesk.queries.thread import messages

    own = [message.id for message in messages(first).messages]
    foreign = [message.id for message in messages(second).messages]
    session.commit()
    assert ann.post(f"/tickets/{first.id}/split", data={"message": own}).status_code == 422
    assert ann.post(f"/tickets/{first.id}/split", data={"message": foreign}).status_code == 422
    assert ann.post(f"/tickets/{first.id}/split", data={}).status_code == 422


def test_parents_and_children(ann: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    first, second = two
    session.commit()
    assert ann.post(f"/tickets/{first.id}/links", data={"number": second.number, "what": "child"}).status_code == 303
    assert "1 child open" in ann.get(f"/tickets/{first.id}").text
    loop = ann.post(f"/tickets/{second.id}/links", data={"number": first.number, "what": "child"})
    assert loop.status_code in {409, 422}
    first.claim(cast.ann)
    session.commit()
    assert "child ticket is open" in ann.get(f"/tickets/{first.id}/dialogs/finish").text
    assert ann.post(f"/tickets/{first.id}/closure", data={"state": "solved"}).status_code == 422
    done = ann.post(f"/tickets/{first.id}/closure", data={"state": "solved", "despite_children": "1"})
    assert done.status_code == 303
    link = session.scalars(select(TicketLink)).one()
    assert ann.post(f"/tickets/{second.id}/links/{link.id}/removal").status_code == 303
    assert session.scalars(select(TicketLink)).all() == []
    assert ann.post(f"/tickets/{first.id}/links", data={"number": "1", "what": "related"}).status_code == 404


def test_followers_are_told_what_others_do(app: Any, session: Any, make: Any, cast: Any, two: Any) -> None:
    ticket = two[0]
    session.commit()
    bob = sign_in(app, cast.bob)
    assert bob.post(f"/tickets/{ticket.id}/watch").status_code == 303
    assert "Stop following" in bob.get(f"/tickets/{ticket.id}").text
    session.refresh(ticket)
    ticket.note(cast.ann, "Проверяю")
    ticket.note(cast.ann, "Проверил")
    ticket.note(cast.bob, "Спасибо")
    make.hear(ticket, "Ну что там?")
    make.hear(ticket, "Я в отпуске", nature="auto-reply")
    session.commit()
    told = session.scalars(select(Notice).where(Notice.user_id == cast.bob.id).order_by(Notice.id)).all()
    assert [notice.payload["what"] for notice in told] == ["message.note", "message.inbound"]
    assert "left a note on a ticket that you follow" in bob.get("/notices").text
    bob.post(f"/tickets/{ticket.id}/watch", data={"remove": "1"})
    session.refresh(ticket)
    assert ticket.watched is False
    assert session.scalars(select(TicketWatcher)).all() == []


def test_snooze_offers_moments_of_the_readers_day(ann: Any, session: Any, two: Any) -> None:
    ticket = two[0]
    page = ann.get(f"/tickets/{ticket.id}/dialogs/snooze").text
    for words in ("In one hour", "Tomorrow morning"):
        assert words in page
    assert ann.post(f"/tickets/{ticket.id}/pause", data={"choice": "tomorrow"}).status_code == 303
    session.refresh(ticket)
    from zoneinfo import ZoneInfo

    local = ticket.pending_until.astimezone(ZoneInfo("Europe/Kyiv"))
    assert (local.hour, local.minute) == (9, 0)
    assert ticket.pending_until > clock.now()
    assert ann.post(f"/tickets/{ticket.id}/pause", data={"choice": "never"}).status_code == 422
