"""The ticket: one request inside a conversation. Its traits are the table of contents of the product."""

from collections import deque
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ColumnElement, Index, Sequence, func, select, text
from sqlalchemy.orm import Mapped, relationship

from helpdesk import clock
from helpdesk.db import Base, Model, db, new_id, remembered
from helpdesk.models.conversation import Conversation
from helpdesk.models.customer import Customer
from helpdesk.models.event import Opened
from helpdesk.models.former import FormerNumber
from helpdesk.models.inbound import Tally
from helpdesk.models.project import Project, read_setting
from helpdesk.models.queue import Category, Queue
from helpdesk.models.ticket.consulted import Consulted
from helpdesk.models.ticket.core import Actor, TicketCore, resolve_line_at
from helpdesk.models.ticket.described import Tag, TicketLink, TicketPerson, TicketTag
from helpdesk.models.ticket.joins import TicketJoin
from helpdesk.models.ticket.locking import lock_for_joining
from helpdesk.models.ticket.merged import MEANT_FOR
from helpdesk.models.ticket.owned import Owned
from helpdesk.models.ticket.parted import Parted, Place
from helpdesk.models.ticket.promised import Promised
from helpdesk.models.ticket.ruled import Ruled
from helpdesk.models.ticket.spoken import Reply, header_hash, lock_conversation, lock_conversations
from helpdesk.models.ticket.states import CLOSING, KIND, Kind, Priority, State
from helpdesk.models.ticket.tied import Tie
from helpdesk.models.ticket.watchers import TicketWatcher
from helpdesk.models.user import Group, User
from helpdesk.numbers import DEFAULT_PATTERN, format_number, group_digits, number_key

SAID = "GREATEST(last_customer_at, last_reply_at, arrived_at)"  # when a person last wrote, or was written to
IS_UNREAD = "unread_first_id IS NOT NULL"

number_sequence = Sequence("ticket_numbers", start=1000001, metadata=Base.metadata)


