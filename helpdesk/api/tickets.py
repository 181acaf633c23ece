"""Tickets: lists, facts, states, history."""

from datetime import datetime
from typing import Annotated, Any, Literal

from flask_babel import gettext as _
from pydantic import Field
from sqlalchemy import select, tuple_

from helpdesk import permissions
from helpdesk.api import cursors, shapes
from helpdesk.api.framework import Caller, Noun, check_version
from helpdesk.api.schemas import FieldValues, Id, In, Moment, Out, Paged, QueryId, Words
from helpdesk.api.shapes import PriorityNumber, TicketOut
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.history import tell
from helpdesk.joining import hold_both, hold_merge
from helpdesk.models import Event, Group, Right, Scope, State, Ticket
from helpdesk.models.lists import MOST_CHOSEN
from helpdesk.models.ticket import find_by_number
from helpdesk.models.ticket.states import Kind

noun = Noun("tickets", "Requests of customers: a number, a state, a place in a queue, an owner, a history.")

ItemIds = Annotated[list[Id], Field(max_length=MOST_CHOSEN, description="All of them, in any order.")]


class TicketsQuery(Paged):
    """Which tickets. All filters hold together."""

    queue: QueryId | None = None
    state: Annotated[list[State] | None, Field(description="One or several: state=new&state=open.", max_length=8)] = (
        None
    )
    kind: Kind | None = None
    owner: Annotated[
        Annotated[str, Field(pattern=r"^(me|nobody|[1-9][0-9]{0,17})$")] | None,
        Field(description="The id of a user, `me`, or `nobody`."),
    ] = None
    customer: QueryId | None = None
    number: Annotated[Annotated[str, Field(max_length=60, pattern=r"^[^\x00]*$")] | None, Field()] = None
    updated_since: Annotated[
        Moment | None,
        Field(description="Changed at this moment or later. The list then begins with the change longest ago."),
    ] = None


class TicketPage(Out):
    """A page of tickets; `next_cursor` is null at the end."""

    items: list[TicketOut]
    next_cursor: str | None


class Sorted(In):
    """What a ticket is sorted by; what is left out stays. Lists and fields: see GET /lists and GET /fields."""

    type: Annotated[Words, Field(max_length=100, description="A name of the list; empty takes it away.")] | None = None
    category_id: Annotated[Id | None, Field(description="Null takes the category away.")] = None
    reason_ids: ItemIds | None = None
    component_ids: ItemIds | None = None
    fields: FieldValues | None = None


class TicketFacts(Sorted):
    """What shall be changed; what is left out stays."""

    title: Annotated[Words, Field(min_length=1, max_length=500)] | None = None
    priority: PriorityNumber | None = None
    group_id: Annotated[Id | None, Field(description="Null takes the group away.")] = None
    tags: (
        Annotated[list[Annotated[Words, Field(min_length=1, max_length=50)]], Field(max_length=30)] | None
    ) = None


class Closure(In):
    """How a ticket ends."""

    state: Annotated[Literal["solved", "unsolved", "spam"], Field()]
    reason: Annotated[Words, Field(max_length=300)] | None = None
    despite_children: Annotated[bool, Field(description="Finish it although child tickets are open.")] = False


class Pause(In):
    """Until when a ticket waits; null or nothing: until the customer writes."""

    until: Moment | None = None


class EventActor(Out):
    """Who did it."""

    kind: Literal["user", "customer", "system"]
    id: Id | None
    name: str


class EventOut(Out):
    """One fact of a ticket's history; never changed, never deleted."""

    id: Id
    at: Moment
    kind: str
    version: int
    ticket_id: Id
    queue_id: Id | None
    actor: EventActor
    facts: Annotated[dict[str, Any], Field(description="What changed; the fields depend on the kind and version.")]
    text: Annotated[str, Field(description="The same as a sentence, in the language of the token's user.")]


class EventPage(Out):
    """A page of history, oldest first; `next_cursor` is null at the end."""

    items: list[EventOut]
    next_cursor: str | None


