"""Who is here, who is away, and what happens to their tickets."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing yet."""
