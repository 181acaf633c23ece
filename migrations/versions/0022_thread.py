"""The thread: what happened to a ticket beside what was said on it, found by its time."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_index(
        "ix_events_beside",
        "events",
        ["ticket_id", "at"],
        postgresql_where=sa.text(
            "kind NOT IN ('message.inbound', 'message.reply', 'message.note', 'message.delivery')"
        ),
    )
