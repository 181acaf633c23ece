"""Tickets as the API gives them, made of rows with a constant number of queries."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from helpdesk.api.schemas import FieldValues, Id, Moment, Named, Out
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.models import Conversation, ListName, State, Tag, Ticket, TicketTag
from helpdesk.models.definitions import definitions
from helpdesk.models.ticket.states import Kind

PriorityNumber = Annotated[int, Field(ge=1, le=4, description="1 urgent, 2 high, 3 normal, 4 low.")]


class ChannelOfTicket(Named):
    """Where a conversation takes place."""

    kind: str


class TicketOut(Out):
    """One request of a customer. `version` rises with every change; it is the ETag as well."""

    id: Id
    number: str
    title: str
    state: State
    kind: Annotated[Kind, Field(description="What the state means for work: active, paused or finished.")]
    priority: PriorityNumber
    type: str
    category: Named | None
    reasons: list[Named]
    components: list[Named]
    tags: list[str]
    fields: FieldValues
    queue: Named
    project_id: Id
    customer: Named
    owner: Named | None
    group: Named | None
    channel: ChannelOfTicket
    conversation_id: Id
    arrived_at: Moment
    first_unanswered_at: Annotated[Moment | None, Field(description="Since when the customer waits for an answer.")]
    last_customer_at: Moment | None
    last_reply_at: Moment | None
    pending_until: Moment | None
    finished_at: Moment | None
    closing_reason: str | None
    previous_id: Annotated[Id | None, Field(description="The finished ticket that this one follows.")]
    merged_into_id: Id | None
    version: int
    updated_at: Moment
    url: Annotated[str, Field(description="The page of the ticket, for people.")]


WITH_NAMES = (
    joinedload(Ticket.queue, innerjoin=True),
    joinedload(Ticket.customer, innerjoin=True),
    joinedload(Ticket.owner),
    joinedload(Ticket.group),
    joinedload(Ticket.category),
    joinedload(Ticket.conversation, innerjoin=True).joinedload(Conversation.channel, innerjoin=True),
)


def read(query: Select[tuple[Ticket]]) -> list[Ticket]:
    """The tickets of a query with all names that `shape` shows."""
    return list(db.session.scalars(query.options(*WITH_NAMES)).unique())


def shape(ticket: Ticket) -> TicketOut:
    """One ticket as it is now, also when this very transaction changed it."""
    db.session.flush()
    query = select(Ticket).where(Ticket.id == ticket.id).execution_options(populate_existing=True)
    return shapes(read(query))[0]


def shapes(tickets: Sequence[Ticket]) -> list[TicketOut]:
    """Tickets of `read` as the API gives them."""
    tags = _tags([ticket.id for ticket in tickets])
    return [_shape(ticket, tags.get(ticket.id, [])) for ticket in tickets]


def _shape(ticket: Ticket, tags: list[str]) -> TicketOut:
    channel = ticket.conversation.channel
    return TicketOut(
        id=ticket.id,
        number=ticket.number,
        title=ticket.title,
        state=State(ticket.state),
        kind=Kind(ticket.kind),
        priority=ticket.priority,
        type=ticket.request_type,
        category=named(ticket.category),
        reasons=_items(ListName.REASON, ticket.reason_ids),
        components=_items(ListName.COMPONENT, ticket.component_ids),
        tags=sorted(tags),
        fields=ticket.fields,
        queue=Named(id=ticket.queue.id, name=ticket.queue.name),
        project_id=ticket.project_id,
        customer=Named(id=ticket.customer.id, name=ticket.customer.name),
        owner=named(ticket.owner),
        group=named(ticket.group),
        channel=ChannelOfTicket(id=channel.id, name=channel.name, kind=channel.kind),
        conversation_id=ticket.conversation_id,
        arrived_at=ticket.arrived_at,
        first_unanswered_at=ticket.first_unanswered_at,
        last_customer_at=ticket.last_customer_at,
        last_reply_at=ticket.last_reply_at,
        pending_until=ticket.pending_until,
        finished_at=ticket.finished_at,
        closing_reason=ticket.closing_reason,
        previous_id=ticket.previous_id,
        merged_into_id=ticket.merged_into_id,
        version=ticket.version,
        updated_at=ticket.updated_at,
        url=f"{settings().public_url}/tickets/{ticket.id}",
    )


def _items(name: ListName, ids: list[int]) -> list[Named]:
    return [Named(id=item.id, name=item.name) for item in definitions().items(name, ids)] if ids else []


def named(row: object) -> Named | None:
    """A row by its id and name, or nothing."""
    return None if row is None else Named(id=getattr(row, "id"), name=getattr(row, "name"))  # noqa: B009 - any noun


def _tags(ids: list[int]) -> dict[int, list[str]]:
    if not ids:
        return {}
    query = select(TicketTag.ticket_id, Tag.name).join(Tag, Tag.id == TicketTag.tag_id)
    found: dict[int, list[str]] = {}
    for ticket_id, name in db.session.execute(query.where(TicketTag.ticket_id.in_(ids))):
        found.setdefault(ticket_id, []).append(name)
    return found