class Ticket(Parted, Ruled, Owned, Consulted, Promised, Model):
    """A customer's request: a number, a state, a place in a queue, an owner, a history."""

    __tablename__ = "tickets"
    __table_args__ = (
        CheckConstraint(
            "state IN ('new', 'open', 'pending', 'waiting', 'solved', 'unsolved', 'spam', 'merged')",
            name="state",
        ),
        CheckConstraint("(occupies IS NOT NULL) = (kind = 'active')", name="occupies"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        Index("uq_tickets_occupies", "occupies", unique=True),
        Index(
            "ix_tickets_line",
            "queue_id",
            "line_class",
            "line_at",
            "id",
            postgresql_where=text("kind = 'active' AND owner_id IS NULL"),
        ),
        Index(
            "ix_tickets_in_work",
            "queue_id",
            "line_at",
            "id",
            postgresql_where=text("kind = 'active' AND owner_id IS NOT NULL"),
        ),
        Index("ix_tickets_active_line", "line_at", "id", postgresql_where=text("kind = 'active'")),
        Index(
            "ix_tickets_owner",
            "owner_id",
            "kind",
            "line_at",
            "id",
            postgresql_where=text("owner_id IS NOT NULL"),
        ),
        Index(
            "ix_tickets_attention",
            "owner_id",
            postgresql_where=text(
                "kind = 'active' AND owner_id IS NOT NULL "
                "AND (first_unanswered_at IS NOT NULL OR attention_at IS NOT NULL)"
            ),
        ),
        Index("ix_tickets_queue_kind", "queue_id", "kind", "id"),
        Index("ix_tickets_queue_id_id", "queue_id", "id"),
        Index("ix_tickets_conversation_id_id", "conversation_id", "id"),
        Index("ix_tickets_customer_id_id", "customer_id", "id"),
        Index("ix_tickets_arrived_at", "arrived_at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
        Index("ix_tickets_spam", "queue_id", "id", postgresql_where=text("state = 'spam'")),
        Index("ix_tickets_updated_at_id", "updated_at", "id"),
        Index("ix_tickets_due", "queue_id", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_tickets_request_type", "request_type_id", "id", postgresql_where=text("request_type_id IS NOT NULL")),
        Index("ix_tickets_category", "category_id", "id", postgresql_where=text("category_id IS NOT NULL")),
        Index("ix_tickets_reasons", "reason_ids", postgresql_using="gin", postgresql_where=text("reason_ids <> '{}'")),
        Index(
            "ix_tickets_components",
            "component_ids",
            postgresql_using="gin",
            postgresql_where=text("component_ids <> '{}'"),
        ),
        Index("ix_tickets_fields", "fields", postgresql_using="gin", postgresql_where=text("fields <> '{}'")),
        Index("ix_tickets_shown_on_id", "shown_on_id", postgresql_where=text("shown_on_id IS NOT NULL")),
        Index("ix_tickets_pending", "pending_until", postgresql_where=text("pending_until IS NOT NULL")),
        Index("ix_tickets_said", "queue_id", text(SAID), "id"),
        Index("ix_tickets_customer_said", "customer_id", text(SAID), "id"),
        Index("ix_tickets_unread_first", "queue_id", "unread_first_id", postgresql_where=text(IS_UNREAD)),
        Index("ix_tickets_unread_last", "queue_id", "unread_last_id", postgresql_where=text(IS_UNREAD)),
        Index("ix_tickets_customer_unread", "customer_id", "unread_first_id", postgresql_where=text(IS_UNREAD)),
    )

    project: Mapped[Project] = relationship()
    queue: Mapped[Queue] = relationship()
    conversation: Mapped[Conversation] = relationship()
    customer: Mapped[Customer] = relationship()
    owner: Mapped[User | None] = relationship()
    group: Mapped[Group | None] = relationship()
    category: Mapped[Category | None] = relationship()

    @classmethod
    def open(
        cls,
        conversation: Conversation,
        queue: Queue,
        title: str,
        arrived_at: datetime,
        by: Actor = None,
        previous: "Ticket | None" = None,
        priority: int = Priority.NORMAL,
        state: State = State.NEW,
    ) -> "Ticket":
        """Begin a ticket in `queue`. The conversation's row must be locked and have no active ticket.

        With `state` waiting it may have one: what is split off waits for it.

        Raises IntegrityError (uq_tickets_occupies) when another transaction opened one meanwhile.
        """
        number = next_number(queue.project)
        ticket = cls(
            id=new_id(cls),
            project_id=queue.project_id,
            project=queue.project,
            queue=queue,
            queue_id=queue.id,
            conversation=conversation,
            conversation_id=conversation.id,
            customer=conversation.customer,
            customer_id=conversation.customer_id,
            channel_id=conversation.channel_id,
            number=number,
            number_key=number_key(number),
            title=title[:500] or number,
            state=state,
            kind=Kind.PAUSED,  # not counted yet; the change below makes it active
            priority=priority,
            line_class=priority if queue.by_priority else 0,
            arrived_at=arrived_at,
            line_at=arrived_at,
            unread=0,
            version=0,
            previous_id=previous.id if previous else None,
        )
        db.session.add(ticket)
        fact = Opened(number, queue.id, arrived_at.isoformat(), ticket.line_class, ticket.previous_id)
        with ticket.changing(by, fact):
            pass
        if previous is not None:
            ticket.link(by, previous, "follow-up")
        Tally.add(f"customer:{conversation.customer_id}", "tickets", 1)
        ticket.reindex(former=())
        return ticket

    def as_merged(self) -> "Ticket":
        """This ticket, or the one that messages for it go to since it was merged."""
        return self if self.shown_on_id is None else db.session.get_one(Ticket, self.shown_on_id)

    @property
    def number_text(self) -> str:
        """The number as people read it, digits in groups."""
        return group_digits(self.number)


def next_number(project: Project) -> str:
    """A fresh ticket number by the installation's pattern, in the project's time zone."""
    pattern = read_setting("number_pattern", DEFAULT_PATTERN)
    numbers = _reserved_numbers()
    if not numbers:
        reserve_numbers(1)
    return format_number(pattern, numbers.popleft(), clock.now().astimezone(ZoneInfo(project.time_zone)))


def reserve_numbers(count: int) -> None:
    """Fetch numbers for tickets that the present transaction is going to open, in one round trip."""
    series = func.generate_series(1, count).alias()
    _reserved_numbers().extend(db.session.scalars(select(number_sequence.next_value()).select_from(series)))


def _reserved_numbers() -> deque[int]:
    return remembered("ticket_numbers", deque)


def find_by_number(spoken: str, *conditions: ColumnElement[bool]) -> Ticket | None:
    """The ticket with this number, written with or without spaces, whatever pattern made it.

    Where none has it, the newest of those that had it in a former system; two projects may have had the same one.
    `conditions` choose among them, such as what somebody may see.
    """
    key = number_key(spoken)
    if not key:
        return None
    found = db.session.scalar(select(Ticket).where(Ticket.number_key == key, *conditions))
    if found is not None:
        return found
    former = select(Ticket).join(FormerNumber, FormerNumber.ticket_id == Ticket.id)
    former = former.where(FormerNumber.number_key == key, *conditions)
    return db.session.scalar(former.order_by(Ticket.id.desc()).limit(1))


__all__ = [
    "CLOSING",
    "KIND",
    "MEANT_FOR",
    "Kind",
    "Place",
    "Priority",
    "Reply",
    "State",
    "Tag",
    "Ticket",
    "TicketCore",
    "TicketJoin",
    "TicketLink",
    "TicketPerson",
    "TicketTag",
    "TicketWatcher",
    "Tie",
    "find_by_number",
    "header_hash",
    "lock_conversation",
    "lock_conversations",
    "lock_for_joining",
    "next_number",
    "reserve_numbers",
    "resolve_line_at",
]
