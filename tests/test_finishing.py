"""Whatever way a ticket is finished by: open children are asked about, and what closing requires is there."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk.errors import Refused
from helpdesk.macros import Actions, plan
from helpdesk.models import Macro, Message, MessageKind, State, Ticket
from helpdesk.models.ticket.tied import Tie
from queues import bulk, bulk_acts
from tests.api.conftest import Program, program  # noqa: F401 - a fixture
from tests.clients import Client, sign_in

HX = {"HX-Request": "true"}
SAYS = {"despite_children": "1"}

Way = Callable[["Desk", bool], tuple[bool, str]]


class Desk:
    """Ann at her desk with a program of hers, and the ticket that is to be finished."""

    def __init__(self, ann: Client, api: Program, cast: Any, ticket: Ticket, session: Any) -> None:
        self.ann, self.api, self.cast, self.ticket, self.session = ann, api, cast, ticket, session

    def post(self, path: str, despite: bool, **form: Any) -> tuple[bool, str]:
        """Whether a form was taken, and what came back."""
        answer = self.ann.post(f"/tickets/{self.ticket.id}/{path}", data=form | (SAYS if despite else {}), headers=HX)
        return answer.status_code < 400, answer.text


@pytest.fixture
def desk(app: Any, session: Any, cast: Any, make: Any, program: Any) -> Desk:  # noqa: F811
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    session.commit()
    return Desk(sign_in(app, cast.ann), program(cast.ann), cast, ticket, session)


def by_button(desk: Desk, despite: bool) -> tuple[bool, str]:
    return desk.post("closure", despite, state="solved")


def and_next(desk: Desk, despite: bool) -> tuple[bool, str]:
    return desk.post("closure-and-next", despite, state="unsolved")


def with_an_answer(desk: Desk, despite: bool) -> tuple[bool, str]:
    return desk.post("replies", despite, body="Готово, проверьте.", then="finish")


def with_an_answer_and_next(desk: Desk, despite: bool) -> tuple[bool, str]:
    return desk.post("replies", despite, body="Готово, проверьте.", then="next")


def by_the_facts(desk: Desk, despite: bool) -> tuple[bool, str]:
    return desk.post("facts", despite, state="solved")


def by_many(desk: Desk, despite: bool) -> tuple[bool, str]:
    act = bulk_acts.Finish(State.SOLVED, "", despite)
    seen = bulk.preview(desk.cast.ann, act, [desk.ticket.id])
    told = bulk.get_act(desk.cast.ann, bulk.run(desk.cast.ann, act, [desk.ticket.id], str(despite))).results[0]
    assert bool(seen.changes) == told["done"]  # the preview says the same
    assert told["done"] or seen.refusals[0].reason.split(" ")[0] in told["reason"]
    return told["done"], told["reason"]


def by_the_form_of_many(desk: Desk, despite: bool) -> tuple[bool, str]:
    form = {"act": "finish", "ids": str(desk.ticket.id), "state": "solved", "key": str(despite)}
    page = desk.ann.post("/tickets/bulk", data=form | (SAYS if despite else {}), follow_redirects=True)
    return desk.ann.get(f"/tickets/{desk.ticket.id}").text.count("/reopening") > 0, page.text


def by_macro(desk: Desk, despite: bool) -> tuple[bool, str]:
    """Nobody can be asked by a macro: it refuses, and says so before."""
    macro = Macro(name="Закрыть", actions={"state": "solved"})
    desk.session.add(macro)
    desk.session.commit()
    shown = plan(desk.cast.ann, desk.ticket, Actions(state="solved"))[0].refusal
    answer = desk.ann.post(f"/tickets/{desk.ticket.id}/macros/{macro.id}", headers=HX)
    assert bool(shown) == (answer.status_code == 422)
    return answer.status_code < 400, answer.text


def by_program(desk: Desk, despite: bool) -> tuple[bool, str]:
    body = {"state": "unsolved"} | ({"despite_children": True} if despite else {})
    answer = desk.api.post(f"/tickets/{desk.ticket.id}/closure", body)
    return answer.status_code < 400, answer.json.get("detail", "")


WAYS = [
    by_button, and_next, with_an_answer, with_an_answer_and_next, by_the_facts,
    by_many, by_the_form_of_many, by_macro, by_program,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_open_children_are_asked_about(desk: Desk, make: Any, way: Way) -> None:
    child = make.ticket(desk.cast.support, title="Частичный возврат")
    desk.ticket.tie(desk.cast.ann, child, Tie.CHILD)
    desk.session.commit()
    done, told = way(desk, False)
    assert not done and "child ticket is open" in told, told
    assert desk.ticket.state == State.OPEN
    assert _answers(desk) == 0
    if way is by_macro:
        child.finish(desk.cast.ann, State.SOLVED)
    done, told = way(desk, way is not by_macro)
    assert done, told
    assert desk.ticket.state in {State.SOLVED, State.UNSOLVED}


@pytest.mark.parametrize("way", WAYS)
def test_what_closing_requires_is_asked_for(desk: Desk, make: Any, way: Way) -> None:
    field = make.field("text", "Итог", required_on_close=True)
    desk.session.commit()
    done, told = way(desk, False)
    assert not done and "Итог" in told, told
    assert desk.ticket.state == State.OPEN
    assert _answers(desk) == 0
    desk.ticket.set_fields(desk.cast.ann, {str(field.id): "Вернули деньги"})
    desk.session.commit()
    done, told = way(desk, True)
    assert done, told
    assert desk.ticket.state in {State.SOLVED, State.UNSOLVED}


def _answers(desk: Desk) -> int:
    said = select(func.count()).where(Message.ticket_id == desk.ticket.id, Message.kind == MessageKind.REPLY)
    return desk.session.scalar(said) or 0


def test_spam_waits_for_nothing(desk: Desk, make: Any) -> None:
    make.field("text", "Итог", required_on_close=True)
    desk.ticket.tie(desk.cast.ann, make.ticket(desk.cast.support), Tie.CHILD)
    desk.session.flush()
    desk.ticket.finish(desk.cast.ann, State.SPAM)
    assert desk.ticket.state == State.SPAM


def test_a_program_learns_how_many_are_open(desk: Desk, make: Any) -> None:
    for _ in range(2):
        desk.ticket.tie(desk.cast.ann, make.ticket(desk.cast.support), Tie.CHILD)
    desk.session.commit()
    refusal = desk.api.post(f"/tickets/{desk.ticket.id}/closure", {"state": "solved"})
    assert (refusal.status_code, refusal.json["facts"]) == (422, {"children": 2})


def test_an_answer_held_back_keeps_its_text_and_a_box_to_tick(desk: Desk, make: Any) -> None:
    desk.ticket.tie(desk.cast.ann, make.ticket(desk.cast.support), Tie.CHILD)
    desk.session.commit()
    _done, fragment = with_an_answer(desk, False)
    assert 'name="despite_children"' in fragment and 'hx-swap-oob="true"' in fragment
    form = {"body": "Готово, проверьте.", "then": "finish"}
    page = desk.ann.post(f"/tickets/{desk.ticket.id}/replies", data=form)  # without scripts
    assert page.status_code == 422 and "Готово, проверьте." in page.text and 'name="despite_children"' in page.text
    _done, panel = by_the_facts(desk, False)
    assert 'name="despite_children"' in panel


def test_reopening_many_is_undone_also_above_open_children(desk: Desk, make: Any) -> None:
    desk.ticket.finish(desk.cast.ann, State.SOLVED)
    desk.ticket.tie(desk.cast.ann, make.ticket(desk.cast.support), Tie.CHILD)
    desk.session.commit()
    row_id = bulk.run(desk.cast.ann, bulk_acts.Reopen(), [desk.ticket.id], "k")
    assert desk.ticket.state == State.OPEN
    assert bulk.undo(desk.cast.ann, row_id) == (1, [])
    assert desk.ticket.state == State.SOLVED


def test_the_model_itself_refuses(desk: Desk, make: Any) -> None:
    desk.ticket.tie(desk.cast.ann, make.ticket(desk.cast.support), Tie.CHILD)
    desk.session.flush()
    with pytest.raises(Refused, match="child ticket is open"):
        desk.ticket.finish(desk.cast.ann, State.UNSOLVED)
    desk.ticket.finish(desk.cast.ann, State.UNSOLVED, despite_children=True)
