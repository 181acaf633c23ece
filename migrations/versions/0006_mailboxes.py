"""How a mailbox was connected: which mail is taken, since when, and the wish to read taken mail again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("channels", sa.Column("reading", JSONB(), server_default="{}", nullable=False))
    op.add_column("channels", sa.Column("rescan_since", sa.DateTime(timezone=True)))
    op.add_column("channels", sa.Column("rescan_asked_at", sa.DateTime(timezone=True)))
    # those that are read already go on as before: everything in their folder
    op.execute(
        "UPDATE channels SET reading = jsonb_build_object('what', 'all', 'connected_at', created_at) "
        "WHERE kind = 'email'"
    )
