"""What understood events mean here: whose they are, which conversation and ticket they join, and what follows.

A batch is placed together: what is known is fetched first (`queues.known`), then each event is placed in the order of
arrival, and all rows are written at once. Nothing here commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select

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
from helpdesk.models.channel import is_own_address
from helpdesk.models.former import carry_numbers, marks_in
from helpdesk.models.message import Blob
from helpdesk.models.ticket import MEANT_FOR, State, header_hash, lock_conversation, reserve_numbers
from helpdesk.models.writing import begin_conversation
from helpdesk.queries.readable import ticket_id_of
from queues import acknowledge, bounces, calls, held_back, receipts, system_mails
from queues.channels.base import Delivered, File, Understood
from queues.copies import Copies, addressed_channel, came_again, link_elsewhere
from queues.follow_up import Way, place
from queues.known import Known
from queues.lasting import find_or_make
from queues.proofs import BY_FORMER, BY_NUMBER, Claimed, Proof, claimed, is_answer_to_forward, is_our_own, prove
from queues.routing import Route
from queues.way_in import JOINED, WayIn, is_new, rule_name

OWN_MAIL = "our own mail came back"
OWN_REPORT = "report on a mail to a colleague"
BLOCKED = "blocked customer"
MOST_PARTICIPANTS = 200


@dataclass
class Placing:
    """One event on its way to its ticket, with all that was found out about it so far.

    `channel` is the one that the mail is for, which need not be the one that this copy came by.
    """

    event: InboundEvent
    channel: Channel
    message: Understood
    claims: Claimed
    customer: Customer
    stored: list[tuple[File, Blob]]
    where: Route | None = None


def interpret(understood: Sequence[tuple[InboundEvent, Understood]]) -> dict[int, str | None]:
    """Make messages on tickets of events, in the present transaction.

    Returns for each event id None when it is on a ticket now, or the name of the rule by which it was left out. Events
    that have to wait a moment for an older one are held back and not among them.
    """
    with db.session.no_autoflush:
        told_of = [(event, told) for event, message in understood if (told := message.delivered) is not None]
        understood = [pair for pair in understood if pair[1].delivered is None]
        copies = Copies.hold(understood)
        placings, known = _prepare(understood, copies, told_of)
        waits = held_back.choose([(placing.event, placing.claims) for placing in placings], known)
        placings = [placing for placing in placings if placing.event.id not in waits]
        fresh = [p for p in placings if copies.first(p.event) is None]
        way_in = WayIn.load([(p.event, p.message, p.customer) for p in fresh])
        ends = {p.event.id: _place(p, known, copies, way_in) for p in placings}
        return ends | {event.id: receipts.note_receipt(event.channel_id, told) for event, told in told_of}


def _prepare(
    understood: Sequence[tuple[InboundEvent, Understood]],
    copies: Copies,
    told_of: Sequence[tuple[InboundEvent, Delivered]],
) -> tuple[list[Placing], Known]:
    """Find out who wrote, store the files, and fetch what the messages point at, for all of them at once."""
    messages = [message for _event, message in understood]
    people = [
        (message.namespace, message.sender, message.sender_name) if message.sender else ("email", _unknown(event), "")
        for event, message in understood
    ]
    customers = Customer.for_identities(people)
    blobs = iter(files.put_many([file.content for message in messages for file in message.files]))
    claims = [_claims(event, message) for event, message in understood]
    bounced = dict(filter(None, (bounces.place_of_bounce(message.bounce) for message in messages if message.bounce)))
    bounced |= dict(filter(None, (receipts.place_of_receipt(event.channel_id, told) for event, told in told_of)))
    keyed = [(event, message, customer) for (event, message), customer in zip(understood, customers, strict=True)]
    known = Known.load(
        claims,
        [header_hash(message.header_id) for message in messages if message.header_id],
        bounced,
        copies.tickets(),
        find_or_make(keyed),
    )
    for model in (Message, Conversation, Ticket):
        reserve_ids(model, len(messages))
    reserve_numbers(len(messages))
    placings = [
        Placing(
            event,
            addressed_channel(message, event.channel),
            message,
            claim,
            customer,
            [(file, next(blobs)) for file in message.files],
        )
        for (event, message), claim, customer in zip(understood, claims, customers, strict=True)
    ]
    return placings, known


def _claims(event: InboundEvent, message: Understood) -> Claimed:
    """What a message claims, with the numbers that the former system of its channel's project gave."""
    project_id = event.channel.project_id
    return replace(claimed(message), project_id=project_id, former=marks_in(project_id, message.subject))


