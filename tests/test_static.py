"""The front end as files: what a strict content policy forbids is absent, and what is named exists."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, nodes

from scripts import strip_tabler

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "helpdesk" / "static"
VENDOR = STATIC / "vendor"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = sorted((STATIC / "js").glob("*.js"))
SHEETS = sorted(set((STATIC / "css").glob("*.css")) - {strip_tabler.USED})

# Macros that take the name of an icon, and which argument it is.
ICON_ARGUMENT = {
    "icon": 0,
    "blank": 0,
    "chip": 2,
    "post_button": 2,
    "dialog_button": 2,
    "menu_dialog": 2,
    "menu_post": 2,
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def markup(path: Path) -> str:
    """A template without its comments."""
    return re.sub(r"{#.*?#}", "", path.read_text(), flags=re.S)


def parsed(path: Path) -> nodes.Template:
    return Environment(autoescape=True).parse(path.read_text())


def constant_calls(path: Path) -> Iterator[tuple[str, int, str]]:
    """Each call of a plain name with a constant string among its arguments: (function, position, string)."""
    for call in parsed(path).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name):
            for position, argument in enumerate(call.args):
                if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
                    yield call.node.name, position, argument.value


def icon_names() -> set[str]:
    return set(re.findall(r"^  '([a-z0-9-]+)': 'M", (ROOT / "templates" / "_icons.html").read_text(), flags=re.M))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_obeys_the_content_policy(path: Path) -> None:
    text = markup(path)
    assert not re.search(r"\sstyle\s*=", text), "inline style is refused by the browser"
    # The document inside a mail's frame has a policy of its own, which allows styles and nothing else.
    assert path.name == "frame.html" or "<style" not in text
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text), "inline handlers are refused by the browser"
    assert not re.search(r"hx-on|hx-vals=[\"']js:|javascript:", text)
    for script in re.findall(r"<script\b[^>]*>", text):
        assert 'nonce="{{ csp_nonce }}"' in script, script


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_every_posting_form_carries_the_token(path: Path) -> None:
    for form in re.findall(r"<form\b[^>]*method=[\"']post[\"'].*?</form>", markup(path), flags=re.S | re.I):
        # A long list makes the field once: {% set token_field = csrf() %}.
        carries = ("csrf_token", "csrf()", "form_fields(", ".hidden_tag(", "{{ token_field }}")
        assert any(mark in form for mark in carries), form[:120]


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_names_only_files_and_icons_that_exist(path: Path) -> None:
    icons = icon_names()
    for function, position, value in constant_calls(path):
        if ICON_ARGUMENT.get(function) == position and value:
            assert value in icons, f"icon {value!r} is missing: add it to scripts/vendor.icons"
        if function == "asset":
            assert (STATIC / value).is_file(), value


def test_navigation_names_only_icons_that_exist(app: Any) -> None:
    entries = app.extensions["navigation"]
    assert entries
    assert {entry.icon for entry in entries} <= icon_names()


def test_icon_list_and_icons_agree() -> None:
    listed = [line for line in (ROOT / "scripts" / "vendor.icons").read_text().splitlines() if not line.startswith("#")]
    assert set(listed) == icon_names()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_parses_and_imports_what_exists(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    text = path.read_text()
    done = subprocess.run([node, "--check", "--input-type=module"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for source in re.findall(r'^import .*?["\'](.+?)["\'];', text, flags=re.M):
        assert source == "tinykeys" or (path.parent / source).is_file(), source
    assert len(text.splitlines()) < 400


def test_every_module_is_reached_from_the_entry() -> None:
    reached, waiting = set(), ["app.js"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            text = (STATIC / "js" / module).read_text()
            waiting += re.findall(r'^import .*?["\']\./(.+?)["\'];', text, flags=re.M)
            waiting += re.findall(r'\bimport\(["\']\./(.+?)["\']\)', text)  # fetched when it is wanted
    assert {path.name for path in MODULES} - reached == {"theme.js"}, "theme.js is linked by itself, before the paint"


def test_versions_match_the_files_we_serve() -> None:
    rows = re.findall(
        r"^\| \S+ \| \S+ \| \S+ \| (\S+) \| ([0-9a-f]{64}) \|$", (VENDOR / "VERSIONS.md").read_text(), re.M
    )
    stated = dict(rows)
    present = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {"VERSIONS.md"}
    assert set(stated) == present
    for file, digest in stated.items():
        assert hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() == digest, file
    assert {Path(file).parts[0] for file in present} == {
        Path(file).parts[0] for file in present if file.endswith("/LICENSE")
    }, "each folder holds its licence"


@pytest.mark.parametrize("path", SHEETS, ids=name)
def test_sheet_is_closed_and_uses_known_colours(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    assert text.count("{") == text.count("}")
    assert len(text.splitlines()) < 400
    known = set(re.findall(r"(--[a-z0-9-]+)\s*:", " ".join(sheet.read_text() for sheet in SHEETS)))
    for used in re.findall(r"var\((--[a-z0-9-]+)", text):
        assert used in known or used.startswith("--tblr-"), used


def test_htmx_settings_leave_no_door_open() -> None:
    head = (ROOT / "templates" / "_head.html").read_text()
    settings = json.loads(re.search(r"htmx-config\" content='(.+?)'", head)[1])  # type: ignore[index]
    assert settings["allowEval"] is False
    assert settings["allowScriptTags"] is False
    assert settings["includeIndicatorStyles"] is False
    assert settings["selfRequestsOnly"] is True
    assert settings["historyCacheSize"] == 0


def test_every_class_of_tabler_that_we_use_is_in_the_sheet_we_serve() -> None:
    whole = strip_tabler.strip(strip_tabler.WHOLE.read_text(), strip_tabler.words())
    used = strip_tabler.USED.read_text()
    missing = strip_tabler.names(whole) - strip_tabler.names(used)
    assert not missing, "run scripts/strip_tabler.py"


def test_what_is_left_of_a_rule_is_whole() -> None:
    """A selector that lost its other half is dropped by the browser; one for what no page has only costs time."""
    sheet = "a:is(.kept,:not(:has(:hover)) .kept),.unknown:is(.kept,p){b:c}.kept[data-unknown=x],[data-kept] p{d:e}"
    left = strip_tabler.strip(sheet, {"kept", "data-kept"})
    assert left == "a:is(.kept,:not(:has(:hover)) .kept){b:c}\n[data-kept] p{d:e}"


@pytest.mark.parametrize("path", [*SHEETS, strip_tabler.USED], ids=name)
def test_no_rule_makes_the_browser_style_everything_anew(path: Path) -> None:
    """`a + *` and `a ~ *` do: with each element that comes or goes, all of the page is styled again."""
    sheet = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    heads = re.findall(r"[^{}]+(?={)", sheet)
    parts = [part for head in heads if not head.strip().startswith("@") for part in strip_tabler.selectors(head)]
    assert parts
    assert not [part for part in parts if re.search(r"[+~]\s*[*:][^)]*$", part)]
