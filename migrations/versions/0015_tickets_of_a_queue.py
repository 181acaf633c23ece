"""All tickets of a queue by age, whatever their state: for a search that names a queue."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index("ix_tickets_queue_id_id", "tickets", ["queue_id", "id"])
