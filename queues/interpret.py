"""What understood events mean here: whose they are, which conversation and ticket they join, and what follows.

A batch is placed together: what is known is fetched first (`queues.known`), then each event is placed in the order of
arrival, and all rows are written at once. Nothing here commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from helpdesk import files
from helpdesk.db import db, new_id, reserve_ids
from helpdesk.indexing import index_message
from helpdesk.models import (
    Channel,
    Conversation,
    Customer,
    InboundEvent,
    Message,
    MessageKind,
    Participant,
    Queue,
    Ticket,
)
from helpdesk.models.channel import own_addresses
from helpdesk.models.former import carry_numbers, marks_in
from helpdesk.models.message import Blob
from helpdesk.models.ticket import State, header_hash, lock_conversation, reserve_numbers
from queues import acknowledge, delivery, system_mails
from queues.channels.base import File, Understood
from queues.follow_up import Way, place
from queues.known import Known
from queues.proofs import BY_FORMER, BY_NUMBER, Claimed, Proof, claimed, is_our_own, prove
from queues.routing import route

OWN_MAIL = "our own mail came back"
OWN_REPORT = "report on a mail to a colleague"
BLOCKED = "blocked customer"
MOST_PARTICIPANTS = 200


@dataclass
class Placing:
    """One event on its way to its ticket, with all that was found out about it so far."""

    event: InboundEvent
    message: Understood
    claims: Claimed
    customer: Customer
    stored: list[tuple[File, Blob]]


def interpret(understood: Sequence[tuple[InboundEvent, Understood]]) -> dict[int, str | None]:
    """Make messages on tickets of events, in the present transaction.

    Returns for each event id None when it is on a ticket now, or the name of the rule by which it was left out.
    """
    with db.session.no_autoflush:
        placings, known = _prepare(understood)
        return {placing.event.id: _place(placing, known) for placing in placings}


def _prepare(understood: Sequence[tuple[InboundEvent, Understood]]) -> tuple[list[Placing], Known]:
    """Find out who wrote, store the files, and fetch what the messages point at, for all of them at once."""
    messages = [message for _event, message in understood]
    people = [
        (message.namespace, message.sender or _unknown(event), message.sender_name) for event, message in understood
    ]
    customers = Customer.for_identities(people)
    blobs = iter(files.put_many([file.content for message in messages for file in message.files]))
    claims = [_claims(event, message) for event, message in understood]
    bounced = dict(filter(None, (delivery.place_of_bounce(message.bounce) for message in messages if message.bounce)))
    known = Known.load(
        claims,
        [header_hash(message.header_id) for message in messages if message.header_id],
        bounced,
    )
    for model in (Message, Conversation, Ticket):
        reserve_ids(model, len(messages))
    reserve_numbers(len(messages))
    placings = [
        Placing(event, message, claim, customer, [(file, next(blobs)) for file in message.files])
        for (event, message), claim, customer in zip(understood, claims, customers, strict=True)
    ]
    return placings, known


def _claims(event: InboundEvent, message: Understood) -> Claimed:
    """What a message claims, with the numbers that the former system of its channel's project gave."""
    project_id = db.session.get_one(Channel, event.channel_id).project_id
    return replace(claimed(message), project_id=project_id, former=marks_in(project_id, message.subject))


def _place(placing: Placing, known: Known) -> str | None:
    event, message = placing.event, placing.message
    if is_our_own(message, known):
        return OWN_MAIL
    if message.bounce is not None and system_mails.is_report(message.bounce):
        return OWN_REPORT
    if placing.customer.blocked:
        return BLOCKED
    channel = db.session.get_one(Channel, event.channel_id)
    reported = delivery.note_bounce(message.bounce) if message.bounce else None
    proof = _of_bounce(reported, known) or prove(message, placing.claims, known)
    conversation = _conversation(placing, channel, proof)
    way, ticket = place(known.tickets_in(conversation), _weight(message, reported), event.received_at)
    if message.language and placing.customer.language is None and message.nature == "human":
        placing.customer.language = message.language
    row = _write(placing, conversation, proof)
    _take_part(conversation, message, proof, known)
    ticket = _apply(way, ticket, conversation, channel, placing)
    row.ticket, row.ticket_id = ticket, ticket.id
    for file, blob in placing.stored:
        files.attach(row, file.name, file.type, blob, file.inline, file.content_id)
    index_message(row)
    ticket.hear(row, message.nature, event.received_at)
    event.message, event.message_id = row, row.id
    known.learn(ticket, row)
    if placing.claims.former and way == Way.NEW and message.nature == "human":
        _keep_former_number(ticket, placing.claims, known)
    _answer(way, ticket, row, placing)
    return None


def _keep_former_number(ticket: Ticket, claims: Claimed, known: Known) -> None:
    """A new ticket carries the numbers of the former system in its subject, unless another ticket already does."""
    free = [mark for mark in claims.former if known.ticket_by_former(claims.project_id, mark.key) is None]
    carry_numbers(ticket, free)
    known.learn_former(ticket, [mark.key for mark in free])


def _unknown(event: InboundEvent) -> str:
    """A mail without a readable sender still needs a customer; the shared one of its channel says so."""
    return f"unknown-sender-{event.channel_id}@invalid"


