"""Tokens of the API: what a program shows instead of a password. Shown once, kept as a hash."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import clock
from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.models.session import token_hash
from helpdesk.models.user import User

PREFIX = "hd_"
SHOWN = 11  # characters of a token that lists show, so that people can tell which one a program has


class Scope(StrEnum):
    """What a token may be used for; the rights of its user hold beside it."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    QUEUES_READ = "queues:read"
    CLAIMS_WRITE = "claims:write"
    WEBHOOKS_MANAGE = "webhooks:manage"


class ApiToken(Model):
    """A token with which a program acts as `user`, a person or a system user, within `scopes`.

    `role` is the user's when the token was made: whoever has another role now makes new tokens.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (
        CheckConstraint("kind IN ('personal', 'system')", name="kind"),
        CheckConstraint("role IN ('operator', 'supervisor', 'administrator')", name="role"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    name: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str]
    shown: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    created_at: Mapped[Now]
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(foreign_keys=[user_id])

    @classmethod
    def issue(
        cls, user: User, by: User, name: str, scopes: Iterable[Scope], expires_at: datetime | None
    ) -> tuple["ApiToken", str]:
        """A new token of `user`, flushed, and its text, which is kept nowhere else."""
        text = PREFIX + secrets.token_urlsafe(32)
        row = cls(
            kind="system" if user.system else "personal",
            name=name,
            user_id=user.id,
            created_by_id=by.id,
            role=user.role,
            shown=text[:SHOWN],
            token_hash=token_hash(text),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        db.session.add(row)
        db.session.flush()
        return row, text

    @classmethod
    def find(cls, text: str) -> tuple["ApiToken", User, datetime] | None:
        """The living token with this text, its active user, and the present moment."""
        found = db.session.execute(
            select(cls, User, SQL_NOW)
            .join(User, User.id == cls.user_id)
            .where(cls.token_hash == token_hash(text), cls.revoked_at.is_(None), User.active, User.role == cls.role)
            .where(cls.expires_at.is_(None) | (cls.expires_at > SQL_NOW))
        ).first()
        return None if found is None else (found[0], found[1], found[2])

    @classmethod
    def of_user(cls, user: User) -> list["ApiToken"]:
        """The tokens of `user` that were not revoked, the newest first."""
        query = select(cls).where(cls.user_id == user.id, cls.revoked_at.is_(None)).order_by(cls.id.desc())
        return list(db.session.scalars(query))

    def revoke(self) -> None:
        """Make the token worthless from now on."""
        self.revoked_at = clock.now()
