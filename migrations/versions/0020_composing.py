"""Ready answers with rights, blocks of messages."""

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    pass
