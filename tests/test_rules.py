"""The ten rules that never break: for each, the tests that prove it, and here those that no other file has.

`PROOFS` is read by a test: a proof that was renamed or removed is missed at once. Each rule was broken on purpose once,
in the way that the comment beside it says, and the tests named for it failed.
"""

import ast
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk import clock
from helpdesk.db import Base
from helpdesk.errors import TooMany
from helpdesk.models import (
    Attachment,
    Availability,
    Event,
    InboundEvent,
    InboundState,
    Message,
    OutboxItem,
    Reply,
    State,
    Ticket,
)
from helpdesk.models.availability import change
from helpdesk.models.event import FACTS
from helpdesk.models.message import DeliveryState
from helpdesk.models.queue import QueueClock
from helpdesk.models.ticket.states import KIND, MOVES, Kind
from helpdesk.queries.counters import ledgers
from queues import fifo, housekeeping, intake, shifts
from queues.channels import adapter_for
from queues.channels.base import Inbound
from queues.letters import write_letter
from queues.tries import WORST_FIRST
from tests.clients import sign_in

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"

PROOFS: dict[int, tuple[str, ...]] = {
    1: (  # nothing is lost: acknowledge before the commit, or count an event out of the ledger
        "mail_in/test_mailbox.py::test_killed_at_the_worst_moment",
        "mail_in/test_mailbox.py::test_killed_again_and_again",
        "mail_in/test_faults.py::test_store_away_leaves_mail_where_it_is",
        "mail_in/test_doors.py::test_what_cannot_be_stored_stays_with_the_sender",
        "mail_in/test_doors.py::test_pipe_asks_to_come_again",
        "test_intake.py::test_ledger_is_true",
        "test_intake.py::test_unreadable_is_quarantined_and_can_be_tried_again",
        "test_status.py::test_every_step_of_an_event_keeps_the_equation",
        "test_status.py::test_status_raises_alarm_when_an_event_is_missing",
        "test_rules.py::test_1_what_is_received_is_somewhere_at_every_moment",
    ),
    2: (  # nothing is done twice: a random dedup key, a lease that nobody checks, a bell that is needed
        "test_intake.py::test_same_key_is_stored_once",
        "mail_in/test_doors.py::test_the_same_mail_again_is_acknowledged_and_not_kept_twice",
        "mail_out/test_delivery.py::test_several_drains_send_each_once",
        "mail_out/test_delivery.py::test_lost_lease_before_the_dot_stops_the_sender",
        "mail_out/test_delivery.py::test_who_lost_the_item_writes_nothing_down",
        "mail_out/test_killed.py::test_random_kills_lose_and_double_nothing",
        "test_lanes.py::test_the_timetable_finds_what_redis_lost",
        "test_lanes.py::test_each_chore_runs_once_when_many_ask",
        "test_lanes_faults.py::test_mails_are_understood_without_any_redis",
        "test_races.py::test_the_same_reply_sent_twice_at_once_leaves_once",
        "api/test_repeats.py::test_a_repeated_request_is_one_act",
        "http/test_door.py::test_a_recorded_request_sent_again_changes_nothing",
        "test_rules.py::test_2_an_event_understood_twice_is_one_message",
    ),
    3: (  # one operator per claim, and the oldest: skip locked rows, forget the key
        "test_fifo.py::test_many_claimers_take_each_ticket_once_and_in_order",
        "test_fifo.py::test_oldest_first",
        "test_fifo.py::test_oldest_over_all_of_my_queues",
        "test_fifo.py::test_claim_lost_says_who",
        "test_fifo.py::test_double_click_is_one_claim",
        "test_claim_races.py::test_a_claim_that_is_given_up_lets_nobody_overtake",
        "test_claim_races.py::test_a_strict_queue_looks_at_the_line_when_nobody_is_taking_from_it",
        "test_claim_races.py::test_a_ticket_that_is_being_finished_is_not_handed_out",
        "test_claim_races.py::test_two_clicks_at_once_are_one_claim",
        "test_claim_races.py::test_a_limit_holds_over_two_queues_at_once",
        "test_shift_races.py::test_a_limit_of_a_kind_holds_for_many_tabs",
        "test_crowd.py::test_nobody_is_in_anybodys_way",
    ),
    4: (  # first in, first out, explainably: let a nudge or a hand-back set the clock, ask for no reason
        "test_fifo.py::test_nudge_moves_nobody_back",
        "test_fifo.py::test_given_back_keeps_its_place",
        "test_fifo.py::test_moved_ticket_keeps_its_clocks",
        "test_fifo.py::test_strict_queue_asks_why",
        "test_fifo.py::test_handing_over_is_no_way_around_the_line",
        "test_fifo.py::test_priority_is_a_label_unless_the_queue_says_otherwise",
        "test_lanes.py::test_passed_over_tickets_are_promoted_once",
        "test_people.py::test_a_changed_clock_puts_the_waiting_in_a_new_order",
        "test_ticket.py::test_four_clocks",
        "test_shifts.py::test_of_an_owner_who_is_offline_a_ticket_goes_back_at_once_and_keeps_its_place",
        "test_shifts.py::test_a_ticket_that_wakes_and_a_failed_delivery_need_their_owner",
        "test_shifts.py::test_of_a_full_kind_the_line_goes_on_without_it_and_stays_in_order",
        "test_rules.py::test_4_what_comes_back_by_itself_stands_in_its_old_place",
        "test_authorisation_matrix.py::test_readers_meet_what_the_table_says_and_change_nothing",
    ),
    5: (  # closed is closed: allow a move out of finished, send on a paused ticket, wake by automatic mail
        "test_ticket.py::test_finished_is_terminal",
        "test_ticket.py::test_paused_takes_notes_and_no_letters",
        "test_intake.py::test_answer_wakes_a_paused_ticket_but_automatic_mail_does_not",
        "test_intake.py::test_follow_up_reopens_or_opens_a_linked_ticket",
        "test_intake.py::test_refusing_queue_keeps_the_mail_and_answers_politely",
        "test_lanes.py::test_waking_stops_at_a_rival_and_is_not_tried_for_ever",
        "test_races.py::test_two_workers_open_one_ticket_for_one_conversation",
        "mail_out/test_bounces.py::test_late_bounce_follows_the_queues_policy",
        "test_follow_up.py::test_only_a_failed_letter_of_a_person_makes_work",
        "test_rules.py::test_5_two_active_tickets_in_one_conversation_are_impossible",
        "test_rules.py::test_5_only_a_finished_ticket_is_terminal",
    ),
    6: (  # the customer sees one conversation: quote a note, forward a note, keep its file
        "mail_out/test_compose.py::test_headers_say_who_and_where",
        "test_desk.py::test_note_is_not_sent",
        "test_rules.py::test_6_no_note_ever_leaves",
        "test_rules.py::test_6_notes_are_not_forwarded_to_those_they_are_hidden_from",
        "test_writing.py::test_an_answer_to_a_forward_stays_internal",
        "test_writing.py::test_notes_are_never_forwarded_to_those_who_take_part",
        "test_writing.py::test_a_forward_is_no_part_of_the_customers_thread",
        "http/test_replies.py::test_notes_stay_here",
    ),
    7: (  # every change leaves an event: a verb that passes no fact
        "test_ticket.py::test_every_verb_leaves_an_event",
        "test_people.py::test_a_changed_clock_puts_the_waiting_in_a_new_order",
        "test_rules.py::test_7_the_line_of_any_moment_can_be_read_from_the_events",
        "test_rules.py::test_7_history_is_only_added_to",
        "test_rules.py::test_7_every_kind_of_fact_has_words",
        "test_rules.py::test_7_who_and_when",
    ),
    8: (  # access is the lookup: see all tickets, answer 403 for hidden ones
        "test_authorisation_matrix.py::test_every_route_says_who_may_pass",
        "test_authorisation_matrix.py::test_readers_meet_what_the_table_says_and_change_nothing",
        "test_authorisation_matrix.py::test_actors_meet_what_the_table_says",
        "test_search.py::test_hidden_tickets_never_show",
        "test_live.py::test_topics_are_chosen_by_what_a_user_may_see",
        "test_fifo.py::test_hidden_queue_is_absent",
        "test_rules.py::test_8_hidden_looks_like_absent",
        "test_rules.py::test_8_hidden_messages_look_like_absent_ones",
        "test_rules.py::test_8_hidden_numbers_look_like_absent_ones",
        "test_rules.py::test_8_conditions_of_a_search_tell_nothing_of_hidden_tickets",
        "test_former_numbers.py::test_a_number_that_two_projects_had_leads_to_the_ticket_one_may_see",
        "api/test_rights.py::test_what_is_hidden_is_never_told",
    ),
    9: (  # the screen never lies: show the best of several recipients, forget a state on the page
        "mail_out/test_delivery.py::test_sent_is_what_the_server_said",
        "mail_out/test_delivery.py::test_lost_after_the_dot_is_unknown_and_not_sent_again",
        "mail_out/test_delivery.py::test_fault_of_our_own_after_the_dot_is_unknown_and_not_sent_again",
        "mail_out/test_delivery.py::test_never_is_shown_and_brings_the_ticket_back",
        "mail_out/test_bounces.py::test_token_marks_the_message",
        "mail_out/test_bounces.py::test_forged_report_marks_nothing",
        "mail_out/test_tries.py::test_the_worst_is_shown",
        "test_ticket.py::test_undo_gives_every_clock_back",
        "test_rules.py::test_9_each_state_has_its_own_words_on_the_page",
    ),
    10: (  # time is UTC and there is one clock: read the host's clock, keep a moment without its zone
        "test_intake.py::test_follow_up_reopens_or_opens_a_linked_ticket",
        "test_rules.py::test_10_all_stored_moments_are_utc",
        "test_rules.py::test_10_nobody_reads_another_clock",
        "test_rules.py::test_10_the_screen_tells_the_readers_time",
    ),
}


