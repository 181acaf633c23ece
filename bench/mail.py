"""Mail to ticket: real workers take what was accepted; beside it a bare parse, and bare transactions of such rows."""

import time
from email import message_from_bytes, policy
from typing import Any

from bench.measure import Row
from bench.stage import Stage
from tests.email.corpus import OrdinaryMail, ordinary_mails

MAILS = 300
WAITING = "SELECT EXISTS (SELECT 1 FROM inbound_events WHERE state = 'waiting')"
TABLES = (
    "inbound_events", "raw_inputs", "dedup_keys", "conversations", "participants", "tickets", "messages", "events",
    "search_documents", "tallies",
)  # fmt: skip


def rows() -> dict[int, Row]:
    """Empty rows by the number of workers."""
    floor = "transactions of the same rows on one connection, a second"
    return {
        1: Row("mail to ticket, one worker, mails a second", "/s", "300, x 5", floor),
        2: Row("mail to ticket, two workers, mails a second", "/s", "500, x 6", floor),
    }


def prepare(stage: Stage) -> None:
    """Empty copies of the tables, without what ties them together, for the bare transaction."""
    with stage.connect() as connection:
        connection.execute("CREATE SCHEMA floor")
        for table in TABLES:
            connection.execute(f"CREATE TABLE floor.{table} (LIKE public.{table} INCLUDING ALL)".encode())


def measure(stage: Stage, by_workers: dict[int, Row], seed: int) -> None:
    """One round of all rows."""
    for place, (workers, row) in enumerate(by_workers.items()):
        mails = list(ordinary_mails(MAILS, seed * 10 + place))
        parsed = _bare_parse(mails)
        row.notes["bare parse /s"] = round(parsed)
        row.notes["kB a mail"] = round(sum(len(mail.raw) for mail in mails) / len(mails) / 1000)
        with stage.working(workers):
            ours = _through(stage, mails)
        row.add(ours, _bare_transactions(stage, mails))


def _through(stage: Stage, mails: list[OrdinaryMail]) -> float:
    """Accept as a mailbox does, fifty at a time, while the workers work; until the last is on a ticket."""
    from queues import intake
    from queues.channels.base import Inbound
    from queues.channels.email.fetch import content_key

    _warm_up(stage)
    channel = stage.ids["channel"]
    with stage.app.app_context(), stage.connect() as looker:
        looker.autocommit = True
        began = time.perf_counter()
        for start in range(0, len(mails), 50):
            group = mails[start : start + 50]
            intake.accept_many(channel, [Inbound(content_key(mail.raw), mail.raw) for mail in group])
        while looker.execute(WAITING).fetchone() != (False,):
            if time.perf_counter() - began > 300:
                raise RuntimeError("the workers do not finish")
            time.sleep(0.01)
        took = time.perf_counter() - began
    lost = stage.one("SELECT count(*) FROM inbound_events WHERE state <> 'ticketed'")
    if lost:
        raise RuntimeError(f"{lost} mails did not become tickets")
    return len(mails) / took


def _warm_up(stage: Stage) -> None:
    """Let each worker start its parser and open its connections: one is as good as two, both look for work."""
    from queues import intake
    from queues.channels.base import Inbound

    with stage.app.app_context():
        for mail in ordinary_mails(4, time.time_ns() % 1_000_000):
            intake.accept(stage.ids["channel"], Inbound(mail.message_id, mail.raw))
            time.sleep(0.3)
    until = time.monotonic() + 30
    while stage.one("SELECT count(*) FROM inbound_events WHERE state = 'waiting'") and time.monotonic() < until:
        time.sleep(0.05)


def _bare_parse(mails: list[OrdinaryMail]) -> float:
    began = time.perf_counter()
    for mail in mails:
        for part in message_from_bytes(mail.raw, policy=policy.compat32).walk():
            if not part.is_multipart():
                part.get_payload(decode=True)
    return len(mails) / (time.perf_counter() - began)


def _bare_transactions(stage: Stage, mails: list[OrdinaryMail]) -> float:
    """The rows of one mail in one transaction, statement by statement, on one connection."""
    connection = stage.connect()
    base = time.time_ns() // 1000
    with connection:
        connection.execute("SET search_path = floor, public")
        began = time.perf_counter()
        for place, mail in enumerate(mails):
            for statement in BARE:
                connection.execute(statement, _values(stage, base + place, mail))
            connection.commit()
        took = time.perf_counter() - began
    return len(mails) / took


def _values(stage: Stage, key: int, mail: OrdinaryMail) -> dict[str, Any]:
    return {"id": key, "raw": mail.raw, "size": len(mail.raw), "subject": mail.subject, "text": mail.reply} | stage.ids


BARE = [
    b"INSERT INTO dedup_keys (channel_id, digest, event_id) VALUES (%(channel)s, sha256(%(raw)s), %(id)s)",
    b"INSERT INTO inbound_events (id, channel_id, size, state) OVERRIDING SYSTEM VALUE"
    b" VALUES (%(id)s, %(channel)s, %(size)s, 'ticketed')",
    b"INSERT INTO raw_inputs (event_id, data) VALUES (%(id)s, %(raw)s)",
    b"INSERT INTO conversations (id, project_id, channel_id, customer_id, key, last_seq) OVERRIDING SYSTEM VALUE"
    b" VALUES (%(id)s, %(project)s, %(channel)s, 1, 'event:' || %(id)s, 1)",
    b"INSERT INTO participants (conversation_id, address) VALUES (%(id)s, 'eve@customer.example')",
    b"INSERT INTO tickets (id, project_id, queue_id, conversation_id, customer_id, channel_id, number, number_key,"
    b" title, state, kind, occupies, arrived_at, line_at) OVERRIDING SYSTEM VALUE"
    b" VALUES (%(id)s, %(project)s, %(queue)s, %(id)s, 1, %(channel)s, %(id)s::text, %(id)s::text,"
    b" %(subject)s, 'new', 'active', 'conv:' || %(id)s, now(), now())",
    b"INSERT INTO messages (id, conversation_id, ticket_id, seq, kind, subject, text, visible_text)"
    b" OVERRIDING SYSTEM VALUE VALUES (%(id)s, %(id)s, %(id)s, 1, 'inbound', %(subject)s, %(text)s, %(text)s)",
    b"INSERT INTO events (ticket_id, actor_kind, kind) VALUES (%(id)s, 'customer', 'ticket.opened'),"
    b" (%(id)s, 'customer', 'message.heard')",
    b"INSERT INTO search_documents (kind, ref_id, ticket_id, version, tsv)"
    b" VALUES ('message', %(id)s, %(id)s, 1, to_tsvector('russian', %(text)s))",
    b"INSERT INTO tallies (scope, name, delta) VALUES ('channel', 'waiting', -1), ('channel', 'ticketed', 1),"
    b" ('queue', 'active', 1), ('queue', 'waiting', 1)",
]
