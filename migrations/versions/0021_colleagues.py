"""Personal tasks, and time out of office with a stand-in."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

NOW = sa.text("helpdesk_now()")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="by hand", nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), sa.ForeignKey("tickets.id", ondelete="CASCADE")),
        sa.Column("customer_id", sa.BigInteger(), sa.ForeignKey("customers.id", ondelete="CASCADE")),
        sa.Column("made_by_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("created_at", moment, server_default=NOW, nullable=False),
        sa.Column("done_at", moment),
        sa.Column("reminded_at", moment),
        sa.CheckConstraint("kind IN ('by hand', 'added')", name=op.f("ck_tasks_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    is_open, unreminded = sa.text("done_at IS NULL"), sa.text("done_at IS NULL AND reminded_at IS NULL")
    op.create_index("ix_tasks_open", "tasks", ["user_id", "due_at"], postgresql_where=is_open)
    op.create_index("ix_tasks_done", "tasks", ["user_id", "done_at"], postgresql_where=sa.text("done_at IS NOT NULL"))
    op.create_index("ix_tasks_unreminded", "tasks", ["due_at"], postgresql_where=unreminded)
    op.create_index(op.f("ix_tasks_ticket_id"), "tasks", ["ticket_id"])
    op.create_index(op.f("ix_tasks_customer_id"), "tasks", ["customer_id"])
    op.create_table(
        "absences",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("from_at", moment, nullable=False),
        sa.Column("until_at", moment),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("stand_in_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("created_at", moment, server_default=NOW, nullable=False),
        sa.Column("began_at", moment),
        sa.Column("ended_at", moment),
        sa.CheckConstraint("until_at IS NULL OR until_at > from_at", name=op.f("ck_absences_order")),
        sa.CheckConstraint("stand_in_id IS DISTINCT FROM user_id", name=op.f("ck_absences_stand_in")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    op.create_index(
        "uq_absences_open", "absences", ["user_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
