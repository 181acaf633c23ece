"""What a project says and shows to its customers."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("projects", sa.Column("mark", sa.Text(), server_default="", nullable=False))
    size = {"pages_per_range": 16}
    op.create_index(
        "ix_tickets_arrived_at", "tickets", ["arrived_at"], postgresql_using="brin", postgresql_with=size
    )
    op.create_index("ix_participants_address", "participants", [sa.text("lower(address) text_pattern_ops")])
