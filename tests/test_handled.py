"""What is handled: by hand, by finishing, for everybody at once; and that nothing else marks anything."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from helpdesk import handled
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.models import Event, Handling, Message, Reply, Right, State, Ticket
from helpdesk.models.handling import HandlingMessage
from helpdesk.models.unread import recount_unread
from helpdesk.queries.counters import count_of


def unread_ids(session, *tickets):
    """Ids of the messages that nobody handled, as the messages say; the tickets must say the same."""
    session.commit()
    session.expire_all()
    found = []
    for ticket in tickets:
        theirs = select(Message.id).where(Message.ticket_id == ticket.id, Message.unhandled).order_by(Message.seq)
        ids = list(session.scalars(theirs))
        assert (ticket.unread, ticket.unread_first_id, ticket.unread_last_id) == (
            len(ids),
            ids[0] if ids else None,
            ids[-1] if ids else None,
        )
        found += ids
    return found


@pytest.fixture
def eves(make, cast):
    """Two tickets of eve in Support and one in Billing, which ann may not see."""
    return (
        make.ticket(cast.support, cast.eve),
        make.ticket(cast.support, cast.eve, minutes_ago=5),
        make.ticket(cast.billing, cast.eve),
    )


def test_a_persons_message_is_unread_and_an_automatic_one_is_not(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    make.hear(ticket, "Меня нет на месте", nature="auto-reply")
    make.hear(ticket, "Не доставлено", nature="bounce")
    again = make.hear(ticket, "Вы здесь?")
    first, last = unread_ids(session, ticket)
    assert last == again.id
    assert first < last


def test_answering_noting_and_taking_mark_nothing(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    ticket.claim(cast.ann)
    ticket.reply(cast.ann, Reply("Сейчас посмотрю."))
    ticket.note(cast.ann, "Похоже на прошлый раз")
    ticket.pause(cast.ann)
    assert len(unread_ids(session, ticket)) == 1


def test_one_mark_is_for_the_whole_customer_as_far_as_one_may_work(session, cast, eves):
    one, two, hidden = eves
    unread_ids(session, *eves)
    seen = handled.unread_of(cast.ann, cast.eve.id)
    assert (seen.count, set(seen.seen)) == (2, {one.id, two.id})
    act = handled.mark_handled(cast.ann, cast.eve, seen.seen)
    assert (act.count, act.by_id, act.customer_id) == (2, cast.ann.id, cast.eve.id)
    assert unread_ids(session, one, two) == []
    assert len(unread_ids(session, hidden)) == 1
    facts = session.scalars(select(Event).where(Event.kind == "message.handled")).all()
    assert {(fact.ticket_id, fact.payload["count"], fact.actor_id) for fact in facts} == {
        (one.id, 1, cast.ann.id),
        (two.id, 1, cast.ann.id),
    }


def test_whoever_may_only_look_marks_nothing(session, make, cast, eves):
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, Right.SEE)
    session.commit()
    whole = handled.unread_of(cast.ann, cast.eve.id).seen
    assert handled.unread_of(reader, cast.eve.id).count == 0
    assert handled.mark_handled(reader, cast.eve, whole) is None
    assert handled.mark_handled(cast.carl, cast.eve, whole) is None
    assert len(unread_ids(session, *eves)) == 3


def test_what_came_after_the_page_was_shown_stays_unread(session, make, cast, eves):
    seen = handled.unread_of(cast.ann, cast.eve.id)
    late = make.hear(eves[0], "И ещё вопрос")
    session.commit()
    assert handled.mark_handled(cast.ann, cast.eve, seen.seen).count == 2
    assert unread_ids(session, *eves[:2]) == [late.id]


def test_a_lower_id_that_is_committed_later_was_not_seen(session, make, cast, eves):
    """Ids are reserved before the conversation is locked: what is said later may have the smaller one."""
    ticket = eves[0]
    seen = handled.unread_of(cast.ann, cast.eve.id).seen
    late = make.hear(ticket, "Опоздало")
    session.commit()
    session.execute(text("UPDATE tickets SET unread_last_id = 5 WHERE id = :id"), {"id": ticket.id})
    session.execute(text("UPDATE messages SET id = 5 WHERE id = :id"), {"id": late.id})
    session.expire_all()
    handled.mark_handled(cast.ann, cast.eve, seen)
    assert unread_ids(session, ticket) == [5]


def test_marking_twice_is_once(session, cast, eves):
    seen = handled.unread_of(cast.ann, cast.eve.id).seen
    assert handled.mark_handled(cast.ann, cast.eve, seen) is not None
    assert handled.mark_handled(cast.bob, cast.eve, seen) is None


def test_undo_brings_back_exactly_what_the_mark_took(session, make, cast, eves):
    one, two, _hidden = eves
    first = handled.mark_handled(cast.bob, cast.eve, {one.id: one.unread_last_id})
    later = make.hear(one, "Ещё раз")
    session.commit()
    before = unread_ids(session, one, two)
    act = handled.mark_handled(cast.ann, cast.eve, handled.unread_of(cast.ann, cast.eve.id).seen)
    newest = make.hear(two, "После отметки")
    assert handled.undo_mark(cast.ann, act.id) == 2
    assert sorted(unread_ids(session, one, two)) == sorted([*before, newest.id])
    assert later.id in before
    assert session.scalars(select(Message.id).where(Message.handling_id == first.id)).all()
    with pytest.raises(Conflict):
        handled.undo_mark(cast.ann, act.id)


def test_only_its_author_takes_a_mark_back_and_only_for_an_hour(session, cast, eves, move_clock):
    act = handled.mark_handled(cast.ann, cast.eve, handled.unread_of(cast.ann, cast.eve.id).seen)
    session.commit()
    with pytest.raises(NotFound):
        handled.undo_mark(cast.bob, act.id)
    move_clock("61 minutes")
    with pytest.raises(Conflict):
        handled.undo_mark(cast.ann, act.id)


def test_finishing_leaves_nothing_unread_and_its_undo_brings_it_back(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    make.hear(ticket, "Спасибо, уже работает")
    before = unread_ids(session, ticket)
    ticket.claim(cast.ann)
    ticket.finish(cast.ann, State.SOLVED)
    assert unread_ids(session, ticket) == []
    act = session.scalars(select(Handling).where(Handling.ticket_id == ticket.id)).one()
    assert (act.cause, act.by_id, act.count) == ("finished", cast.ann.id, 2)
    ticket.reopen(cast.ann, "by hand")
    assert unread_ids(session, ticket) == before
    assert len(before) == 2


def test_a_customer_who_reopens_a_ticket_finds_the_old_messages_handled(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    session.commit()
    ticket.finish(cast.ann, State.SOLVED)
    session.commit()
    ticket.reopen(cast.eve, "customer wrote")
    new = make.hear(ticket, "Опять не работает")
    assert unread_ids(session, ticket) == [new.id]


def test_finishing_handles_what_was_merged_into_the_ticket_too(session, make, cast):
    one, two = make.ticket(cast.support, cast.eve), make.ticket(cast.support, cast.eve)
    before = unread_ids(session, one, two)
    one.merge_into(cast.ann, two)
    assert unread_ids(session, one, two) == before
    two.finish(cast.ann, State.SOLVED)
    assert unread_ids(session, one, two) == []
    assert handled.unread_everywhere() == 0
    two.reopen(cast.ann, "by hand")
    assert unread_ids(session, one, two) == before
    assert handled.unread_everywhere() == 2


def test_what_a_rule_files_as_spam_is_never_unread(session, make, cast):
    ticket = make.ticket(cast.support, cast.eve)
    ticket.finish(None, State.SPAM)
    assert unread_ids(session, ticket) == []
    assert session.scalars(select(Handling)).all() == []


def test_undo_leaves_alone_what_was_finished_since(session, cast, eves):
    one, two, _hidden = eves
    act = handled.mark_handled(cast.ann, cast.eve, handled.unread_of(cast.ann, cast.eve.id).seen)
    session.commit()
    one.finish(cast.bob, State.SOLVED)
    session.commit()
    assert handled.undo_mark(cast.ann, act.id) == 1
    assert len(unread_ids(session, one, two)) == two.unread == 1


def test_what_was_merged_is_marked_and_brought_back_where_it_is_shown(session, make, cast):
    target, merged = make.ticket(cast.support, cast.eve), make.ticket(cast.billing, cast.eve)
    before = unread_ids(session, target, merged)
    merged.merge_into(cast.dora, target)
    session.commit()
    act = handled.mark_handled(cast.ann, cast.eve, handled.unread_of(cast.ann, cast.eve.id).seen)
    assert unread_ids(session, target, merged) == []
    assert handled.undo_mark(cast.ann, act.id) == 2
    assert unread_ids(session, target, merged) == before


def test_undo_brings_back_what_was_merged_since_unless_its_target_is_finished(session, make, cast, eves):
    one, two, _hidden = eves
    for finished in (False, True):
        act = handled.mark_handled(cast.ann, cast.eve, handled.unread_of(cast.ann, cast.eve.id).seen)
        if not finished:
            one.merge_into(cast.ann, two)
        else:
            two.finish(cast.ann, State.SOLVED)
        session.commit()
        assert handled.undo_mark(cast.ann, act.id) == (0 if finished else 2)
        assert len(unread_ids(session, one, two)) == (0 if finished else 2)
    assert handled.unread_everywhere() == 1


@pytest.mark.parametrize("token", ["x", "1", "1-2-3", "1-0", "-1-2", "1-99999999999999999999"])
def test_a_made_up_token_is_refused(token):
    with pytest.raises(Refused):
        handled.read_seen(token)


def test_a_token_says_what_was_seen(session, cast, eves):
    unread = handled.unread_of(cast.ann, cast.eve.id)
    assert handled.read_seen(unread.token) == unread.seen


def test_everything_is_for_administrators_alone(session, cast, eves):
    for user in (cast.ann, cast.sue):
        with pytest.raises(Forbidden):
            handled.begin_run(user)


def test_everything_is_marked_in_batches_and_taken_back(committed, make_committed, monkeypatch):
    monkeypatch.setattr(handled, "BATCH", 2)
    make = make_committed
    cast = make.cast()
    tickets = [make.ticket(queue) for queue in (cast.support, cast.billing, cast.support, cast.support, cast.billing)]
    by_hand = handled.mark_handled(cast.ann, tickets[0].customer, {tickets[0].id: tickets[0].unread_last_id})
    committed.commit()
    before = unread_ids(committed, *tickets)
    assert handled.unread_everywhere() == len(before) == 4
    run = handled.begin_run(cast.dora)
    committed.commit()
    late = make.hear(tickets[1], "Уже после")
    committed.commit()
    with pytest.raises(Conflict):
        handled.begin_run(cast.dora)
    committed.rollback()
    assert handled.advance_runs() == 4
    assert unread_ids(committed, *tickets) == [late.id]
    assert (run.state, run.count, handled.unread_everywhere()) == ("done", 4, 1)
    tickets[3].finish(cast.ann, State.SOLVED)
    committed.commit()
    handled.undo_run(cast.dora, run.id)
    committed.commit()
    handled.advance_runs()
    finished = committed.scalars(select(Message.id).where(Message.ticket_id == tickets[3].id)).all()
    assert sorted(unread_ids(committed, *tickets)) == sorted({*before, late.id} - set(finished))
    assert run.state == "undone"
    assert by_hand.undone_at is None
    told = committed.scalars(select(Event).where(Event.kind == "admin.changed").order_by(Event.id))
    assert [event.payload["changes"] for event in told] == [{"messages": 4}, {"taken_back": 4}]


def test_everything_leaves_alone_what_is_being_written_at_that_instant(committed, make_committed, app):
    """A message has its id before it can be seen: the act begins between the two, with higher ids there."""
    make = make_committed
    cast = make.cast()
    slow, quick = make.ticket(cast.support), make.ticket(cast.support)
    committed.commit()
    slow_id, quick_id = slow.id, quick.id
    written, begun = threading.Event(), threading.Event()

    def write_slowly() -> int:
        from helpdesk.db import db
        from helpdesk.models import Ticket
        from helpdesk.models.ticket import lock_conversations
        from tests.factories import Factories

        with app.app_context():
            ticket = db.session.get_one(Ticket, slow_id)
            lock_conversations([ticket.conversation_id])
            ticket = db.session.get_one(Ticket, slow_id, with_for_update=True, populate_existing=True)
            message = Factories(db.session).hear(ticket, "Пишу в этот миг")
            written.set()
            assert begun.wait(30)
            db.session.commit()
            return message.id

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_slowly)
        assert written.wait(30)
        higher = make.hear(quick, "Позже начато, раньше видно")
        committed.commit()
        run = handled.begin_run(cast.dora)
        committed.commit()
        begun.set()
        late_id = writing.result()
    assert higher.id > late_id
    assert handled.advance_runs() == 3
    slow, quick = (committed.get(Ticket, one) for one in (slow_id, quick_id))
    assert unread_ids(committed, slow, quick) == [late_id]
    assert (run.state, run.count, handled.unread_everywhere()) == ("done", 3, 1)
    assert committed.scalars(select(HandlingMessage.message_id)).all() == []


def test_everything_finds_what_went_to_another_ticket_meanwhile(committed, make_committed):
    make = make_committed
    cast = make.cast()
    first, second = make.ticket(cast.support, cast.eve), make.ticket(cast.support, cast.eve)
    second_id = second.id
    committed.commit()
    run = handled.begin_run(cast.dora)
    committed.execute(
        text("UPDATE messages SET ticket_id = :there WHERE ticket_id = :here"), {"there": second_id, "here": first.id}
    )
    recount_unread([first.id, second_id])
    committed.commit()
    assert second.unread == 2
    assert handled.advance_runs() == 2
    assert unread_ids(committed, first, second) == []
    assert run.state == "done"


def test_half_of_everything_can_be_taken_back(committed, make_committed, monkeypatch):
    monkeypatch.setattr(handled, "BATCH", 2)
    make = make_committed
    cast = make.cast()
    tickets = [make.ticket(cast.support) for _number in range(5)]
    committed.commit()
    before = unread_ids(committed, *tickets)
    run = handled.begin_run(cast.dora)
    committed.commit()
    assert handled.advance_runs(seconds=0) == 2
    handled.undo_run(cast.dora, run.id)
    committed.commit()
    assert handled.advance_runs() == 2
    assert unread_ids(committed, *tickets) == before
    assert (run.state, handled.unread_everywhere()) == ("undone", 5)


def test_everything_can_be_taken_back_for_an_hour(session, cast, eves, move_clock):
    run = handled.begin_run(cast.dora)
    session.commit()
    move_clock("61 minutes")
    with pytest.raises(Conflict):
        handled.undo_run(cast.dora, run.id)


def test_marks_and_messages_that_meet_never_lose_one(committed, make_committed, app):
    """Eve writes on while ann and bob mark; in the end each message is either handled by an act or unread."""
    make = make_committed
    cast = make.cast()
    tickets = [make.ticket(cast.support, cast.eve) for _number in range(3)]
    committed.commit()
    ids, people, customer = [one.id for one in tickets], [cast.ann.id, cast.bob.id], cast.eve.id

    def hear() -> None:
        from helpdesk.db import db
        from helpdesk.models import Ticket
        from helpdesk.models.ticket import lock_conversations
        from tests.factories import Factories

        with app.app_context():
            for number in range(15):
                wanted = db.session.scalars(select(Ticket).where(Ticket.id.in_(ids))).all()
                lock_conversations([one.conversation_id for one in wanted])
                query = select(Ticket).where(Ticket.id.in_(ids)).order_by(Ticket.id).with_for_update(key_share=True)
                for ticket in db.session.scalars(query.execution_options(populate_existing=True)):
                    Factories(db.session).hear(ticket, f"Сообщение {number}")
                db.session.commit()

    def mark(user_id: int) -> None:
        from helpdesk.db import db
        from helpdesk.models import Customer, User

        with app.app_context():
            for _number in range(15):
                user, eve = db.session.get_one(User, user_id), db.session.get_one(Customer, customer)
                handled.mark_handled(user, eve, handled.unread_of(user, customer).seen)
                db.session.commit()

    with ThreadPoolExecutor(3) as pool:
        for ended in [pool.submit(hear), *(pool.submit(mark, one) for one in people)]:
            ended.result()
    left = unread_ids(committed, *tickets)
    marked = sum(committed.scalars(select(Handling.count)))
    assert len(left) + marked == 3 * 16
    assert count_of("desk", "unread") == len(left)
