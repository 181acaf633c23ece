"""Decides what a run proved: the log of intents on one side, database, mailbox and sink on the other."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.dovecot import Dovecot
from tests.fault.intents import Intents
from tests.fault.stack import Stack

MOST_SHOWN = 5


@dataclass
class Verdict:
    """What was found: `violations` empty means that every promise held."""

    violations: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    def expect(self, holds: bool, words: str) -> None:
        """Note a broken promise."""
        if not holds:
            self.violations.append(words)

    def none_of(self, what: list[object], words: str) -> None:
        """Note a broken promise with a few examples."""
        if what:
            self.violations.append(f"{len(what)} {words}, e.g. {', '.join(map(str, what[:MOST_SHOWN]))}")


def backlog(stack: Stack, dovecot: Dovecot, mailbox: str) -> dict[str, int]:
    """What is still to be done: in the mailbox, in the intake and in the outbox."""
    rows = stack.query(
        "SELECT (SELECT count(*) FROM inbound_events WHERE state = 'waiting'),"
        " (SELECT count(*) FROM outbox_items WHERE state IN ('queued', 'sending', 'deferred'))"
    )
    return {"mailbox": dovecot.count(mailbox), "intake": rows[0][0], "outbox": rows[0][1]}


def check(stack: Stack, dovecot: Dovecot, mailbox: str, channel_id: int, intents: Intents) -> Verdict:
    """Compare everything."""
    verdict = Verdict()
    _mails(verdict, stack, dovecot, mailbox, channel_id, intents)
    _ledger(verdict, stack, channel_id, len(intents.mails))
    _claims(verdict, stack, intents)
    _replies(verdict, stack, intents)
    for fault in intents.faults:
        verdict.violations.append(fault)
    return verdict


def _mails(verdict: Verdict, stack: Stack, dovecot: Dovecot, mailbox: str, channel_id: int, intents: Intents) -> None:
    rows = stack.query("SELECT header_id, text, ticket_id, id FROM messages WHERE kind = 'inbound'")
    times = Counter(row[0] for row in rows)
    wanted = set(intents.mails)
    verdict.none_of(sorted(wanted - set(times)), "mails became no message")
    verdict.none_of([id_ for id_, count in times.items() if count > 1], "mails became more than one message")
    verdict.none_of([row[0] for row in rows if row[0] not in wanted], "messages that nobody sent")
    verdict.none_of([row[0] for row in rows if row[2] is None], "messages are on no ticket")
    verdict.none_of(
        [row[0] for row in rows if row[0] in wanted and f"mark {row[0][1:-1]}" not in row[1]],
        "messages lost their text",
    )
    raws = stack.query(
        "SELECT e.id, e.state, e.reason, r.event_id IS NOT NULL, e.message_id FROM inbound_events e"
        " LEFT JOIN raw_inputs r ON r.event_id = e.id WHERE e.channel_id = %s",
        channel_id,
    )
    verdict.expect(len(raws) == len(wanted), f"{len(raws)} inbound events for {len(wanted)} mails")
    verdict.none_of([(row[0], row[1], row[2]) for row in raws if row[1] != "ticketed"], "events are not ticketed")
    verdict.none_of([row[0] for row in raws if not row[3]], "events have no raw input")
    messages = Counter(row[4] for row in raws)
    verdict.none_of([row[0] for row in rows if messages[row[3]] != 1], "messages without an event of their own")
    left, moved = dovecot.count(mailbox), dovecot.count(mailbox, "Processed")
    verdict.expect(left == 0, f"{left} mails are left in the mailbox")
    verdict.expect(moved == len(wanted), f"{moved} mails were moved away of {len(wanted)}")
    doubles = stack.query("SELECT conversation_id, seq FROM messages GROUP BY 1, 2 HAVING count(*) > 1")
    verdict.none_of(doubles, "places in a conversation taken twice")
    verdict.facts["mails"] = len(wanted)
    verdict.facts["tickets"] = stack.query("SELECT count(*) FROM tickets")[0][0]


def _ledger(verdict: Verdict, stack: Stack, channel_id: int, mails: int) -> None:
    told = dict(
        stack.query(
            "SELECT name, sum(delta)::bigint FROM tallies WHERE scope = %s GROUP BY name", f"channel:{channel_id}"
        )
    )
    ends = [told.get(name, 0) for name in ("waiting", "ticketed", "dropped", "quarantined")]
    verdict.expect(
        told.get("received", 0) == sum(ends) == mails, f"the ledger says {told} where {mails} mails were received"
    )
    wrong = stack.query(
        "WITH told AS (SELECT scope, name, sum(delta)::bigint AS value FROM tallies WHERE scope LIKE 'queue:%%'"
        " GROUP BY 1, 2), really AS ("
        " SELECT 'queue:' || queue_id AS scope, 'active' AS name, count(*) AS value FROM tickets"
        " WHERE kind = 'active' GROUP BY queue_id UNION ALL"
        " SELECT 'queue:' || queue_id, 'waiting', count(*) FROM tickets"
        " WHERE kind = 'active' AND owner_id IS NULL GROUP BY queue_id)"
        " SELECT scope, name, told.value, really.value FROM told FULL JOIN really USING (scope, name)"
        " WHERE coalesce(told.value, 0) <> coalesce(really.value, 0) AND %s",
        True,
    )
    verdict.none_of(wrong, "counters of queues are wrong")


def _claims(verdict: Verdict, stack: Stack, intents: Intents) -> None:
    by_ticket: dict[int, set[str]] = defaultdict(set)
    for ticket_id, operator in intents.claims:
        by_ticket[ticket_id].add(operator)
    verdict.none_of([one for one, people in by_ticket.items() if len(people) > 1], "tickets were given to two people")
    owners = dict(stack.query("SELECT t.id, u.name FROM tickets t JOIN users u ON u.id = t.owner_id"))
    wrong = [one for one, people in by_ticket.items() if len(people) == 1 and owners.get(one) not in people]
    verdict.none_of(wrong, "tickets do not belong to whom they were given")
    verdict.facts["claims"] = len(by_ticket)


def _replies(verdict: Verdict, stack: Stack, intents: Intents) -> None:
    rows = stack.query(
        "SELECT m.id, m.text, m.header_id, m.delivery, i.state, m.ticket_id,"
        " (SELECT count(*) FROM events e WHERE e.kind = 'message.reply' AND e.payload->>'message_id' = m.id::text)"
        " FROM messages m LEFT JOIN outbox_items i ON i.message_id = m.id WHERE m.kind = 'reply'"
    )
    written = defaultdict(list)
    for row in rows:
        written[row[1].strip().rpartition("\n")[2]].append(row)
    arrived = defaultdict(list)
    for arrival in intents.arrivals:
        arrived[arrival.marker].append(arrival)
    verdict.none_of([m for m, i in intents.replies.items() if not i.confirmed], "replies could not be written")
    verdict.none_of([m for m in written if m not in intents.replies], "replies that nobody wrote")
    verdict.none_of([m for m in arrived if m not in intents.replies], "mails at the sink that nobody wrote")
    states: Counter[str] = Counter()
    for marker, intent in intents.replies.items():
        if len(written[marker]) != 1:
            verdict.expect(not intent.confirmed and not written[marker], f"{marker} is {len(written[marker])} messages")
            continue
        _id, _text, header_id, shown, state, ticket_id, events = written[marker][0]
        states[state] += 1
        found = arrived[marker]
        whole = sum(not one.cut for one in found)
        verdict.expect(ticket_id == intent.ticket_id, f"{marker} is on ticket {ticket_id}, not {intent.ticket_id}")
        verdict.expect(events == 1, f"{marker} left {events} events")
        verdict.expect(shown == state, f"{marker} is {state} but shown as {shown}")
        verdict.expect({one.header_id for one in found} <= {header_id}, f"{marker} left under another Message-ID")
        verdict.expect(len(found) <= 1, f"{marker} arrived {len(found)} times (outbox says {state})")
        if state == "sent":
            verdict.expect(whole == 1, f"{marker} is shown as sent, but {whole} whole copies arrived")
        elif state != "unknown":
            verdict.violations.append(f"{marker} is {state} in the end")
    verdict.facts["replies"] = dict(states)
    verdict.facts["cut after the dot"] = sum(one.cut for one in intents.arrivals)
