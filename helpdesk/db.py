"""The database: session, base class, and what happens after a commit.

There is one commit per entry point (end of a request, of a batch, of a command). Work that must not run for a
rolled-back change (ringing a bell, publishing a live event) is registered with `after_commit`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, column, event, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, Insert, insert
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, registry

log = structlog.get_logger(__name__)

T = TypeVar("T")

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Id = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.helpdesk_now())]


class Base(DeclarativeBase):
    """Base of all tables: text without length limits, UTC moments, JSON as jsonb."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMES),
        type_annotation_map={
            str: Text,
            int: BigInteger,
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB,
            list[Any]: JSONB,
        },
    )


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:

    class Model(Base):
        """What mypy sees; at run time this is Flask-SQLAlchemy's own subclass."""

        __abstract__ = True
else:
    Model = db.Model


def after_commit(work: Callable[[], None]) -> None:
    """Run `work` once when the present transaction has been committed, and never if it is rolled back."""
    db.session().info.setdefault("after_commit", []).append(work)


def before_commit(work: Callable[[], None]) -> None:
    """Run `work` once at the end of the present transaction, inside it: for rows that are written best all at once."""
    db.session().info.setdefault("before_commit", []).append(work)


def remembered(key: str, make: Callable[[], T]) -> T:
    """What `make` gave when `key` was first asked for in the present transaction; forgotten at its end."""
    memory: dict[str, Any] = db.session().info.setdefault("remembered", {})
    if key not in memory:
        memory[key] = make()
    return memory[key]


def forget(key: str) -> None:
    """Ask anew for what `remembered` keeps under `key`, because it was just changed."""
    db.session().info.get("remembered", {}).pop(key, None)


def reserve_ids(model: type[Base], count: int) -> None:
    """Fetch `count` ids for rows of `model` that this transaction is going to make, in one round trip."""
    sequence = func.pg_get_serial_sequence(model.__tablename__, "id")
    query = select(func.nextval(sequence)).select_from(func.generate_series(1, count).alias())
    _reserved(model).extend(db.session.scalars(query))


def new_id(model: type[Base]) -> int:
    """An id for a row that is about to be made: one of those reserved, else a fresh one."""
    if not _reserved(model):
        reserve_ids(model, 1)
    return _reserved(model).popleft()


def insert_all(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """An INSERT of rows with the same columns, written in their order: one array a column.

    Its text is the same for any number of rows, so nobody builds or parses it again.
    """
    kinds = {name: model.__table__.c[name].type for name in rows[0]}
    arrays = [literal([row[name] for row in rows], ARRAY(kind)) for name, kind in kinds.items()]
    columns = [column(name, kind) for name, kind in kinds.items()]
    fresh = func.unnest(*arrays).table_valued(*columns, name="fresh").render_derived(name="fresh")
    return insert(model).from_select(list(kinds), select(*fresh.c))


def _reserved(model: type[Base]) -> deque[int]:
    ids: dict[str, deque[int]] = db.session().info.setdefault("reserved_ids", {})
    return ids.setdefault(model.__tablename__, deque())


@event.listens_for(Session, "before_commit")
def _run_last_work(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for work in session.info.pop("before_commit", []):
        work()


@event.listens_for(Session, "after_commit")
def _run_work(session: Session) -> None:
    if session.in_nested_transaction():
        return
    _end(session)
    for work in session.info.pop("after_commit", []):
        work()


@event.listens_for(Session, "after_soft_rollback")
def _forget_work(session: Session, previous: Any) -> None:
    if not previous.nested:
        session.info.pop("after_commit", None)
        session.info.pop("before_commit", None)
        session.info.pop("live_topics", None)  # or the next change of this session would wait for a commit that is gone
        _end(session)


def _end(session: Session) -> None:
    for key in ("remembered", "reserved_ids", "locked", "held_now", "documents", "tallies"):
        session.info.pop(key, None)


@contextmanager
def transaction() -> Iterator[Session]:
    """Commit what the block did, or roll all of it back. For jobs, commands and tests; requests commit at their end."""
    session = db.session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
