"""What a batch costs: as many statements for many mails as for few, one row a counter, one array a column."""

from email.message import EmailMessage
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy import select
from sqlalchemy.engine import Engine

from helpdesk.db import insert_all
from helpdesk.models import MailCopies, Message, Tally
from queues import intake
from queues.channels.base import Inbound


def mail(number: int, to: str) -> Inbound:
    letter = EmailMessage()
    letter["From"], letter["To"] = f"eve{number}@customer{number}.example", to
    letter["Subject"], letter["Message-ID"] = f"Заказ {number}", f"<{number}@customer.example>"
    letter.set_content("Не приходит код")
    return Inbound(f"test:{number}", bytes(letter))


def test_many_mails_ask_as_often_as_few(session: Any, cast: Any) -> None:
    channel_id, address = cast.mailbox.id, cast.mailbox.address
    cast.support.acknowledge = False  # an answer is counted and written for its own mail
    session.commit()
    asked: list[list[str]] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked[-1].append(statement.split("(")[0][:60].rstrip("0123456789"))  # savepoints are numbered

    for numbers in (range(100, 103), range(200, 230)):
        intake.accept_many(channel_id, [mail(number, address) for number in numbers])
        session.expunge_all()  # as in a worker, where nobody else holds what was read
        asked.append([])
        sa_event.listen(Engine, "before_cursor_execute", note)
        try:
            intake.drain()
        finally:
            sa_event.remove(Engine, "before_cursor_execute", note)
    assert len(session.scalars(select(Message.id).where(Message.kind == "inbound")).all()) == 33
    few, many = asked
    assert sorted(many) == sorted(few)


def test_a_counter_gets_one_row_between_two_flushes(session: Any, cast: Any) -> None:
    def rows() -> list[int]:
        return list(session.scalars(select(Tally.delta).where(Tally.scope == "test:1").order_by(Tally.id)))

    for delta in (1, 1, -3):
        Tally.add("test:1", "met", delta)
    assert rows() == [-1]
    Tally.add("test:1", "met", 5)
    assert rows() == [-1, 5]
    with session.begin_nested() as point:
        Tally.add("test:1", "met", 7)
        point.rollback()
    Tally.add("test:1", "met", 2)
    assert rows() == [-1, 5, 2]


def test_rows_are_inserted_by_arrays_whatever_they_hold(session: Any) -> None:
    rows = [{"digest": bytes([number]), "events": {"1": number, "слово": 'кавычка " и {'}} for number in range(3)]
    fresh = insert_all(MailCopies, rows).on_conflict_do_nothing().returning(MailCopies.digest)
    assert [bytes(one) for one in session.scalars(fresh)] == [row["digest"] for row in rows]
    found = {bytes(row.digest): row.events for row in session.scalars(select(MailCopies))}
    assert found == {row["digest"]: row["events"] for row in rows}
