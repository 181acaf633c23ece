"""What colleagues did outside with mail that is on a ticket here: told on the ticket, once, and only to operators."""

from collections.abc import Collection

from sqlalchemy import or_, select

from helpdesk.db import db, transaction
from helpdesk.models import InboundEvent, InboundState, Message, Ticket
from helpdesk.models.ticket import lock_conversation
from helpdesk.models.ticket.states import Kind

MOST_TAKEN = 500
TOLD = "elsewhere"


def taken_mails(channel_id: int, folder: str, uidvalidity: int) -> dict[int, int]:
    """The latest items of a folder that are on tickets people still work on: UID -> event id."""
    query = (
        select(InboundEvent.envelope["uid"].as_integer(), InboundEvent.id)
        .join(Message, Message.id == InboundEvent.message_id)
        .join(Ticket, Ticket.id == Message.ticket_id)
        .where(
            InboundEvent.channel_id == channel_id,
            InboundEvent.envelope["folder"].as_string() == folder,
            InboundEvent.envelope["uidvalidity"].as_integer() == uidvalidity,
            or_(Ticket.kind != Kind.FINISHED, Ticket.shown_on_id.is_not(None)),
        )
        .order_by(InboundEvent.id.desc())
        .limit(MOST_TAKEN)
    )
    return dict(db.session.execute(query).tuples().all())


def notice(kind: str, event_ids: Collection[int]) -> set[int]:
    """Tell on the tickets of these events what was done outside ("answered", "gone"), each in its own transaction.

    What was told before is left alone. Returns the events that are on no ticket yet, because nobody has read them.
    """
    if not event_ids:
        return set()
    with transaction() as session:
        rows = session.execute(
            select(InboundEvent.id, InboundEvent.state, InboundEvent.message_id, Message.facts[TOLD])
            .outerjoin(Message, Message.id == InboundEvent.message_id)
            .where(InboundEvent.id.in_(event_ids))
        ).all()
    for _id, _state, message_id, told in rows:
        if message_id is not None and kind not in (told or []):
            with transaction():
                _tell(kind, message_id)
    return {id_ for id_, state, _message, _told in rows if state in {InboundState.WAITING, InboundState.QUARANTINED}}


def _tell(kind: str, message_id: int) -> None:
    message = db.session.get_one(Message, message_id)
    lock_conversation(message.conversation_id)
    db.session.refresh(message)
    told = message.facts.get(TOLD, [])
    if message.ticket_id is None or kind in told:
        return
    ticket = db.session.get_one(Ticket, message.ticket_id, with_for_update={"key_share": True}, populate_existing=True)
    message.facts = {**message.facts, TOLD: [*told, kind]}
    ticket.tell_elsewhere(message, kind)
