"""One act on many tickets: what the preview says, what becomes of each ticket, rights, races, and the way back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.models import BulkAct, Event, State, Ticket, User
from queues import bulk, bulk_acts, fifo
from tests.clients import sign_in


def outcome(user: User, row_id: int) -> dict[int, str]:
    """Why each ticket did not change, "" where it did."""
    return {told["id"]: told["reason"] for told in bulk.get_act(user, row_id).results}


def test_the_preview_names_what_stays_and_why(cast: Any, make: Any) -> None:
    tickets = [make.ticket(cast.support, channel=cast.mailbox) for _ in range(4)]
    tickets[0].finish(cast.ann, State.SOLVED)
    tickets[1].finish(cast.ann, State.SOLVED)
    hidden = make.ticket(cast.billing)
    seen = bulk.preview(cast.ann, bulk_acts.Finish(State.SOLVED, ""), [*(one.id for one in tickets), hidden.id])
    assert seen.changes == [tickets[2].id, tickets[3].id]
    reasons = [(reason, len(those)) for reason, those in seen.by_reason]
    assert reasons == [("is finished already", 2), ("is not there any more, or you may not see it", 1)]
    assert next(one for one in seen.refusals if one.ticket_id == hidden.id).number == ""
    assert tickets[2].state != State.SOLVED


def test_each_ticket_goes_by_its_own_verb_and_tells_its_reason(cast: Any, make: Any, session: Any) -> None:
    open_, done = make.ticket(cast.support), make.ticket(cast.support)
    done.finish(cast.bob, State.SOLVED)
    hidden = make.ticket(cast.billing)
    session.commit()
    row_id = bulk.run(cast.ann, bulk_acts.Finish(State.UNSOLVED, "дубль"), [open_.id, done.id, hidden.id, 987654], "k")
    told = outcome(cast.ann, row_id)
    assert told[open_.id] == "" and "finished" in told[done.id]
    assert told[hidden.id] == told[987654] == "There is no such ticket"
    assert open_.state == State.UNSOLVED and open_.closing_reason == "дубль"
    assert done.state == State.SOLVED and hidden.state == State.NEW
    assert bulk.run(cast.ann, bulk_acts.Finish(State.UNSOLVED, "дубль"), [open_.id], "k") == row_id


def test_what_closing_requires_is_said_before_and_after(cast: Any, make: Any, session: Any) -> None:
    make.field("text", "Договор", required_on_close=True)
    ticket = make.ticket(cast.support)
    session.commit()
    act = bulk_acts.Finish(State.SOLVED, "")
    assert [one.reason for one in bulk.preview(cast.ann, act, [ticket.id]).refusals] == [
        "“Договор” is empty, and closing requires it"
    ]
    assert "Договор" in outcome(cast.ann, bulk.run(cast.ann, act, [ticket.id], "k"))[ticket.id]
    assert bulk.preview(cast.ann, bulk_acts.Spam(State.SPAM, ""), [ticket.id]).changes == [ticket.id]


def test_who_may_only_read_changes_nothing(cast: Any, make: Any, session: Any) -> None:
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    ticket = make.ticket(cast.support)
    session.commit()
    act = bulk_acts.Prioritise(1)
    assert not bulk.preview(reader, act, [ticket.id]).changes
    row_id = bulk.run(reader, act, [ticket.id], "k")
    assert outcome(reader, row_id)[ticket.id].startswith("You may read this ticket")
    assert ticket.priority == 3
    with pytest.raises(NotFound):
        bulk.get_act(cast.ann, row_id)


@pytest.mark.parametrize(
    "name",
    ["assign", "assign from another", "release", "move", "tag", "priority", "snooze", "finish", "spam", "reopen"],
)
def test_undo_puts_back_what_was(name: str, cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.retag(cast.ann, ["старый"])
    elsewhere = make.queue("Second")
    make.allow(cast.front, elsewhere)
    match name:
        case "release" | "move" | "assign from another":
            ticket.claim(cast.ann)
        case "reopen":
            ticket.finish(cast.ann, State.UNSOLVED, "шум")
    act = {
        "assign": bulk_acts.Assign(cast.bob, ""),
        "assign from another": bulk_acts.Assign(cast.bob, ""),
        "release": bulk_acts.Release(),
        "move": bulk_acts.Move(elsewhere),
        "tag": bulk_acts.Tag(("новый",), ("старый",)),
        "priority": bulk_acts.Prioritise(1),
        "snooze": bulk_acts.Snooze(None),
        "finish": bulk_acts.Finish(State.SOLVED, ""),
        "spam": bulk_acts.Spam(State.SPAM, ""),
        "reopen": bulk_acts.Reopen(),
    }[name]
    session.commit()

    def stand() -> tuple[Any, ...]:
        kept = (ticket.kind, ticket.owner_id, ticket.queue_id, ticket.priority, ticket.tags, ticket.closing_reason)
        return (*kept, ticket.line_at)

    before = stand()
    assert bulk.preview(cast.ann, act, [ticket.id]).changes == [ticket.id]
    row_id = bulk.run(cast.ann, act, [ticket.id], "k")
    assert outcome(cast.ann, row_id) == {ticket.id: ""}
    assert stand() != before
    assert bulk.undo(cast.ann, row_id) == (1, [])
    assert stand() == before
    with pytest.raises(Conflict):
        bulk.undo(cast.ann, row_id)


def test_undo_leaves_alone_what_somebody_changed_meanwhile(cast: Any, make: Any, session: Any) -> None:
    mine, changed = make.ticket(cast.support), make.ticket(cast.support)
    session.commit()
    row_id = bulk.run(cast.ann, bulk_acts.Prioritise(1), [mine.id, changed.id], "k")
    changed.prioritise(cast.bob, 4)
    session.commit()
    count, refusals = bulk.undo(cast.ann, row_id)
    assert count == 1 and [one.ticket_id for one in refusals] == [changed.id]
    assert (mine.priority, changed.priority) == (3, 4)


def test_undo_ends_after_an_hour(cast: Any, make: Any, session: Any, move_clock: Any) -> None:
    ticket = make.ticket(cast.support)
    session.commit()
    row_id = bulk.run(cast.ann, bulk_acts.Prioritise(1), [ticket.id], "k")
    assert bulk.can_undo(bulk.get_act(cast.ann, row_id))
    move_clock("61 minutes")
    with pytest.raises(Conflict):
        bulk.undo(cast.ann, row_id)


def test_what_was_free_in_the_preview_is_taken_from_nobody(cast: Any, make: Any, session: Any) -> None:
    ticket = make.ticket(cast.support)
    session.commit()
    act = bulk_acts.Assign(cast.ann, "", frozenset({ticket.id}))
    fifo.claim_this(cast.bob, ticket.id)
    session.commit()
    row_id = bulk.run(cast.sue, act, [ticket.id], "k")
    assert outcome(cast.sue, row_id) == {ticket.id: "Bob took it meanwhile"}
    assert ticket.owner_id == cast.bob.id


def test_a_strict_queue_asks_for_the_reason(cast: Any, make: Any, session: Any) -> None:
    cast.support.strict = True
    first, second = make.ticket(cast.support, minutes_ago=9), make.ticket(cast.support, minutes_ago=1)
    session.commit()
    seen = bulk.preview(cast.ann, bulk_acts.Assign(cast.bob, ""), [first.id, second.id])
    assert seen.changes == [first.id] and "say why" in seen.refusals[0].reason
    row_id = bulk.run(cast.ann, bulk_acts.Assign(cast.bob, "VIP"), [second.id], "k")
    assert outcome(cast.ann, row_id) == {second.id: ""}
    claimed = session.scalars(select(Event).where(Event.ticket_id == second.id).order_by(Event.id.desc())).first()
    assert claimed.payload["reason"] == "VIP"


def test_at_most_two_hundred_and_at_least_one() -> None:
    assert bulk.chosen("7,3,7, ,x") == [3, 7]
    for written in ("", "x", ",".join(str(n) for n in range(201))):
        with pytest.raises(Refused):
            bulk.chosen(written)


def test_a_refused_ticket_does_not_silence_the_next(cast: Any, make: Any, session: Any, monkeypatch: Any) -> None:
    """What a refused change had marked as changed is forgotten with it; the next one is told."""
    told: list[set[str]] = []
    monkeypatch.setattr("helpdesk.live.publish", lambda topics: told.append(set(topics)))
    bad, good = make.ticket(cast.support), make.ticket(cast.support)
    session.commit()
    told.clear()
    done = bulk_acts.Prioritise.do

    def fail_late(self: Any, user: Any, ticket_id: int) -> Any:
        before = done(self, user, ticket_id)
        if ticket_id == bad.id:
            raise Refused("поздно.")
        return before

    monkeypatch.setattr(bulk_acts.Prioritise, "do", fail_late)
    row_id = bulk.run(cast.ann, bulk_acts.Prioritise(1), [bad.id, good.id], "k")
    assert outcome(cast.ann, row_id) == {bad.id: "поздно", good.id: ""}
    assert any(f"ticket:{good.id}" in topics for topics in told)
    assert not any(f"ticket:{bad.id}" in topics for topics in told)


def test_the_pages(app: Any, cast: Any, make: Any, session: Any) -> None:
    customer = make.customer("<script>alert(1)</script>")
    tickets = [make.ticket(cast.support, customer=customer) for _ in range(3)]
    tickets[0].finish(cast.ann, State.SOLVED)
    ids = ",".join(str(one.id) for one in tickets)
    ann = sign_in(app, cast.ann)
    form = ann.get(f"/tickets/bulk?act=finish&ids={ids}", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "2 of 3 tickets will change." in form and "is finished already" in form and "<script>" not in form
    for act in ("assign", "release", "move", "tag", "priority", "snooze", "spam", "reopen"):
        assert ann.get(f"/tickets/bulk?act={act}&ids={ids}").status_code == 200, act
    assert ann.get(f"/tickets/bulk?act=burn&ids={ids}").status_code == 404
    part = ann.post("/tickets/bulk/preview", data={"act": "priority", "ids": ids, "priority": "1"})
    assert "3 of 3 tickets will change." in part.get_data(as_text=True)
    data = {"act": "finish", "ids": ids, "state": "solved", "key": "made-up"}
    answer = ann.post("/tickets/bulk", data=data)
    assert answer.status_code == 303
    assert ann.post("/tickets/bulk", data=data).location == answer.location
    page = ann.get(answer.location).get_data(as_text=True)
    assert "2 tickets were changed." in page and tickets[0].number in page and "Undo" in page
    assert [one.state for one in tickets] == [State.SOLVED] * 3
    assert ann.post(f"{answer.location}/undoing").status_code == 303
    assert [one.state for one in tickets] == [State.SOLVED, State.OPEN, State.OPEN]
    assert sign_in(app, cast.bob).get(answer.location).status_code == 404


def test_a_claim_at_the_same_moment_has_one_winner_and_nothing_deadlocks(app: Any, make_committed: Any) -> None:
    """Many are assigned while an operator takes one after the other: each ticket has one owner, told truthfully."""
    cast = make_committed.cast()
    tickets = [make_committed.ticket(cast.support, minutes_ago=30 - n, channel=cast.mailbox) for n in range(16)]
    db.session.commit()
    ids = [one.id for one in tickets]
    bob_id, sue_id, ann_id = cast.bob.id, cast.sue.id, cast.ann.id
    claimed: list[int] = []
    begin = threading.Barrier(2)

    def take() -> None:
        with app.app_context():
            begin.wait()
            for _ in range(8):
                ticket = fifo.claim_next(db.session.get_one(User, bob_id))
                if ticket is not None:
                    claimed.append(ticket.id)
                db.session.commit()
            db.session.remove()

    with ThreadPoolExecutor() as pool:
        taking = pool.submit(take)
        begin.wait()
        act = bulk_acts.Assign(db.session.get_one(User, ann_id), "", frozenset(ids))
        row_id = bulk.run(db.session.get_one(User, sue_id), act, ids, "race")
        taking.result()
    db.session.expire_all()
    results = {told["id"]: told for told in db.session.get_one(BulkAct, row_id).results}
    owners = dict(db.session.execute(select(Ticket.id, Ticket.owner_id)).tuples().all())
    assert set(results) == set(ids)
    for ticket_id in ids:
        if results[ticket_id]["done"]:
            assert owners[ticket_id] == ann_id and ticket_id not in claimed
        else:
            assert owners[ticket_id] == bob_id and ticket_id in claimed
            assert results[ticket_id]["reason"] == "Bob took it meanwhile"
