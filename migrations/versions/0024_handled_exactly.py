"""What an act on everything means is written down as it begins, message by message; a highest id was no exact line."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "handling_messages",
        sa.Column("handling_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["handling_id"], ["handlings.id"], name=op.f("fk_handling_messages_handling_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("handling_id", "ticket_id", "message_id", name=op.f("pk_handling_messages")),
    )
    op.execute(
        """
        INSERT INTO handling_messages (handling_id, ticket_id, message_id)
        SELECT handlings.id, messages.ticket_id, messages.id
        FROM handlings JOIN messages ON messages.unhandled AND messages.id <= handlings.upto_id
        WHERE handlings.state = 'running' AND messages.ticket_id IS NOT NULL
        """
    )
    op.drop_column("handlings", "upto_id")