@pytest.mark.parametrize("rule", range(1, 11))
def test_each_rule_has_its_proofs(rule: int) -> None:
    for proof in PROOFS[rule]:
        file, _, name = proof.partition("::")
        assert f"\ndef {name}(" in (TESTS / file).read_text(), f"rule {rule} has lost its proof {proof}"


# 1. Nothing is lost.


def test_1_what_is_received_is_somewhere_at_every_moment(session: Any, cast: Any, monkeypatch: Any) -> None:
    """Between any two transactions of the way in, whatever becomes of the mails."""
    channel = cast.mailbox.id
    mails = {"good": b"From: eve@customer.example\r\nSubject: a\r\n\r\nx", "empty": b"", "odd": b"\x00\xff" * 9}

    def is_balanced() -> bool:
        ledger = ledgers([channel])[channel]
        count = sa.select(InboundEvent.state, sa.func.count()).group_by(InboundEvent.state)
        rows = session.execute(count).tuples().all()
        counted = {state: getattr(ledger, state) for state in InboundState if getattr(ledger, state)}
        return ledger.balanced and counted == dict(rows)

    for key, raw in mails.items():
        intake.accept(channel, Inbound(key, raw))
        assert is_balanced()
    taken = intake._take()
    assert is_balanced()
    assert intake._finish_together(intake._understand_all(taken)) == len(mails)
    assert is_balanced()
    assert ledgers([channel])[channel].received == len(mails)
    assert ledgers([channel])[channel].waiting == 0


