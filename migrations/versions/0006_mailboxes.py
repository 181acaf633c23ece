"""How a mailbox was connected, and who else reads it."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing yet."""
