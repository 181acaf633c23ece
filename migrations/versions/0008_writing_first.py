"""Tickets that an operator begins, and who takes part in a conversation."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nothing yet."""
