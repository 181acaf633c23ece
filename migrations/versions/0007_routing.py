"""Rules on the way in, and senders who are left out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("helpdesk_now()")
JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("go_on", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("conditions", JSONB, server_default="[]", nullable=False),
        sa.Column("actions", JSONB, server_default="{}", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_rules_project_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_rules_channel_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
    )
    op.create_index("ix_rules_project_id_position", "rules", ["project_id", "position"])
    op.create_index("ix_rules_channel_id", "rules", ["channel_id"])
    op.create_table(
        "blocked_senders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_blocked_senders_project_id")),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_blocked_senders_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_senders")),
        sa.UniqueConstraint("project_id", "value", name=op.f("uq_blocked_senders_project_id_value")),
    )
    op.create_table(
        "sender_counts",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, server_default=NOW, nullable=False),
        sa.Column("mails", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "address", name=op.f("pk_sender_counts")),
    )
    op.create_index("ix_sender_counts_since", "sender_counts", ["since"])
    op.add_column("inbound_events", sa.Column("facts", JSONB, nullable=True))
    op.add_column("channels", sa.Column("files_marked_spam", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("tickets", sa.Column("spam_cause", sa.Text(), nullable=True))
    op.create_index("ix_tickets_spam", "tickets", ["queue_id", "id"], postgresql_where=sa.text("state = 'spam'"))
