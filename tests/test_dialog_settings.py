"""Managed lists and fields of one's own: who may define them, and what becomes of what was said before."""

from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import dialog_settings, permissions, staff
from helpdesk.errors import Refused
from helpdesk.models import Category, Event, Field, ListItem, ListName, Permission, Rule, Target, Ticket
from helpdesk.models.definitions import definitions, ensure_item
from tests.clients import Client, sign_in


@pytest.fixture
def dora(app: Any, cast: Any) -> Client:
    return sign_in(app, cast.dora)


@pytest.mark.parametrize("name", [ListName.TYPE, ListName.REASON, ListName.COMPONENT, ListName.CATEGORY])
def test_a_list_is_kept(session: Any, dora: Client, name: ListName) -> None:
    url = f"/admin/lists/{name.value}"
    for word in ("Оплата", "Доставка"):
        assert dora.post(url, data={"name": word}).status_code == 303
    first, second = dialog_settings.items_of(name)[-2:]
    assert dora.post(url, data={"name": " оплата "}).status_code == 422
    assert dora.post(url, data={"name": "а" * 101}).status_code == 422
    assert dora.post(f"{url}/{second.id}/place", data={"step": "-1"}).status_code == 303
    assert dialog_settings.items_of(name)[-2:] == [second, first]
    dora.post(f"{url}/{first.id}", data={"name": "Платежи"})
    assert (first.name, first.active) == ("Платежи", False)
    page = dora.get(url).text
    assert "Платежи" in page and "Доставка" in page


def test_items_of_another_list_are_not_found(dora: Client, make: Any) -> None:
    reason = make.item("reason", "Брак")
    assert dora.post(f"/admin/lists/component/{reason.id}", data={"name": "x"}).status_code == 404
    assert dora.get("/admin/lists/made-up").status_code == 404


def test_what_said_the_former_name_of_a_type_says_the_new_one(session: Any, cast: Any, make: Any) -> None:
    item = make.item("request_type", "Жалоба")
    project = cast.support.project_id
    rule = Rule(project_id=project, position=1, name="r", actions={"request_type": "жалоба", "priority": 1})
    target = Target(request_type="Жалоба", first_seconds=60)
    session.add_all([rule, target])
    session.flush()
    dialog_settings.save_item(cast.dora, ListName.TYPE, item, {"name": "Претензия"})
    session.refresh(target)
    assert rule.actions == {"request_type": "Претензия", "priority": 1}
    assert target.request_type == "Претензия"


def test_the_named_permission_opens_these_screens_and_no_others(app: Any, session: Any, cast: Any, make: Any) -> None:
    ann = sign_in(app, cast.ann)
    pages = ("/admin/lists/reason", "/admin/fields", "/admin/fields/new")
    assert {ann.get(page).status_code for page in pages} == {403}
    assert ann.post("/admin/lists/reason", data={"name": "Брак"}).status_code == 403
    sign_in(app, cast.dora).post(
        f"/groups/{cast.front.id}",
        data={"name": cast.front.name, "dialog_settings": "y", "members": [cast.ann.id]},
    )
    assert cast.front.permissions == [Permission.DIALOG_SETTINGS]
    assert {ann.get(page).status_code for page in pages} == {200}
    assert "/admin/lists" in ann.get("/admin/lists/reason").text
    assert ann.post("/admin/lists/reason", data={"name": "Брак"}).status_code == 303
    assert ann.get("/people").status_code == 403
    sign_in(app, cast.dora).post(f"/groups/{cast.front.id}", data={"name": cast.front.name, "members": [cast.ann.id]})
    assert ann.get("/admin/fields").status_code == 403


def test_the_permission_of_one_person(app: Any, session: Any, cast: Any) -> None:
    form = {"name": "Bob", "email": cast.bob.email, "role": "operator", "groups": [g.id for g in cast.bob.groups]}
    dora = sign_in(app, cast.dora)
    assert dora.post(f"/people/{cast.bob.id}", data={**form, "dialog_settings": "y"}).status_code == 302
    assert permissions.edits_dialog_settings(cast.bob) and not permissions.edits_dialog_settings(cast.ann)
    assert 'name="dialog_settings" type="checkbox" value="y"' in dora.get(f"/people/{cast.bob.id}").text
    dora.post(f"/people/{cast.bob.id}", data=form)
    assert not permissions.edits_dialog_settings(cast.bob)


def test_who_leaves_the_group_may_no_more(session: Any, cast: Any) -> None:
    values = {"name": cast.front.name, "permissions": [Permission.DIALOG_SETTINGS.value]}
    staff.save_group(cast.dora, cast.front, values, {cast.ann.id, cast.bob.id}, {})
    assert permissions.edits_dialog_settings(cast.bob)
    staff.change_person(cast.dora, cast.bob, {"email": cast.bob.email, "role": cast.bob.role}, [])
    assert not permissions.edits_dialog_settings(cast.bob)
    assert permissions.edits_dialog_settings(cast.ann)


FORM = {"about": "ticket", "kind": "choice", "label": "Тариф", "more": "Малый\nБольшой\n\n", "active": "y"}


