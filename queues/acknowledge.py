"""Automatic answers: "we have your message, its number is ...", and "this request is closed".

They are what two robots would talk to each other with, so each rule here is a stop: never to automatic mail, never to
ourselves, one of a kind for a ticket, five a day for an address, a hundred a minute for all (RFC 3834 2 and 5).
"""

from datetime import timedelta

import structlog
from sqlalchemy import case, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import clock
from helpdesk.customer_texts import ACKNOWLEDGEMENT, REFUSAL, customer_text, fill
from helpdesk.db import db, remembered
from helpdesk.models import AnswerCount, Message, OutboxItem, Reply, Ticket
from helpdesk.models.channel import own_addresses
from queues.channels.email import tokens
from queues.letters import language_of

log = structlog.get_logger(__name__)

MOST_PER_SENDER = 5
SENDER_WINDOW = timedelta(days=1)
MOST_PER_MINUTE = 100


def acknowledge(ticket: Ticket, heard: Message) -> Message | None:
    """Tell the sender of the message that just opened `ticket` its number, in the present transaction.

    None where a rule says to keep silent. The conversation's row is locked by the caller.
    """
    return _answer(ticket, heard, ACKNOWLEDGEMENT) if ticket.queue.acknowledge else None


def refuse(ticket: Ticket, heard: Message) -> Message | None:
    """Tell the sender that the finished `ticket` takes no more messages, once, in the present transaction."""
    return None if _was_answered(ticket, REFUSAL) else _answer(ticket, heard, REFUSAL)


def _answer(ticket: Ticket, heard: Message, key: str) -> Message | None:
    if not _may_be_answered(heard) or not _below_limits(heard.sender):
        return None
    queue = ticket.queue
    text = customer_text(queue.project_id, key, language_of(ticket, queue, heard))
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
    """Only what a person wrote, from an address that is not one of ours.

    A stranger who got hold of a signed address is heard and told nothing: not even that there is such a ticket.
    """
    if heard.facts.get("non_participant"):
        return False
    if not heard.sender or heard.nature != "human" or heard.facts.get("may_auto_reply") is False:
        return False
    sender, _ = tokens.split_address(heard.sender.lower())
    return sender not in own_addresses()


def _was_answered(ticket: Ticket, key: str) -> bool:
    query = select(Message.id).where(Message.ticket_id == ticket.id, Message.facts["automatic"].astext == key)
    return db.session.scalar(query.limit(1)) is not None


def _below_limits(sender: str) -> bool:
    recent = remembered("recent_answers", _recent)
    if len(recent) >= MOST_PER_MINUTE:
        remembered("pause_logged", _say_that_answers_pause)
        return False
    if not _count(sender):
        return False
    recent.append(sender)
    return True


def _say_that_answers_pause() -> None:
    """Once a batch: a burst of mail must not become a burst of log lines."""
    log.warning("automatic answers are paused: more than a hundred in a minute")


def _recent() -> list[str]:
    """One entry for each automatic answer of the last minute, up to the limit; this transaction adds its own."""
    minute = select(OutboxItem.state).where(
        OutboxItem.automatic, OutboxItem.created_at > clock.SQL_NOW - timedelta(minutes=1)
    )
    return list(db.session.scalars(minute.limit(MOST_PER_MINUTE)))


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
