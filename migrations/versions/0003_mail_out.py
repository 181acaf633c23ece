"""Mail out."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NOW = sa.text("helpdesk_now()")


def upgrade() -> None:
    op.add_column(
        "outbox_items",
        sa.Column("trying_since", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
    )
    op.create_index(
        "ix_outbox_items_automatic", "outbox_items", ["created_at"], postgresql_where=sa.text("automatic")
    )
    op.create_table(
        "breakers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_breakers")),
    )
    op.create_table(
        "answer_counts",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("answers", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_answer_counts")),
    )
