"""The people's list: a row a person, everybody whom a user may see by a ticket; never a count over a table.

A list of people is a line of tickets in an order that an index has, of which each person's first one stands for them.
The line is read in stretches: as much of each visible queue as a page could need, merged, and of that the tickets that
are their person's first. What narrows the list is looked at within a stretch, so that a condition that hardly anybody
meets costs a bounded way; such a page may hold few rows, or none, and still have a place to go on from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Channel, Customer, Draft, Identity, Message, MessageKind, Task, Ticket, TicketPerson, User
from helpdesk.models.message import DeliveryState
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import queue_ids, visible

PAGE = 40
STRETCHES = (2, 12, 75)  # each as long as so many pages
MOST_IMPORTANT = 200
LAST_WORDS = 160

Narrowed = Sequence[ColumnElement[bool]]

# When a person last wrote, or was written to, on a ticket; an index has it in this form.
SAID_AT = func.greatest(Ticket.last_customer_at, Ticket.last_reply_at, Ticket.arrived_at)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Tab(StrEnum):
    """The lists of people; unread ones by the oldest message that waits, or by the newest."""

    IMPORTANT = "important"
    ALL = "all"
    UNREAD = "unread"
    UNREAD_NEWEST = "unread-newest"
    ACTIVE = "active"


@dataclass(frozen=True)
class Person:
    """One row: who, since when it stands there, the last words, and marks.

    `words_of` says whose words they are: the customer's, ours, or "" for the title of a ticket. `status` is blocked,
    unreachable, unsubscribed or "". `kinds` are the namespaces of the addresses. `ticket_id` is the ticket that stands
    for the person, None where they have none that the reader may see.
    """

    customer_id: int
    name: str
    at: datetime | None
    words: str
    words_of: str
    unread: int
    active: bool
    draft: bool
    status: str
    kinds: tuple[str, ...]
    ticket_id: int | None
    channel_kind: str | None
    channel_name: str | None


@dataclass(frozen=True)
class People:
    """A page of people; `next_after` goes on after it, None at the end."""

    rows: list[Person]
    next_after: str | None


@dataclass(frozen=True)
class _Line:
    """Tickets in an order: which stand in it, by which columns, and whether backwards."""

    base: tuple[ColumnElement[bool], ...]
    order: tuple[Any, ...]
    backwards: bool

    def sorted(self, query: Select[Any]) -> Select[Any]:
        columns = (column.desc() for column in self.order) if self.backwards else self.order
        return query.where(*self.base).order_by(*columns)

    def behind(self, place: tuple[Any, ...]) -> ColumnElement[bool]:
        here, there = tuple_(*self.order), tuple_(*(literal(value) for value in place))
        return here < there if self.backwards else here > there


LINES = {
    Tab.ALL: _Line((), (SAID_AT, Ticket.id), True),
    Tab.ACTIVE: _Line((Ticket.kind == Kind.ACTIVE,), (SAID_AT, Ticket.id), True),
    Tab.UNREAD: _Line((Ticket.unread_first_id.is_not(None),), (Ticket.unread_first_id,), False),
    Tab.UNREAD_NEWEST: _Line((Ticket.unread_first_id.is_not(None),), (Ticket.unread_last_id,), True),
}


def list_people(
    user: User, tab: Tab, after: str | None = None, limit: int = PAGE, narrowed: Narrowed = ()
) -> People:
    """A page of one of the lists that follow from tickets (all but the important). Raises Refused for a wrong place.

    `narrowed` are conditions on `Ticket`: a person is in the list who has a ticket that meets all of them.
    """
    line = LINES[tab]
    place = _read_place(after, line) if after is not None else None
    chosen: list[Row[Any]] = []
    for pages in STRETCHES:
        length = pages * limit
        stretch = db.session.execute(_stretch(user, line, place, length, narrowed)).all()
        chosen += _firsts(user, line, [row for row in stretch if row.fits], narrowed)
        if len(stretch) < length:
            place = None
            break
        place = _place_of(stretch[-1], line)
        if len(chosen) > limit:
            break
    if len(chosen) > limit:
        place = _place_of(chosen[limit - 1], line)
    rows = _describe(user, tab, chosen[:limit])
    return People(rows, _write_place(place) if place is not None else None)


def important(user: User, until: datetime, limit: int = MOST_IMPORTANT) -> list[Person]:
    """The customers with tasks of `user` that are due before `until` (the end of their day) or overdue, soonest first.

    The row's words are the task's title and its time the one when it is due.
    """
    whose = func.coalesce(Ticket.customer_id, Task.customer_id)
    due = (
        select(whose.label("customer_id"), Task.due_at, Task.title)
        .outerjoin(Ticket, Ticket.id == Task.ticket_id)
        .where(Task.user_id == user.id, Task.done_at.is_(None), Task.due_at < until, whose.is_not(None))
        .order_by(whose, Task.due_at, Task.id)
        .distinct(whose)
        .subquery()
    )
    found = db.session.execute(select(due).order_by(due.c.due_at, due.c.customer_id).limit(limit)).all()
    customers = [row.customer_id for row in found]
    shown = dict(db.session.execute(_first_tickets(user, LINES[Tab.ALL], customers, ())).tuples().all())
    known = _details(user, customers, [shown.get(one) for one in customers], [None] * len(customers))
    people = [(row, known[row.customer_id]) for row in found if row.customer_id in known]
    return [_person(one, row.due_at, words=row.title, words_of="") for row, one in people]


def has_important(user: User, until: datetime) -> bool:
    """Whether the list of the important holds anybody; a small index is read."""
    mine = select(Task.id).where(Task.user_id == user.id, Task.done_at.is_(None), Task.due_at < until)
    about = or_(Task.customer_id.is_not(None), Task.ticket_id.is_not(None))
    return db.session.scalar(mine.where(about).limit(1)) is not None


def _stretch(user: User, line: _Line, place: tuple[Any, ...] | None, length: int, narrowed: Narrowed) -> Select[Any]:
    """The next `length` visible tickets of a line, with whether each meets the conditions (`fits`)."""
    columns = (Ticket.id, *(column.label(f"order_{number}") for number, column in enumerate(line.order)))
    behind = [line.behind(place)] if place is not None else []
    seen = queue_ids(user).distinct().subquery("seen")
    (queue_id,) = seen.c
    here = line.sorted(select(*columns).where(Ticket.queue_id == queue_id, *behind)).limit(length).lateral("here")
    parts = [select(here).select_from(seen).join(here, true())]
    if not user.is_administrator:
        part = select(TicketPerson.ticket_id).where(TicketPerson.user_id == user.id)
        beside = (Ticket.id.in_(part), Ticket.queue_id.not_in(queue_ids(user)), *behind)
        parts.append(select(line.sorted(select(*columns).where(*beside)).limit(length).subquery()))
    near = union_all(*parts).subquery("near")
    cut = select(near).order_by(*_sorting(near, line)).limit(length).subquery("cut")
    fits = and_(true(), *narrowed).label("fits")
    return select(cut, Ticket.customer_id, fits).join(Ticket, Ticket.id == cut.c.id).order_by(*_sorting(cut, line))


def _sorting(source: Any, line: _Line) -> list[ColumnElement[Any]]:
    columns = (source.c[f"order_{number}"] for number in range(len(line.order)))
    return [column.desc() if line.backwards else column for column in columns]


def _firsts(user: User, line: _Line, rows: list[Row[Any]], narrowed: Narrowed) -> list[Row[Any]]:
    """Those of the rows whose ticket is the first of its customer in this list."""
    customers = list(dict.fromkeys(row.customer_id for row in rows))
    firsts = set(db.session.execute(_first_tickets(user, line, customers, narrowed)).scalars("ticket_id"))
    return [row for row in rows if row.id in firsts]


def _first_tickets(user: User, line: _Line, customers: list[int], narrowed: Narrowed) -> Select[Any]:
    """Of each of these customers the ticket that stands for them: customer_id, ticket_id. An index probe each."""
    asked = func.unnest(literal(customers, ARRAY(BigInteger))).table_valued("customer_id").render_derived("asked")
    theirs = select(Ticket.id.label("ticket_id")).where(Ticket.customer_id == asked.c.customer_id)
    first = line.sorted(theirs.where(visible(user), *narrowed)).limit(1).lateral("first")
    return select(asked.c.customer_id, first.c.ticket_id).select_from(asked).join(first, true())


def _describe(user: User, tab: Tab, rows: list[Row[Any]]) -> list[Person]:
    by_message = tab in {Tab.UNREAD, Tab.UNREAD_NEWEST}
    messages = [row.order_0 if by_message else None for row in rows]
    known = _details(user, [row.customer_id for row in rows], [row.id for row in rows], messages)
    return [
        _person(known[row.customer_id], known[row.customer_id].said_at if by_message else row.order_0) for row in rows
    ]


def _details(
    user: User, customers: list[int], tickets: Sequence[int | None], messages: Sequence[int | None]
) -> dict[int, Row[Any]]:
    """What rows show of these customers, by id: one query for all. `messages` name the words to show, if any."""
    if not customers:
        return {}
    arrays = (literal(list(one), ARRAY(BigInteger)) for one in (customers, tickets, messages))
    asked = func.unnest(*arrays).table_valued("customer_id", "ticket_id", "message_id").render_derived("asked")
    said, named = _last_words(asked).lateral("said"), aliased(Message, name="named")
    mine, address = Ticket.customer_id == Customer.id, Identity.customer_id == Customer.id
    unread = select(func.coalesce(func.sum(Ticket.unread), 0)).where(mine, Ticket.unread_first_id.is_not(None))
    active = select(Ticket.id).where(mine, Ticket.kind == Kind.ACTIVE, visible(user))
    draft = (
        select(Draft.id)
        .join(Ticket, Ticket.id == Draft.ticket_id)
        .where(Draft.user_id == user.id, mine, or_(Draft.body != "", Draft.blocks != []))
    )
    kinds = select(func.array_agg(func.split_part(Identity.namespace, ":", 1).distinct())).where(address)
    reached = select(Identity.id).where(address, Identity.unreachable_since.is_(None))
    query = (
        select(
            Customer.id,
            Customer.name,
            Customer.blocked,
            Customer.unsubscribed_at,
            unread.where(visible(user)).correlate(Customer).scalar_subquery().label("unread"),
            active.correlate(Customer).exists().label("active"),
            draft.correlate(Customer).exists().label("draft"),
            kinds.correlate(Customer).scalar_subquery().label("kinds"),
            reached.correlate(Customer).exists().label("reached"),
            asked.c.ticket_id,
            Ticket.title,
            Channel.kind.label("channel_kind"),
            Channel.name.label("channel_name"),
            func.coalesce(_words(named), said.c.words).label("words"),
            func.coalesce(named.kind, said.c.kind).label("said_kind"),
            named.at.label("said_at"),
        )
        .select_from(asked)
        .join(Customer, Customer.id == asked.c.customer_id)
        .outerjoin(Ticket, Ticket.id == asked.c.ticket_id)
        .outerjoin(Channel, Channel.id == Ticket.channel_id)
        .outerjoin(named, named.id == asked.c.message_id)
        .outerjoin(said, true())
    )
    return {row.id: row for row in db.session.execute(query)}


def _words(said: type[Message]) -> ColumnElement[str]:
    return func.left(func.coalesce(func.nullif(said.visible_text, ""), said.text), LAST_WORDS)


def _last_words(asked: Any) -> Select[Any]:
    """The last message between the customer and us on the ticket, where no message is named; never a note."""
    return (
        select(_words(Message).label("words"), Message.kind, Message.at)
        .where(asked.c.message_id.is_(None), Message.ticket_id == asked.c.ticket_id)
        .where(Message.kind.in_([MessageKind.INBOUND, MessageKind.REPLY]), Message.nature == "human")
        .where(Message.delivery.is_distinct_from(DeliveryState.CANCELLED))
        .order_by(Message.id.desc())
        .limit(1)
    )


def _person(row: Row[Any], at: datetime | None, words: str | None = None, words_of: str | None = None) -> Person:
    said_by = {MessageKind.INBOUND: "customer", MessageKind.REPLY: "us"}.get(row.said_kind, "")
    kinds = tuple(sorted(row.kinds or ()))
    lost = "unreachable" if kinds and not row.reached else "unsubscribed" if row.unsubscribed_at else ""
    return Person(
        customer_id=row.id,
        name=row.name,
        at=at,
        words=" ".join((words if words is not None else row.words or row.title or "").split()),
        words_of=said_by if words_of is None else words_of,
        unread=int(row.unread),
        active=row.active,
        draft=row.draft,
        status="blocked" if row.blocked else lost,
        kinds=kinds,
        ticket_id=row.ticket_id,
        channel_kind=row.channel_kind,
        channel_name=row.channel_name,
    )


def _place_of(row: Row[Any], line: _Line) -> tuple[Any, ...]:
    return tuple(row._mapping[f"order_{number}"] for number in range(len(line.order)))


def _write_place(place: tuple[Any, ...]) -> str:
    return "-".join(str((value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value) for value in place)


def _read_place(after: str, line: _Line) -> tuple[Any, ...]:
    parts = after.split("-")
    if len(parts) == len(line.order) and all(one.isascii() and one.isdigit() and len(one) < 18 for one in parts):
        numbers = [int(one) for one in parts]
        return (EPOCH + numbers[0] * MICROSECOND, numbers[1]) if len(numbers) == 2 else (numbers[0],)
    raise Refused(_("The address of this page is not complete. Open the list again."))
