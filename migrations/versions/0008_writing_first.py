"""Tickets that an operator begins, who takes part in a conversation, and one mail to several of our addresses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("channels", sa.Column("position", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "uq_channels_desk", "channels", ["project_id"], unique=True, postgresql_where=sa.text("kind = 'desk'")
    )
    op.add_column("participants", sa.Column("removed", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("inbound_events", sa.Column("held", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "ix_inbound_events_copies",
        "inbound_events",
        ["message_id"],
        postgresql_where=sa.text("state = 'dropped' AND message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_general", "messages", ["conversation_id", "id"], postgresql_where=sa.text("ticket_id IS NULL")
    )
    op.create_table(
        "mail_copies",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("events", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_mail_copies"),
    )
