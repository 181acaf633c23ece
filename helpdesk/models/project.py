"""Projects (brands) and the settings that administrators change on screens."""

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Id, Model, Now, db, forget, remembered


class Project(Model):
    """A brand or line of business that channels and queues belong to."""

    __tablename__ = "projects"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    mark: Mapped[str] = mapped_column(default="", server_default="")
    time_zone: Mapped[str] = mapped_column(default="Europe/Kyiv", server_default="Europe/Kyiv")
    language: Mapped[str] = mapped_column(default="en", server_default="en")
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    created_at: Mapped[Now]


class Setting(Model):
    """One typed setting of the installation, taken up without a restart; see `helpdesk.preferences`."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)


def read_setting(key: str, default: Any) -> Any:
    """The stored value of `key`, or `default` where nobody has changed it."""

    def read() -> tuple[bool, Any]:
        row = db.session.get(Setting, key)
        return (False, None) if row is None else (True, row.value)

    stored, value = remembered(f"setting:{key}", read)
    return value if stored else default


def write_setting(key: str, value: Any) -> None:
    """Store `value` (JSON-safe) under `key` in the present transaction."""
    db.session.merge(Setting(key=key, value=value))
    forget(f"setting:{key}")