# 2. Nothing is done twice.


def test_2_an_event_understood_twice_is_one_message(session: Any, cast: Any) -> None:
    """A worker that was thought dead comes back after another one has done its work."""
    intake.accept(cast.mailbox.id, Inbound("one", b"From: eve@customer.example\r\nSubject: a\r\n\r\nx"))
    late = intake._understand_all(intake._take())
    assert intake._finish_together(late) == 1
    session.commit()
    assert intake._finish_together(late) == 0
    assert len(session.scalars(sa.select(Message).where(Message.kind == "inbound")).all()) == 1
    assert ledgers([cast.mailbox.id])[cast.mailbox.id].balanced


# 4. First in, first out, explainably.


@pytest.mark.parametrize("way", ["customer answers", "time", "bounce", "offline"])
def test_4_what_comes_back_by_itself_stands_in_its_old_place(
    session: Any, cast: Any, make: Any, move_clock: Any, way: str
) -> None:
    """Its owner went home: the oldest is again the next, for whoever takes it, and a limit does not change that."""
    oldest = make.ticket(cast.support, minutes_ago=90, channel=cast.mailbox)
    later = make.ticket(cast.support, minutes_ago=60)
    assert fifo.claim_next(cast.ann) is oldest
    if way in {"time", "bounce"}:
        message = oldest.reply(cast.ann, Reply(body="Проверим", to=["eve@customer.example"]))
    if way in {"time", "customer answers"}:
        oldest.pause(cast.ann, clock.now() + timedelta(minutes=5) if way == "time" else None)
    change(cast.ann, Availability.OFFLINE, by=cast.ann)
    session.flush()
    match way:
        case "time":
            move_clock("6 minutes")
            assert housekeeping.wake_tickets() == 1
        case "customer answers":
            make.hear(oldest, "И где?")
            oldest.wake(oldest.customer, "customer wrote")
        case "bounce":
            oldest.note_delivery(None, message, DeliveryState.BOUNCED, "550")
    session.flush()
    assert shifts.return_tickets() == 1
    session.expire_all()
    assert oldest.owner_id is None
    cast.bob.claim_limits = {"email": 1}
    session.flush()
    assert fifo.claim_next(cast.bob) is oldest
    with pytest.raises(TooMany):
        fifo.claim_next(cast.bob)
    assert fifo.claim_next(cast.sue) is later


