"""Fields of one's own: what they take, how they are stored, found and told, and that closing may require them."""

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Executable, select, text
from sqlalchemy.ext.compiler import compiles

from helpdesk.errors import Refused
from helpdesk.history import tell
from helpdesk.models import Event, ListName, State, Ticket
from helpdesk.models.definitions import definitions
from helpdesk.models.field_values import read_value, show_value
from helpdesk.models.search import write_documents
from helpdesk.queries.fields import field_condition, item_condition
from queues import bulk, bulk_acts
from tests.clients import sign_in


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement, with its parameters."""

    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **options: Any) -> str:
    return "EXPLAIN " + str(compiler.process(element.statement, **options))


def defined(field: Any) -> Any:
    return definitions().fields[field.id]


GOOD = [
    ("text", " Привет\r\nмир ", "Привет\nмир"),
    ("text", "   ", None),
    ("number", "1 234,5", 1234.5),
    ("number", "12", 12),
    ("number", 7.0, 7),
    ("number", "-0.5", -0.5),
    ("date", "2026-03-31", "2026-03-31"),
    ("choice", "2", 2),
    ("choice", 1, 1),
    ("choices", ["2", "1", "1"], [1, 2]),
    ("choices", [], None),
    ("checkbox", "1", True),
    ("checkbox", True, True),
    ("checkbox", False, None),
    ("number", "", None),
    ("date", None, None),
]
BAD = [
    ("text", 5),
    ("text", "а" * 5001),
    ("text", "a\x00b"),
    ("number", "двенадцать"),
    ("number", "nan"),
    ("number", "1e400"),
    ("number", "inf"),
    ("number", True),
    ("number", [1]),
    ("date", "31.03.2026"),
    ("date", "2026-02-30"),
    ("date", "20260331"),
    ("date", 20260331),
    ("choice", "3"),
    ("choice", "два"),
    ("choice", True),
    ("choice", ["1"]),
    ("choice", {"a": 1}),
    ("choices", "1"),
    ("choices", ["9"]),
    ("choices", [[1]]),
    ("checkbox", "perhaps"),
    ("checkbox", 7),
]


@pytest.mark.parametrize(("kind", "given", "stored"), GOOD)
def test_what_a_field_takes(session: Any, make: Any, kind: str, given: Any, stored: Any) -> None:
    field = defined(make.field(kind, "Поле", options=["Да", "Нет"] if kind.startswith("choice") else []))
    assert read_value(field, given) == stored


@pytest.mark.parametrize(("kind", "given"), BAD)
def test_what_it_refuses_by_its_name(session: Any, make: Any, kind: str, given: Any) -> None:
    field = defined(make.field(kind, "Тариф", options=["Да", "Нет"] if kind.startswith("choice") else []))
    with pytest.raises(Refused, match="Тариф"):
        read_value(field, given)


def test_an_answer_that_is_off_stays_and_is_chosen_no_more(session: Any, make: Any, cast: Any) -> None:
    row = make.field("choices", "Тариф", options=["Малый", "Большой"])
    row.options = [{**row.options[0], "active": False}, row.options[1]]
    session.flush()
    field = defined(row)
    assert read_value(field, [1, 2], before=[1]) == [1, 2]
    with pytest.raises(Refused):
        read_value(field, [1, 2], before=[2])
    assert show_value(field, [1, 2]) == "Малый, Большой"


def test_each_change_is_told(session: Any, make: Any, cast: Any) -> None:
    contract, plan = make.field("text", "Договор"), make.field("choice", "Тариф", options=["Малый", "Большой"])
    ticket = make.ticket(cast.support)
    ticket.set_fields(cast.ann, {str(contract.id): "17/А", str(plan.id): 2})
    ticket.set_fields(cast.ann, {str(contract.id): ""})
    assert ticket.fields == {str(plan.id): 2}
    session.flush()
    events = select(Event).where(Event.kind == "ticket.own_field").order_by(Event.id)
    words = [told["text"] for told in tell(session.scalars(events))]
    assert words == ["Договор: – → 17/А", "Тариф: – → Большой", "Договор: 17/А → –"]
    version = ticket.version
    ticket.set_fields(cast.ann, {str(plan.id): "2"})
    assert ticket.version == version


def test_a_ticket_has_the_fields_of_its_queue_alone(session: Any, make: Any, cast: Any) -> None:
    field = make.field("text", "Счёт", queue_ids=[cast.billing.id])
    client = make.field("text", "Город", about="customer")
    off = make.field("text", "Старое", active=False)
    ticket = make.ticket(cast.support)
    for one in (field, client, off):
        with pytest.raises(Refused):
            ticket.set_fields(cast.ann, {str(one.id): "x"})
    with pytest.raises(Refused):
        ticket.set_fields(cast.ann, {"987654": "x"})
    with pytest.raises(Refused):
        ticket.set_fields(cast.ann, {"x": "x"})


def test_words_of_fields_are_found(app: Any, session: Any, make: Any, cast: Any) -> None:
    field = make.field("text", "Договор")
    ticket = make.ticket(cast.support)
    ticket.set_fields(cast.ann, {str(field.id): "Бирюзовый контракт"})
    session.flush()
    write_documents()
    assert ticket.number_text in sign_in(app, cast.ann).get("/search?q=бирюзовый").text


@pytest.fixture
def fields(make: Any) -> dict[str, Any]:
    choices = ["Малый", "Большой"]
    kinds = ("text", "number", "date", "choice", "choices", "checkbox")
    return {kind: make.field(kind, kind, options=choices if kind.startswith("choice") else []) for kind in kinds}


CONDITIONS = [
    ("text", "да", "да", "нет"),
    ("number", 5, 5, 6),
    ("number", 5, (1, 5), (6, None)),
    ("number", 50, (6, None), (None, 6)),
    ("date", "2026-03-01", (date(2026, 1, 1), None), (None, date(2026, 2, 1))),
    ("choice", 1, 1, 2),
    ("choices", [1, 2], 2, 3),
    ("checkbox", True, True, None),
]


@pytest.mark.parametrize(("kind", "value", "meets", "fails"), CONDITIONS)
def test_tickets_are_filtered_by_a_field(
    session: Any, make: Any, cast: Any, fields: Any, kind: str, value: Any, meets: Any, fails: Any
) -> None:
    other, ticket = make.ticket(cast.support), make.ticket(cast.support)
    ticket.set_fields(cast.ann, {str(fields[kind].id): value})
    session.flush()
    field = defined(fields[kind])
    assert list(session.scalars(select(Ticket.id).where(field_condition(field, meets)))) == [ticket.id]
    failing = set(session.scalars(select(Ticket.id).where(field_condition(field, fails))))
    assert ticket.id not in failing
    empty = session.scalars(select(Ticket.id).where(field_condition(field, None)))
    assert set(empty) == {other.id}


def test_tickets_are_filtered_by_a_field_of_their_customer(session: Any, make: Any, cast: Any) -> None:
    field = make.field("choice", "Город", about="customer", options=["Киев", "Одесса"])
    ticket = make.ticket(cast.support)
    ticket.customer.set_fields(cast.ann, {str(field.id): 2})
    session.flush()
    found = select(Ticket.id).where(field_condition(defined(field), 2))
    assert list(session.scalars(found)) == [ticket.id]


def test_filters_ask_an_index(session: Any, make: Any, cast: Any) -> None:
    field, reason = make.field("choice", "Тариф", options=["Малый"]), make.item("reason", "Брак")
    ticket = make.ticket(cast.support)
    ticket.set_fields(cast.ann, {str(field.id): 1})
    ticket.set_reasons(cast.ann, [reason.id])
    session.flush()
    session.execute(text("SET LOCAL enable_seqscan = off"))
    for condition, index in (
        (field_condition(defined(field), 1), "ix_tickets_fields"),
        (item_condition(ListName.REASON, reason.id), "ix_tickets_reasons"),
        (item_condition(ListName.TYPE, 1), "ix_tickets_request_type"),
    ):
        query = select(Ticket.id).where(condition)
        assert list(session.scalars(query)) in ([ticket.id], [])
        plan = session.scalars(Explain(query))
        assert index in "\n".join(plan)


def test_closing_requires_what_is_needed_however_it_is_asked(app: Any, session: Any, make: Any, cast: Any) -> None:
    field = make.field("text", "Причина возврата", required_on_close=True)
    make.field("text", "Чужое", required_on_close=True, queue_ids=[cast.billing.id])
    ticket, junk = make.ticket(cast.support), make.ticket(cast.support)
    for state in (State.SOLVED, State.UNSOLVED):
        with pytest.raises(Refused, match="Причина возврата") as refusal:
            ticket.finish(cast.ann, state)
        assert refusal.value.details == {"fields": [field.id]}
    junk.finish(cast.ann, State.SPAM)
    ann = sign_in(app, cast.ann)
    answer = ann.post(f"/tickets/{ticket.id}/closure", data={"state": "solved"})
    assert answer.status_code == 422 and "Причина возврата" in answer.text and "Чужое" not in answer.text
    visit = ann.post(f"/tickets/{ticket.id}/closure", data={"state": "solved"}, headers={"X-Panes": "1"})
    assert "data-toast" in visit.text and "Причина возврата" in visit.text
    dialog = ann.get(f"/tickets/{ticket.id}/dialogs/finish").text
    assert f'name="field-{field.id}"' in dialog
    filled = {"state": "solved", f"field-{field.id}": "Не подошёл размер"}
    assert ann.post(f"/tickets/{ticket.id}/closure", data=filled).status_code == 303
    assert (ticket.state, ticket.fields) == (State.SOLVED, {str(field.id): "Не подошёл размер"})


def test_what_is_told_survives_as_json(session: Any, make: Any, cast: Any) -> None:
    field = make.field("number", "Сумма")
    ticket = make.ticket(cast.support)
    ticket.set_fields(cast.ann, {str(field.id): 1e14})
    session.flush()
    session.refresh(ticket)
    assert json.dumps(ticket.fields) == f'{{"{field.id}": 100000000000000}}'


def test_many_tickets_at_once_are_closed_only_where_nothing_is_missing(session: Any, make: Any, cast: Any) -> None:
    field = make.field("text", "Итог", required_on_close=True)
    ready, empty = make.ticket(cast.support), make.ticket(cast.support)
    ready.set_fields(cast.ann, {str(field.id): "Вернули"})
    session.flush()
    act = bulk_acts.Finish(State.SOLVED, "")
    told = bulk.preview(cast.ann, act, [ready.id, empty.id])
    assert (told.changes, [one.ticket_id for one in told.refusals]) == ([ready.id], [empty.id])
    assert "Итог" in told.refusals[0].reason
    bulk.run(cast.ann, act, [ready.id, empty.id], "once")
    session.expire_all()
    assert (ready.state, empty.state) == (State.SOLVED, State.NEW)
