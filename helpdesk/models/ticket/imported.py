"""Tickets that another system knew before: they come with number, customer, title and dates, and stand in no line."""

from dataclasses import dataclass
from datetime import datetime

from helpdesk.db import db, new_id
from helpdesk.former import FormerMark
from helpdesk.models.channel import Channel
from helpdesk.models.conversation import Participant
from helpdesk.models.customer import Customer
from helpdesk.models.event import Imported
from helpdesk.models.former import FormerNumber
from helpdesk.models.inbound import Tally
from helpdesk.models.ticket import Ticket, next_number
from helpdesk.models.ticket.states import KIND, Kind, State
from helpdesk.models.writing import begin_conversation
from helpdesk.numbers import number_key


@dataclass(frozen=True)
class FormerTicket:
    """One ticket of a former system. `state` is solved, unsolved, or waiting where it was open there."""

    number: str
    address: str
    title: str
    state: State
    opened_at: datetime
    closed_at: datetime | None = None

    @property
    def mark(self) -> FormerMark:
        """Its number, with the key by which numbers are compared."""
        return FormerMark(self.number, number_key(self.number))


def import_ticket(former: FormerTicket, channel: Channel, customer: Customer) -> Ticket:
    """Make a ticket of one that another system had, in the present transaction; finished or paused, never in line.

    Nobody is told, nothing is acknowledged, and no promise is made for it.
    """
    key = f"former:{former.mark.key}"
    conversation = begin_conversation(channel.project_id, channel, customer, former.title, key)
    conversation.created_at = former.opened_at
    conversation.participants.append(Participant(address=former.address, name=customer.name[:200], role="from"))
    queue = channel.queue
    number = next_number(channel.project)
    ticket = Ticket(
        id=new_id(Ticket),
        project=channel.project,
        project_id=channel.project_id,
        queue=queue,
        queue_id=queue.id,
        conversation=conversation,
        conversation_id=conversation.id,
        customer=customer,
        customer_id=customer.id,
        channel_id=channel.id,
        number=number,
        number_key=number_key(number),
        title=former.title[:500] or former.number,
        state=former.state,
        kind=KIND[former.state],
        arrived_at=former.opened_at,
        line_at=former.opened_at,
        unread=0,
        version=1,
    )
    if ticket.kind == Kind.FINISHED:
        ticket.finished_at = former.closed_at or former.opened_at
    db.session.add(ticket)
    ticket.record(None, Imported(former.number, former.opened_at.isoformat(), former.state))
    Tally.add(f"customer:{customer.id}", "tickets", 1)
    mark = former.mark
    db.session.add(
        FormerNumber(project_id=channel.project_id, ticket=ticket, number=mark.number, number_key=mark.key)
    )
    ticket.reindex(former=[former.number])
    return ticket
