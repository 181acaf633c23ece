"""What an understood event means here: whose it is, which conversation and ticket it joins, and what follows."""

from datetime import datetime

from sqlalchemy import select

from helpdesk import files
from helpdesk.db import db
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
from helpdesk.models.message import Blob
from helpdesk.models.search import index_document
from helpdesk.models.ticket import header_hash, lock_conversation
from queues import acknowledge, delivery
from queues.channels.base import File, Understood
from queues.follow_up import Way, place
from queues.proofs import Proof, is_our_own, own_addresses, prove
from queues.routing import route

StoredFile = tuple[File, Blob]

OWN_MAIL = "our own mail came back"


def store_files(message: Understood) -> list[StoredFile]:
    """Put the contents of a message's files into the store; their rows join the present transaction."""
    if not message.files:
        return []
    return list(zip(message.files, files.put_many([file.content for file in message.files]), strict=True))


def interpret(event: InboundEvent, message: Understood, stored: list[StoredFile]) -> str | None:
    """Make a message on a ticket of an event, in the present transaction.

    Returns None when it is on a ticket now, or the name of the rule by which it was left out.
    """
    if is_our_own(message):
        return OWN_MAIL
    channel = db.session.get_one(Channel, event.channel_id)
    proof = _of_bounce(message) or prove(message)
    sender = Customer.for_identity(message.namespace, message.sender or _unknown(event), message.sender_name)
    conversation = _conversation(event, message, channel, proof, sender)
    way, ticket = place(conversation, message.nature, event.received_at)
    row = _write(event, message, conversation, sender, proof)
    _take_part(conversation, message, proof)
    ticket = _apply(way, ticket, conversation, channel, message, event.received_at)
    row.ticket_id = ticket.id
    for file, blob in stored:
        files.attach(row, file.name, file.type, blob, file.inline, file.content_id)
    index_document("message", row.id, ticket.id, _searchable(message), f"{message.sender} {message.sender_name}")
    ticket.hear(row, message.nature, event.received_at)
    event.message_id = row.id
    _answer(way, ticket, row, message, event)
    return None


def _unknown(event: InboundEvent) -> str:
    """A mail without a readable sender still needs a customer; the shared one of its channel says so."""
    return f"unknown-sender-{event.channel_id}@invalid"


def _of_bounce(message: Understood) -> Proof | None:
    """A delivery report belongs to the ticket of the message that it reports on."""
    if message.bounce is None:
        return None
    reported = delivery.note_bounce(message.bounce)
    if reported is None or reported.ticket_id is None:
        return None
    return Proof(db.session.get_one(Ticket, reported.ticket_id), "delivery report")


def _conversation(
    event: InboundEvent, message: Understood, channel: Channel, proof: Proof, sender: Customer
) -> Conversation:
    """The proved ticket's conversation, or a new one; its row is locked and the next place in it taken."""
    if proof.ticket is not None:
        return lock_conversation(proof.ticket.conversation_id)
    conversation = Conversation(
        project_id=channel.project_id,
        channel_id=channel.id,
        customer_id=sender.id,
        customer=sender,
        key=f"event:{event.id}",
        subject=message.subject[:500],
        last_seq=1,
    )
    db.session.add(conversation)
    db.session.flush()
    return conversation


def _write(
    event: InboundEvent, message: Understood, conversation: Conversation, sender: Customer, proof: Proof
) -> Message:
    facts = dict(message.facts)
    if message.problems or event.reason:
        facts["problems"] = [*message.problems, *([event.reason] if event.reason else [])]
    if proof.hints:
        facts["claims_tickets"] = proof.hints
    if not proof.participant:
        facts["non_participant"] = True
    if message.reply_to:
        facts["reply_to"] = message.reply_to
    if message.written_at:
        facts["written_at"] = message.written_at.isoformat()
    facts["may_auto_reply"] = message.may_auto_reply
    facts["proof"] = proof.how
    facts["event_id"] = event.id
    row = Message(
        conversation_id=conversation.id,
        seq=conversation.last_seq,
        kind=MessageKind.INBOUND,
        customer_id=sender.id,
        customer=sender,
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
        facts=facts,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _take_part(conversation: Conversation, message: Understood, proof: Proof) -> None:
    """The sender and those addressed take part from now on; a stranger with a signed token does not bring others."""
    if message.nature != "human" or not proof.participant:
        return
    present = set(db.session.scalars(select(Participant.address).where(Participant.conversation_id == conversation.id)))
    ours = own_addresses()
    people = [(message.sender, message.sender_name, "from")]
    people += [(address, name, "to") for address, name in message.to]
    people += [(address, name, "cc") for address, name in message.cc]
    for address, name, role in people[:200]:
        if address and address not in present and address.lower() not in ours:
            present.add(address)
            db.session.add(Participant(conversation_id=conversation.id, address=address, name=name[:200], role=role))


def _apply(
    way: Way,
    ticket: Ticket | None,
    conversation: Conversation,
    channel: Channel,
    message: Understood,
    at: datetime,
) -> Ticket:
    if ticket is None:
        return _open(conversation, channel, message, at, None)
    if way == Way.NEW:
        return _open(conversation, channel, message, at, ticket)
    if way == Way.WAKE:
        ticket.wake(message_sender(conversation), "customer wrote")
    elif way == Way.REOPEN:
        ticket.reopen(message_sender(conversation), "customer wrote" if message.bounce is None else "bounce")
    return ticket


def _open(
    conversation: Conversation, channel: Channel, message: Understood, at: datetime, previous: Ticket | None
) -> Ticket:
    where = route(message, previous.queue_id if previous else channel.queue_id)
    queue = db.session.get_one(Queue, where.queue_id)
    return Ticket.open(
        conversation,
        queue,
        message.subject,
        at,
        by=conversation.customer,
        previous=previous,
        priority=where.priority,
    )


def message_sender(conversation: Conversation) -> Customer:
    """Who a change caused by a customer's message is recorded for."""
    return conversation.customer


def _searchable(message: Understood) -> str:
    names = " ".join(file.name for file in message.files[:20])
    return f"{message.subject}\n{message.visible_text or message.text}\n{names}"


def _answer(way: Way, ticket: Ticket, row: Message, message: Understood, event: InboundEvent) -> None:
    """Acknowledge a new ticket, or say politely that a finished one takes no more; both know when to keep silent."""
    if not message.may_auto_reply or message.nature != "human" or event.envelope.get("old"):
        return
    if way == Way.NEW:
        acknowledge.acknowledge(ticket, row)
    elif way == Way.REFUSE:
        acknowledge.refuse(ticket, row)
