"""The search index: one row per thing that can be found, filled in the transaction that writes the thing."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Index, Text, UniqueConstraint, func, literal, text
from sqlalchemy.dialects.postgresql import TSVECTOR, insert
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk import clock
from helpdesk.db import Id, Model, Now, db
from helpdesk.search_text import fold, tokens, whole_words

INDEX_VERSION = 2
MOST_CHARACTERS = 200_000
MOST_EXTRA = 20_000


class SearchDocument(Model):
    """What a message, ticket or customer can be found by. Rights are checked by a join with the ticket."""

    __tablename__ = "search_documents"
    __table_args__ = (
        UniqueConstraint("kind", "ref_id"),
        Index("ix_search_documents_tsv", "tsv", postgresql_using="gin"),
        Index(
            "ix_search_documents_customers",
            "tsv",
            postgresql_using="gin",
            postgresql_where=text("kind = 'customer'"),
        ),
        Index("ix_search_documents_ticket_id", "ticket_id"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    ref_id: Mapped[int]
    ticket_id: Mapped[int | None]
    at: Mapped[Now]
    lang: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=INDEX_VERSION)
    tsv: Mapped[Any] = mapped_column(TSVECTOR)


def index_document(kind: str, ref_id: int, ticket_id: int | None, text: str, extra: str = "") -> None:
    """Put a thing into the index, or anew, in this transaction.

    `text` is what was said, `extra` what goes with it (numbers, names, addresses). Of both, words are stemmed, and
    numbers, addresses and codes become tokens that can be found by their parts; names are kept as they stand too.
    """
    row = {
        "kind": kind,
        "ref_id": ref_id,
        "ticket_id": ticket_id,
        "version": INDEX_VERSION,
        "tsv": vector_of(text, extra),
    }
    statement = insert(SearchDocument).values(**row, at=clock.SQL_NOW)
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "ref_id"],
            set_={"tsv": statement.excluded.tsv, "version": INDEX_VERSION, "ticket_id": ticket_id},
        )
    )


def vector_of(text: str, extra: str = "") -> ColumnElement[Any]:
    """The SQL expression of what is stored for a text."""
    extra = extra[:MOST_EXTRA]
    whole = f"{extra}\n{text[:MOST_CHARACTERS]}"
    own = func.array_to_tsvector(literal([*tokens(whole), *whole_words(extra)], ARRAY(Text)))
    return func.to_tsvector("russian", fold(whole)).op("||")(own)
