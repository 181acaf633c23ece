"""Calendars, targets, the times that were promised, and notices to people."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"

OPEN = "met_at IS NULL AND cancelled_at IS NULL"


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _moment(name: str, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("helpdesk_now()"), nullable=False)


def _key(table: str, column: str, to: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}", ondelete=ondelete)


def upgrade() -> None:
    _calendars()
    _targets()
    _promises()
    _notices()
    op.add_column("tickets", _moment("due_at"))
    op.add_column("tickets", _moment("due_warn_at"))
    op.add_column("tickets", sa.Column("promised", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    has_due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_tickets_due", "tickets", ["queue_id", "due_at", "id"], postgresql_where=has_due)


def _calendars() -> None:
    op.create_table(
        "calendars",
        _id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_calendars"),
        sa.UniqueConstraint("name", name="uq_calendars_name"),
    )
    op.create_table(
        "calendar_versions",
        sa.Column("calendar_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("week", JSONB(), nullable=False),
        sa.Column("days", JSONB(), server_default="{}", nullable=False),
        _now("made_at"),
        sa.PrimaryKeyConstraint("calendar_id", "version", name="pk_calendar_versions"),
        _key("calendar_versions", "calendar_id", "calendars", "CASCADE"),
    )
    for table in ("projects", "queues"):
        op.add_column(table, sa.Column("calendar_id", sa.BigInteger()))
        op.create_foreign_key(f"fk_{table}_calendar_id", table, "calendars", ["calendar_id"], ["id"])


def _targets() -> None:
    op.create_table(
        "targets",
        _id(),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("queue_id", sa.BigInteger()),
        sa.Column("priority", sa.BigInteger()),
        sa.Column("request_type", sa.Text()),
        sa.Column("organisation_id", sa.BigInteger()),
        sa.Column("first_seconds", sa.BigInteger()),
        sa.Column("next_seconds", sa.BigInteger()),
        sa.Column("solution_seconds", sa.BigInteger()),
        sa.Column("real_time", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("warn_percent", sa.BigInteger(), server_default="80", nullable=False),
        sa.Column("warn_seconds", sa.BigInteger()),
        sa.Column("at_warning", JSONB(), server_default="{}", nullable=False),
        sa.Column("at_breach", JSONB(), server_default="{}", nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        _key("targets", "queue_id", "queues"),
        _key("targets", "organisation_id", "organisations"),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        sa.CheckConstraint("warn_percent BETWEEN 1 AND 100", name="warn_percent"),
    )


def _promises() -> None:
    op.create_table(
        "ticket_promises",
        _id(),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("calendar_id", sa.BigInteger()),
        sa.Column("calendar_version", sa.BigInteger()),
        _moment("asked_at", nullable=False),
        _moment("started_at", nullable=False),
        _moment("counted_from"),
        sa.Column("spent_seconds", sa.BigInteger(), server_default="0", nullable=False),
        *(_moment(f"{name}_at") for name in ("due", "warn", "paused", "met", "warned", "breached", "cancelled")),
        sa.Column("book_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_promises"),
        _key("ticket_promises", "ticket_id", "tickets", "CASCADE"),
        _key("ticket_promises", "target_id", "targets"),
        _key("ticket_promises", "calendar_id", "calendars"),
        sa.CheckConstraint("kind IN ('first', 'next', 'solution')", name="kind"),
    )
    op.create_index("ix_ticket_promises_ticket_id", "ticket_promises", ["ticket_id", "id"])
    for column, where in (
        ("warn_at", f"warned_at IS NULL AND {OPEN}"),
        ("due_at", f"breached_at IS NULL AND {OPEN}"),
        ("book_version", OPEN),
    ):
        name = f"ix_ticket_promises_{column}"
        op.create_index(name, "ticket_promises", [column], postgresql_where=sa.text(where))


def _notices() -> None:
    op.create_table(
        "notices",
        _id(),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger()),
        _now("at"),
        _moment("seen_at"),
        sa.Column("payload", JSONB(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        _key("notices", "user_id", "users", "CASCADE"),
        _key("notices", "ticket_id", "tickets", "CASCADE"),
    )
    op.create_index("ix_notices_user_id_id", "notices", ["user_id", "id"])
    op.create_index("ix_notices_unseen", "notices", ["user_id"], postgresql_where=sa.text("seen_at IS NULL"))
    op.create_index("ix_notices_ticket_id", "notices", ["ticket_id"])
