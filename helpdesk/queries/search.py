"""Search: tickets by what was said in them, customers by who they are. Rights are part of the query."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Row, and_, func, literal, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Customer, FormerNumber, Message, SearchDocument, Ticket, User
from helpdesk.models.message import MessageKind
from helpdesk.numbers import number_key
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from helpdesk.queries.search_filters import conditions, read_question
from helpdesk.queries.search_plan import find_places
from helpdesk.queries.search_terms import customer_ids, tsquery
from helpdesk.search_text import Term, hints, terms

PAGE = 25
SNIPPET = 240
SNIPPET_LEAD = 60
READ_FOR_SNIPPET = 20_000


@dataclass(frozen=True)
class Hit:
    """A ticket that was found: its row (columns of `helpdesk.queries.lists`), and the words that met the question."""

    row: Row[Any]
    document_id: int
    said_at: datetime | None
    said_kind: str | None
    snippet: str


@dataclass(frozen=True)
class Found:
    """A page of hits, newest first. `total` is the number of tickets, or None where there are too many to count.

    `older_than` continues after the page; None at the end.
    """

    hits: list[Hit]
    total: int | None
    older_than: int | None


def by_number(user: User, question: str) -> int | None:
    """Id of the ticket whose number somebody typed, spaced or not, if `user` may see it.

    For a merged one where it leads, if they may see that one too.
    """
    typed = question.strip().lstrip("#№[").rstrip("]").strip()
    if len(typed) > 40 or not any(c.isdigit() for c in typed) or not typed.isascii():
        return None
    key = number_key(typed)
    found = db.session.scalar(select(Ticket.id).where(Ticket.number_key == key, visible(user)))
    if found is None and len(key) > 2:
        former = select(Ticket.id).join(FormerNumber, FormerNumber.ticket_id == Ticket.id)
        former = former.where(FormerNumber.number_key == key, visible(user)).order_by(Ticket.id.desc())
        found = db.session.scalar(former.limit(1))
    if found is None:
        return None
    leads = select(Ticket.shown_on_id).where(Ticket.id == found).scalar_subquery()
    return db.session.scalar(select(Ticket.id).where(Ticket.id == leads, visible(user))) or found


def find_tickets(user: User, question: str, older_than: int | None = None, limit: int = PAGE) -> Found:
    """A page of the tickets that answer `question` (words and named conditions) and that `user` may see.

    Raises Refused where a condition means nothing here, such as a queue that does not exist.
    """
    whole = read_question(question)
    asked = terms(whole.words)
    named = conditions(user, whole)
    if not asked:
        return _listed(user, named, older_than, limit) if named else Found([], 0, None)
    places = find_places(user, tsquery(asked), older_than, limit, named)
    return Found(_hits(places.pairs, asked), places.total, places.older_than)


def _listed(user: User, named: list[ColumnElement[bool]], older_than: int | None, limit: int) -> Found:
    """The newest tickets that meet conditions without any words."""
    query = ticket_rows().where(visible(user), *named).order_by(Ticket.id.desc()).limit(limit + 1)
    if older_than is not None:
        query = query.where(Ticket.id < older_than)
    rows = db.session.execute(query).all()
    more = rows[limit - 1].id if len(rows) > limit else None
    total = len(rows) if more is None and older_than is None else None
    return Found([Hit(row, 0, None, None, "") for row in rows[:limit]], total, more)


def find_customers(question: str, limit: int = 5) -> list[Customer]:
    """Customers whose name, organisation or address answers `question`, the newest first, at most `limit`."""
    whole = read_question(question)
    condition = customer_condition(whole.words) if not whole.filters else None
    if condition is None:
        return []
    query = select(Customer).where(condition, Customer.merged_into_id.is_(None)).order_by(Customer.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def customer_condition(question: str) -> ColumnElement[bool] | None:
    """The condition on `Customer` that a question puts; None for a question without words."""
    found = customer_ids(question)
    return None if found is None else Customer.id.in_(found)


def _hits(places: list[tuple[int, int]], asked: list[Term]) -> list[Hit]:
    """The rows of a page with their snippets; texts are cut in the database, however long they are."""
    by_ticket = dict(places)
    rows = {row.id: row for row in db.session.execute(ticket_rows().where(Ticket.id.in_(by_ticket)))}
    said = {
        row.document_id: row
        for row in db.session.execute(
            select(
                SearchDocument.id.label("document_id"),
                Message.at,
                Message.kind,
                _snippet(asked).label("snippet"),
            )
            .join(Message, and_(SearchDocument.kind == "message", Message.id == SearchDocument.ref_id))
            .where(SearchDocument.id.in_(by_ticket.values()))
        )
    }
    return [_hit(rows[ticket_id], document_id, said.get(document_id)) for ticket_id, document_id in places]


def _hit(row: Row[Any], document_id: int, said: Row[Any] | None) -> Hit:
    if said is None:
        return Hit(row, document_id, None, None, "")
    return Hit(row, document_id, said.at, said.kind, " ".join(said.snippet.split()))


def _snippet(asked: list[Term]) -> ColumnElement[str]:
    whole = func.left(func.coalesce(func.nullif(Message.visible_text, ""), Message.text), READ_FOR_SNIPPET)
    lowered = func.lower(whole)
    places = [func.nullif(func.strpos(lowered, hint), 0) for hint in hints(asked)]
    first = func.coalesce(func.least(*places), 1) if places else literal(1)
    return func.substr(whole, func.greatest(1, first - SNIPPET_LEAD), SNIPPET)


def said_by(kind: str | None) -> str:
    """Who said what a hit shows."""
    words = {
        MessageKind.INBOUND.value: _("the customer wrote"),
        MessageKind.REPLY.value: _("we answered"),
        MessageKind.NOTE.value: _("note"),
    }
    return words.get(kind or "", "")


def read_older_than(value: str | None) -> int | None:
    """The place to go on from, as a URL carries it. Raises Refused for what no page ever gave."""
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise Refused(_("The address of this page is not complete. Search again."))
    return int(value)