@noun.get("/tickets", scope=Scope.TICKETS_READ, answer=TicketPage, query=TicketsQuery)
def index(caller: Caller, query: TicketsQuery) -> TicketPage:
    """List tickets, newest first.

    With `updated_since` the order is that of the last change, oldest first: ask again with the `updated_at` of the
    last ticket, a minute earlier to be safe, and skip versions that you know.
    """
    chosen = select(Ticket).where(permissions.visible(caller.user), *_conditions(caller, query))
    place = cursors.read(query.cursor)
    if query.updated_since is None:
        chosen = chosen.order_by(Ticket.id.desc())
        if place is not None:
            chosen = chosen.where(Ticket.id < place[0])
    else:
        chosen = chosen.where(Ticket.updated_at >= query.updated_since).order_by(Ticket.updated_at, Ticket.id)
        if place is not None:
            after = (datetime.fromisoformat(place[0]), place[1])
            chosen = chosen.where(tuple_(Ticket.updated_at, Ticket.id) > after)
    found = shapes.read(chosen.limit(query.limit + 1))
    page = found[: query.limit]
    more: str | None = None
    if len(found) > query.limit:
        last = page[-1]
        more = cursors.write([last.id] if query.updated_since is None else [last.updated_at.isoformat(), last.id])
    return TicketPage(items=shapes.shapes(page), next_cursor=more)


def _conditions(caller: Caller, query: TicketsQuery) -> list[Any]:
    found: list[Any] = []
    if query.queue is not None:
        found.append(Ticket.queue_id == query.queue)
    if query.state:
        found.append(Ticket.state.in_(query.state))
    if query.kind is not None:
        found.append(Ticket.kind == query.kind)
    if query.owner == "nobody":
        found.append(Ticket.owner_id.is_(None))
    elif query.owner is not None:
        found.append(Ticket.owner_id == (caller.user.id if query.owner == "me" else int(query.owner)))
    if query.customer is not None:
        found.append(Ticket.customer_id == query.customer)
    if query.number is not None:
        ticket = find_by_number(query.number, permissions.visible(caller.user))
        found.append(Ticket.id == (ticket.id if ticket is not None else None))
    return found


@noun.get("/tickets/{ticket_id}", scope=Scope.TICKETS_READ, answer=TicketOut)
def show(caller: Caller, ticket_id: int) -> TicketOut:
    """Read one ticket."""
    return shapes.shape(permissions.get_ticket(caller.user, ticket_id))


@noun.patch("/tickets/{ticket_id}", scope=Scope.TICKETS_WRITE, answer=TicketOut, body=TicketFacts, versioned=True)
def change(caller: Caller, ticket_id: int, body: TicketFacts) -> TicketOut:
    """Change the plain facts of a ticket.

    Send the ETag that you read as `If-Match` to change only what you have seen.
    """
    ticket = locked(caller, ticket_id)
    check_version(ticket.version)
    if body.title is not None:
        ticket.retitle(caller.user, body.title)
    if body.priority is not None:
        ticket.prioritise(caller.user, body.priority)
    sort_ticket(caller, ticket, body)
    if body.tags is not None:
        ticket.retag(caller.user, body.tags)
    if "group_id" in body.model_fields_set:
        ticket.give_to_group(caller.user, _group(body.group_id))
    return shapes.shape(ticket)


def sort_ticket(caller: Caller, ticket: Ticket, body: Sorted) -> None:
    """Give the ticket the type, category, reasons, components and fields that the body says."""
    if body.type is not None:
        ticket.retype(caller.user, body.type)
    if "category_id" in body.model_fields_set:
        ticket.categorise(caller.user, body.category_id)
    if body.reason_ids is not None:
        ticket.set_reasons(caller.user, body.reason_ids)
    if body.component_ids is not None:
        ticket.set_components(caller.user, body.component_ids)
    if body.fields is not None:
        ticket.set_fields(caller.user, body.fields)


def locked(caller: Caller, ticket_id: int) -> Ticket:
    """The ticket, its row held, as the caller may work on it."""
    return permissions.get_ticket(caller.user, ticket_id, Right.WORK, lock=True)


def _group(key: int | None) -> Group | None:
    if key is None:
        return None
    found = db.session.get(Group, key)
    if found is None:
        raise Refused(_("That choice does not exist any more. Choose another one."))
    return found


