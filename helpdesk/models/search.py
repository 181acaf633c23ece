"""The search index: one row per thing that can be found, filled in the transaction that writes the thing."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy import text as sa_text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Now, before_commit, db
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
            postgresql_where=sa_text("kind = 'customer'"),
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
    waiting: list[dict[str, Any]] = db.session().info.setdefault("documents", [])
    if not waiting:
        before_commit(write_documents)
    extra = extra[:MOST_EXTRA]
    whole = f"{extra}\n{text[:MOST_CHARACTERS]}"
    own = [*tokens(whole), *whole_words(extra)]
    words = {"words": fold(whole), "own": _SEPARATOR.join(own)}
    waiting.append({"kind": kind, "ref_id": ref_id, "ticket_id": ticket_id, **words})


_SEPARATOR = "\x1f"

_WRITE = sa_text(
    """
    INSERT INTO search_documents (kind, ref_id, ticket_id, at, version, tsv)
    SELECT d.kind, d.ref_id, d.ticket_id, helpdesk_now(), :version,
           to_tsvector('russian', d.words) || array_to_tsvector(array_remove(string_to_array(d.own, :separator), ''))
    FROM unnest(CAST(:kinds AS text[]), CAST(:refs AS bigint[]), CAST(:tickets AS bigint[]), CAST(:words AS text[]),
                CAST(:owns AS text[])) AS d(kind, ref_id, ticket_id, words, own)
    ON CONFLICT (kind, ref_id) DO UPDATE
      SET tsv = excluded.tsv, version = excluded.version, ticket_id = excluded.ticket_id
    """
)


def write_documents() -> None:
    """Write what `index_document` was told in this transaction; called at its end, and before a search in it."""
    waiting: list[dict[str, Any]] = db.session().info.pop("documents", [])
    latest = {(document["kind"], document["ref_id"]): document for document in waiting}
    if not latest:
        return
    rows = list(latest.values())
    columns = {"kinds": "kind", "refs": "ref_id", "tickets": "ticket_id", "words": "words", "owns": "own"}
    values = {name: [row[column] for row in rows] for name, column in columns.items()}
    db.session.execute(_WRITE, {**values, "version": INDEX_VERSION, "separator": _SEPARATOR})
