"""Calendars, targets and the times that were promised."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing yet."""
