"""Where the hits of a search lie: the newest first, read in the way that is cheap for this question.

PostgreSQL sorts all hits of a word, or walks all documents by date, and takes the wrong way at the worst moment: for a
rare word a walk reads the whole archive, for a common one the sorting does. So its own estimate decides. A rare
question collects its hits from the word index; a common one reads the archive backwards in stretches of ids, each
longer than the one before, until the page is full. Each stretch is cheap for the planner to get right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Executable, Select, exists, func, literal, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased

from helpdesk.db import db
from helpdesk.models import SearchDocument, Ticket, User
from helpdesk.permissions import visible

RARE = 5000
CERTAINLY_COMMON = 0.06  # of all documents; words that the statistics do not know are taken for 4 % at most
STRETCHES = (1000, 4000, 16_000, 64_000)
MOST_IN_REST = 20_000


@dataclass(frozen=True)
class Places:
    """Where a page of hits lies: pairs of ticket and newest document, the tickets in all (None: too many to count),
    and the document after which the next page goes on (None at the end)."""

    pairs: list[tuple[int, int]]
    total: int | None
    older_than: int | None


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement, with the statement's own parameters."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **options: Any) -> str:
    return "EXPLAIN (FORMAT JSON) " + compiler.process(element.statement, **options)


Named = Sequence[ColumnElement[bool]]


def find_places(
    user: User, query: ColumnElement[Any], older_than: int | None, limit: int, named: Named = ()
) -> Places:
    """Where the next `limit` tickets lie that meet `query` (a tsquery), the `named` conditions, and may be seen."""
    if not is_common(query) and (collected := _collect(user, query, older_than, limit, named)) is not None:
        return collected
    return _read_back(user, query, older_than, limit, named)


def is_common(query: ColumnElement[Any]) -> bool:
    """Whether so many documents are expected to meet the question that collecting them need not be tried."""
    in_all = text("SELECT reltuples FROM pg_class WHERE oid = 'search_documents'::regclass")
    least = max(RARE, CERTAINLY_COMMON * db.session.execute(in_all).scalar_one())
    return estimate(query) > least


def estimate(query: ColumnElement[Any]) -> int:
    """How many documents PostgreSQL expects to meet the question, from its statistics alone."""
    plan = db.session.execute(Explain(select(SearchDocument.id).where(*_meets(query)))).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


def _meets(query: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
    return SearchDocument.tsv.op("@@")(query), SearchDocument.ticket_id.is_not(None)


def collecting(
    user: User, query: ColumnElement[Any], older_than: int | None, limit: int, named: Named = ()
) -> Select[Any]:
    """The page of a rare question in one statement: ticket_id, document_id, and in each row read and total.

    `read` is how many documents were met, RARE + 1 when there are more. One row with no ticket where nothing is found.
    """
    documents = select(SearchDocument.id, SearchDocument.ticket_id).where(*_meets(query))
    met = _materialized(documents.limit(RARE + 1), "met")
    found = _newest_of_each(met, user, named).cte("found")
    read = select(func.count()).select_from(met).scalar_subquery()
    total = select(func.count()).select_from(found).scalar_subquery()
    page = select(found.c.ticket_id, found.c.document_id)
    if older_than is not None:
        page = page.where(found.c.document_id < older_than)
    rows = page.order_by(found.c.document_id.desc()).limit(limit + 1).subquery()
    figures = select(read.label("read"), total.label("total")).subquery()
    return (
        select(rows.c.ticket_id, rows.c.document_id, figures.c.read, figures.c.total)
        .select_from(figures.outerjoin(rows, literal(True)))
        .order_by(rows.c.document_id.desc())
    )


def _collect(
    user: User, query: ColumnElement[Any], older_than: int | None, limit: int, named: Named
) -> Places | None:
    """The page of a rare question; None when it was not rare after all."""
    rows = db.session.execute(collecting(user, query, older_than, limit, named)).all()
    if rows[0].read > RARE:
        return None
    pairs = [(row.ticket_id, row.document_id) for row in rows if row.ticket_id is not None]
    return Places(pairs[:limit], rows[0].total, pairs[limit - 1][1] if len(pairs) > limit else None)


def stretch(
    user: User, query: ColumnElement[Any], lowest: int, below: int, is_first: bool, named: Named = ()
) -> Select[Any]:
    """The tickets met by documents of a stretch of ids, newest first: ticket_id, document_id.

    Unless the stretch is the first, a ticket that a newer document has shown already is left out.
    """
    here = (SearchDocument.id >= lowest, SearchDocument.id < below)
    met = _materialized(select(SearchDocument.id, SearchDocument.ticket_id).where(*_meets(query), *here), "met")
    page = _newest_of_each(met, user, named)
    if not is_first:
        newer = aliased(SearchDocument)
        same = newer.ticket_id == met.c.ticket_id
        page = page.where(~exists().where(same, newer.id >= below, newer.tsv.op("@@")(query)))
    found = page.subquery()
    return select(found.c.ticket_id, found.c.document_id).order_by(found.c.document_id.desc())


def _read_back(
    user: User, query: ColumnElement[Any], older_than: int | None, limit: int, named: Named
) -> Places:
    """A page from stretches; it ends after a bounded way even when it is not full, and says where to go on."""
    pairs: list[tuple[int, int]] = []
    is_first = older_than is None
    below = older_than or (db.session.scalar(select(func.max(SearchDocument.id))) or 0) + 1
    for lowest in _lowest_ids(query, below):
        rows = db.session.execute(stretch(user, query, lowest, below, is_first, named).limit(limit + 1)).all()
        pairs += [(row.ticket_id, row.document_id) for row in rows]
        if len(pairs) > limit:
            return Places(pairs[:limit], None, pairs[limit - 1][1])
        below, is_first = lowest, False
    return Places(pairs, None, below if below > 0 else None)


def _lowest_ids(query: ColumnElement[Any], below: int) -> Iterator[int]:
    """Where the stretches begin, going back from `below`; to the very start only where few more are met."""
    for length in STRETCHES:
        below = max(0, below - length)
        yield below
        if below == 0:
            return
    rest = select(literal(1)).where(*_meets(query), SearchDocument.id < below).limit(MOST_IN_REST + 1).subquery()
    if db.session.execute(select(func.count()).select_from(rest)).scalar_one() <= MOST_IN_REST:
        yield 0


def _materialized(query: Select[Any], name: str) -> Any:
    return query.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def _newest_of_each(met: Any, user: User, named: Named) -> Select[Any]:
    return (
        select(met.c.ticket_id, func.max(met.c.id).label("document_id"))
        .join(Ticket, Ticket.id == met.c.ticket_id)
        .where(visible(user), *named)
        .group_by(met.c.ticket_id)
    )