def _place(placing: Placing, known: Known, copies: Copies, way_in: WayIn) -> str | None:
    event, message = placing.event, placing.message
    if is_our_own(message, known):
        return OWN_MAIL
    if message.bounce is not None and system_mails.is_report(message.bounce):
        return OWN_REPORT
    if placing.customer.blocked:
        return BLOCKED
    if (first := copies.first(event)) is not None:
        return came_again(event, message, first, known)
    channel = placing.channel
    reported = bounces.note_bounce(message.bounce) if message.bounce else None
    proof = _of_bounce(reported, known) or _of_conversation(placing, known) or prove(message, placing.claims, known)
    if is_answer_to_forward(message, placing.claims, proof, known):
        _keep_internal(placing, proof, known)
        return None
    if proof.ticket is None:
        placing.where = way_in.route(event, message, placing.customer, channel)
        if placing.where.dropped_by is not None:
            return rule_name(placing.where.dropped_by)
    conversation = known.lasting(event.id) or _conversation(placing, channel, proof)
    if message.call is not None:
        told = calls.take(conversation, message)
        if told is None:
            return calls.NOTHING_NEW
        message = placing.message = told
    lasting = known.lasting(event.id) is not None
    able = known.tickets_for(conversation) if lasting else known.tickets_in(conversation)
    way, ticket = place(able, _weight(message, reported), event.received_at)
    way = _by_rules(way, ticket, placing, way_in)
    if message.language and placing.customer.language is None and message.nature == "human":
        placing.customer.language = message.language
    row = _write(placing, conversation, proof, MessageKind.SYSTEM if message.call else MessageKind.INBOUND)
    _take_part(conversation, message, proof, known)
    ticket = _apply(way, ticket, conversation, placing)
    _belongs(row, ticket, placing)
    ticket.hear(row, message.nature, event.received_at)
    if way == Way.NEW and placing.where is not None:
        way_in.settle(ticket, placing.where)
    known.learn(ticket, row)
    if way == Way.NEW:
        link_elsewhere(ticket, copies.elsewhere(event))
    if placing.claims.former and way == Way.NEW and message.nature == "human":
        _keep_former_number(ticket, placing.claims, known)
    _answer(way, ticket, row, placing)
    return None


def _by_rules(way: Way, ticket: Ticket | None, placing: Placing, way_in: WayIn) -> Way:
    """Ask the rules about a mail that would open a ticket or bring spam back; spam that follows spam stays with it."""
    if not is_new(way, ticket):
        placing.event.facts = JOINED
        return way
    if placing.where is None:
        placing.where = way_in.route(placing.event, placing.message, placing.customer, placing.channel, ticket, True)
    return Way.ATTACH if placing.where.spam and ticket is not None and ticket.state == State.SPAM else way


def _belongs(row: Message, ticket: Ticket, placing: Placing) -> None:
    """Put a written message on its ticket, with its files, and say that the event became it."""
    row.ticket, row.ticket_id = ticket, ticket.id
    for file, blob in placing.stored:
        files.attach(row, file.name, file.type, blob, file.inline, file.content_id)
    index_message(row)
    placing.event.message, placing.event.message_id = row, row.id


