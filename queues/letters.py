"""What an outgoing message says, to whom, and in which thread: rows of the database made into a Letter."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import files
from helpdesk.customer_texts import LANGUAGES, closing_of, fill
from helpdesk.db import db
from helpdesk.models import Attachment, Message, MessageKind, OutboxItem, Participant, Queue, Ticket
from helpdesk.models.channel import is_own_address
from helpdesk.models.ticket.accompanied import ON_BEHALF
from queues.channels.base import Earlier, File, Letter


def write_letter(item: OutboxItem) -> Letter:
    """The letter for an outbox item, in the present transaction. Raises NotFound when a file of it is gone.

    What is written beside all tickets bears the marks of the conversation's last one, so that answers find it.
    """
    message = item.message
    ticket = _ticket(message)
    queue = ticket.queue if ticket else item.channel.queue
    answered = _answered(message, ticket)
    forwarded = db.session.get(Message, message.facts["forwards"]) if message.facts.get("forwards") else None
    to, cc = _addresses(item, ticket, answered)
    subject = item.envelope.get("subject") or ""
    values = _values(message, ticket, queue)
    language = language_of(ticket, queue, answered)
    return Letter(
        item_id=item.id,
        message_id=message.id,
        ticket_id=ticket.id if ticket else None,
        number=ticket.number if ticket else "",
        address=item.channel.address,
        to=_named(message, to),
        cc=_named(message, cc),
        recipients=[*to, *cc],
        subject=subject or (answered.subject if answered else "") or (ticket.title if ticket else ""),
        own_subject=bool(subject),
        text=message.text,
        at=message.at,
        time_zone=queue.project.time_zone,
        language=language,
        automatic=item.automatic,
        opening="" if item.automatic or forwarded else fill(queue.salutation, values),
        closing=closing_of(None if item.automatic else message.user, queue, language, values),
        quoted=_quoted(item, answered, [*to, *cc]) if forwarded is None else None,
        forwarded=_earlier(forwarded) if forwarded else None,
        answers_header_id=answered.header_id if answered else None,
        references=[str(one) for one in answered.references] if answered else [],
        files=[*_files(message.attachments), *(_files(forwarded.attachments, flat=True) if forwarded else [])],
        header_id=message.header_id,
        conversation_key=message.conversation.key,
        author=message.user.name if message.user else "",
    )


def _ticket(message: Message) -> Ticket | None:
    """The message's ticket, or the last one of its conversation, with queue, project and customer in one round trip."""
    with_all = (joinedload(Ticket.queue).joinedload(Queue.project), joinedload(Ticket.customer))
    which = Ticket.id == message.ticket_id
    if message.ticket_id is None:
        which = Ticket.conversation_id == message.conversation_id
    return db.session.scalar(select(Ticket).where(which).order_by(Ticket.id.desc()).limit(1).options(*with_all))


def language_of(ticket: Ticket | None, queue: Queue, heard: Message | None = None) -> str:
    """The language in which a customer is written to: theirs where it is known, else their message's, the project's."""
    known = ticket.customer.language if ticket else None
    told = heard.facts.get("language") if heard is not None and heard.kind == MessageKind.INBOUND else None
    return next((one for one in (known, told, queue.project.language) if one in LANGUAGES), "en")


def reply_address(message: Message) -> str:
    """Where an answer to an inbound message goes."""
    return str(message.facts.get("reply_to") or message.sender)


def _answered(message: Message, ticket: Ticket | None) -> Message | None:
    """The message that this one answers: named by its author, else the participants' last, else our own last.

    What was forwarded to others is no part of the customer's thread.
    """
    if message.answers_id is not None:
        return db.session.get(Message, message.answers_id)
    same_thread = (
        Message.ticket_id.in_(ticket.family)
        if message.ticket_id and ticket
        else Message.conversation_id == message.conversation_id
    )
    earlier = (
        select(Message)
        .where(same_thread, Message.id < message.id, Message.header_id.is_not(None))
        .order_by(Message.id.desc())
        .limit(1)
    )
    heard = earlier.where(
        Message.kind == MessageKind.INBOUND,
        Message.nature == "human",
        ~Message.facts.has_key("non_participant"),
        ~Message.facts.has_key(ON_BEHALF),
    )
    ours = earlier.where(Message.kind == MessageKind.REPLY, ~Message.facts.has_key("forwards"))
    return db.session.scalar(heard) or db.session.scalar(ours)


def _addresses(item: OutboxItem, ticket: Ticket | None, answered: Message | None) -> tuple[list[str], list[str]]:
    to, cc = list(item.envelope.get("to") or []), list(item.envelope.get("cc") or [])
    if to or cc:
        return to, cc
    if answered is not None and answered.kind == MessageKind.INBOUND and not is_own_address(reply_address(answered)):
        return [reply_address(answered)], []
    mails = [one.value for one in ticket.customer.identities if one.namespace == "email"] if ticket else []
    return [one for one in mails if not is_own_address(one)][:1], []


def _named(message: Message, addresses: list[str]) -> list[tuple[str, str]]:
    if not addresses:
        return []
    query = select(Participant.address, Participant.name).where(
        Participant.conversation_id == message.conversation_id, Participant.address.in_(addresses)
    )
    names = dict(db.session.execute(query).tuples().all())
    return [(names.get(address, ""), address) for address in addresses]


def _quoted(item: OutboxItem, answered: Message | None, recipients: list[str]) -> Earlier | None:
    """The answered message, for those who wrote it: nobody gets to read what somebody else wrote without meaning to."""
    if item.automatic or answered is None or answered.kind != MessageKind.INBOUND:
        return None
    present = {address.lower() for address in recipients}
    wrote = {answered.sender.lower(), reply_address(answered).lower()}
    return _earlier(answered) if present & wrote else None


def _earlier(message: Message) -> Earlier:
    return Earlier(
        sender=message.sender,
        sender_name=message.sender_name,
        at=message.at,
        subject=message.subject,
        text=message.text,
        to=[_address_in(one) for one in message.recipients.get("to") or []],
        html=message.html,
    )


def _address_in(recipient: Any) -> str:
    """Recipients are stored as addresses for our own messages, as (address, name) for inbound ones."""
    return str(recipient if isinstance(recipient, str) else recipient[0])


def _files(attachments: list[Attachment], flat: bool = False) -> list[File]:
    made = []
    for attachment in attachments:
        with files.open_blob(attachment.sha256) as content:
            inline = attachment.inline and not flat
            content_id = attachment.content_id if inline else None
            made.append(File(attachment.name, attachment.type, content.read(), inline, content_id))
    return made


def _values(message: Message, ticket: Ticket | None, queue: Queue) -> dict[str, str]:
    return {
        "number": ticket.number_text if ticket else "",
        "subject": ticket.title if ticket else "",
        "name": ticket.customer.name if ticket else "",
        "queue": queue.name,
        "project": queue.project.name,
        "operator": message.user.name if message.user else "",
    }
