"""Real mail on its way in: rules that fire, senders blocked or flooding, marks of servers, and what is never lost."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.history import tell
from helpdesk.models import (
    BlockedSender,
    Event,
    InboundEvent,
    InboundState,
    Message,
    OutboxItem,
    Project,
    Rule,
    SenderCount,
    State,
    Tally,
    Ticket,
)
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.counters import ledgers
from helpdesk.queries.search import find_tickets
from queues import housekeeping, intake, mail_facts
from queues.channels.base import Inbound
from tests.test_intake import Post, message_of, ticket_of


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


@pytest.fixture
def rule(session: Any, cast: Any) -> Any:
    """Write a rule: `rule("Имя", [conditions], action=...)`, that of the channel unless `of_project`."""
    written = iter(range(1, 1000))

    def write(name: str, conditions: list[dict[str, Any]], of_project: bool = False, **more: Any) -> Rule:
        row = Rule(
            project_id=cast.mailbox.project_id,
            channel_id=None if of_project else cast.mailbox.id,
            position=next(written),
            name=name,
            active=more.pop("active", True),
            go_on=more.pop("go_on", False),
            conditions=conditions,
            actions=more,
        )
        session.add(row)
        session.flush()
        return row

    return write


def subject(*words: str) -> dict[str, Any]:
    return {"test": "subject", "values": list(words)}


def fired(session: Any, ticket: Ticket) -> list[dict[str, Any]]:
    query = select(Event.payload).where(Event.ticket_id == ticket.id, Event.kind == "ticket.rule").order_by(Event.id)
    return list(session.scalars(query))


def met(session: Any, scope: str) -> int:
    return sum(session.scalars(select(Tally.delta).where(Tally.scope == scope, Tally.name == "met")))


def test_a_rule_sorts_and_says_so(session: Any, cast: Any, post: Post, rule: Any) -> None:
    row = rule(
        "Счета",
        [subject("счёт")],
        queue_id=cast.billing.id,
        priority=1,
        tags=["деньги"],
        request_type="Вопрос по счёту",
    )
    ticket = ticket_of(session, post(subject="Где мой СЧЕТ?"))
    assert (ticket.queue_id, ticket.priority, ticket.request_type) == (cast.billing.id, 1, "Вопрос по счёту")
    assert ticket.tags == ["деньги"]
    (event,) = fired(session, ticket)
    assert event["rule_id"] == row.id and event["name"] == "Счета" and event["queue_id"] == cast.billing.id
    assert met(session, f"rule:{row.id}") == 1


def test_own_fields_are_filled_in(session: Any, cast: Any, make: Any, post: Post, rule: Any) -> None:
    plan = make.field("choice", "Тариф", options=["Малый", "Большой"])
    text, number = make.field("text", "Откуда"), make.field("number", "Сумма")
    day, tick = make.field("date", "Срок"), make.field("checkbox", "Срочно")
    many = make.field("choices", "Темы", options=["Касса", "Склад"])
    foreign = make.field("text", "Чужое", queue_ids=[cast.billing.id])
    gone = make.field("choice", "Старое", options=["Было"])
    gone.options = [{**gone.options[0], "active": False}]
    session.flush()
    own = {plan: 2, text: "Магазин", number: 12.5, day: "2026-03-31", tick: True, many: [1, 2]}
    named = {str(field.id): value for field, value in own.items()}
    rule("Заказы", [subject("Заказ")], fields={**named, str(foreign.id): "х", str(gone.id): 1})
    ticket = ticket_of(session, post(subject="Заказ 7"))
    assert ticket.fields == named
    (said,) = fired(session, ticket)
    assert sorted(map(tuple, said["fields"])) == [
        ("Откуда", "Магазин"), ("Срок", "2026-03-31"), ("Срочно", "✓"), ("Сумма", "12.5"), ("Тариф", "Большой"),
        ("Темы", "Касса, Склад"),
    ]  # fmt: skip
    assert said["fields_refused"] == ["Чужое", "Старое"]
    told = [line["text"] for line in tell(session.scalars(select(Event).where(Event.ticket_id == ticket.id)))]
    assert any("Тариф: Большой" in line and "not set: Чужое, Старое" in line for line in told)
    assert [hit.row.id for hit in find_tickets(cast.ann, "Магазин").hits] == [ticket.id]


def test_drafts_do_nothing(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Счета", [subject("счёт")], active=False, queue_id=cast.billing.id)
    assert ticket_of(session, post(subject="Счёт")).queue_id == cast.support.id


def test_own_rules_of_a_channel_go_before_those_of_its_project(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Общее", [subject("счёт")], of_project=True, priority=4)
    rule("Своё", [subject("счёт")], priority=1)
    assert ticket_of(session, post(subject="Счёт")).priority == 1


@pytest.mark.parametrize("why", ["closed", "elsewhere"])
def test_a_queue_that_cannot_be_used(session: Any, cast: Any, make: Any, post: Post, rule: Any, why: str) -> None:
    if why == "closed":
        cast.billing.active = False
    else:
        cast.billing.project_id = make.add(Project(name="Другая марка")).id
    session.flush()
    rule("Счета", [subject("счёт")], queue_id=cast.billing.id)
    ticket = ticket_of(session, post(subject="Счёт"))
    assert ticket.queue_id == cast.support.id
    assert fired(session, ticket)[0]["queue_refused"] == cast.billing.id


def test_no_acknowledgement(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Тихо", [subject("тихо")], no_acknowledgement=True)
    post(subject="Тихо")
    assert not session.scalars(select(OutboxItem)).all()
    post(subject="Громко")
    assert len(session.scalars(select(OutboxItem)).all()) == 1


def test_dropped_by_name_and_the_ledger_knows(session: Any, cast: Any, post: Post, rule: Any) -> None:
    row = rule("Реклама", [subject("скидк")], fate="drop")
    event = post(subject="Скидки!")
    assert (event.state, event.reason) == (InboundState.DROPPED, "rule “Реклама”")
    assert not session.scalars(select(Ticket)).all()
    ledger = ledgers([cast.mailbox.id])[cast.mailbox.id]
    assert ledger.balanced and ledger.dropped == 1
    assert met(session, f"rule:{row.id}") == 1


def test_an_answer_to_a_ticket_is_never_dropped(session: Any, cast: Any, post: Post, rule: Any) -> None:
    first = ticket_of(session, post(message_id="<one@customer.example>"))
    rule("Всё вон", [{"test": "sender", "values": ["@customer.example"]}], fate="drop")
    event = post(in_reply_to="<one@customer.example>", text="Скидки!")
    assert ticket_of(session, event) is first
    assert event.facts == {"joined": True}


def test_a_late_answer_opens_spam_at_worst(session: Any, cast: Any, post: Post, rule: Any) -> None:
    first = ticket_of(session, post(message_id="<one@customer.example>"))
    cast.support.follow_up = "new"
    first.finish(cast.ann, State.SOLVED)
    rule("Всё вон", [{"test": "sender", "values": ["@customer.example"]}], fate="drop")
    second = ticket_of(session, post(in_reply_to="<one@customer.example>"))
    assert (second.state, second.spam_cause, second.previous_id) == (State.SPAM, "rule", first.id)


def test_blocked_senders_are_kept_and_nobodys_work(session: Any, cast: Any, post: Post) -> None:
    row = BlockedSender(project_id=cast.mailbox.project_id, value="@spam.example", by_id=cast.ann.id)
    session.add(row)
    event = post(sender="win@news.spam.example", subject="Вы выиграли")
    ticket = ticket_of(session, event)
    assert (ticket.kind, ticket.state, ticket.spam_cause) == (Kind.FINISHED, State.SPAM, "blocked")
    assert message_of(session, event).text.strip() == "Помогите, пожалуйста"
    assert not session.scalars(select(OutboxItem)).all()
    assert met(session, f"blocked:{row.id}") == 1
    waiting = session.scalars(
        select(Tally.delta).where(Tally.scope == f"queue:{ticket.queue_id}", Tally.name == "waiting")
    )
    assert sum(waiting) == 0


def test_blocked_in_one_project_is_welcome_in_another(session: Any, cast: Any, make: Any) -> None:
    other = make.add(Project(name="Другая марка"))
    session.add(BlockedSender(project_id=other.id, value="eve@customer.example"))
    assert ticket_of(session, Post(session, cast.mailbox)()).state == State.NEW


def test_an_administrator_may_leave_blocked_senders_out(session: Any, cast: Any, post: Post, rule: Any) -> None:
    session.add(BlockedSender(project_id=cast.mailbox.project_id, value="eve@customer.example"))
    rule("Заблокированные", [{"test": "blocked"}], fate="drop")
    assert post().reason == "rule “Заблокированные”"


def test_marks_of_the_server_are_believed_unless_told_otherwise(session: Any, cast: Any, post: Post) -> None:
    assert ticket_of(session, post(x_spam_flag="YES")).spam_cause == "server"
    cast.mailbox.files_marked_spam = False
    session.flush()
    assert ticket_of(session, post(sender="bob@customer.example", x_spam_flag="YES")).state == State.NEW


def test_a_trusted_sender_is_never_spam(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Наши", [{"test": "sender", "values": ["@customer.example"]}], fate="trusted")
    assert ticket_of(session, post(x_spam_flag="YES")).state == State.NEW


def test_spam_after_spam_stays_with_it(session: Any, cast: Any, post: Post) -> None:
    first = ticket_of(session, post(message_id="<one@customer.example>", x_spam_flag="YES"))
    second = ticket_of(session, post(in_reply_to="<one@customer.example>", x_spam_flag="YES"))
    assert second is first and first.state == State.SPAM


def test_who_was_taken_for_spam_and_writes_again_is_heard(session: Any, cast: Any, post: Post) -> None:
    first = ticket_of(session, post(message_id="<one@customer.example>"))
    first.file_as_spam(cast.ann)
    again = ticket_of(session, post(in_reply_to="<one@customer.example>", text="Почему молчите?"))
    assert again is first and first.kind == Kind.ACTIVE and first.spam_cause is None


def test_known_customers_and_organisations(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Знакомые", [{"test": "known_customer"}], priority=2)
    assert ticket_of(session, post(sender="new@customer.example")).priority == 3
    assert ticket_of(session, post(sender="new@customer.example", subject="Снова")).priority == 2


def test_spam_does_not_make_anybody_known(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("Знакомые", [{"test": "known_customer"}], priority=2)
    post(x_spam_flag="YES")
    assert ticket_of(session, post(subject="Снова")).priority == 3


def test_headers_files_and_size(session: Any, cast: Any, post: Post, rule: Any) -> None:
    rule("VIP", [{"test": "header", "header": "x-shop", "values": ["золот"]}], go_on=True, priority=1)
    rule("Файлы", [{"test": "attachment", "values": ["text/*"]}, {"test": "size", "values": ["1"]}], tags=["файл"])
    from email.message import EmailMessage

    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "eve@customer.example", cast.mailbox.address, "Файл"
    mail["X-Shop"] = "Золотой клиент"
    mail.set_content("См. файл")
    mail.add_attachment("строка\n" * 500, filename="список.txt")
    ticket = ticket_of(session, post.raw(bytes(mail)))
    assert (ticket.priority, ticket.tags) == (1, ["файл"])


def flood(channel: Any, count: int, sender: str = "bot@shop.example", start: int = 0, **envelope: Any) -> None:
    for number in range(start, start + count):
        raw = (
            f"From: {sender}\r\nTo: {channel.address}\r\nSubject: Заявка {number}\r\n"
            f"Message-ID: <{sender}-{number}@shop.example>\r\n\r\nТекст {number}\r\n"
        ).encode()
        intake.accept(channel.id, Inbound(f"{sender}:{number}", raw, envelope))
    intake.drain()


def causes(session: Any) -> list[str | None]:
    session.expire_all()
    return list(session.scalars(select(Ticket.spam_cause).order_by(Ticket.id)))


def test_a_flood_is_kept_aside(session: Any, cast: Any, move_clock: Any) -> None:
    flood(cast.mailbox, 63)
    assert causes(session) == [None] * 60 + ["flood"] * 3
    flood(cast.mailbox, 1, sender="eve@customer.example")
    assert causes(session)[-1] is None, "one sender's flood is no other's"
    move_clock("61 minutes")
    flood(cast.mailbox, 1, start=100)
    assert causes(session)[-1] is None, "an hour later it is over"


def test_in_a_flood_answers_still_reach_their_tickets(session: Any, cast: Any, post: Post) -> None:
    first = ticket_of(session, post(message_id="<one@customer.example>"))
    session.add(SenderCount(project_id=cast.mailbox.project_id, address="bot@shop.example", mails=500))
    session.query(SenderCount).filter_by(address="eve@customer.example").update({"mails": 500})
    assert ticket_of(session, post(in_reply_to="<one@customer.example>")) is first
    assert ticket_of(session, post(subject="Новое")).spam_cause == "flood"


def test_old_mail_of_a_mailbox_is_no_flood(session: Any, cast: Any) -> None:
    flood(cast.mailbox, 62, old=True)
    assert causes(session) == [None] * 62


def test_counts_are_forgotten(session: Any, cast: Any, post: Post, move_clock: Any) -> None:
    post()
    assert housekeeping.forget_counts() == 0
    move_clock("3 days")
    assert housekeeping.forget_counts() == 2, "one of the sender's mails, one of our answers"


def test_facts_stay_with_the_event_as_long_as_the_raw_input(
    session: Any, cast: Any, post: Post, rule: Any, move_clock: Any
) -> None:
    rule("Реклама", [subject("скидк")], fate="drop")
    kept, dropped = post(x_shop="vip"), post(subject="Скидки!", text="Только сегодня")
    facts = mail_facts.from_row(kept.facts, message_of(session, kept).text)
    assert facts.sender == "eve@customer.example" and facts.headers["x-shop"] == "vip"
    assert "text" not in kept.facts and "сегодня" in dropped.facts["text"]
    move_clock("400 days")
    assert housekeeping.purge_raw() == 2
    session.expire_all()
    assert session.scalars(select(InboundEvent.facts)).all() == [None, None]
    assert session.scalars(select(Message)).all()


def test_two_workers_count_one_sender_together(committed: Any, make_committed: Any, app: Any) -> None:
    """Sixty-four mails of one sender, understood by two workers at once: four are beyond the sixty."""
    import threading

    channel = make_committed.channel(make_committed.queue())
    committed.commit()
    for number in range(64):
        raw = f"From: bot@shop.example\r\nSubject: {number}\r\nMessage-ID: <{number}@shop.example>\r\n\r\nx".encode()
        intake.accept(channel.id, Inbound(str(number), raw))

    def work() -> None:
        with app.app_context():
            intake.drain()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    intake.drain()
    found = causes(committed)
    assert len(found) == 64 and found.count("flood") == 4
