"""Saved views, acts on many tickets at once, and an index for the active tickets of all queues by their wait."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

NOW = sa.text("helpdesk_now()")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("conditions", sa.Text(), server_default="", nullable=False),
        sa.Column("ordering", sa.Text(), server_default="wait", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("changed_at", MOMENT),
        sa.CheckConstraint("ordering IN ('wait', 'newest', 'due')", name=op.f("ck_saved_views_ordering")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_saved_views_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_saved_views_group_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
    )
    op.create_index("uq_saved_views_name", "saved_views", ["user_id", sa.text("lower(name)")], unique=True)
    op.create_index(op.f("ix_saved_views_group_id"), "saved_views", ["group_id"])
    op.create_table(
        "bulk_acts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("settings", sa.dialects.postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("results", sa.dialects.postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("made_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bulk_acts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_acts")),
        sa.UniqueConstraint("user_id", "key", name=op.f("uq_bulk_acts_user_id_key")),
    )
    op.create_index(
        "ix_tickets_active_line",
        "tickets",
        ["line_at", "id"],
        postgresql_where=sa.text("kind = 'active'"),
    )
