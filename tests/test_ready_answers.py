"""Ready answers and their variables: who may use and edit them, what stands for what, and that nothing is executed."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import variables
from helpdesk.models import CannedReply, Event, TextVariable, TextVariableValue
from helpdesk.models.user import Permission
from tests.clients import Client, sign_in

HOSTILE = [
    "{{7*7}}",
    "%(x)s",
    "${7*7}",
    "{customer_name}",
    "{{config}}",
    "{% if 1 %}x{% endif %}",
    "{0.__class__}",
    "\\1 \\g<0>",
]


@pytest.fixture
def desk(app: Any, session: Any, make: Any, cast: Any) -> Any:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    people = {name: sign_in(app, getattr(cast, name)) for name in ("ann", "carl", "dora")}
    return SimpleNamespace(ticket=ticket, session=session, cast=cast, make=make, **people)


def told(desk: Any, who: Client | None = None) -> dict[str, str]:
    answer = (who or desk.ann).get(f"/tickets/{desk.ticket.id}/variables").json
    return {one["name"]: one["value"] for one in answer["variables"]}


def test_variables_of_a_ticket(desk: Any) -> None:
    desk.ticket.customer.name = "Иванова Ева Петровна"
    values = told(desk)
    assert values["customer_name"] == "Иванова Ева Петровна"
    assert values["customer_first_name"] == "Ева"
    assert values["ticket_number"] == desk.ticket.number_text
    assert values["ticket_title"] == desk.ticket.title
    assert values["agent_name"] == "Ann"
    assert values["queue"] == desk.cast.support.name


def test_nobody_is_greeted_by_an_address(desk: Any) -> None:
    desk.ticket.customer.name = "eve@customer.example"
    values = told(desk)
    assert variables.fill("Здравствуйте, {customer_first_name}!", values) == "Здравствуйте, {customer_first_name}!"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_value_is_plain_text_and_looked_at_once(desk: Any, name: str) -> None:
    desk.ticket.customer.name = f"Ева {name}"
    values = told(desk)
    assert values["customer_name"] == f"Ева {name}"
    assert variables.fill("<{customer_name}> {unknown}", values) == f"<Ева {name}> {{unknown}}"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_looks_like_a_template_stays_as_it_is(text: str) -> None:
    assert variables.fill(text, {"x": "no", "config": "secret"}) in {text, text.replace("{config}", "secret")}


def test_a_name_of_100_kilobytes(desk: Any) -> None:
    desk.ticket.customer.name = "Ё" * 100_000
    assert len(told(desk)["customer_name"]) == 100_000
    assert variables.fill("{" * 100_000 + "customer_name}", {"customer_name": "Ева"}).endswith("Ева")


def test_own_values_by_project_and_language(desk: Any) -> None:
    project_id = desk.cast.support.project_id
    rows = [(None, "", "всегда"), (None, "ru", "по-русски"), (project_id, "", "здесь"), (project_id, "uk", "тут")]
    values = [TextVariableValue(project_id=project, language=code, value=value) for project, code, value in rows]
    assert variables.value_of(values, project_id, "uk") == "тут"
    assert variables.value_of(values, project_id, "ru") == "здесь"
    assert variables.value_of(values, project_id + 1, "ru") == "по-русски"
    assert variables.value_of(values, project_id + 1, "en") == "всегда"
    assert variables.value_of([], project_id, "en") == ""


def names(desk: Any, who: Client) -> list[str]:
    return [one["name"] for one in who.get(f"/queues/{desk.cast.support.id}/answers").json]


def test_answers_are_for_everybody_or_for_groups_and_queues(desk: Any) -> None:
    other = desk.make.group("Third", desk.cast.bob)
    desk.session.add_all(
        [
            CannedReply(name="Всем", body="а"),
            CannedReply(name="Чужой группе", body="б", groups=[other]),
            CannedReply(name="Своей группе", body="в", groups=[desk.cast.front]),
            CannedReply(name="Чужой очереди", body="г", queue_id=desk.cast.billing.id),
        ]
    )
    desk.session.flush()
    assert names(desk, desk.ann) == ["Всем", "Своей группе"]
    assert desk.carl.get(f"/queues/{desk.cast.support.id}/answers").status_code == 404


def test_the_same_list_is_not_sent_twice(desk: Any) -> None:
    first = desk.ann.get(f"/queues/{desk.cast.support.id}/answers")
    again = desk.ann.get(f"/queues/{desk.cast.support.id}/answers", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_an_answer_is_managed(desk: Any) -> None:
    form = {"name": "Привет", "body": "Здравствуйте, {customer_name}! {colour}", "shortcut": "/Hello", "keywords": "hi"}
    form |= {"language": "ru", "queue_id": "0", "groups": [desk.cast.front.id]}
    page = desk.dora.post("/admin/texts", data=form, follow_redirects=True).text
    assert "{colour}" in page, "what nothing is known of is told at once"
    answer = desk.session.scalars(select(CannedReply)).one()
    assert (answer.shortcut, answer.language, [group.id for group in answer.groups]) == (
        "hello",
        "ru",
        [desk.cast.front.id],
    )
    assert desk.dora.post(f"/admin/texts/{answer.id}", data=form | {"shortcut": "two words"}).status_code == 422
    desk.dora.post(f"/admin/texts/{answer.id}", data=form | {"groups": []})
    assert answer.groups == []
    kinds = [event.payload["what"] for event in desk.session.scalars(select(Event)) if "what" in event.payload]
    assert kinds.count("canned reply") == 2


def test_who_may_edit_texts(desk: Any) -> None:
    assert desk.ann.get("/admin/texts").status_code == 403
    desk.cast.front.permissions = [Permission.TEXTS.value]
    desk.session.flush()
    assert desk.ann.get("/admin/texts").status_code == 200
    assert desk.ann.get("/admin/variables").status_code == 200
    assert desk.ann.get("/admin/customer-texts").status_code == 403
    assert "/admin/texts" in desk.ann.get("/composer/parts").text
    assert "/admin/texts" not in desk.carl.get("/composer/parts").text


def test_a_group_is_given_the_right(desk: Any) -> None:
    group = desk.cast.front
    desk.dora.post(f"/groups/{group.id}", data={"name": group.name, "texts": "y", "dialog_settings": "y"})
    assert set(group.permissions) == {"texts", "dialog_settings"}


def test_variables_are_managed(desk: Any) -> None:
    desk.dora.post("/admin/variables", data={"name": "{часы}", "note": "Часы", "value": "до 18:00"})
    variable = desk.session.scalars(select(TextVariable)).one()
    url = f"/admin/variables/{variable.id}"
    assert told(desk)["часы"] == "до 18:00"
    desk.dora.post(
        f"{url}/values", data={"project_id": desk.cast.support.project_id, "language": "", "value": "до 20:00"}
    )
    assert told(desk)["часы"] == "до 20:00"
    assert "до 20:00" in desk.dora.get(url).text
    value = next(one for one in variable.values if one.project_id)
    desk.dora.post(f"{url}/values/{value.id}/removal")
    assert told(desk)["часы"] == "до 18:00"
    for name in ("customer_name", "часы", "7up", "два слова", "a" * 61, ""):
        assert desk.dora.post("/admin/variables", data={"name": name, "value": "x"}).status_code == 422, name
    desk.dora.post(f"{url}/removal")
    assert "часы" not in told(desk)
