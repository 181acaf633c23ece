"""Which ticket a message belongs to, in the order of proof. What a message merely claims opens no door.

1. A signed address or signed Message-ID of ours: proof by itself, whoever sends it.
2. The Message-ID of any message we know, or a ticket number in the subject, ours or of the project's former system:
   only for people who already take part.
3. Anything else is a hint for the operator on a new ticket.
"""

from dataclasses import dataclass, field

from helpdesk.former import FormerMark
from helpdesk.models import Ticket
from helpdesk.models.channel import own_addresses
from helpdesk.models.ticket import header_hash
from helpdesk.numbers import number_candidates, number_key
from queues.channels.base import Understood
from queues.channels.email import tokens
from queues.channels.email.compose import plain_text
from queues.known import Known

MOST_IDS = 100
BY_NUMBER = "number in the subject"
BY_FORMER = "number of the former system"


@dataclass(frozen=True)
class Claimed:
    """What a message says of its thread, read but not looked up: ticket ids that we signed, and weaker hints.

    `former` are numbers that the former system of the project gave.
    """

    signed_address: int | None
    signed_id: int | None
    hashes: list[bytes]
    number_keys: list[str]
    project_id: int | None = None
    former: list[FormerMark] = field(default_factory=list)


@dataclass(frozen=True)
class Proof:
    """The ticket a message belongs to, how that was proved, and whether its sender takes part in it.

    `meant_id` is the merged ticket that it named where that led to this one. Without a ticket, `hints` are the numbers
    of tickets that the message claimed without proof.
    """

    ticket: Ticket | None = None
    how: str = ""
    participant: bool = True
    hints: list[str] = field(default_factory=list)
    meant_id: int | None = None


def claimed(message: Understood) -> Claimed:
    """Read the claims of a message: verify signatures, hash ids, find numbers. Touches no database."""
    claims = message.claims
    by_address = (tokens.ticket_of_address(token) for token in claims.tokens)
    by_id = (tokens.ticket_of_message_id(header_id) for header_id in claims.header_ids[:MOST_IDS])
    stated = [key for key in (number_key(number) for number in claims.numbers[:10]) if key]
    return Claimed(
        signed_address=next((found for found in by_address if found is not None), None),
        signed_id=next((found for found in by_id if found is not None), None),
        hashes=[header_hash(header_id) for header_id in claims.header_ids[:MOST_IDS]],
        number_keys=list(dict.fromkeys([*stated, *number_candidates(message.subject)])),
    )


def prove(message: Understood, claims: Claimed, known: Known) -> Proof:
    """Find the ticket that `message` may be added to, among what is known for its batch."""
    signed = (("signed address", claims.signed_address), ("signed message id", claims.signed_id))
    for how, ticket_id in signed:
        if ticket_id is not None and (ticket := known.ticket(ticket_id)) is not None:
            return Proof(ticket, how, known.takes_part(message, ticket), meant_id=_merged(ticket_id, ticket))
    weaker = [("known message id", known.id_by_hash(one)) for one in claims.hashes]
    weaker += [(BY_NUMBER, known.id_by_number(key)) for key in claims.number_keys]
    weaker += [(BY_FORMER, known.id_by_former(claims.project_id, mark.key)) for mark in claims.former]
    named = [(how, id_, known.ticket(id_)) for how, id_ in weaker if id_ is not None]
    found = [(how, id_, ticket) for how, id_, ticket in named if ticket is not None]
    for how, id_, ticket in found:
        if known.takes_part(message, ticket):
            return Proof(ticket, how, meant_id=_merged(id_, ticket))
    return Proof(hints=list(dict.fromkeys(ticket.number for _how, _id, ticket in found)))


def _merged(named_id: int, ticket: Ticket) -> int | None:
    return named_id if named_id != ticket.id else None


def is_answer_to_forward(message: Understood, claims: Claimed, proof: Proof, known: Known) -> bool:
    """Whether somebody answers what an operator forwarded to them, which is nothing for the customer's eyes.

    It need not name the mail that it answers: whoever was sent a message of the ticket and takes no part in it speaks
    of that. What the customer writes is never internal.
    """
    if proof.ticket is None or message.bounce is not None or known.is_customer(message, proof.ticket):
        return False
    if claims.hashes and known.is_forward(claims.hashes[0]):
        return True
    if proof.participant:
        return False
    return any(known.is_forward(one) for one in claims.hashes) or known.was_forwarded_to(proof.ticket, message.sender)


def is_our_own(message: Understood, known: Known) -> bool:
    """Whether this is a mail that we sent and that came back to us, e.g. by a list or a copy to ourselves.

    Whoever got our mail knows its Message-ID and can put it on one of their own. So only our words under our address
    are ours; a list may have put its footer below them. Everything else is somebody's message, and must not vanish.
    """
    if message.header_id is None or tokens.ticket_of_message_id(message.header_id) is None:
        return False
    if tokens.split_address(message.sender)[0] not in own_addresses():
        return False
    sent = known.sent_mail(header_hash(message.header_id))
    if sent is None:
        return False
    words, ours = message.text.split(), plain_text(sent).split()
    return words == ours or (message.nature in {"list", "bulk"} and words[: len(ours)] == ours)