def _of_bounce(reported: Message | None, known: Known) -> Proof | None:
    """A delivery report belongs to the ticket of the message that it reports on."""
    ticket = known.ticket(reported.ticket_id) if reported is not None and reported.ticket_id is not None else None
    return Proof(ticket, "delivery report") if ticket is not None else None


def _weight(message: Understood, reported: Message | None) -> str:
    """The nature of a message for work: a delay, and the fate of an automatic answer, call for nobody."""
    if message.bounce is None or reported is None:
        return message.nature
    calls = message.bounce.action == "failed" and reported.nature == "human"
    return message.nature if calls else "report"


def _conversation(placing: Placing, channel: Channel, proof: Proof) -> Conversation:
    """The proved ticket's conversation, which is locked, or a new one."""
    if proof.ticket is not None:
        return lock_conversation(proof.ticket.conversation_id)
    conversation = Conversation(
        id=new_id(Conversation),
        project_id=channel.project_id,
        channel_id=channel.id,
        channel=channel,
        customer_id=placing.customer.id,
        customer=placing.customer,
        key=f"event:{placing.event.id}",
        subject=placing.message.subject[:500],
        last_seq=0,
    )
    db.session.add(conversation)
    db.session().info.setdefault("locked", {})[conversation.id] = conversation
    return conversation


def _write(placing: Placing, conversation: Conversation, proof: Proof) -> Message:
    event, message = placing.event, placing.message
    conversation.last_seq += 1
    row = Message(
        id=new_id(Message),
        conversation_id=conversation.id,
        conversation=conversation,
        seq=conversation.last_seq,
        kind=MessageKind.INBOUND,
        customer_id=placing.customer.id,
        customer=placing.customer,
        at=event.received_at,
        subject=message.subject,
        text=message.text,
        visible_text=message.visible_text,
        html=message.html,
        html_version=message.html_version,
        nature=message.nature,
        sender=message.sender,
        sender_name=message.sender_name,
        recipients={"to": message.to, "cc": message.cc},
        header_id=message.header_id,
        header_hash=header_hash(message.header_id) if message.header_id else None,
        references=message.references,
        facts=_facts(event, message, proof),
    )
    db.session.add(row)
    return row


def _facts(event: InboundEvent, message: Understood, proof: Proof) -> dict[str, object]:
    facts: dict[str, object] = {
        **message.facts,
        "may_auto_reply": message.may_auto_reply,
        "proof": proof.how,
        "event_id": event.id,
    }
    problems = [*message.problems, *([event.reason] if event.reason else [])]
    optional = {
        "problems": problems,
        "claims_tickets": proof.hints,
        "non_participant": not proof.participant,
        "reply_to": message.reply_to,
        "language": message.language,
        "written_at": message.written_at.isoformat() if message.written_at else None,
    }
    return facts | {name: value for name, value in optional.items() if value}


def _take_part(conversation: Conversation, message: Understood, proof: Proof, known: Known) -> None:
    """The sender and those addressed take part from now on.

    A stranger with a signed token brings nobody, and neither does a number in a subject: whoever guesses one and
    writes in the name of a customer would otherwise put themselves among those who are answered.
    """
    if message.nature != "human" or not proof.participant or proof.how in {BY_NUMBER, BY_FORMER}:
        return
    present, ours = known.participants_in(conversation), own_addresses()
    people = [(message.sender, message.sender_name, "from")]
    people += [(address, name, "to") for address, name in message.to]
    people += [(address, name, "cc") for address, name in message.cc]
    for address, name, role in people[:MOST_PARTICIPANTS]:
        if address and address.lower() not in present | ours:
            present.add(address.lower())
            part = Participant(conversation=conversation, address=address, name=name[:200], role=role)
            db.session.add(part)


def _apply(way: Way, ticket: Ticket | None, conversation: Conversation, channel: Channel, placing: Placing) -> Ticket:
    if ticket is None or way == Way.NEW:
        return _open(conversation, channel, placing, ticket)
    cause = "customer wrote" if placing.message.bounce is None else "bounce"
    if way == Way.WAKE:
        ticket.wake(conversation.customer, cause)
    elif way == Way.REOPEN:
        ticket.reopen(conversation.customer, cause)
    return ticket


def _open(conversation: Conversation, channel: Channel, placing: Placing, previous: Ticket | None) -> Ticket:
    """A new ticket: in the queue of the one that it follows, unless that queue was closed meanwhile."""
    follows = previous is not None and previous.queue.active
    where = route(placing.message, previous.queue_id if previous and follows else channel.queue_id)
    return Ticket.open(
        conversation,
        db.session.get_one(Queue, where.queue_id),
        placing.message.subject,
        placing.event.received_at,
        by=conversation.customer,
        previous=previous,
        priority=where.priority,
    )


def _answer(way: Way, ticket: Ticket, row: Message, placing: Placing) -> None:
    """Acknowledge a new ticket, or say politely that a finished one takes no more; both know when to keep silent."""
    if not placing.message.may_auto_reply or row.nature != "human" or placing.event.envelope.get("old"):
        return
    if way == Way.NEW:
        acknowledge.acknowledge(ticket, row)
    elif way == Way.REFUSE and ticket.state != State.SPAM:
        acknowledge.refuse(ticket, row)
