"""Rules on the way in, and senders who are left out."""

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nothing yet."""
