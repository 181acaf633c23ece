"""The one way a ticket changes: values, place in line, counters, event and live update in a single step."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import live
from helpdesk.db import Id, Moment, Now, db
from helpdesk.models.conversation import Conversation
from helpdesk.models.customer import Customer
from helpdesk.models.definitions import definitions
from helpdesk.models.event import Event, Fact
from helpdesk.models.inbound import Tally
from helpdesk.models.lists import ListName
from helpdesk.models.project import Project
from helpdesk.models.queue import Queue, QueueClock
from helpdesk.models.ticket.answered import read_clocks
from helpdesk.models.ticket.keeping import keep_promises, stand_of
from helpdesk.models.ticket.states import KIND, Kind, Priority, State
from helpdesk.models.ticket.watchers import tell_watchers
from helpdesk.models.unread import leave_handled
from helpdesk.models.user import Group, User

Actor = User | Customer | None


def actor_columns(by: Actor) -> dict[str, Any]:
    """Who did it, as an event stores it; None is the system itself."""
    match by:
        case User():
            return {"actor_kind": "user", "actor_id": by.id}
        case Customer():
            return {"actor_kind": "customer", "actor_id": by.id}
        case _:
            return {"actor_kind": "system", "actor_id": None}


class TicketCore:
    """Columns of a ticket and `changing`, which every verb uses."""

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    number: Mapped[str]
    number_key: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    state: Mapped[str] = mapped_column(default=State.NEW)
    kind: Mapped[str] = mapped_column(default=Kind.ACTIVE)
    occupies: Mapped[str | None]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    owned_since: Mapped[Moment | None]
    attention_at: Mapped[Moment | None]
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    priority: Mapped[int] = mapped_column(default=Priority.NORMAL, server_default="3")
    request_type_id: Mapped[int | None] = mapped_column(ForeignKey("list_items.id"))
    reason_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}")
    component_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}")
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    arrived_at: Mapped[Moment]
    first_unanswered_at: Mapped[Moment | None]
    last_customer_at: Mapped[Moment | None]
    last_reply_at: Mapped[Moment | None]
    line_class: Mapped[int] = mapped_column(default=0, server_default="0")
    line_at: Mapped[Moment]
    pending_until: Mapped[Moment | None]
    due_at: Mapped[Moment | None]
    due_warn_at: Mapped[Moment | None]
    promised: Mapped[bool] = mapped_column(default=False, server_default="false")
    finished_at: Mapped[Moment | None]
    closing_reason: Mapped[str | None]
    spam_cause: Mapped[str | None]
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    shown_on_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))  # where the chain of merges ends
    has_merged: Mapped[bool] = mapped_column(default=False, server_default="false")
    watched: Mapped[bool] = mapped_column(default=False, server_default="false")
    unread: Mapped[int] = mapped_column(default=0, server_default="0")
    unread_first_id: Mapped[int | None]  # of the messages that nobody has handled; not to be changed alone
    unread_last_id: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    updated_at: Mapped[Now] = mapped_column(onupdate=func.helpdesk_now())

    if TYPE_CHECKING:
        project: Mapped[Project]
        queue: Mapped[Queue]
        conversation: Mapped[Conversation]
        customer: Mapped[Customer]
        owner: Mapped[User | None]
        group: Mapped[Group | None]

    @property
    def request_type(self) -> str:
        """The name of the request's type, "" without one."""
        if self.request_type_id is None:
            return ""
        item = definitions().lists[ListName.TYPE].get(self.request_type_id)
        return item.name if item else ""

    def reindex(self, former: Iterable[str] | None = None) -> None:
        """Make the ticket findable as it is now; see `Described`."""
        raise NotImplementedError

    def open_children(self) -> int:
        """How many of its children are not finished; see `Tied`."""
        raise NotImplementedError

    def children_text(self) -> str:
        """The same in words; see `Tied`."""
        raise NotImplementedError

    @contextmanager
    def changing(self, by: Actor, fact: Fact | None = None) -> Iterator[None]:
        """Change columns inside the block; afterwards place, counters, event and live topics follow by themselves.

        Nothing is flushed or committed here. Blocks do not nest.
        """
        before, queue_before, owner_before = self._counted(), self.queue_id, self.owner_id
        kind_before, place_before = self.kind, (self.line_class, self.line_at)
        stand_before, is_new = stand_of(self), self.version == 0
        yield
        if isinstance(by, User) and by.id == self.owner_id:
            self.attention_at = None  # its owner is at it
        self._settle(kind_before)
        if self.kind == Kind.FINISHED != kind_before and self.state != State.MERGED:
            leave_handled(self, by)
        self._count(before)
        self.version += 1
        if fact is not None:
            self.record(by, fact, moved=(self.line_class, self.line_at) != place_before)
            tell_watchers(self, by, fact)
        keep_promises(self, stand_before, is_new)
        topics = {f"ticket:{self.id}", f"ticket:{self.shown_on_id or self.id}"}
        topics |= {f"user:{owner}" for owner in (owner_before, self.owner_id) if owner is not None}
        live.touch(*topics, f"customer:{self.customer_id}")
        live.touch(*{f"queue:{queue_before}", f"queue:{self.queue_id}"}, about={str(self.id): self._place_in_line()})

    def _place_in_line(self) -> live.Place | None:
        waits = self.kind == Kind.ACTIVE and self.owner_id is None
        return (self.line_class, self.line_at.timestamp()) if waits else None

    def record(self, by: Actor, fact: Fact, moved: bool = False) -> Event:
        """Append one fact to the ticket's history, in the present transaction.

        `moved` says that the fact also changed the place in line: then the new place is kept with it.
        """
        place = {"line_at": self.line_at.isoformat(), "line_class": self.line_class} if moved else {}
        event = Event(
            ticket=self,
            queue_id=self.queue_id,
            project_id=self.project_id,
            kind=fact.kind,
            version=fact.version,
            payload=fact.payload() | place,
            cause_id=db.session().info.get("cause_id"),
            **actor_columns(by),
        )
        db.session.add(event)
        return event

    def wind_back(self) -> None:
        """Read the clocks of answering anew from what was said, because an answer or a closing was undone.

        To be called in a block of `changing`.
        """
        self.last_reply_at, self.first_unanswered_at = read_clocks(self)

    @property
    def family(self) -> list[int]:
        """Ids of the tickets whose messages are shown here: its own, and those of all that were merged into it."""
        if not self.has_merged:
            return [self.id]
        table = type(self)
        return [self.id, *db.session.scalars(select(table.id).where(table.shown_on_id == self.id).order_by(table.id))]

    def _settle(self, kind_before: str) -> None:
        """Derive what follows from the plain columns: kind, the occupied place, and the place in line."""
        self.kind = KIND[State(self.state)]
        self.occupies = f"conv:{self.conversation_id}" if self.kind == Kind.ACTIVE else None
        queue = self.queue
        self.line_at = resolve_line_at(self, queue)
        if not queue.by_priority:
            self.line_class = 0
        elif self.line_class > 0 or self.priority == Priority.URGENT or kind_before != self.kind:
            self.line_class = self.priority  # 0 is whoever was promoted, for as long as they stand in line

    def _counted(self) -> set[tuple[str, str]]:
        """The counters that this ticket is part of as it stands."""
        if self.kind != Kind.ACTIVE:
            return set()
        counted = {(f"queue:{self.queue_id}", "active")}
        if self.owner_id is None:
            counted.add((f"queue:{self.queue_id}", "waiting"))
        return counted

    def _count(self, before: set[tuple[str, str]]) -> None:
        after = self._counted()
        for scope, name in before - after:
            Tally.add(scope, name, -1)
        for scope, name in after - before:
            Tally.add(scope, name, 1)


def resolve_line_at(ticket: TicketCore, queue: Queue) -> datetime:
    """The moment by which `queue` orders the ticket; where its clock does not run, the last that did."""
    match queue.clock:
        case QueueClock.ARRIVED:
            return ticket.arrived_at
        case QueueClock.LAST_CUSTOMER:
            return ticket.last_customer_at or ticket.arrived_at
        case _:
            return ticket.first_unanswered_at or ticket.last_customer_at or ticket.arrived_at


__all__ = ["Actor", "TicketCore", "actor_columns", "relationship", "resolve_line_at"]
