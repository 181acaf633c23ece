"""Customers can be merged and parted again, pictures get a safe copy, and customers are found apart from tickets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("attachments", sa.Column("preview_sha256", sa.Text(), nullable=True))
    op.add_column("attachments", sa.Column("preview_state", sa.Text(), server_default="none", nullable=False))
    op.create_foreign_key(
        op.f("fk_attachments_preview_sha256"), "attachments", "blobs", ["preview_sha256"], ["sha256"]
    )
    op.create_index(op.f("ix_attachments_preview_sha256"), "attachments", ["preview_sha256"])
    op.create_index(
        "ix_attachments_preview_due", "attachments", ["id"], postgresql_where=sa.text("preview_state = 'due'")
    )
    op.create_index("ix_blobs_created_at", "blobs", ["created_at"])

    op.add_column("customers", sa.Column("name_key", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_customers_name_key", "customers", ["name_key", "id"])
    op.create_index(
        "ix_identities_domain",
        "identities",
        [sa.text("split_part(value, '@', 2)")],
        postgresql_where=sa.text("namespace = 'email'"),
    )
    op.create_table(
        "customer_merges",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, server_default=sa.text("helpdesk_now()"), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["customers.id"], name=op.f("fk_customer_merges_source_id")),
        sa.ForeignKeyConstraint(["target_id"], ["customers.id"], name=op.f("fk_customer_merges_target_id")),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_customer_merges_by_id")),
        sa.ForeignKeyConstraint(["undone_by_id"], ["users.id"], name=op.f("fk_customer_merges_undone_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_merges")),
    )
    op.create_index("ix_customer_merges_target_id", "customer_merges", ["target_id", "id"])
    op.create_index("ix_customer_merges_source_id", "customer_merges", ["source_id", "id"])

    op.create_index(
        "ix_search_documents_customers",
        "search_documents",
        ["tsv"],
        postgresql_using="gin",
        postgresql_where=sa.text("kind = 'customer'"),
    )
