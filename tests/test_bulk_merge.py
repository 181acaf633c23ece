"""Chosen tickets become one: what the form says before, what is done, who may, and the way back of all of them."""

from typing import Any

import pytest

from helpdesk.errors import NotFound
from helpdesk.models import State, Ticket
from queues import bulk
from queues.bulk_merge import Merge, offers, told
from tests.clients import sign_in
from tests.test_merging import stand


@pytest.fixture
def three(make: Any, cast: Any, session: Any) -> list[Ticket]:
    """Three tickets of eve in one queue."""
    titles = ("Не пришёл заказ", "Где мой заказ?", "Ау!")
    found = [make.ticket(cast.support, cast.eve, title, minutes_ago=60, channel=cast.mailbox) for title in titles]
    session.commit()
    return found


def test_all_become_part_of_one_and_come_back(cast: Any, session: Any, three: list[Ticket]) -> None:
    before = [stand(ticket) for ticket in three]
    first, *others = three
    row_id = bulk.run(cast.ann, Merge(first), [ticket.id for ticket in others], "k")
    assert [told["reason"] for told in bulk.get_act(cast.ann, row_id).results] == ["", ""]
    assert [ticket.merged_into_id for ticket in three] == [None, first.id, first.id]
    assert bulk.undo(cast.ann, row_id) == (2, [])
    session.expire_all()
    assert [stand(ticket) for ticket in three] == before


def test_what_was_undone_by_hand_meanwhile_is_left_alone(cast: Any, session: Any, three: list[Ticket]) -> None:
    first, second, third = three
    row_id = bulk.run(cast.ann, Merge(first), [second.id, third.id], "k")
    second.unmerge(cast.bob)
    session.commit()
    count, refusals = bulk.undo(cast.ann, row_id)
    assert count == 1 and [one.ticket_id for one in refusals] == [second.id]
    assert second.merged_into_id is third.merged_into_id is None


def test_the_preview_says_what_stays_and_what_may_surprise(cast: Any, make: Any, three: list[Ticket]) -> None:
    foreign = make.ticket(cast.support, make.customer("Пётр"), "Чужой", channel=cast.mailbox)
    three[1].bring_in(cast.ann, "boss@customer.example")
    act = Merge(three[0])
    seen = bulk.preview(cast.ann, act, [three[1].id, three[2].id, foreign.id])
    assert seen.changes == [three[1].id, three[2].id]
    assert "different customers" in seen.refusals[0].reason
    assert ["boss@customer.example" in one.text for one in told(cast.ann, act, seen.changes)] == [True]
    assert len(told(cast.ann, act, [three[2].id])) > 2
    three[0].finish(cast.ann, State.SOLVED)
    assert [row.id for row in offers(cast.ann, [ticket.id for ticket in three])][-1] == three[0].id


def test_by_the_form(app: Any, cast: Any, session: Any, three: list[Ticket]) -> None:
    ann, ids = sign_in(app, cast.ann), ",".join(str(ticket.id) for ticket in three)
    form = ann.get(f"/tickets/bulk?act=merge&ids={ids}", headers={"HX-Request": "true"}).text
    assert f'name="into" value="{three[0].id}" required checked' in form
    assert "2 of 2 tickets will change." in form and "Merge (2)" in form
    data = {"act": "merge", "ids": ids, "into": str(three[1].id)}
    assert "2 of 2 tickets will change." in ann.post("/tickets/bulk/preview", data=data).text
    answer = ann.post("/tickets/bulk", data=data | {"key": "k"})
    assert answer.status_code == 303
    assert [ticket.merged_into_id for ticket in three] == [three[1].id, None, three[1].id]
    assert ann.post(f"{answer.location}/undoing").status_code == 303
    assert {ticket.merged_into_id for ticket in three} == {None}


def test_one_ticket_alone_or_a_hidden_one_is_refused(app: Any, cast: Any, make: Any, three: list[Ticket]) -> None:
    ann = sign_in(app, cast.ann)
    hidden = make.ticket(cast.billing, cast.eve, channel=cast.mailbox)
    alone = {"act": "merge", "ids": str(three[0].id), "into": str(three[0].id)}
    assert "at least two tickets" in ann.post("/tickets/bulk/preview", data=alone).text
    assert ann.post("/tickets/bulk", data=alone).status_code == 422
    foreign = {"act": "merge", "ids": str(three[0].id), "into": str(hidden.id)}
    assert ann.post("/tickets/bulk", data=foreign).status_code == 404
    with pytest.raises(NotFound):
        Merge(hidden).do(cast.ann, three[0].id)
