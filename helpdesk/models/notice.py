"""Notices: what a person should know, kept until they have seen it: warnings of promises, mentions, and more."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, Index, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import live
from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.models.absence import stand_ins
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket


class Notice(Model):
    """One thing that one person is told. No sentence is stored: `kind` and `payload` become one in their language."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_user_id_id", "user_id", "id"),
        Index("ix_notices_unseen", "user_id", postgresql_where=text("seen_at IS NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), index=True)
    at: Mapped[Now]
    seen_at: Mapped[Moment | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")

    ticket: Mapped["Ticket | None"] = relationship()


def tell_people(user_ids: Iterable[int], kind: str, ticket_id: int | None = None, **payload: Any) -> None:
    """Tell each of these people once, in the present transaction; `kind` must have words in `helpdesk.notice_words`.

    Whoever stands in for one of them who is out of office is told as well, and for whom.
    """
    told = set(user_ids)
    instead = {stand_in: absent for absent, stand_in in stand_ins(told).items() if stand_in not in told}
    for user_id in sorted(told | instead.keys()):
        stands_in = {"for_id": instead[user_id]} if user_id in instead else {}
        db.session.add(Notice(user_id=user_id, kind=kind, ticket_id=ticket_id, payload=payload | stands_in))
        live.touch(f"notices:{user_id}")


def count_unseen(user: User) -> int:
    """How many notices `user` has not seen."""
    return unseen_and_newest(user)[0]


def unseen_and_newest(user: User) -> tuple[int, int]:
    """How many notices `user` has not seen, and the id of the newest of all; two small indexes are read."""
    newest = select(func.max(Notice.id)).where(Notice.user_id == user.id).scalar_subquery()
    unseen = select(func.count()).where(Notice.user_id == user.id, Notice.seen_at.is_(None)).scalar_subquery()
    count, last = db.session.execute(select(unseen, newest)).one()
    return count, last or 0


def see(user: User, notice_ids: Iterable[int] | None = None) -> None:
    """Mark notices of `user` as seen: those with these ids, or all."""
    mine = update(Notice).where(Notice.user_id == user.id, Notice.seen_at.is_(None))
    if notice_ids is not None:
        mine = mine.where(Notice.id.in_(list(notice_ids)))
    db.session.execute(mine.values(seen_at=SQL_NOW).execution_options(synchronize_session=False))
    live.touch(f"notices:{user.id}")
