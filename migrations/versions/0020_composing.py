"""Ready answers with rights and variables, drafts with versions and blocks, a signature of one's own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    for name in ("language", "keywords", "shortcut"):
        op.add_column("canned_replies", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_table(
        "canned_reply_groups",
        sa.Column(
            "canned_reply_id", sa.BigInteger(), sa.ForeignKey("canned_replies.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("group_id", sa.BigInteger(), sa.ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("canned_reply_id", "group_id", name=op.f("pk_canned_reply_groups")),
    )
    op.create_index(op.f("ix_canned_reply_groups_group_id"), "canned_reply_groups", ["group_id"])
    op.create_table(
        "text_variables",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_variables")),
        sa.UniqueConstraint("name", name=op.f("uq_text_variables_name")),
    )
    op.create_table(
        "text_variable_values",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "variable_id", sa.BigInteger(), sa.ForeignKey("text_variables.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("projects.id", ondelete="CASCADE")),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_variable_values")),
        sa.UniqueConstraint(
            "variable_id",
            "project_id",
            "language",
            name=op.f("uq_text_variable_values_variable_id_project_id_language"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_text_variable_values_project_id"), "text_variable_values", ["project_id"])
    _drafts()
    op.add_column("users", sa.Column("signature", sa.Text(), server_default="", nullable=False))


def _drafts() -> None:
    op.alter_column("drafts", "ticket_id", nullable=True)
    op.add_column("drafts", sa.Column("opening", sa.Text(), server_default="", nullable=False))
    op.add_column("drafts", sa.Column("version", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("drafts", sa.Column("writer", sa.Text(), server_default="", nullable=False))
    op.add_column("drafts", sa.Column("caret", sa.BigInteger()))
    for name, empty in (("fields", "{}"), ("blocks", "[]"), ("former", "[]")):
        op.add_column("drafts", sa.Column(name, JSONB(), server_default=empty, nullable=False))
    op.create_check_constraint("place", "drafts", "(ticket_id IS NULL) = (opening <> '')")
    op.create_index(
        "uq_drafts_opening",
        "drafts",
        ["user_id", "opening"],
        unique=True,
        postgresql_where=sa.text("ticket_id IS NULL"),
    )
