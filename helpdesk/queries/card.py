"""What the card beside a ticket shows of its customer: their tickets, the channels they came by, their files."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import joinedload

from helpdesk.db import db
from helpdesk.models import Attachment, Channel, Conversation, Message, Ticket, User
from helpdesk.permissions import visible

MOST_TICKETS = 60

Found = Row[Any]


def recent_tickets(user: User, customer_id: int, limit: int = MOST_TICKETS) -> Sequence[Found]:
    """The customer's latest tickets that `user` may see, newest first, each with the channel it came by.

    Columns: id, number, title, state, kind, arrived_at, conversation_id, channel_id, channel_kind, channel_name.
    """
    query = (
        select(
            Ticket.id,
            Ticket.number,
            Ticket.title,
            Ticket.state,
            Ticket.kind,
            Ticket.arrived_at,
            Ticket.conversation_id,
            Channel.id.label("channel_id"),
            Channel.kind.label("channel_kind"),
            Channel.name.label("channel_name"),
        )
        .join(Conversation, Conversation.id == Ticket.conversation_id)
        .join(Channel, Channel.id == Conversation.channel_id)
        .where(Ticket.customer_id == customer_id, Ticket.merged_into_id.is_(None), visible(user))
        .order_by(Ticket.id.desc())
        .limit(limit)
    )
    return db.session.execute(query).all()


def files_of(user: User, customer_id: int, limit: int) -> list[Attachment]:
    """The files that came and went with the customer's latest tickets, newest first; only where `user` may see them."""
    tickets = (
        select(Ticket.id)
        .where(Ticket.customer_id == customer_id, visible(user))
        .order_by(Ticket.id.desc())
        .limit(MOST_TICKETS)
    )
    query = (
        select(Attachment)
        .join(Message, Message.id == Attachment.message_id)
        .where(Message.ticket_id.in_(tickets))
        .options(joinedload(Attachment.message))
        .order_by(Attachment.id.desc())
        .limit(limit)
    )
    return list(db.session.scalars(query))
