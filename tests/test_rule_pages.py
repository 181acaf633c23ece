"""Rules on their screens: written without scripts, tried on what came lately, switched on, put in order, taken away."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.models import Event, Organisation, Project, Rule, Ticket
from helpdesk.rules import MOST_RULES
from queues import trial
from tests.clients import Client, sign_in
from tests.test_intake import Post, ticket_of

ONE = {"test": ["subject"], "negated": [""], "value": ["счёт"]}


@pytest.fixture
def dora(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.dora)


@pytest.fixture
def post(session: Any, cast: Any) -> Post:
    return Post(session, cast.mailbox)


def written(session: Any) -> list[Rule]:
    return list(session.scalars(select(Rule).order_by(Rule.position)))


def make_rule(dora: Client, cast: Any, name: str = "Счета", **more: Any) -> Any:
    given = {"channel_id": cast.mailbox.id, "name": name, "queue_id": cast.billing.id, **ONE, **more}
    return dora.post("/admin/rules", data=given)


def test_a_rule_is_a_draft_first(dora: Client, session: Any, cast: Any, post: Post) -> None:
    answer = make_rule(dora, cast, tags="Деньги, счёт", priority="2", go_on="1")
    (rule,) = written(session)
    assert answer.status_code == 303 and answer.location == f"/admin/rules/{rule.id}"
    assert (rule.active, rule.go_on, rule.channel_id) == (False, True, cast.mailbox.id)
    assert rule.conditions == [{"test": "subject", "values": ["счёт"]}]
    assert rule.actions == {"queue_id": cast.billing.id, "priority": 2, "tags": ["деньги", "счёт"]}
    assert ticket_of(session, post(subject="Счёт")).queue_id == cast.support.id
    dora.post(f"/admin/rules/{rule.id}/activation")
    assert ticket_of(session, post(subject="Счёт")).queue_id == cast.billing.id
    dora.post(f"/admin/rules/{rule.id}/deactivation")
    assert ticket_of(session, post(subject="Счёт")).queue_id == cast.support.id


def test_pages_show_what_was_written(dora: Client, session: Any, cast: Any) -> None:
    session.add(Organisation(name="ООО «Лавка»"))
    make_rule(
        dora,
        cast,
        test=["sender", "header", "organisation", "known_customer", ""],
        negated=["1", "", "", "", ""],
        value=["@Shop.example, *@x.example", "X-Shop: VIP, золото", "ооо «лавка»", "", "leftover"],
        fate="trusted",
    )
    (rule,) = written(session)
    assert [one["test"] for one in rule.conditions] == ["sender", "header", "organisation", "known_customer"]
    assert rule.conditions[0] == {"test": "sender", "negated": True, "values": ["@shop.example", "*@x.example"]}
    page = dora.get(f"/admin/rules/{rule.id}").text
    assert "X-Shop: VIP, золото" in page and 'value="ООО «Лавка»"' in page
    index = dora.get("/admin/rules").text
    assert "if not Sender: @shop.example, *@x.example" in index and "never spam" in index


def test_own_fields_in_the_form(dora: Client, session: Any, cast: Any, make: Any, post: Post, lately: None) -> None:
    plan, day = make.field("choice", "Тариф", options=["Малый", "Большой"]), make.field("date", "Срок")
    many, tick = make.field("choices", "Темы", options=["Касса", "Склад"]), make.field("checkbox", "Срочно")
    number, other = make.field("number", "Сумма"), make.field("text", "Чужое", queue_ids=[cast.support.id])
    make.field("text", "Город", about="customer")
    session.commit()
    assert "Город" not in dora.get(f"/admin/rules/new?channel_id={cast.mailbox.id}").text
    typed = {
        f"field-{plan.id}": "2", f"field-{day.id}": "2026-03-31", f"field-{many.id}": ["2", "1"],
        f"field-{tick.id}": "1", f"field-{number.id}": "12,5", f"field-{other.id}": "",
    }  # fmt: skip
    assert make_rule(dora, cast, queue_id="", **typed).status_code == 303
    (rule,) = written(session)
    own = {plan: 2, day: "2026-03-31", many: [1, 2], tick: True, number: 12.5}
    wanted = {str(field.id): value for field, value in own.items()}
    assert rule.actions == {"fields": wanted}
    page = dora.get(f"/admin/rules/{rule.id}").text
    assert 'value="2026-03-31"' in page and 'value="2" selected' in page
    assert "Тариф: Большой" in dora.get("/admin/rules").text
    tried = dora.post("/admin/rules/trials", data={"rule_id": rule.id, "name": "Счета", **ONE, **typed}).text
    assert "Темы: Касса, Склад" in tried
    # A choice that was switched off since may stay, and is not offered to other rules; what is wrong is said.
    plan.options = [{**one, "active": one["id"] != 2} for one in plan.options]
    session.commit()
    again = {"name": "Счета", "queue_id": "", **ONE}
    assert dora.post(f"/admin/rules/{rule.id}", data=again | typed).status_code == 303
    assert "does not offer" in make_rule(dora, cast, **{f"field-{plan.id}": "2"}).text
    wrong = dora.post(f"/admin/rules/{rule.id}", data=again | {f"field-{number.id}": "много"})
    assert wrong.status_code == 422 and "takes a number" in wrong.text and 'value="много"' in wrong.text
    apart = dora.post(f"/admin/rules/{rule.id}", data=again | {"queue_id": cast.billing.id, f"field-{other.id}": "х"})
    assert apart.status_code == 422 and "no field “Чужое”" in apart.text
    session.refresh(rule)
    assert rule.actions == {"fields": wanted}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": " "}, "Give the rule a name"),
        ({"value": [""]}, "Write what to look for"),
        ({"test": ["size"], "value": ["много"]}, "Write a number of kilobytes"),
        ({"test": ["header"], "value": ["no colon here"]}, "Write the name of a header"),
        ({"test": ["organisation"], "value": ["Нет такой"]}, "There is no organisation of this name"),
        ({"test": ["sender"], "value": ["Ева и Адам"]}, "Write addresses"),
        ({"queue_id": ""}, "at least one thing"),
        ({"queue_id": "987654"}, "Choose an open queue"),
        ({"tags": "x" * 60}, "at most 10 tags"),
        (
            {"test": ["subject"] * 4, "negated": [""] * 4, "value": [",".join(f"слово{n}" for n in range(30))] * 4},
            "at most 100 things",
        ),
        ({"test": ["subject"] * 21, "negated": [""] * 21, "value": ["x"] * 21}, "at most 20 conditions"),
    ],
)
def test_faults_are_said_and_nothing_typed_is_lost(
    dora: Client, session: Any, cast: Any, given: dict[str, Any], words: str
) -> None:
    answer = make_rule(dora, cast, **{"name": "Моё имя", **given})
    assert answer.status_code == 422 and words in answer.text
    assert given.get("name") or "Моё имя" in answer.text
    assert written(session) == []


def test_order_is_changed_by_steps_and_remembered(dora: Client, session: Any, cast: Any) -> None:
    for name in ("Первое", "Второе", "Третье"):
        make_rule(dora, cast, name)
    first, _second, third = written(session)
    dora.post(f"/admin/rules/{third.id}/place", data={"step": "up"})
    assert [rule.name for rule in written(session)] == ["Первое", "Третье", "Второе"]
    dora.post(f"/admin/rules/{first.id}/place", data={"step": "up"})
    assert [rule.name for rule in written(session)] == ["Первое", "Третье", "Второе"]
    dora.post(f"/admin/rules/{first.id}/place", data={"step": "down"})
    assert [rule.name for rule in written(session)] == ["Третье", "Первое", "Второе"]
    changes = [
        event.payload["changes"]
        for event in session.scalars(select(Event).where(Event.kind == "admin.changed").order_by(Event.id))
        if event.payload["what"] == "rule"
    ]
    assert changes[-2:] == [{"place": [3, 2]}, {"place": [1, 2]}]


def test_a_removed_rule_stays_in_histories(dora: Client, session: Any, cast: Any, post: Post) -> None:
    make_rule(dora, cast)
    (rule,) = written(session)
    dora.post(f"/admin/rules/{rule.id}/activation")
    ticket = ticket_of(session, post(subject="Счёт"))
    assert dora.post(f"/admin/rules/{rule.id}/removal").status_code == 303
    assert written(session) == []
    assert "Rule “Счета”" in dora.get(f"/tickets/{ticket.id}/history").text


def test_a_list_has_an_end(dora: Client, session: Any, cast: Any) -> None:
    row = {"project_id": cast.mailbox.project_id, "channel_id": cast.mailbox.id, "actions": {"priority": 1}}
    session.add_all(Rule(position=n, name=str(n), conditions=[], **row) for n in range(MOST_RULES))
    answer = make_rule(dora, cast)
    assert answer.status_code == 422 and "at most 200 rules" in answer.text


def test_marks_are_a_choice_of_the_channel(dora: Client, session: Any, cast: Any) -> None:
    dora.post(f"/admin/channels/{cast.mailbox.id}/spam-marks", data={"files_marked_spam": "0"})
    assert cast.mailbox.files_marked_spam is False
    dora.post(f"/admin/channels/{cast.mailbox.id}/spam-marks", data={"files_marked_spam": "1"})
    assert cast.mailbox.files_marked_spam is True


@pytest.fixture
def lately(session: Any, cast: Any, post: Post) -> None:
    """Ten mails: three about bills, two adverts, one answer, and four others."""
    for number in range(3):
        post(subject=f"Счёт {number}", text="Где он?")
    for number in range(2):
        post(subject=f"Скидки {number}", sender="win@spam.example")
    post(message_id="<one@customer.example>", subject="Вопрос")
    post(in_reply_to="<one@customer.example>", subject="Re: Вопрос")
    for number in range(3):
        post(subject=f"Прочее {number}")


def test_trial_tells_what_would_have_been(dora: Client, session: Any, cast: Any, lately: None) -> None:
    before = [(ticket.id, ticket.queue_id) for ticket in session.scalars(select(Ticket).order_by(Ticket.id))]
    given = {"channel_id": cast.mailbox.id, "name": "Счета", "queue_id": cast.billing.id, **ONE}
    page = dora.post("/admin/rules/trials", data=given).text
    assert f"3 would go to {cast.billing.name}; 6 stay as they are." in page
    assert "1 more belonged to a ticket" in page
    assert page.count("Счёт 0") == 1 and "Прочее" not in page
    assert 'value="Счета"' in page, "the form is still there"
    assert written(session) == []
    after = [(ticket.id, ticket.queue_id) for ticket in session.scalars(select(Ticket).order_by(Ticket.id))]
    assert before == after, "trying changes nothing"


def test_trial_of_dropping_and_spam(dora: Client, session: Any, cast: Any, lately: None) -> None:
    given = {"channel_id": cast.mailbox.id, "name": "Вон", "queue_id": "", "fate": "drop"}
    spam = {"test": ["sender"], "negated": [""], "value": ["@spam.example"]}
    assert "2 would be left out; 7 stay" in dora.post("/admin/rules/trials", data=given | spam).text
    page = dora.post("/admin/rules/trials", data=given | spam | {"fate": "spam"}).text
    assert "2 would be filed as spam; 7 stay" in page and "spam: by a rule" in page


def test_trial_of_a_changed_rule_shows_the_difference_alone(
    dora: Client, session: Any, cast: Any, post: Post, lately: None
) -> None:
    make_rule(dora, cast)
    (rule,) = written(session)
    dora.post(f"/admin/rules/{rule.id}/activation")
    wider = {"rule_id": rule.id, "name": "Счета", "queue_id": cast.billing.id}
    wider |= {"test": ["subject"], "negated": [""], "value": ["счёт, прочее"]}
    assert f"3 would go to {cast.billing.name}; 6 stay" in dora.post("/admin/rules/trials", data=wider).text


def test_trial_sees_the_rules_before_it(dora: Client, session: Any, cast: Any, lately: None) -> None:
    make_rule(dora, cast, name="Раньше", queue_id="", tags="счёт")
    (rule,) = written(session)
    dora.post(f"/admin/rules/{rule.id}/activation")
    given = {"channel_id": cast.mailbox.id, "name": "Позже", "queue_id": cast.billing.id, **ONE}
    assert "9 stay as they are" in dora.post("/admin/rules/trials", data=given).text


def test_trial_uses_what_was_left_out_too(dora: Client, session: Any, cast: Any, post: Post) -> None:
    make_rule(dora, cast, name="Вон", queue_id="", fate="drop")
    (rule,) = written(session)
    dora.post(f"/admin/rules/{rule.id}/activation")
    post(subject="Счёт", text="про деньги")
    narrower = {"rule_id": rule.id, "name": "Вон", "fate": "drop"}
    narrower |= {"test": ["subject", "text"], "negated": ["", "1"], "value": ["счёт", "деньги"]}
    page = dora.post("/admin/rules/trials", data=narrower).text
    assert "1 would be kept; 0 stay as they are" in page and "left out by “Вон”" in page
    shown = dora.get(f"/admin/rules/{rule.id}").text
    assert "Left out lately" in shown and "<small>eve@customer.example</small>" in shown


def test_trial_of_a_project_looks_at_all_its_channels(
    dora: Client, session: Any, cast: Any, make: Any, post: Post
) -> None:
    post(subject="Счёт")
    Post(session, make.channel(cast.billing))(subject="Счёт", sender="adam@customer.example")
    given = {"project_id": cast.mailbox.project_id, "name": "Все", "priority": "1", **ONE}
    assert "2 would change otherwise; 0 stay" in dora.post("/admin/rules/trials", data=given).text


def test_trial_with_faults_says_them(dora: Client, cast: Any) -> None:
    answer = dora.post("/admin/rules/trials", data={"channel_id": cast.mailbox.id, "name": "", **ONE})
    assert answer.status_code == 422


def test_trial_needs_few_queries(dora: Client, session: Any, cast: Any, post: Post, lately: None) -> None:
    from sqlalchemy import event

    from helpdesk.rules import Actions, Condition

    draft = trial.Draft(
        cast.mailbox.project_id,
        cast.mailbox.id,
        None,
        "Счета",
        (Condition.model_validate({"test": "subject", "values": ["счёт"]}),),
        Actions(priority=1),
    )
    seen: list[str] = []
    listen = lambda _c, _cur, statement, *_: seen.append(statement)  # noqa: E731 - a listener
    connection = session.connection()
    event.listen(connection, "before_cursor_execute", listen)
    try:
        assert trial.run(draft).otherwise == 3
    finally:
        event.remove(connection, "before_cursor_execute", listen)
    assert len(seen) < 12


def test_a_rule_follows_its_channel_to_another_project(session: Any, cast: Any, make: Any, post: Post) -> None:
    other = make.add(Project(name="Другая марка"))
    queue = make.add(type(cast.support)(project_id=other.id, name="Другая очередь"))
    session.add(
        Rule(
            project_id=cast.mailbox.project_id,
            channel_id=cast.mailbox.id,
            position=1,
            name="Важное",
            active=True,
            conditions=[],
            actions={"priority": 1, "queue_id": cast.billing.id},
        )
    )
    cast.mailbox.project_id, cast.mailbox.queue_id = other.id, queue.id
    session.flush()
    ticket = ticket_of(session, post())
    assert (ticket.queue_id, ticket.priority) == (queue.id, 1)


def test_trial_knows_for_whom_a_mail_was(dora: Client, session: Any, cast: Any, make: Any, post: Post) -> None:
    """It came by one address of ours and names another one: the rules of that one were asked, and are tried on it."""
    other = make.channel(cast.billing)
    post(subject="Счёт", to=other.address)
    given = {"name": "Счета", "priority": "1", **ONE}
    theirs = dora.post("/admin/rules/trials", data=given | {"channel_id": other.id}).text
    assert "1 would change otherwise; 0 stay" in theirs
    ours = dora.post("/admin/rules/trials", data=given | {"channel_id": cast.mailbox.id}).text
    assert "0 stay as they are." in ours and "otherwise" not in ours
