"""Managed lists and fields of one's own.

Words that were written as the type of a request become items of the list; nothing that was said is lost.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

DEFAULTS = {
    "en": ("Support", "Refund"),
    "ru": ("Поддержка", "Возврат"),
    "uk": ("Підтримка", "Повернення"),
}
NOW = sa.text("helpdesk_now()")


def upgrade() -> None:
    _tables()
    _columns()
    _default_types()
    _old_words()
    op.drop_column("tickets", "request_type")
    _indexes()
    op.execute("INSERT INTO settings (key, value) VALUES ('definitions_version', to_jsonb(gen_random_uuid()::text))")


def _ids(name: str = "queue_ids") -> sa.Column:
    return sa.Column(name, postgresql.ARRAY(sa.BigInteger()), server_default="{}", nullable=False)


def _tables() -> None:
    op.create_table(
        "list_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        _ids(),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("list_name IN ('request_type', 'reason', 'component')", name="list_name"),
    )
    op.create_index("uq_list_items_list_name", "list_items", ["list_name", sa.text("lower(name)")], unique=True)
    op.create_table(
        "fields",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("required_on_close", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        _ids(),
        sa.Column("options", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("about IN ('ticket', 'customer')", name="about"),
        sa.CheckConstraint("kind IN ('text', 'number', 'date', 'choice', 'choices', 'checkbox')", name="kind"),
    )
    project = sa.ForeignKey("projects.id", ondelete="CASCADE")
    op.create_table(
        "crm_panels",
        sa.Column("project_id", sa.BigInteger(), project, primary_key=True, autoincrement=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("way IN ('frame', 'tab', 'data')", name="way"),
    )


def _columns() -> None:
    op.add_column("categories", sa.Column("position", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("categories", _ids())
    for table in ("users", "groups"):
        permissions = sa.Column("permissions", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
        op.add_column(table, permissions)
    item = sa.ForeignKey("list_items.id")
    op.add_column("tickets", sa.Column("request_type_id", sa.BigInteger(), item, nullable=True))
    op.add_column("tickets", _ids("reason_ids"))
    op.add_column("tickets", _ids("component_ids"))
    for table in ("tickets", "customers"):
        op.add_column(table, sa.Column("fields", postgresql.JSONB(), server_default="{}", nullable=False))


def _default_types() -> None:
    """Support and Refund, in the language of the first project: that of the installation."""
    connection = op.get_bind()
    language = connection.scalar(sa.text("SELECT language FROM projects ORDER BY id LIMIT 1")) or "en"
    for position, name in enumerate(DEFAULTS.get(language, DEFAULTS["en"]), 1):
        connection.execute(
            sa.text("INSERT INTO list_items (list_name, name, position) VALUES ('request_type', :name, :position)"),
            {"name": name, "position": position},
        )


def _old_words() -> None:
    """Words of tickets, rules and promises become items; of spellings that differ in letters' case the commonest."""
    op.execute(
        """
        INSERT INTO list_items (list_name, name, position)
        SELECT 'request_type', word, 2 + row_number() OVER (ORDER BY lower(word))
        FROM (
            SELECT DISTINCT ON (lower(word)) word
            FROM (
                SELECT btrim(request_type) AS word, count(*) AS times FROM tickets GROUP BY 1
                UNION ALL SELECT btrim(actions->>'request_type'), 0 FROM rules
                UNION ALL SELECT btrim(request_type), 0 FROM targets
            ) AS said
            WHERE word <> ''
            ORDER BY lower(word), times DESC, word
        ) AS words
        ON CONFLICT DO NOTHING
        """
    )
    op.execute(
        """
        UPDATE tickets SET request_type_id = list_items.id FROM list_items
        WHERE list_items.list_name = 'request_type' AND lower(list_items.name) = lower(btrim(tickets.request_type))
        """
    )


def _indexes() -> None:
    some = "request_type_id IS NOT NULL"
    op.create_index("ix_tickets_request_type", "tickets", ["request_type_id", "id"], postgresql_where=sa.text(some))
    some = "category_id IS NOT NULL"
    op.create_index("ix_tickets_category", "tickets", ["category_id", "id"], postgresql_where=sa.text(some))
    for name, column in (("reasons", "reason_ids"), ("components", "component_ids"), ("fields", "fields")):
        where = sa.text(f"{column} <> '{{}}'")
        op.create_index(f"ix_tickets_{name}", "tickets", [column], postgresql_using="gin", postgresql_where=where)
    where = sa.text("fields <> '{}'")
    op.create_index("ix_customers_fields", "customers", ["fields"], postgresql_using="gin", postgresql_where=where)
