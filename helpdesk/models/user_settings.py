"""What a person chose for themselves beside their name and language: one typed value in one JSON column."""

from typing import Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

log = structlog.get_logger(__name__)

Sound = Literal["off", "soft", "clear"]
Density = Literal["comfortable", "compact"]


class NoticeChoice(BaseModel):
    """How one kind of notice makes itself known, beside its row on the page of notices."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    shown: bool = True
    sound: bool = True
    desktop: bool = True


class UserSettings(BaseModel):
    """The settings of a person; whatever is absent has its default. `undo_seconds` None follows the installation.

    `panes` are widths in CSS pixels by pane, and what is folded as 0.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    density: Density = "comfortable"
    shortcuts: bool = True
    undo_seconds: int | None = Field(default=None, ge=0, le=60)
    sound: Sound = "off"
    desktop: bool = False
    desktop_words: bool = False
    notices: dict[str, NoticeChoice] = {}
    panes: dict[str, int] = {}

    def choice(self, kind: str) -> NoticeChoice:
        """How notices of this kind make themselves known."""
        return self.notices.get(kind, NoticeChoice())


def read_settings(stored: dict[str, Any]) -> UserSettings:
    """The settings as stored; the defaults where another version of the program left something else."""
    try:
        return UserSettings.model_validate(stored)
    except ValidationError as error:
        log.warning("settings of a person are not readable; the defaults hold", error=str(error)[:300])
        return UserSettings()
