"""Numbers of former systems, and how their subjects are marked."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    now = sa.text("helpdesk_now()")
    op.create_table(
        "former_patterns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("alphabet", sa.Text(), server_default="digits", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.CheckConstraint("alphabet IN ('digits', 'mixed')", name="alphabet"),
        sa.UniqueConstraint("project_id", "template", "alphabet"),
    )
    op.create_table(
        "former_numbers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), sa.ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("number_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.UniqueConstraint("project_id", "number_key"),
    )
    op.create_index("ix_former_numbers_number_key", "former_numbers", ["number_key"])
    op.create_index("ix_former_numbers_ticket_id", "former_numbers", ["ticket_id"])
