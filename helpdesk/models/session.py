"""What proves who somebody is: sessions, links that set a password, recovery codes, and counts of tries.

Every token is 256 random bits; the database knows only its SHA-256, which is enough for a value that nobody can guess.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from flask_babel import gettext as _
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    Select,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.clock import SQL_NOW
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.errors import Refused
from helpdesk.models.user import Membership, QueueRight, User

# An operator's shift is eight hours, with breaks and a meeting in it: nobody shall be thrown out in the middle of one,
# and everybody signs in anew at the next.
IDLE_LIMIT = timedelta(hours=12)
ABSOLUTE_LIMIT = timedelta(hours=24)
# Between the password and the code of the second step.
HALF_WAY_LIMIT = timedelta(minutes=10)

INVITE_LIFE = timedelta(days=7)
RESET_LIFE = timedelta(hours=2)


class Stage(StrEnum):
    """How far somebody has come in signing in."""

    CODE = "code"
    FULL = "full"


def new_token() -> str:
    """A token of 256 random bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


class UserSession(Model):
    """One signed-in browser of a user; deleted when it ends."""

    __tablename__ = "user_sessions"
    __table_args__ = (CheckConstraint("stage IN ('code', 'full')", name="stage"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    stage: Mapped[str] = mapped_column(default=Stage.FULL)
    created_at: Mapped[Now]
    last_active_at: Mapped[Now]
    expires_at: Mapped[Moment] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(default="", server_default="")
    agent: Mapped[str] = mapped_column(default="", server_default="")

    user: Mapped[User] = relationship()

    @classmethod
    def begin(cls, user: User, stage: Stage, address: str = "", agent: str = "") -> tuple["UserSession", str]:
        """A new session of `user`, flushed, and its token, which is kept nowhere else."""
        token = new_token()
        life = ABSOLUTE_LIMIT if stage == Stage.FULL else HALF_WAY_LIMIT
        row = cls(
            user_id=user.id,
            token_hash=token_hash(token),
            stage=stage,
            expires_at=SQL_NOW + life,
            address=address,
            agent=agent[:300],
        )
        db.session.add(row)
        db.session.flush()
        return row, token

    @classmethod
    def find(cls, token: str) -> "Found | None":
        """The living session with this token, with all that a request wants to know of who is asking."""
        found = db.session.execute(_living(), {"token": token_hash(token)}).first()
        return None if found is None else Found(found[0], found[1], found[2], found[3] or [])

    @classmethod
    def is_alive(cls, session_id: int) -> bool:
        """Whether a session still counts."""
        return session_id in cls.alive_among([session_id])

    @classmethod
    def alive_among(cls, session_ids: Iterable[int]) -> set[int]:
        """Those of the sessions that still count; for event streams, which outlive the request that began them."""
        query = (
            select(cls.id)
            .join(User, User.id == cls.user_id)
            .where(cls.id.in_(list(session_ids)), cls.stage == Stage.FULL, User.active, *cls._alive())
        )
        return set(db.session.scalars(query))

    @classmethod
    def _alive(cls) -> tuple[ColumnElement[bool], ...]:
        return (cls.expires_at > SQL_NOW, cls.last_active_at > SQL_NOW - IDLE_LIMIT)

    @classmethod
    def of_user(cls, user: User) -> list["UserSession"]:
        """The living sessions of `user`, the most recently used first."""
        query = select(cls).where(cls.user_id == user.id, cls.stage == Stage.FULL, *cls._alive())
        return list(db.session.scalars(query.order_by(cls.last_active_at.desc(), cls.id.desc())))

    def renew(self) -> str:
        """A new token for the same session (its rights changed); the old one is worth nothing from now on."""
        token = new_token()
        self.token_hash = token_hash(token)
        return token


@dataclass(frozen=True)
class Found:
    """A living session, its active user, the present moment, and the rights in queues that the user's groups have:
    pairs of a queue's id and a name of `Right`."""

    session: UserSession
    user: User
    now: datetime
    held: list[tuple[int, str]]


@cache
def _living() -> Select[tuple[UserSession, User, datetime, list[tuple[int, str]] | None]]:
    """Every request asks this, so it is put together once."""
    held = (
        select(func.jsonb_agg(func.jsonb_build_array(QueueRight.queue_id, QueueRight.right)))
        .join(Membership, Membership.group_id == QueueRight.group_id)
        .where(Membership.user_id == User.id)
        .correlate(User)
        .scalar_subquery()
    )
    return (
        select(UserSession, User, SQL_NOW, held)
        .join(User, User.id == UserSession.user_id)
        .where(UserSession.token_hash == bindparam("token"), User.active, *UserSession._alive())
    )


def end_sessions(user: User, but: UserSession | None = None) -> None:
    """End the sessions of `user`, all of them or all but one."""
    query = delete(UserSession).where(UserSession.user_id == user.id)
    if but is not None:
        query = query.where(UserSession.id != but.id)
    db.session.execute(query)


class Purpose(StrEnum):
    """What a link that sets a password was made for."""

    INVITE = "invite"
    RESET = "reset"


class PasswordLink(Model):
    """A link by which a person sets their password once. A new one makes the former ones worthless."""

    __tablename__ = "password_links"
    __table_args__ = (CheckConstraint("purpose IN ('invite', 'reset')", name="purpose"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Now]
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]

    @classmethod
    def issue(cls, user: User, purpose: Purpose) -> str:
        """A fresh token for `user`, kept nowhere else. Raises Refused for a system user, as whom nobody signs in."""
        if user.system:
            raise Refused(_("%(name)s is a system user: programs act as it, and nobody signs in.", name=user.name))
        revoke_links(user)
        token = new_token()
        life = INVITE_LIFE if purpose == Purpose.INVITE else RESET_LIFE
        db.session.add(cls(user_id=user.id, purpose=purpose, token_hash=token_hash(token), expires_at=SQL_NOW + life))
        db.session.flush()
        return token

    @classmethod
    def peek(cls, token: str) -> User | None:
        """The user whom `token` lets set a password. It is not used up: mail programs open links by themselves."""
        return db.session.scalar(select(User).join(cls, cls.user_id == User.id).where(User.active, *cls._usable(token)))

    @classmethod
    def use(cls, token: str) -> User | None:
        """Use `token` up and return its user; None when it is unknown, too old, or was used by somebody faster."""
        user_id = db.session.scalar(
            update(cls)
            .where(*cls._usable(token))
            .values(used_at=SQL_NOW)
            .returning(cls.user_id)
            .execution_options(synchronize_session=False)
        )
        return db.session.scalar(select(User).where(User.id == user_id, User.active)) if user_id else None

    @classmethod
    def _usable(cls, token: str) -> tuple[ColumnElement[bool], ...]:
        return (cls.token_hash == token_hash(token), cls.used_at.is_(None), cls.expires_at > SQL_NOW)


def revoke_links(user: User) -> None:
    """Make every unused link of `user` worthless."""
    db.session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id, PasswordLink.used_at.is_(None)))


class RecoveryCode(Model):
    """One of the codes that stand in for a lost telephone; each works once."""

    __tablename__ = "recovery_codes"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[Moment | None]


class TryCount(Model):
    """How often something was tried within a window, for `helpdesk.throttle`."""

    __tablename__ = "try_counts"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    until: Mapped[Moment] = mapped_column(index=True)
