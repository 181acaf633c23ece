"""Numbers of former systems, and what a restored copy must know."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Nothing yet."""