def test_a_field_is_made_and_changed(session: Any, dora: Client, cast: Any) -> None:
    assert dora.post("/admin/fields", data=FORM).status_code == 303
    field = session.scalars(select(Field)).one()
    assert [one["label"] for one in field.options] == ["Малый", "Большой"]
    changed = {
        "label": "План",
        "option_id": ["1", "2"],
        "option": ["Мини", ""],
        "more": "Огромный",
        "queues": [cast.support.id],
    }
    assert dora.post(f"/admin/fields/{field.id}", data={**changed, "kind": "text"}).status_code == 303
    assert (field.label, field.kind, field.active, field.queue_ids) == ("План", "choice", False, [cast.support.id])
    assert [(one["id"], one["label"], one["active"]) for one in field.options] == [
        (1, "Мини", True),
        (3, "Огромный", True),
        (2, "Большой", False),
    ]
    event = session.scalars(select(Event).where(Event.kind == "admin.changed").order_by(Event.id.desc())).first()
    assert event.payload["what"] == "field" and event.actor_id == cast.dora.id


@pytest.mark.parametrize(
    "wrong",
    [{"label": ""}, {"label": "а" * 101}, {"more": ""}, {"more": "Да\nда"}, {"hint": "х" * 301}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_no_field_may_be_keeps_what_was_typed(session: Any, dora: Client, wrong: dict[str, str]) -> None:
    answer = dora.post("/admin/fields", data={**FORM, **wrong})
    assert answer.status_code == 422
    assert session.query(Field).count() == 0
    if "label" not in wrong:
        assert "Тариф" in answer.text


def test_two_fields_of_one_name_are_refused(dora: Client, make: Any) -> None:
    make.field("text", "Договор")
    assert dora.post("/admin/fields", data={**FORM, "label": "договор"}).status_code == 422
    assert dora.post("/admin/fields", data={**FORM, "label": "договор", "about": "customer"}).status_code == 303


def test_names_of_a_list_are_text_and_never_markup(dora: Client, make: Any) -> None:
    make.item("reason", "<b onclick=1>Брак</b>")
    make.field("text", "<i>Договор</i>")
    assert "<b onclick" not in dora.get("/admin/lists/reason").text
    assert "<i>Договор" not in dora.get("/admin/fields").text


def test_definitions_follow_each_change_and_forget_what_was_rolled_back(session: Any, cast: Any) -> None:
    before = {item.name for item in definitions().lists[ListName.REASON].values()}
    nested = session.begin_nested()
    dialog_settings.add_item(cast.dora, ListName.REASON, "Брак")
    assert "Брак" in {item.name for item in definitions().lists[ListName.REASON].values()}
    nested.rollback()
    session.info.pop("remembered", None)
    assert {item.name for item in definitions().lists[ListName.REASON].values()} == before


def test_a_full_list_takes_no_more(session: Any, cast: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(dialog_settings, "MOST_ITEMS", 1)
    dialog_settings.add_item(cast.dora, ListName.COMPONENT, "Сайт")
    with pytest.raises(Refused):
        dialog_settings.add_item(cast.dora, ListName.COMPONENT, "Касса")


def test_the_first_administrator_names_the_defaults_in_their_language(session: Any, cast: Any, make: Any) -> None:
    session.query(ListItem).filter(ListItem.list_name == "request_type").delete()
    make.item("request_type", "Support"), make.item("request_type", "Refund")
    dialog_settings.name_defaults("ru")
    assert {item.name for item in dialog_settings.items_of(ListName.TYPE)} == {"Поддержка", "Возврат"}
    make.ticket(cast.support)
    dialog_settings.name_defaults("uk")
    assert {item.name for item in dialog_settings.items_of(ListName.TYPE)} == {"Поддержка", "Возврат"}


def test_a_category_is_offered_where_it_belongs(session: Any, cast: Any, make: Any) -> None:
    make.add(Category(name="Оплата", queue_ids=[cast.billing.id]))
    offered = definitions().offered(ListName.CATEGORY, cast.support.id)
    assert "Оплата" not in {item.name for item in offered}
    assert "Оплата" in {item.name for item in definitions().offered(ListName.CATEGORY, cast.billing.id)}


def test_a_new_ticket_is_sorted_at_once_and_a_refusal_keeps_what_was_chosen(
    app: Any, session: Any, cast: Any, make: Any
) -> None:
    ann = sign_in(app, cast.ann)
    kind, reason = make.item("request_type", "Возврат"), make.item("reason", "Брак")
    other = make.item("component", "Касса", queue_ids=[cast.billing.id])
    page = ann.get("/tickets/new?kind=hand").text
    assert "Возврат" in page and "Брак" in page
    form = {
        "queue_id": cast.support.id,
        "who": "+380441234567",
        "way": "call",
        "direction": "in",
        "subject": "Звонок",
        "body": "Вернуть деньги",
        "request_type": kind.id,
        "reasons": [reason.id],
        "components": [other.id],
    }
    refused = ann.post("/tickets/entries", data=form)
    assert refused.status_code == 422 and "Касса" in refused.text
    assert f'value="{reason.id}" checked' in refused.text
    assert ann.post("/tickets/entries", data={**form, "components": []}).status_code == 303
    ticket = session.scalars(select(Ticket)).one()
    assert (ticket.request_type, ticket.reason_ids, ticket.component_ids) == ("Возврат", [reason.id], [])


def test_a_type_that_a_rule_or_a_promise_names_joins_the_list(session: Any, cast: Any, make: Any) -> None:
    assert ensure_item(ListName.TYPE, "Рекламация") == ensure_item(ListName.TYPE, " рекламация ")
    assert definitions().named(ListName.TYPE, "РЕКЛАМАЦИЯ") is not None
