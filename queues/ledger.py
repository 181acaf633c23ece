"""The proof that nothing is lost: the counters of channels and queues are compared with the rows they stand for.

Counters and rows change in the same transactions, so in one snapshot they must agree. Where they do not, somebody made
a mistake: the counter is set right, the difference is logged as an error and stands on the status page.
"""

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.models import Tally, read_setting, write_setting

log = structlog.get_logger(__name__)

LAST = "ledger:last"
Counters = dict[tuple[str, str], int]

TOLD = """
SELECT scope, name, sum(delta)::bigint FROM tallies
WHERE scope LIKE 'channel:%' OR scope LIKE 'queue:%' GROUP BY scope, name
"""
REAL = """
SELECT 'channel:' || channel_id, state, count(*) FROM inbound_events GROUP BY channel_id, state
UNION ALL
SELECT 'channel:' || channel_id, 'received', count(*) FROM dedup_keys GROUP BY channel_id
UNION ALL
SELECT 'queue:' || queue_id, 'active', count(*) FROM tickets WHERE kind = 'active' GROUP BY queue_id
UNION ALL
SELECT 'queue:' || queue_id, 'waiting', count(*) FROM tickets WHERE kind = 'active' AND owner_id IS NULL
GROUP BY queue_id
"""
# An event that claims to have become a message, without one: the equation would still hold.
HOLLOW = """
SELECT e.id FROM inbound_events e LEFT JOIN messages m ON m.id = e.message_id
WHERE e.state = 'ticketed' AND m.id IS NULL ORDER BY e.id LIMIT 20
"""


def reconcile() -> int:
    """Compare all counters with the rows, set wrong ones right, and keep the result. Returns how many were wrong."""
    db.session.rollback()  # the isolation level below needs a transaction that has not begun
    with transaction() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(text("SET LOCAL statement_timeout = '10min'"))
        told, real = _counters(session, TOLD), _counters(session, REAL)
        wrong = {key: (told.get(key, 0), real.get(key, 0)) for key in told.keys() | real.keys()}
        wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
        for (scope, name), (said, is_so) in wrong.items():
            log.error("a counter was wrong", scope=scope, name=name, said=said, counted=is_so)
            session.add(Tally(scope=scope, name=name, delta=is_so - said))
        hollow = list(session.scalars(text(HOLLOW)))
        if hollow:
            log.error("events have no message though they should", events=hollow)
        write_setting(LAST, _result(wrong, hollow))
    return len(wrong) + len(hollow)


def last_result() -> dict[str, Any] | None:
    """What the last comparison found: `at` (datetime), `differences` [{scope, name, said, counted}], `hollow` [ids]."""
    stored = read_setting(LAST, None)
    return None if stored is None else stored | {"at": datetime.fromisoformat(stored["at"])}


def _result(wrong: dict[tuple[str, str], tuple[int, int]], hollow: list[int]) -> dict[str, Any]:
    differences = [
        {"scope": scope, "name": name, "said": said, "counted": counted}
        for (scope, name), (said, counted) in sorted(wrong.items())
    ]
    return {"at": clock.now().isoformat(), "differences": differences, "hollow": hollow}


def _counters(session: Session, query: str) -> Counters:
    return {(scope, name): value for scope, name, value in session.execute(text(query))}
