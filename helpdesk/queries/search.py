"""Search: tickets by what was said in them, customers by who they are. Rights are part of the query.

PostgreSQL cannot tell well whether a word is rare or common, and the right way to read the index differs by a factor
of a thousand. So a bounded probe counts up to RARE hits first. A rare question collects its hits from the word index
and sorts them; a common one walks the documents from the newest and stops when the page is full.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import aliased

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Customer, Message, SearchDocument, Ticket, User
from helpdesk.models.message import MessageKind
from helpdesk.models.search import write_documents
from helpdesk.numbers import number_key
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from helpdesk.search_text import Term, hints, terms

PAGE = 25
RARE = 5000
WALKS = (200, 800, 3200, 12_800)
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
    query = tsquery(asked)
    if is_rare(query):
        places, total = _collect(user, query, older_than, limit)
        rest = places[limit - 1][1] if len(places) > limit else None
    else:
        places, rest = _walk(user, query, older_than, limit)
        total = None
    return Found(_hits(places[:limit], asked), total, rest)


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
    return Customer.id.in_(found.limit(RARE))


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


def is_rare(query: ColumnElement[Any]) -> bool:
    """Whether at most RARE documents meet the question; reads no more than that many."""
    probe = select(literal(1)).where(*_meets(query)).limit(RARE + 1).subquery()
    with _without("enable_seqscan"):
        return db.session.execute(select(func.count()).select_from(probe)).scalar_one() <= RARE


def _meets(query: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
    return SearchDocument.tsv.op("@@")(query), SearchDocument.ticket_id.is_not(None)


Places = Sequence[tuple[int, int]]


def collecting(user: User, query: ColumnElement[Any]) -> Select[Any]:
    """The tickets of a rare question, with the newest document of each: columns ticket_id, document_id."""
    met = (
        select(SearchDocument.id, SearchDocument.ticket_id)
        .where(*_meets(query))
        .cte("met")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return (
        select(met.c.ticket_id, func.max(met.c.id).label("document_id"))
        .join(Ticket, Ticket.id == met.c.ticket_id)
        .where(visible(user))
        .group_by(met.c.ticket_id)
    )


def _collect(user: User, query: ColumnElement[Any], older_than: int | None, limit: int) -> tuple[Places, int]:
    found = collecting(user, query).cte("found")
    total = select(func.count()).select_from(found).scalar_subquery()
    page = select(found.c.ticket_id, found.c.document_id, total.label("total")).order_by(found.c.document_id.desc())
    if older_than is not None:
        page = page.where(found.c.document_id < older_than)
    with _without("enable_seqscan"):
        rows = db.session.execute(page.limit(limit + 1)).all()
    return [(row.ticket_id, row.document_id) for row in rows], rows[0].total if rows else 0


def walking(user: User, query: ColumnElement[Any], before: int | None, length: int) -> Select[Any]:
    """One stretch of a walk from the newest document: ticket_id, document_id of what `user` may see, and lowest.

    A ticket that a later document has shown already is left out.
    """
    stretch = select(SearchDocument.id, SearchDocument.ticket_id).where(*_meets(query))
    if before is not None:
        stretch = stretch.where(SearchDocument.id < before)
    met = (
        stretch.order_by(SearchDocument.id.desc())
        .limit(length)
        .cte("met")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    page = (
        select(met.c.ticket_id, func.max(met.c.id).label("document_id"))
        .join(Ticket, Ticket.id == met.c.ticket_id)
        .where(visible(user))
        .group_by(met.c.ticket_id)
    )
    if before is not None:
        later = aliased(SearchDocument)
        shown = exists().where(later.ticket_id == met.c.ticket_id, later.id >= before, later.tsv.op("@@")(query))
        page = page.where(~shown)
    found = page.cte("found")
    ends = select(func.min(met.c.id).label("lowest"), func.count().label("read")).select_from(met).subquery()
    return (
        select(found.c.ticket_id, found.c.document_id, ends.c.lowest, ends.c.read)
        .select_from(ends.outerjoin(found, literal(True)))
        .order_by(found.c.document_id.desc().nulls_last())
    )


def _walk(user: User, query: ColumnElement[Any], older_than: int | None, limit: int) -> tuple[Places, int | None]:
    """Places of a page, and where to go on. A walk ends after a bounded way even when the page is not full."""
    places: list[tuple[int, int]] = []
    before = older_than
    with _without("enable_seqscan", "enable_bitmapscan"):
        for length in WALKS:
            rows = db.session.execute(walking(user, query, before, length)).all()
            places += [(row.ticket_id, row.document_id) for row in rows if row.ticket_id is not None]
            if len(places) > limit:
                return places, places[limit - 1][1]
            if rows[0].read < length:
                return places, None
            before = rows[0].lowest
    return places, before


@contextmanager
def _without(*plans: str) -> Iterator[None]:
    """Keep the planner from kinds of plan that are wrong here whatever it believes, for the statements inside."""
    for plan in plans:
        db.session.execute(text("SELECT set_config(:plan, 'off', true)"), {"plan": plan})
    yield
    for plan in plans:
        db.session.execute(text("SELECT set_config(:plan, 'on', true)"), {"plan": plan})


def _hits(places: Places, asked: list[Term]) -> list[Hit]:
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
