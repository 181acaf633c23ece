"""Which ticket a message belongs to, in the order of proof. What a message merely claims opens no door.

1. A signed address or signed Message-ID of ours: proof by itself, whoever sends it.
2. The Message-ID of any message we know, or a ticket number in the subject: only for people who already take part.
3. Anything else is a hint for the operator on a new ticket.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import exists, or_, select

from helpdesk.db import db
from helpdesk.models import Channel, Identity, Message, Participant, Ticket
from helpdesk.models.ticket import header_hash
from helpdesk.numbers import number_candidates, number_key
from queues.channels.base import Understood
from queues.channels.email import tokens


@dataclass(frozen=True)
class Proof:
    """The ticket a message belongs to, how that was proved, and whether its sender takes part in it.

    Without a ticket, `hints` are the numbers of tickets that the message claimed without proof.
    """

    ticket: Ticket | None = None
    how: str = ""
    participant: bool = True
    hints: list[str] = field(default_factory=list)


def prove(message: Understood) -> Proof:
    """Find the ticket that `message` may be added to."""
    for token in message.claims.tokens:
        if (ticket_id := tokens.ticket_of_address(token)) is not None:
            return _signed(ticket_id, "signed address", message)
    for header_id in message.claims.header_ids:
        if (ticket_id := tokens.ticket_of_message_id(header_id)) is not None:
            return _signed(ticket_id, "signed message id", message)
    claimed = _by_known_ids(message.claims.header_ids) + _by_numbers(message)
    for how, ticket in claimed:
        if takes_part(message, ticket):
            return Proof(ticket, how)
    return Proof(hints=list(dict.fromkeys(ticket.number for _how, ticket in claimed)))


def takes_part(message: Understood, ticket: Ticket) -> bool:
    """Whether the sender is a participant of the ticket's conversation or one of its customer's identities."""
    by_identity = exists().where(
        Identity.customer_id == ticket.customer_id,
        Identity.namespace == message.namespace,
        Identity.value == message.sender,
    )
    by_part = exists().where(
        Participant.conversation_id == ticket.conversation_id, Participant.address == message.sender
    )
    return bool(message.sender) and bool(db.session.scalar(select(or_(by_identity, by_part))))


def is_our_own(message: Understood) -> bool:
    """Whether this is a message that we sent and that came back to us, e.g. by a list or a copy to ourselves."""
    if message.header_id is None or tokens.ticket_of_message_id(message.header_id) is None:
        return False
    ours = select(Message.id).where(Message.header_hash == header_hash(message.header_id), Message.kind == "reply")
    return db.session.scalar(ours.limit(1)) is not None


def own_addresses() -> set[str]:
    """The addresses of all our channels, in lower case; never recipients, never participants."""
    return {address.lower() for address in db.session.scalars(select(Channel.address)) if address}


def _signed(ticket_id: int, how: str, message: Understood) -> Proof:
    ticket = db.session.get(Ticket, ticket_id)
    if ticket is None:
        return Proof()
    ticket = follow_merges(ticket)
    return Proof(ticket, how, participant=takes_part(message, ticket))


def follow_merges(ticket: Ticket) -> Ticket:
    """The ticket that messages for `ticket` go to: itself, or what it was merged into."""
    seen = {ticket.id}
    while ticket.merged_into_id is not None and ticket.merged_into_id not in seen:
        seen.add(ticket.merged_into_id)
        ticket = db.session.get_one(Ticket, ticket.merged_into_id)
    return ticket


def _by_known_ids(header_ids: Sequence[str]) -> list[tuple[str, Ticket]]:
    if not header_ids:
        return []
    order = {header_hash(header_id): place for place, header_id in reversed(list(enumerate(header_ids)))}
    rows = db.session.execute(
        select(Message.header_hash, Message.ticket_id).where(
            Message.header_hash.in_(order), Message.ticket_id.is_not(None)
        )
    ).all()
    ranked = sorted(rows, key=lambda row: order[bytes(row.header_hash)])
    ids = list(dict.fromkeys(row.ticket_id for row in ranked))[:5]
    return [("known message id", follow_merges(db.session.get_one(Ticket, ticket_id))) for ticket_id in ids]


def _by_numbers(message: Understood) -> list[tuple[str, Ticket]]:
    stated = [key for key in (number_key(number) for number in message.claims.numbers[:10]) if key]
    keys = [*stated, *number_candidates(message.subject)]
    if not keys:
        return []
    tickets = db.session.scalars(select(Ticket).where(Ticket.number_key.in_(keys)))
    return [("number in the subject", follow_merges(ticket)) for ticket in tickets]
