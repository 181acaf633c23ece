"""People who work here: users with a role, groups, and what a group may do in a queue."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now
from helpdesk.models.user_settings import UserSettings, read_settings


class Role(StrEnum):
    """What a user is; each role includes the ones before it."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """What a group may do in a queue; each right includes the ones before it."""

    SEE = "see"
    WORK = "work"
    SUPERVISE = "supervise"


class Permission(StrEnum):
    """What an administrator may let a person or a group do beside their work; administrators may all of it."""

    DIALOG_SETTINGS = "dialog_settings"
    TEXTS = "texts"


RIGHT_RANK = {Right.SEE: 1, Right.WORK: 2, Right.SUPERVISE: 3}


class Membership(Model):
    """A user's place in a group."""

    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)


class User(Model):
    """A person with an account: operator, supervisor or administrator. Never deleted, only deactivated.

    A `system` user is no person: programs act as it by tokens of the API, and nobody signs in as it.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('operator', 'supervisor', 'administrator')", name="role"),
        CheckConstraint("availability IN ('available', 'away', 'offline')", name="availability"),
        Index("uq_users_email", text("lower(email)"), unique=True),
    )

    id: Mapped[Id]
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default=Role.OPERATOR)
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    system: Mapped[bool] = mapped_column(default=False, server_default="false")
    password_hash: Mapped[str | None]
    password_is_one_time: Mapped[bool] = mapped_column(default=False, server_default="false")
    totp_secret: Mapped[bytes | None]
    totp_last_step: Mapped[int | None]
    language: Mapped[str] = mapped_column(default="en", server_default="en")
    time_zone: Mapped[str] = mapped_column(default="Europe/Kyiv", server_default="Europe/Kyiv")
    theme: Mapped[str] = mapped_column(default="system", server_default="system")
    claim_limit: Mapped[int | None]
    claim_limits: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict, server_default="{}")
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    rights_version: Mapped[int] = mapped_column(default=1, server_default="1")
    preferences: Mapped[dict] = mapped_column(JSONB, default=dict, server_default="{}")  # type: ignore[type-arg]
    created_at: Mapped[Now]
    last_seen_at: Mapped[Moment | None]
    availability: Mapped[str] = mapped_column(default="offline", server_default="offline")
    availability_reason: Mapped[str] = mapped_column(default="", server_default="")
    availability_since: Mapped[Now]
    present_at: Mapped[Moment | None]
    signature: Mapped[str] = mapped_column(default="", server_default="")

    groups: Mapped[list["Group"]] = relationship(secondary="memberships", back_populates="users")

    is_authenticated = True  # what Flask-Login asks of a user who is no stranger
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        """Whether this user may sign in, in Flask-Login's words."""
        return self.active

    def get_id(self) -> str:
        """The id as text, for Flask-Login."""
        return str(self.id)

    @property
    def settings(self) -> UserSettings:
        """What this user chose for themselves."""
        return read_settings(self.preferences)

    def choose(self, **chosen: object) -> None:
        """Change settings of this user; raises pydantic.ValidationError for values that cannot be."""
        merged = self.settings.model_dump() | chosen
        own = UserSettings.model_validate(merged).model_dump(mode="json", exclude_defaults=True)
        beside = {name: value for name, value in self.preferences.items() if name not in UserSettings.model_fields}
        self.preferences = beside | own  # what stands beside the settings, such as the order of one's views, stays

    @property
    def has_totp(self) -> bool:
        """Whether this user signs in with a second step."""
        return self.totp_secret is not None

    @property
    def is_administrator(self) -> bool:
        """Whether this user may change channels, queues, groups and people."""
        return self.role == Role.ADMINISTRATOR

    @property
    def is_supervisor(self) -> bool:
        """Whether this user looks after the work of others (administrators do too)."""
        return self.role in {Role.SUPERVISOR, Role.ADMINISTRATOR}


class Group(Model):
    """A team of operators. One group may be `everyone`: new people join it, and new queues are opened to it."""

    __tablename__ = "groups"
    __table_args__ = (Index("uq_groups_everyone", "everyone", unique=True, postgresql_where=text("everyone")),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    everyone: Mapped[bool] = mapped_column(default=False, server_default="false")
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    created_at: Mapped[Now]

    users: Mapped[list[User]] = relationship(secondary="memberships", back_populates="groups")
    rights: Mapped[list["QueueRight"]] = relationship(back_populates="group", cascade="all, delete-orphan")


class QueueRight(Model):
    """What the members of a group may do in a queue."""

    __tablename__ = "queue_rights"
    __table_args__ = (CheckConstraint("\"right\" IN ('see', 'work', 'supervise')", name="right"),)

    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True, index=True)
    right: Mapped[str] = mapped_column(default=Right.WORK)

    group: Mapped[Group] = relationship(back_populates="rights")
