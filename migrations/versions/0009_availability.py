"""Who is here, who is away, and what happens to their tickets."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NOW = sa.text("helpdesk_now()")


def upgrade() -> None:
    """Whoever is signed in counts as available; everybody else is offline until they sign in."""
    moment = sa.DateTime(timezone=True)
    op.add_column("users", sa.Column("availability", sa.Text(), server_default="offline", nullable=False))
    op.add_column("users", sa.Column("availability_reason", sa.Text(), server_default="", nullable=False))
    op.add_column("users", sa.Column("availability_since", moment, server_default=NOW, nullable=False))
    op.add_column("users", sa.Column("present_at", moment))
    op.add_column(
        "users", sa.Column("claim_limits", sa.dialects.postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_users_availability"), "users", "availability IN ('available', 'away', 'offline')"
    )
    op.execute(
        "UPDATE users SET availability = 'available', present_at = helpdesk_now() "
        "WHERE active AND id IN (SELECT user_id FROM user_sessions WHERE stage = 'full')"
    )
    op.create_table(
        "availability_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", moment, server_default=NOW, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("by_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.CheckConstraint("state IN ('available', 'away', 'offline')", name=op.f("ck_availability_changes_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_changes")),
    )
    op.create_index(op.f("ix_availability_changes_user_id_id"), "availability_changes", ["user_id", "id"])
    op.add_column("queues", sa.Column("owner_away", sa.Text(), server_default="queue", nullable=False))
    op.add_column("queues", sa.Column("owner_wait_minutes", sa.BigInteger(), server_default="15", nullable=False))
    op.add_column("queues", sa.Column("shift_note", sa.Text(), server_default="", nullable=False))
    op.add_column("queues", sa.Column("shift_note_at", moment))
    op.add_column("queues", sa.Column("shift_note_by_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_queues_shift_note_by_id"), "queues", "users", ["shift_note_by_id"], ["id"], ondelete="SET NULL"
    )
    op.create_check_constraint(op.f("ck_queues_owner_away"), "queues", "owner_away IN ('queue', 'owner')")
    op.add_column("tickets", sa.Column("owned_since", moment))
    op.add_column("tickets", sa.Column("attention_at", moment))
    op.create_index(
        op.f("ix_tickets_attention"),
        "tickets",
        ["owner_id"],
        postgresql_where=sa.text(
            "kind = 'active' AND owner_id IS NOT NULL AND (first_unanswered_at IS NOT NULL OR attention_at IS NOT NULL)"
        ),
    )
