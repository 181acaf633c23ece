"""Search: tickets by what was said in them, customers by who they are. Rights are part of the query."""

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Row, Text, and_, cast, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Customer, Message, SearchDocument, Ticket, User
from helpdesk.models.message import MessageKind
from helpdesk.models.search import write_documents
from helpdesk.numbers import number_key
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from helpdesk.queries.search_plan import find_places
from helpdesk.search_text import Term, hints, terms

PAGE = 25
MOST_CUSTOMERS = 5000
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
    """Id of the ticket whose number somebody typed, spaced or not, if `user` may see it."""
    typed = question.strip().lstrip("#№[").rstrip("]").strip()
    if len(typed) > 40 or not any(c.isdigit() for c in typed) or not typed.isascii():
        return None
    key = number_key(typed)
    return db.session.scalar(select(Ticket.id).where(Ticket.number_key == key, visible(user)))


def find_tickets(user: User, question: str, older_than: int | None = None, limit: int = PAGE) -> Found:
    """A page of the tickets that answer `question` and that `user` may see."""
    asked = terms(question)
    if not asked:
        return Found([], 0, None)
    places = find_places(user, tsquery(asked), older_than, limit)
    return Found(_hits(places.pairs, asked), places.total, places.older_than)


def find_customers(question: str, limit: int = 5) -> list[Customer]:
    """Customers whose name, organisation or address answers `question`, the newest first, at most `limit`."""
    condition = customer_condition(question)
    if condition is None:
        return []
    query = select(Customer).where(condition, Customer.merged_into_id.is_(None)).order_by(Customer.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def customer_condition(question: str) -> ColumnElement[bool] | None:
    """The condition on `Customer` that a question puts; None for a question without words."""
    asked = terms(question)
    if not asked:
        return None
    found = select(SearchDocument.ref_id).where(
        SearchDocument.kind == "customer", SearchDocument.tsv.op("@@")(tsquery(asked))
    )
    return Customer.id.in_(found.limit(MOST_CUSTOMERS))


def tsquery(asked: list[Term]) -> ColumnElement[Any]:
    """The SQL expression of a question: every term must be met. What this transaction wrote is findable from now on."""
    write_documents()
    return reduce(lambda left, right: left.op("&&")(right), [_term_query(term) for term in asked])


def _term_query(term: Term) -> ColumnElement[Any]:
    ways: list[ColumnElement[Any]] = []
    if term.words:
        ways.append(func.plainto_tsquery("russian", term.words))
        last = term.words.split()[-1]
        if term.is_part and len(last) > 2 and last.isalnum():
            ways.append(func.to_tsquery("russian", f"{last}:*"))
    for found in term.literals:
        quoted = found.replace("\\", "").replace("'", "")
        ending = ":*" if term.is_part else ""
        if quoted:
            ways.append(cast(literal(f"'{quoted}'{ending}", Text), TSQUERY))
    return reduce(lambda left, right: left.op("||")(right), ways).self_group()


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
    if not value.isdigit() or len(value) > 18:
        raise Refused(_("The address of this page is not complete. Search again."))
    return int(value)