# 5. Closed is closed.


def test_5_two_active_tickets_in_one_conversation_are_impossible(session: Any, cast: Any, make: Any) -> None:
    """The database says so, whatever a program forgets to look at."""
    ticket = make.ticket(cast.support)
    with pytest.raises(sa.exc.IntegrityError, match="uq_tickets_occupies"), session.begin_nested():
        Ticket.open(ticket.conversation, cast.support, "Второй", ticket.arrived_at)
        session.flush()
    with pytest.raises(sa.exc.IntegrityError, match="ck_tickets_occupies"), session.begin_nested():
        session.execute(sa.update(Ticket).where(Ticket.id == ticket.id).values(occupies=None))


def test_5_only_a_finished_ticket_is_terminal() -> None:
    assert MOVES[Kind.FINISHED] == set()
    assert all(MOVES[kind] == set(Kind) for kind in (Kind.ACTIVE, Kind.PAUSED))
    assert {state for state in State if KIND[state] == Kind.FINISHED} == {"solved", "unsolved", "merged", "spam"}


# 6. The customer sees one conversation.


@pytest.mark.parametrize("act", ["reply", "forward", "automatic"])
def test_6_no_note_ever_leaves(session: Any, cast: Any, make: Any, tmp_path: Any, act: str) -> None:
    """Neither a note's words, nor its file, nor what else only operators see; before and after, by whatever door."""
    from helpdesk.files import attach, put

    ticket = make.ticket(cast.support)
    heard = session.scalars(sa.select(Message).where(Message.ticket_id == ticket.id)).one()
    ticket.claim(cast.ann, "тайная причина")
    file = attach(None, "тайна.txt", "text/plain", put("тайный файл".encode()))
    ticket.note(cast.bob, "Клиент врёт, тайная заметка", [file])
    ticket.retag(cast.ann, ["тайный"])
    reply = {
        "reply": Reply(body="Код выслан"),
        "forward": Reply(body="см. ниже", to=["partner@elsewhere.example"], forwards_id=heard.id),
        "automatic": Reply(body="Мы получили письмо", automatic=True),
    }[act]
    message = ticket.reply(None if act == "automatic" else cast.ann, reply)
    ticket.note(cast.bob, "И ещё одна тайна")
    session.flush()
    item = session.scalars(sa.select(OutboxItem).where(OutboxItem.message_id == message.id)).one()
    letter = write_letter(item)
    outbound = adapter_for("email").compose(letter, cast.mailbox.settings)
    assert re.search("тайн|врёт", _readable(outbound.rendered), re.IGNORECASE) is None
    assert letter.files == []


def _readable(raw: bytes) -> str:
    """All that a mail says, decoded: headers, bodies and names of files."""
    from email import policy
    from email.parser import BytesParser

    mail = BytesParser(policy=policy.default).parsebytes(raw)
    parts = [str(value) for value in mail.values()]
    for part in mail.walk():
        if not part.is_multipart():
            parts += [str(part.get_filename()), str(part.get_content())]
    assert any("Код" in part or "см." in part or "получили" in part for part in parts)
    return "\n".join(parts)


