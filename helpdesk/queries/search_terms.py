"""What somebody looks for, as PostgreSQL's full-text search understands it."""

from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY

from helpdesk.models import SearchDocument
from helpdesk.models.search import write_documents
from helpdesk.search_text import Term, terms

MOST_CUSTOMERS = 5000


def customer_ids(question: str) -> Select[tuple[int]] | None:
    """Ids of the customers that answer `question`; None for a question without words."""
    asked = terms(question)
    if not asked:
        return None
    found = select(SearchDocument.ref_id).where(
        SearchDocument.kind == "customer", SearchDocument.tsv.op("@@")(tsquery(asked))
    )
    return found.limit(MOST_CUSTOMERS)


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