def _keep_internal(placing: Placing, proof: Proof, known: Known) -> None:
    """What somebody writes about a message that was forwarded to them stays among operators, like a note.

    It ends a pause: whoever forwarded the message waits for it.
    """
    assert proof.ticket is not None
    row = _write(placing, lock_conversation(proof.ticket.conversation_id), proof, MessageKind.NOTE)
    row.facts = {**row.facts, "answers_forward": True}
    _belongs(row, proof.ticket, placing)
    proof.ticket.hear_aside(row)
    if placing.message.nature == "human":
        proof.ticket.wake(placing.customer, "forward answered")
    known.learn(proof.ticket, row)


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
    ticket_id = ticket_id_of(reported) if reported is not None else None
    ticket = known.ticket(ticket_id) if ticket_id is not None else None
    return Proof(ticket, "delivery report") if ticket is not None else None


def _of_conversation(placing: Placing, known: Known) -> Proof | None:
    """What names a lasting conversation belongs there, whatever else it claims."""
    conversation = known.lasting(placing.event.id)
    if conversation is None:
        return None
    return Proof(next(iter(known.tickets_for(conversation)), None), "conversation")


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
    subject, key = placing.message.subject[:500], f"event:{placing.event.id}"
    return begin_conversation(channel.project_id, channel, placing.customer, subject, key)


def _write(
    placing: Placing, conversation: Conversation, proof: Proof, kind: MessageKind = MessageKind.INBOUND
) -> Message:
    event, message = placing.event, placing.message
    conversation.last_seq += 1
    row = Message(
        id=new_id(Message),
        conversation_id=conversation.id,
        conversation=conversation,
        seq=conversation.last_seq,
        kind=kind,
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
        answers_id=_answered_id(conversation, message),
    )
    db.session.add(row)
    return row


def _answered_id(conversation: Conversation, message: Understood) -> int | None:
    """The message of the conversation, theirs or ours, that a chat message names as answered; None without one."""
    named = [message.facts.get(name) for name in ("answers_header_id", "answers_external_id")]
    hashes = [header_hash(str(name)) for name in named if name]
    if not hashes:
        return None
    query = select(Message.id).where(Message.conversation_id == conversation.id, Message.header_hash.in_(hashes))
    return db.session.scalar(query.order_by(Message.id.desc()).limit(1))


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
        MEANT_FOR: proof.meant_id,
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
    if message.conversation_key:
        return  # a chat is answered as such, and its people need no address
    present = known.participants_in(conversation) | known.removed_from(conversation)
    people = [(message.sender, message.sender_name, "from")]
    people += [(address, name, "to") for address, name in message.to]
    people += [(address, name, "cc") for address, name in message.cc]
    for address, name, role in people[:MOST_PARTICIPANTS]:
        if address and address.lower() not in present and not is_own_address(address):
            present.add(address.lower())
            known.participants_in(conversation).add(address.lower())
            part = Participant(conversation=conversation, address=address, name=name[:200], role=role)
            db.session.add(part)


def _apply(way: Way, ticket: Ticket | None, conversation: Conversation, placing: Placing) -> Ticket:
    if ticket is None or way == Way.NEW:
        return _open(conversation, placing, ticket)
    cause = "customer wrote" if placing.message.bounce is None else "bounce"
    if way == Way.WAKE:
        ticket.wake(conversation.customer, cause)
    elif way == Way.REOPEN:
        ticket.reopen(conversation.customer, cause)
    return ticket


def _open(conversation: Conversation, placing: Placing, previous: Ticket | None) -> Ticket:
    """A new ticket where the rules say, with the one that it follows."""
    where = placing.where
    assert where is not None
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
    if ticket.state == State.SPAM:
        return
    if way == Way.NEW and placing.where is not None and placing.where.acknowledge:
        acknowledge.acknowledge(ticket, row)
    elif way == Way.REFUSE:
        acknowledge.refuse(ticket, row)
