"""What is handled, and the people's list."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

NOW = sa.text("helpdesk_now()")
MOMENT = sa.DateTime(timezone=True)
SAID = sa.text("GREATEST(last_customer_at, last_reply_at, arrived_at)")
IS_UNREAD = sa.text("unread_first_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "handlings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger()),
        sa.Column("ticket_id", sa.BigInteger()),
        sa.Column("count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.Column("undone_by_id", sa.BigInteger()),
        sa.Column("state", sa.Text()),
        sa.Column("upto_id", sa.BigInteger()),
        sa.Column("place", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("cause IN ('hand', 'finished', 'all')", name=op.f("ck_handlings_cause")),
        sa.CheckConstraint("(cause = 'all') = (state IS NOT NULL)", name=op.f("ck_handlings_run")),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_handlings_by_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_handlings_customer_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_handlings_ticket_id")),
        sa.ForeignKeyConstraint(["undone_by_id"], ["users.id"], name=op.f("fk_handlings_undone_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handlings")),
    )
    op.create_index("ix_handlings_runs", "handlings", ["id"], postgresql_where=sa.text("state IS NOT NULL"))
    op.create_index(
        "ix_handlings_ticket_id", "handlings", ["ticket_id", "id"], postgresql_where=sa.text("ticket_id IS NOT NULL")
    )
    _messages()
    _tickets()
    op.add_column("customers", sa.Column("internal", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("customers", sa.Column("unsubscribed_at", MOMENT))


def _messages() -> None:
    """What was said before counts as handled."""
    op.add_column("messages", sa.Column("unhandled", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("messages", sa.Column("handling_id", sa.BigInteger()))
    op.create_foreign_key(op.f("fk_messages_handling_id"), "messages", "handlings", ["handling_id"], ["id"])
    op.create_index("ix_messages_unhandled", "messages", ["ticket_id", "id"], postgresql_where=sa.text("unhandled"))
    op.create_index(
        "ix_messages_handling", "messages", ["handling_id", "id"], postgresql_where=sa.text("handling_id IS NOT NULL")
    )
    op.drop_constraint(op.f("ck_messages_kind"), "messages")
    op.create_check_constraint(
        op.f("ck_messages_kind"), "messages", "kind IN ('inbound', 'reply', 'note', 'system', 'event')"
    )


def _tickets() -> None:
    op.add_column("tickets", sa.Column("unread", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("tickets", sa.Column("unread_first_id", sa.BigInteger()))
    op.add_column("tickets", sa.Column("unread_last_id", sa.BigInteger()))
    op.create_index("ix_tickets_said", "tickets", ["queue_id", SAID, "id"])
    op.create_index("ix_tickets_customer_said", "tickets", ["customer_id", SAID, "id"])
    op.create_index("ix_tickets_unread_first", "tickets", ["queue_id", "unread_first_id"], postgresql_where=IS_UNREAD)
    op.create_index("ix_tickets_unread_last", "tickets", ["queue_id", "unread_last_id"], postgresql_where=IS_UNREAD)
    op.create_index(
        "ix_tickets_customer_unread", "tickets", ["customer_id", "unread_first_id"], postgresql_where=IS_UNREAD
    )
