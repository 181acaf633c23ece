"""Build helpdesk/static/vendor/VERSIONS.md and templates/_icons.html from unpacked npm packages.

Called by scripts/vendor.sh; the first argument is the folder that holds one unpacked package per folder.
"""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "helpdesk" / "static" / "vendor"

# folder here: (package, files we serve)
SERVED = {
    "tabler": ("@tabler/core", ["dist/css/tabler.min.css"]),
    "htmx": ("htmx.org", ["dist/htmx.min.js", "LICENSE"]),
    "idiomorph": ("idiomorph", ["dist/idiomorph-ext.min.js", "LICENSE"]),
    "tinykeys": ("tinykeys", ["dist/tinykeys.mjs", "LICENSE"]),
    "tom-select": (
        "tom-select",
        ["dist/js/tom-select.complete.min.js", "dist/css/tom-select.bootstrap5.min.css", "LICENSE"],
    ),
}

# The npm package of Tabler names its licence in each file's head but carries no licence file.
TABLER_LICENCE = """The MIT License (MIT)

Copyright 2018-2026 The Tabler Authors
Copyright 2018-2026 codecalm.net Paweł Kuna

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
"""


MACROS = """\
{#- icon(name, class): its shape drawn where it stands. One path for each: a page holds hundreds of icons, and the
browser styles every element of them, of those behind a <use> too. -#}
{%- macro icon(name, class='') -%}
<svg class="icon{{ " " ~ class if class }}" viewBox="0 0 24 24"
aria-hidden="true" focusable="false"><path d="{{ shapes[name] }}"/></svg>
{%- endmacro -%}
"""


def copy_packages(unpacked: Path) -> list[str]:
    """Copy the served files into the vendor folder; return the lines of VERSIONS.md's table."""
    rows = []
    for folder, (package, files) in SERVED.items():
        source = unpacked / folder / "package"
        about = json.loads((source / "package.json").read_text())
        target = VENDOR / folder
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in files:
            shutil.copyfile(source / name, target / Path(name).name)
        if folder == "tabler":
            (target / "LICENSE").write_text(TABLER_LICENCE)
        for path in sorted(target.iterdir()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            rows.append(f"| {package} | {about['version']} | {about['license']} | {folder}/{path.name} | {digest} |")
    return rows


def write_icons(unpacked: Path) -> str:
    """Write the icon macro with the paths of every listed icon; return the version of the icon set."""
    source = unpacked / "icons" / "package"
    version: str = json.loads((source / "package.json").read_text())["version"]
    names = [
        line
        for line in (ROOT / "scripts" / "vendor.icons").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    lines = []
    for name in names:
        svg = (source / "icons" / "outline" / f"{name}.svg").read_text()
        paths = re.findall(r'<path d="(M[^"]*)"', svg)
        drawn = "".join(path for path in paths if path != "M0 0h24v24H0z")
        lines.append(f"  '{name}': '{drawn}',")
    (ROOT / "templates" / "_icons.html").write_text(
        "{#- Made by scripts/vendor.sh from scripts/vendor.icons; edit the list, not this file.\n"
        f"    @tabler/icons {version}, MIT, Copyright (c) 2020-2026 Paweł Kuna. -#}}\n"
        "{%- set shapes = {\n" + "\n".join(lines) + "\n} -%}\n" + MACROS
    )
    return version


def main() -> None:
    unpacked = Path(sys.argv[1])
    VENDOR.mkdir(parents=True, exist_ok=True)
    rows = copy_packages(unpacked)
    icons = write_icons(unpacked)
    (VENDOR / "VERSIONS.md").write_text(
        "# Files from elsewhere\n\n"
        "Copied from npm without a change by `scripts/vendor.sh`; each folder holds its licence.\n\n"
        "| package | version | licence | file | sha256 |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"@tabler/icons {icons} (MIT) is inlined in `templates/_icons.html`.\n"
    )


if __name__ == "__main__":
    main()
