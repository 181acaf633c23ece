"""The search index: one row per thing that can be found, filled in the transaction that writes the thing."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import TSVECTOR, insert
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk import clock
from helpdesk.db import Id, Model, Now, db

INDEX_VERSION = 1
MOST_CHARACTERS = 200_000


class SearchDocument(Model):
    """What a message, ticket or customer can be found by. Rights are checked by a join with the ticket."""

    __tablename__ = "search_documents"
    __table_args__ = (
        UniqueConstraint("kind", "ref_id"),
        Index("ix_search_documents_tsv", "tsv", postgresql_using="gin"),
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
    """Put `text` (stemmed) and `extra` (numbers and addresses, as they stand) into the index in this transaction."""
    vector = func.to_tsvector("russian", text[:MOST_CHARACTERS]).op("||")(
        func.to_tsvector("simple", extra[:10_000])
    )
    row = {"kind": kind, "ref_id": ref_id, "ticket_id": ticket_id, "version": INDEX_VERSION, "tsv": vector}
    statement = insert(SearchDocument).values(**row, at=clock.SQL_NOW)
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "ref_id"],
            set_={"tsv": statement.excluded.tsv, "version": INDEX_VERSION, "ticket_id": ticket_id},
        )
    )