@noun.post("/tickets/{ticket_id}/closure", scope=Scope.TICKETS_WRITE, answer=TicketOut, body=Closure)
def close(caller: Caller, ticket_id: int, body: Closure) -> TicketOut:
    """Finish a ticket as solved, unsolved or spam.

    Refused (422) while a field is empty that closing requires (`facts.fields`, their ids) or child tickets are open
    (`facts.children`, how many); spam waits for neither.
    """
    ticket = locked(caller, ticket_id)
    reason = " ".join((body.reason or "").split()) or None
    ticket.finish(caller.user, State(body.state), reason, body.despite_children)
    return shapes.shape(ticket)


@noun.post("/tickets/{ticket_id}/reopening", scope=Scope.TICKETS_WRITE, answer=TicketOut)
def reopen(caller: Caller, ticket_id: int) -> TicketOut:
    """Undo the finishing of a ticket."""
    ticket = locked(caller, ticket_id)
    ticket.reopen(caller.user, "by hand")
    return shapes.shape(ticket)


class MergeIn(In):
    """Into which ticket."""

    into_id: Id


class UnmergeIn(In):
    """What was said since on the other ticket and belongs to this one, where that is not clear by itself."""

    message_ids: list[Id] = Field(default_factory=list, max_length=500)


@noun.post("/tickets/{ticket_id}/merge", scope=Scope.TICKETS_WRITE, answer=TicketOut, body=MergeIn)
def merge(caller: Caller, ticket_id: int, body: MergeIn) -> TicketOut:
    """Merge a ticket into another one of the same customer, where its messages are shown from then on.

    Its number keeps leading there. Undo it at any time with POST /tickets/{ticket_id}/merge/undo.
    """
    ticket, target = hold_both(caller.user, ticket_id, body.into_id)
    ticket.merge_into(caller.user, target)
    return shapes.shape(ticket)


@noun.post("/tickets/{ticket_id}/merge/undo", scope=Scope.TICKETS_WRITE, answer=TicketOut, body=UnmergeIn)
def unmerge(caller: Caller, ticket_id: int, body: UnmergeIn) -> TicketOut:
    """Undo the merge of a ticket: both are as they were before."""
    ticket = hold_merge(caller.user, ticket_id)
    ticket.unmerge(caller.user, set(body.message_ids))
    return shapes.shape(ticket)


@noun.post("/tickets/{ticket_id}/pause", scope=Scope.TICKETS_WRITE, answer=TicketOut, body=Pause)
def pause(caller: Caller, ticket_id: int, body: Pause) -> TicketOut:
    """Let a ticket wait for a moment or for the customer."""
    ticket = locked(caller, ticket_id)
    ticket.pause(caller.user, body.until)
    return shapes.shape(ticket)


@noun.post("/tickets/{ticket_id}/waking", scope=Scope.TICKETS_WRITE, answer=TicketOut)
def wake(caller: Caller, ticket_id: int) -> TicketOut:
    """End a pause now."""
    ticket = locked(caller, ticket_id)
    if ticket.kind != Kind.PAUSED:
        raise Refused(_("This ticket is not paused."))
    if not ticket.wake(caller.user, "by hand"):
        raise Refused(_("Another ticket of this conversation is active. Finish or pause that one first."))
    return shapes.shape(ticket)


@noun.get("/tickets/{ticket_id}/events", scope=Scope.TICKETS_READ, answer=EventPage, query=Paged)
def events(caller: Caller, ticket_id: int, query: Paged) -> EventPage:
    """Read the complete history of a ticket, oldest first."""
    ticket = permissions.get_ticket(caller.user, ticket_id)
    chosen = select(Event).where(Event.ticket_id == ticket.id).order_by(Event.id)
    after = cursors.after_id(query.cursor)
    if after is not None:
        chosen = chosen.where(Event.id > after)
    page, more = cursors.cut(db.session.scalars(chosen.limit(query.limit + 1)).all(), query.limit)
    told = tell(page)
    return EventPage(
        items=[_event(event, words, ticket) for event, words in zip(page, told, strict=True)], next_cursor=more
    )


def _event(event: Event, told: dict[str, Any], ticket: Ticket) -> EventOut:
    kind: Any = event.actor_kind
    return EventOut(
        id=event.id,
        at=event.at,
        kind=event.kind,
        version=event.version,
        ticket_id=ticket.id,
        queue_id=event.queue_id,
        actor=EventActor(kind=kind, id=event.actor_id, name=told["actor_name"]),
        facts=event.payload,
        text=told["text"],
    )


