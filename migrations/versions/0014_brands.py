"""What a project says and shows to its customers."""

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Nothing yet."""
