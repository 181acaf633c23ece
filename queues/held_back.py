"""Answers that overtook what they answer: two workers may come to a mail and the answer to it in the wrong order.

An answer to a Message-ID that nobody knows waits a moment while older mail of its project is still in work, three times
at the most; then it is placed by what is known.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.models import Channel, InboundEvent, InboundState
from queues.known import Known

if TYPE_CHECKING:
    from queues.proofs import Claimed

PAUSES = (2, 6, 15)  # seconds; all of them together stay below half a minute


def choose(claims: "Sequence[tuple[InboundEvent, Claimed]]", known: Known) -> set[int]:
    """Hold back, in the present transaction, those of a batch that may answer what is not understood yet.

    Returns their ids; they are due again after a pause, as if they had not been taken.
    """
    batch = {event.id for event, _claims in claims}
    doubtful = [event for event, claim in claims if event.held < len(PAUSES) and _answers_unknown(claim, known)]
    if not doubtful:
        return set()
    oldest = _oldest_in_work(batch)
    waits = [event for event in doubtful if oldest.get(_project(event), event.id) < event.id]
    now = clock.now()
    for event in waits:
        event.lease_until = now + timedelta(seconds=PAUSES[event.held])
        event.held += 1
        event.attempts -= 1
    return {event.id for event in waits}


def _answers_unknown(claim: "Claimed", known: Known) -> bool:
    """Whether a message answers others, none of which is known, and nothing that we signed."""
    if claim.signed_address is not None or claim.signed_id is not None:
        return False
    return bool(claim.hashes) and not any(known.is_known(one) for one in claim.hashes)


def _oldest_in_work(batch: set[int]) -> dict[int, int]:
    """The id of the oldest event in work elsewhere, by project. What nobody has taken yet is never the older one."""
    query = (
        select(Channel.project_id, func.min(InboundEvent.id))
        .join(Channel, Channel.id == InboundEvent.channel_id)
        .where(
            InboundEvent.state == InboundState.WAITING,
            InboundEvent.lease_until.is_not(None),
            InboundEvent.id.not_in(batch),
        )
        .group_by(Channel.project_id)
    )
    return dict(db.session.execute(query).tuples().all())


def _project(event: InboundEvent) -> int:
    return event.channel.project_id
