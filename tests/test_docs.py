"""What the pages promise is there."""

from pathlib import Path

import pytest

from helpdesk.config import Settings

ROOT = Path(__file__).parent.parent
INSTALL = (ROOT / "docs" / "admin" / "install.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_table(name):
    assert f"`{name.upper()}`" in INSTALL


def test_every_make_target_of_the_pages_exists():
    makefile = (ROOT / "Makefile").read_text()
    pages = INSTALL + (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    named = {part.split("`")[0].split()[0] for part in pages.split("`make ")[1:]}
    assert {name for name in named if f"\n{name}:" not in makefile} == set()
