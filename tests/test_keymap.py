"""Shortcuts: one registry, no key with two meanings, every template and script held against it."""

import re
from pathlib import Path
from typing import Any

import pytest

from helpdesk.keymap import SHORTCUTS, by_place
from tests.clients import sign_in

ROOT = Path(__file__).parent.parent
KEYS = {one.key for one in SHORTCUTS}

WRITTEN = (
    re.compile(r'data-key="([^"{]+)"'),
    re.compile(r"""(?:post_button|dialog_button)\([^}]*?key='([^']+)'"""),
    re.compile(r"""(?:post|dialog)_button\([^{}]*?, '[a-z-]+', '[a-z]*', '([^']+)'"""),
)
IN_RAIL = re.compile(r'NavItem\((?:[^()]|\([^()]*\))*?key="([^"]+)"')


def marked_in_templates() -> list[tuple[str, str]]:
    """Every key that a template gives to a button or link, with the template."""
    found = []
    for path in sorted((ROOT / "templates").rglob("*.html")):
        source = path.read_text()
        for pattern in WRITTEN:
            found += [(key, str(path.relative_to(ROOT))) for key in pattern.findall(source)]
    for folder in ("helpdesk/views", "queues/views"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += [(key, path.name) for key in IN_RAIL.findall(path.read_text())]
    return found


def test_no_key_has_two_meanings() -> None:
    assert len(KEYS) == len(SHORTCUTS)
    places: dict[str, set[str]] = {}
    for key, where in marked_in_templates():
        places.setdefault(key, set()).add(where)
    twice = {key: where for key, where in places.items() if len(where) > 1}
    assert not twice


def test_every_key_of_a_template_stands_in_the_registry() -> None:
    unknown = {(key, where) for key, where in marked_in_templates() if key not in KEYS}
    assert not unknown


def test_every_key_of_the_registry_is_on_a_button_or_an_act_of_the_script() -> None:
    on_buttons = {key for key, _where in marked_in_templates()}
    scripts = "".join(path.read_text() for path in (ROOT / "helpdesk/static/js").glob("*.js"))
    for one in SHORTCUTS:
        if one.marked:
            assert one.key in on_buttons, one.key
        else:
            name = one.key.rpartition("+")[2]
            assert f'"{one.key}"' in scripts or f'"{name}"' in scripts, one.key


def test_only_single_characters_can_be_switched_off() -> None:
    kept = {one.key for one in SHORTCUTS if not one.is_character}
    assert {"Shift+Enter", "$mod+Enter", "$mod+Shift+s", "$mod+Shift+ArrowUp", "$mod+Shift+a", "$mod+k", "F6"} <= kept
    assert {"j", "n", "Shift+e", "?", "/", "!"} <= KEYS - kept


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_sheet_names_every_key(app: Any, cast: Any, language: str) -> None:
    cast.ann.language = language
    page = sign_in(app, cast.ann).get("/keys").text
    assert page.count("data-shortcut=") == len(SHORTCUTS)
    sheet = sign_in(app, cast.ann).get("/keys", headers={"HX-Request": "true"}).text
    assert "<html" not in sheet
    assert sheet.count("data-keys-group") == len(by_place())
