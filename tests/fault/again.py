"""After the run: operators press "try again" on replies of unknown outcome, which must leave as the same mail."""

import time
from collections import defaultdict

from tests.fault.checker import Verdict
from tests.fault.intents import Intents
from tests.fault.operators import Operator
from tests.fault.stack import Stack

MOST = 10
PATIENCE = 30.0


def send_unknown_again(verdict: Verdict, stack: Stack, intents: Intents, password: str, queue_id: int) -> None:
    """Press the button for a few of them; each must arrive once more, under the Message-ID that it has."""
    unknown = stack.query(
        "SELECT m.id, m.header_id, u.email FROM messages m JOIN outbox_items i ON i.message_id = m.id"
        " JOIN tickets t ON t.id = m.ticket_id JOIN users u ON u.id = t.owner_id"
        " WHERE i.state = 'unknown' AND m.kind = 'reply' ORDER BY m.id LIMIT %s",
        MOST,
    )
    before = _arrived(intents)
    by_owner = defaultdict(list)
    for message_id, header_id, email in unknown:
        by_owner[email.partition("@")[0]].append((message_id, header_id))
    for name, messages in by_owner.items():
        owner = Operator(stack.url, name, password, queue_id, 0, 0, intents)
        owner.sign_in()
        for message_id, header_id in messages:
            page = owner.ask("POST", f"/messages/{message_id}/retries", {"csrf_token": owner.token})
            told = "no answer" if page is None else str(page.status_code)
            verdict.expect(told == "303", f"{header_id} could not be sent again: {told}")
        owner.browser.close()
    wanted = {header_id: before[header_id] + 1 for _, header_id, _ in unknown}
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(_arrived(intents)[one] < count for one, count in wanted.items()):
        time.sleep(0.2)
    after = _arrived(intents)
    missing = [one for one, count in wanted.items() if after[one] != count]
    verdict.none_of(list(missing), "replies of unknown outcome did not leave once more as the same mail")
    verdict.facts["sent again"] = len(unknown)


def _arrived(intents: Intents) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for arrival in list(intents.arrivals):
        counts[arrival.header_id] += 1
    return counts
