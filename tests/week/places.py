"""Every message in exactly one place: what customers sent, beside what is stored."""

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import text

from helpdesk.db import db
from tests.week.play import Played


def misplaced(played: Played) -> list[str]:
    """What is wrong with the places of messages, as sentences."""
    return [*_mails(played), *_calls(played), *_events(played), *_rows(), *_counters()]


def _mails(played: Played) -> list[str]:
    brands = {box.channel_id: box.brand for box in played.world.mailboxes}
    found: dict[str, list[Any]] = defaultdict(list)
    query = "SELECT header_id, ticket_id, text, kind FROM messages WHERE kind = 'inbound' AND header_id IS NOT NULL"
    for row in db.session.execute(text(query)):
        found[row.header_id].append(row)
    wrong = []
    for header_id, sent in played.intents.mails.items():
        wanted = len({brands[channel_id] for channel_id in sent.channels})
        rows = found.pop(header_id, [])
        if len(rows) != wanted:
            wrong.append(f"{sent.kind} {header_id} is {len(rows)} messages, not {wanted}")
        if any(row.ticket_id is None for row in rows):
            wrong.append(f"{sent.kind} {header_id} is on no ticket")
        if sent.kind != "bounce" and any(f"mark {header_id[1:-1]}" not in row.text for row in rows):
            wrong.append(f"{sent.kind} {header_id} lost its text")
    return wrong + [f"{header_id} was sent by nobody" for header_id in found]


def _calls(played: Played) -> list[str]:
    """Each call is one conversation and one ticket, and ended as the exchange says."""
    rows = db.session.execute(
        text(
            "SELECT c.key, k.phase, (SELECT count(*) FROM tickets t WHERE t.conversation_id = c.id) AS tickets"
            " FROM calls k JOIN conversations c ON c.id = k.conversation_id"
        )
    ).all()
    found = {row.key.removeprefix("call:"): row for row in rows}
    wrong = [f"{call} is not known" for call in played.intents.calls if call not in found]
    for call, ended in played.intents.calls.items():
        if call in found and (found[call].phase, found[call].tickets) != (ended, 1):
            wrong.append(f"{call} is {found[call].phase} on {found[call].tickets} tickets, not {ended} on one")
    return wrong


def _events(played: Played) -> list[str]:
    """Each mail is one event for each mailbox that it came to; a delivery that was repeated is none."""
    rows = db.session.execute(
        text(
            "SELECT state, reason, count(*) AS n FROM inbound_events e JOIN channels c ON c.id = e.channel_id"
            " WHERE c.kind = 'email' GROUP BY 1, 2"
        )
    ).all()
    total = sum(row.n for row in rows)
    wanted = sum(len(sent.channels) for sent in played.intents.mails.values())
    brands = {box.channel_id: box.brand for box in played.world.mailboxes}
    copies = sum(
        len(sent.channels) - len({brands[one] for one in sent.channels}) for sent in played.intents.mails.values()
    )
    dropped = sum(row.n for row in rows if row.state == "dropped")
    wrong = [f"{row.n} events are {row.state}: {row.reason}" for row in rows if row.state in {"waiting", "quarantined"}]
    if total != wanted:
        wrong.append(f"{total} events were received of {wanted} mails delivered")
    if dropped != copies:
        reasons = {row.reason: row.n for row in rows if row.state == "dropped"}
        wrong.append(f"{dropped} events were dropped where {copies} mails were copies: {reasons}")
    return wrong


def _rows() -> list[str]:
    """What the database itself must show: one number for each place, one active ticket in a conversation."""
    asked = {
        "places in a conversation taken twice": "SELECT conversation_id, seq FROM messages GROUP BY 1, 2"
        " HAVING count(*) > 1",
        "conversations with two active tickets": "SELECT conversation_id, count(*) FROM tickets WHERE kind = 'active'"
        " GROUP BY 1 HAVING count(*) > 1",
        "messages on a ticket of another conversation": "SELECT m.id, t.id FROM messages m JOIN tickets t"
        " ON t.id = m.ticket_id WHERE t.conversation_id <> m.conversation_id",
        "events that name a message of nobody": "SELECT e.id, e.id FROM inbound_events e"
        " WHERE e.state = 'ticketed' AND e.message_id IS NULL",
    }
    wrong = []
    for words, query in asked.items():
        rows = db.session.execute(text(query)).all()
        if rows:
            wrong.append(f"{len(rows)} {words}, e.g. {rows[:3]}")
    return wrong


def _counters() -> list[str]:
    told: Counter[tuple[str, str]] = Counter()
    for scope, name, value in db.session.execute(text("SELECT scope, name, sum(delta) FROM tallies GROUP BY 1, 2")):
        told[scope, name] = int(value)
    wrong = []
    for (channel_id,) in db.session.execute(text("SELECT id FROM channels")):
        scope = f"channel:{channel_id}"
        ends = sum(told[scope, name] for name in ("waiting", "ticketed", "dropped", "quarantined"))
        really = db.session.execute(
            text("SELECT count(*) FROM inbound_events WHERE channel_id = :id"), {"id": channel_id}
        ).scalar_one()
        if not told[scope, "received"] == ends == really:
            wrong.append(f"the ledger of channel {channel_id} says {told[scope, 'received']}, {ends}; really {really}")
    queues = "SELECT queue_id, count(*), count(*) FILTER (WHERE owner_id IS NULL) FROM tickets WHERE kind = 'active'"
    for queue_id, active, waiting in db.session.execute(text(f"{queues} GROUP BY 1")):
        scope = f"queue:{queue_id}"
        if (told[scope, "active"], told[scope, "waiting"]) != (active, waiting):
            wrong.append(f"the counters of queue {queue_id} are {told[scope, 'active']}, {told[scope, 'waiting']}")
    return wrong