def test_6_notes_are_not_forwarded_to_those_they_are_hidden_from(app: Any, session: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    ticket.bring_in(cast.ann, "boss@customer.example")
    note = ticket.note(cast.bob, "только для своих")
    ann = sign_in(app, cast.ann)
    for address in (ticket.customer.identities[0].value, "BOSS@customer.example"):
        form = {"message_id": note.id, "to": address}
        assert ann.post(f"/tickets/{ticket.id}/forwards", data=form).status_code == 422, address
    assert session.scalars(sa.select(OutboxItem)).all() == []
    assert session.scalars(sa.select(Attachment)).all() == []


# 7. Every change leaves an event.


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_7_history_is_only_added_to() -> None:
    """Events are neither changed nor deleted, and pages write none: verbs do."""
    for path in sources("helpdesk", "queues"):
        code = path.read_text()
        assert not re.search(r"\b(update|delete)\(Event\)", code), path
        if path.parent.name == "views":
            assert not re.search(r"\bEvent\(|\.record\(", code), path


def test_7_every_kind_of_fact_has_words() -> None:
    from helpdesk.history import TEXTS

    assert {kind for kind in FACTS if not kind.startswith("admin.")} == set(TEXTS)


def test_7_the_line_of_any_moment_can_be_read_from_the_events(session: Any, cast: Any, make: Any) -> None:
    """A long day of two queues and four tickets: after each act the events alone tell who stands where."""
    from helpdesk.queries.line import line
    from helpdesk.queue_changes import save_queue

    support, billing, dice = cast.support, cast.billing, random.Random(3)
    tickets = [make.ticket(support, minutes_ago=60 - number) for number in range(4)]

    def rule(ticket: Ticket) -> None:
        changed = {"clock": dice.choice([*QueueClock]), "by_priority": dice.random() < 0.5}
        save_queue(cast.dora, support, {"name": support.name, "active": True, **changed}, {})

    acts = [
        lambda t: make.hear(t, "ещё", at=t.arrived_at + timedelta(minutes=dice.randrange(1, 50))),
        lambda t: t.claim(cast.ann) if t.kind != Kind.FINISHED and t.owner_id is None else None,
        lambda t: t.release(cast.ann) if t.kind != Kind.FINISHED and t.owner_id else None,
        lambda t: t.prioritise(cast.ann, dice.randrange(1, 5)),
        lambda t: t.reply(cast.ann, Reply(body="ответ")) if t.kind == Kind.ACTIVE and t.owner is cast.ann else None,
        lambda t: t.undo_reply(cast.ann, r) if (r := _to_undo(session, t)) else None,
        lambda t: t.pause(cast.ann) if t.kind == Kind.ACTIVE else None,
        lambda t: t.wake(cast.ann, "by hand"),
        lambda t: t.finish(cast.ann, State.SOLVED) if t.kind != Kind.FINISHED else None,
        lambda t: t.reopen(cast.ann, "by hand") if t.kind == Kind.FINISHED else None,
        lambda t: t.move(cast.ann, billing if t.queue is support else support),
        lambda t: t.promote() if t.kind == Kind.ACTIVE and t.queue.by_priority else None,
        rule,
    ]
    for _turn in range(120):
        dice.choice(acts)(dice.choice(tickets))
        session.flush()
        for queue in (support, billing):
            assert _told_line(session, queue.id) == [ticket.id for ticket in session.scalars(line(queue.id))]


def _to_undo(session: Any, ticket: Ticket) -> Message | None:
    query = sa.select(Message).where(Message.ticket_id == ticket.id, Message.delivery == "queued")
    message: Message | None = session.scalars(query.order_by(Message.id)).first()
    return message


def _told_line(session: Any, queue_id: int) -> list[int]:
    """The line of a queue, from nothing but events."""
    told: dict[int, dict[str, Any]] = {}
    for event in session.scalars(sa.select(Event).where(Event.ticket_id.is_not(None)).order_by(Event.id)):
        ticket, payload = told.setdefault(event.ticket_id, {"kind": Kind.ACTIVE, "owner": None}), event.payload
        ticket |= {name: payload[name] for name in ("line_at", "line_class") if name in payload}
        match event.kind:
            case "ticket.opened":
                ticket["queue"] = payload["queue_id"]
            case "ticket.moved":
                ticket["queue"] = payload["to_queue_id"]
                ticket["owner"] = ticket["owner"] if ticket["kind"] == Kind.FINISHED else None
            case "ticket.claimed":
                ticket["owner"] = payload["owner_id"]
            case "ticket.released":
                ticket["owner"] = None
            case "ticket.state":
                ticket["kind"] = KIND[State(payload["after"])]
    free = {
        id_: ticket
        for id_, ticket in told.items()
        if ticket["queue"] == queue_id and ticket["kind"] == Kind.ACTIVE and ticket["owner"] is None
    }
    return sorted(free, key=lambda id_: (free[id_]["line_class"], datetime.fromisoformat(free[id_]["line_at"]), id_))


def test_7_who_and_when(session: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    session.flush()
    event = session.scalars(sa.select(Event).where(Event.kind == "ticket.claimed")).one()
    assert (event.ticket_id, event.queue_id, event.actor_kind, event.actor_id) == (
        ticket.id,
        cast.support.id,
        "user",
        cast.ann.id,
    )
    assert event.at.tzinfo is not None


# 8. Access is the lookup.


@pytest.mark.parametrize("page", ["", "/thread", "/card", "/bar", "/history", "/dialogs/edit"])
def test_8_hidden_looks_like_absent(app: Any, cast: Any, make: Any, page: str) -> None:
    hidden = make.ticket(cast.billing)
    ann = sign_in(app, cast.ann)
    answers = [ann.get(f"/tickets/{ticket_id}{page}") for ticket_id in (hidden.id, 10**9)]
    assert [answer.status_code for answer in answers] == [404, 404]
    texts = [re.sub(r'nonce="[^"]+"|content="[^"]+"|\d{5,}', "", answer.text) for answer in answers]
    assert texts[0].replace(str(hidden.id), "") == texts[1].replace(str(hidden.id), "")


@pytest.mark.parametrize("act", ["/messages/{}/undo", "/messages/{}/retries"])
def test_8_hidden_messages_look_like_absent_ones(app: Any, session: Any, cast: Any, make: Any, act: str) -> None:
    hidden = make.ticket(cast.billing)
    message_id = session.scalar(sa.select(Message.id).where(Message.ticket_id == hidden.id))
    ann = sign_in(app, cast.ann)
    json = {"Accept": "application/json"}
    answers = [ann.post(act.format(id_), headers=json) for id_ in (message_id, 10**9)]
    assert [(answer.status_code, answer.json) for answer in answers] == [(404, answers[1].json)] * 2


def test_8_hidden_numbers_look_like_absent_ones(app: Any, cast: Any, make: Any) -> None:
    hidden = make.ticket(cast.billing)
    ann = sign_in(app, cast.ann)
    answers = [ann.get(f"/t/{number}", headers={"Accept": "application/json"}) for number in (hidden.number, "99999")]
    assert [(answer.status_code, answer.json) for answer in answers] == [(404, answers[1].json)] * 2


def test_8_conditions_of_a_search_tell_nothing_of_hidden_tickets(app: Any, session: Any, cast: Any, make: Any) -> None:
    """The same page, figure for figure, whether a condition meets a hidden ticket or nothing at all."""
    from helpdesk.indexing import index_message

    canary = make.customer("Канарейкина", "canary@hidden.example")
    hidden = make.ticket(cast.billing, customer=canary, title="канарейка")
    index_message(make.hear(hidden, "слово канарейка"))
    hidden.bring_in(cast.carl, "beside@hidden.example")
    hidden.retag(cast.carl, ["канарейка"])
    hidden.claim(cast.carl)
    canary.reindex()
    session.flush()
    ann, dora = sign_in(app, cast.ann), sign_in(app, cast.dora)
    pairs = [
        ("tag:канарейка", "tag:ничего"),
        (f"number:{hidden.number}", "number:99999999"),
        ("customer:canary@hidden.example", "customer:nobody@hidden.example"),
        ("from:canary@hidden.example", "from:nobody@hidden.example"),
        ("to:beside@hidden.example", "to:nobody@hidden.example"),
        ("owner:me канарейка", "owner:me ничего"),
        ("канарейка state:active", "ничего state:active"),
        (f"queue:{cast.billing.name.split()[0]}", "queue:ничего"),
    ]
    for met, unmet in pairs:
        pages = [ann.get("/search", query_string={"q": question}) for question in (met, unmet)]
        texts = [re.sub(r'(nonce|content|value)="[^"]+"', "", page.text) for page in pages]  # what is random
        for text, question in zip(texts, (met, unmet), strict=True):
            assert hidden.title not in text.replace(question, "")
        assert len({page.status_code for page in pages}) == 1, met
        bare = [_without(text, question) for text, question in zip(texts, (met, unmet), strict=True)]
        assert bare[0] == bare[1], met
    assert hidden.number in dora.get("/search", query_string={"q": "tag:канарейка"}).text.replace(" ", "")


def _without(text: str, question: str) -> str:
    """A page without what was typed, however it is written there."""
    from urllib.parse import quote, quote_plus

    value = question.partition(":")[2] or question
    for one in (question, value):
        for form in (one, quote(one), quote_plus(one), quote(one, safe="")):
            text = text.replace(form, "")
    return text


# 9. The screen never lies.


def test_9_each_state_has_its_own_words_on_the_page(app: Any, session: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    message = ticket.reply(cast.ann, Reply(body="Код выслан"))
    ann = sign_in(app, cast.ann)
    shown = {}
    for state in DeliveryState:
        message.delivery = state
        page = ann.get(f"/tickets/{ticket.id}/thread").text
        mark = re.search(r'class="delivery-mark".*?</svg><span[^>]*>(.*?)</span></span>', page, re.DOTALL)
        shown[state] = mark.group(1)  # type: ignore[union-attr]
    assert len(set(shown.values())) == len(DeliveryState)
    assert set(WORST_FIRST) == set(DeliveryState), "one ranked list"


# 10. Time is UTC, and there is one clock.


def test_10_all_stored_moments_are_utc(session: Any) -> None:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.DateTime):
                assert column.type.timezone, f"{table.name}.{column.name}"
    assert session.scalar(sa.text("SHOW timezone")) == "UTC"
    naive = sa.text("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                    " AND data_type = 'timestamp without time zone'")  # fmt: skip
    assert session.execute(naive).all() == []


# Moments that are not ours: of a foreign server's certificate, token, answer or mailbox, of a signature that somebody
# else checks, of Redis, of a file's name, of made-up mail.
CLOCKS = r"(datetime\.)?(datetime|date)\.(now|utcnow|today)|time\.time|func\.(now|clock_timestamp)"
OTHER_CLOCKS = {
    "helpdesk/api/callers.py",
    "helpdesk/embedded.py",
    "helpdesk/outbound_http.py",
    "helpdesk/presence.py",
    "queues/channels/email/boundary.py",
    "queues/channels/email/colleagues.py",
    "queues/channels/email/fetch.py",
    "queues/channels/email/mailbox.py",
    "queues/channels/email/oauth.py",
    "queues/channels/email/readers.py",
    "queues/channels/email/rescan.py",
    "queues/channels/http/send.py",
    "queues/demo/desk.py",
    "queues/lanes.py",
    "queues/status.py",
    "queues/webhooks.py",
}


def test_10_nobody_reads_another_clock() -> None:
    found = set()
    for path in sources("helpdesk", "queues"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(CLOCKS, called):
                found.add(str(path.relative_to(ROOT)))
    assert found == OTHER_CLOCKS
    for path in sources("migrations"):
        assert not re.search(r"(?<!helpdesk_)now\(\)(?! *\+)", path.read_text()), path


@pytest.mark.parametrize(("zone", "day"), [("UTC", "January 1, 2026"), ("Asia/Tokyo", "January 2, 2026")])
def test_10_the_screen_tells_the_readers_time(
    app: Any, session: Any, cast: Any, make: Any, zone: str, day: str
) -> None:
    ticket = make.ticket(cast.support)
    said = session.scalars(sa.select(Message).where(Message.ticket_id == ticket.id)).one()
    said.at = datetime(2026, 1, 1, 20, 30, tzinfo=UTC)
    cast.ann.time_zone = zone
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/thread").text
    assert day in page
