"""Tokens of the API, and webhooks that tell other systems."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

# One row for each webhook that asked for an event, in the event's own transaction, whoever wrote it and however.
# Old events are no news: a restore that brings them back tells nobody.
ANNOUNCE = """
CREATE FUNCTION announce_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM webhooks WHERE active) THEN
    INSERT INTO webhook_deliveries (webhook_id, event_id)
    SELECT w.id, e.id
    FROM fresh e JOIN webhooks w ON w.active
      AND (w.kinds = '[]'::jsonb OR w.kinds ? e.kind)
      AND (w.queue_id IS NULL OR w.queue_id = e.queue_id)
      AND (w.project_id IS NULL OR w.project_id = e.project_id)
    WHERE e.ticket_id IS NOT NULL AND e.at > helpdesk_now() - interval '1 day'
    ORDER BY e.id;
  END IF;
  RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER announce_events AFTER INSERT ON events
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION announce_events()
"""


def moment(name: str, now: bool = False) -> sa.Column:
    """A column that holds a moment; with `now` it begins as the present one."""
    if now:
        return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("helpdesk_now()"), nullable=False)
    return sa.Column(name, sa.DateTime(timezone=True))


def upgrade() -> None:
    op.add_column("users", sa.Column("system", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("idempotency_keys", sa.Column("request_hash", sa.LargeBinary()))
    op.add_column("idempotency_keys", sa.Column("answer", postgresql.JSONB()))
    op.add_column("tickets", moment("updated_at", now=True))
    op.create_index("ix_tickets_updated_at_id", "tickets", ["updated_at", "id"])
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(), server_default="[]", nullable=False),
        moment("created_at", now=True),
        moment("expires_at"),
        moment("last_used_at"),
        moment("revoked_at"),
        sa.CheckConstraint("kind IN ('personal', 'system')", name=op.f("ck_api_tokens_kind")),
        sa.CheckConstraint("role IN ('operator', 'supervisor', 'administrator')", name=op.f("ck_api_tokens_role")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_tokens_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name="fk_api_tokens_created_by_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])
    _webhooks()
    op.execute(ANNOUNCE)
    op.execute(TRIGGER)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary()),
        sa.Column("kinds", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("queue_id", sa.BigInteger()),
        sa.Column("project_id", sa.BigInteger()),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("give_up_days", sa.BigInteger(), server_default="5", nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        moment("failing_since"),
        moment("try_after", now=True),
        moment("off_at"),
        sa.Column("off_words", sa.Text(), server_default="", nullable=False),
        sa.Column("created_by_id", sa.BigInteger()),
        moment("created_at", now=True),
        sa.ForeignKeyConstraint(["queue_id"], ["queues.id"], name="fk_webhooks_queue_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_webhooks_project_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name="fk_webhooks_created_by_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.UniqueConstraint("name", name="uq_webhooks_name"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger()),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        moment("not_before", now=True),
        moment("lease_until"),
        sa.Column("lease_token", sa.Text()),
        sa.Column("status", sa.BigInteger()),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        moment("created_at", now=True),
        moment("finished_at"),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'failed')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name="fk_webhook_deliveries_event_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.UniqueConstraint("webhook_id", "event_id", name="uq_webhook_deliveries_webhook_id_event_id"),
    )
    due = sa.text("state IN ('queued', 'sending')")
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["not_before", "id"], postgresql_where=due)
    op.create_index("ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"])
