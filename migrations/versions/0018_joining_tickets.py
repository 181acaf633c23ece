"""Merged and split tickets, who follows a ticket, macros."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

NOW = sa.text("helpdesk_now()")
MOMENT = sa.DateTime(timezone=True)
JSONB = sa.dialects.postgresql.JSONB


def upgrade() -> None:
    op.add_column("tickets", sa.Column("shown_on_id", sa.BigInteger()))
    op.add_column("tickets", sa.Column("has_merged", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("tickets", sa.Column("watched", sa.Boolean(), server_default="false", nullable=False))
    op.create_foreign_key(op.f("fk_tickets_shown_on_id"), "tickets", "tickets", ["shown_on_id"], ["id"])
    op.create_index(
        "ix_tickets_shown_on_id", "tickets", ["shown_on_id"], postgresql_where=sa.text("shown_on_id IS NOT NULL")
    )
    _joins()
    _watchers()
    _macros()


def _joins() -> None:
    op.create_table(
        "ticket_joins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("from_id", sa.BigInteger(), nullable=False),
        sa.Column("to_id", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("by_id", sa.BigInteger()),
        sa.Column("newest_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("kept", JSONB(), server_default="{}", nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.Column("undone_by_id", sa.BigInteger()),
        sa.CheckConstraint("what IN ('merge', 'split')", name=op.f("ck_ticket_joins_what")),
        sa.ForeignKeyConstraint(["from_id"], ["tickets.id"], name=op.f("fk_ticket_joins_from_id")),
        sa.ForeignKeyConstraint(["to_id"], ["tickets.id"], name=op.f("fk_ticket_joins_to_id")),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_ticket_joins_by_id")),
        sa.ForeignKeyConstraint(["undone_by_id"], ["users.id"], name=op.f("fk_ticket_joins_undone_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_joins")),
    )
    op.create_index(
        "uq_ticket_joins_merged",
        "ticket_joins",
        ["from_id"],
        unique=True,
        postgresql_where=sa.text("what = 'merge' AND undone_at IS NULL"),
    )
    op.create_index(op.f("ix_ticket_joins_from_id"), "ticket_joins", ["from_id"])
    op.create_index(op.f("ix_ticket_joins_to_id"), "ticket_joins", ["to_id"])


def _watchers() -> None:
    op.create_table(
        "ticket_watchers",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_watchers_ticket_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ticket_watchers_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ticket_id", "user_id", name=op.f("pk_ticket_watchers")),
    )
    op.create_index(op.f("ix_ticket_watchers_user_id"), "ticket_watchers", ["user_id"])


def _macros() -> None:
    op.create_table(
        "macros",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("group_id", sa.BigInteger()),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("actions", JSONB(), server_default="{}", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("changed_at", MOMENT),
        sa.CheckConstraint("user_id IS NULL OR group_id IS NULL", name=op.f("ck_macros_whose")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_macros_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_macros_group_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_macros")),
    )
    op.create_index(op.f("ix_macros_user_id"), "macros", ["user_id"])
    op.create_index(op.f("ix_macros_group_id"), "macros", ["group_id"])
