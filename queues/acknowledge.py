"""Automatic answers: "we have your message, its number is ...", and "this request is closed".

They are what two robots would talk to each other with, so each rule here is a stop: never to automatic mail, never to
ourselves, one of a kind for a ticket, five a day for an address, a hundred a minute for all (RFC 3834 2 and 5).
"""

from datetime import timedelta

import structlog
from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock
from helpdesk.customer_texts import ACKNOWLEDGEMENT, REFUSAL, customer_text, fill
from helpdesk.db import db
from helpdesk.models import AnswerCount, Channel, Message, OutboxItem, Reply, Ticket
from queues.channels.email import tokens
from queues.letters import language_of

log = structlog.get_logger(__name__)

MOST_PER_SENDER = 5
SENDER_WINDOW = timedelta(days=1)
MOST_PER_MINUTE = 100


def acknowledge(ticket: Ticket, heard: Message) -> Message | None:
    """Tell the sender of the message that opened `ticket` its number, in the present transaction.

    None where a rule says to keep silent. The conversation's row is locked by the caller.
    """
    return _answer(ticket, heard, ACKNOWLEDGEMENT) if ticket.queue.acknowledge else None


def refuse(ticket: Ticket, heard: Message) -> Message | None:
    """Tell the sender that the finished `ticket` takes no more messages, in the present transaction."""
    return _answer(ticket, heard, REFUSAL)


def _answer(ticket: Ticket, heard: Message, key: str) -> Message | None:
    if not _may_be_answered(heard) or _was_answered(ticket, key) or not _below_limits(heard.sender):
        return None
    queue = ticket.queue
    text = customer_text(queue.project_id, key, language_of(ticket, queue))
    values = {
        "number": ticket.number_text,
        "subject": heard.subject or ticket.title,
        "name": heard.sender_name or ticket.customer.name,
        "queue": queue.name,
        "project": queue.project.name,
    }
    subject = fill(text.subject, values) or None
    message = ticket.reply(
        None, Reply(body=fill(text.body, values), to=[heard.sender], subject=subject, automatic=True)
    )
    message.facts = {**message.facts, "automatic": key}
    message.answers_id = heard.id
    return message


def _may_be_answered(heard: Message) -> bool:
    """Only what a person wrote, from an address that is not one of ours."""
    if not heard.sender or heard.nature != "human" or heard.facts.get("may_auto_reply") is False:
        return False
    sender, _ = tokens.split_address(heard.sender.lower())
    return not is_our_address(sender)


def is_our_address(address: str) -> bool:
    """Whether mail to this address (in lower case) comes back to us: the address or an alias of any channel."""
    ours = select(Channel.id).where(
        (func.lower(Channel.address) == address) | Channel.settings["aliases"].contains([address])
    )
    return db.session.scalar(ours.limit(1)) is not None


def _was_answered(ticket: Ticket, key: str) -> bool:
    query = select(Message.id).where(Message.ticket_id == ticket.id, Message.facts["automatic"].astext == key)
    return db.session.scalar(query.limit(1)) is not None


def _below_limits(sender: str) -> bool:
    minute = select(OutboxItem.id).where(
        OutboxItem.automatic, OutboxItem.created_at > clock.SQL_NOW - timedelta(minutes=1)
    )
    recent = db.session.scalar(select(func.count()).select_from(minute.limit(MOST_PER_MINUTE).subquery())) or 0
    if recent >= MOST_PER_MINUTE:
        log.warning("automatic answers are paused: more than a hundred in a minute", sender=sender)
        return False
    return _count(sender)


def _count(sender: str) -> bool:
    """Count one answer to the sender; False when the day's are used up. Concurrent writers wait for each other here."""
    fresh = insert(AnswerCount).values(address=sender.lower())
    over = AnswerCount.since <= clock.SQL_NOW - SENDER_WINDOW
    counted = fresh.on_conflict_do_update(
        index_elements=["address"],
        set_={
            "answers": case((over, 1), else_=AnswerCount.answers + 1),
            "since": case((over, clock.SQL_NOW), else_=AnswerCount.since),
        },
        where=over | (AnswerCount.answers < MOST_PER_SENDER),
    ).returning(AnswerCount.answers)
    return db.session.scalar(counted) is not None
