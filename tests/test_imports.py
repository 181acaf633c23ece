"""Imports run one way: wsgi, queues, helpdesk; inside each from views over steps and queries to models and db."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What the lowest layer of the desk consists of: none of it may know a table.
FOUNDATION = {
    "capabilities", "clock", "config", "db", "embedded", "engine_home", "errors", "keeper", "processes", "supervisor",
}  # fmt: skip
PARENT = ("config", "errors", "processes", "engine_home", "embedded", "keeper", "supervisor")


def imports_of(path: Path, root: Path = ROOT) -> set[str]:
    """Dotted names that a file imports anywhere, except where only the type checker looks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(root).with_suffix("").parts
    package = package[:-1]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def reaches(names: set[str], *forbidden: str) -> set[str]:
    """Those of `names` that are one of the forbidden modules or inside of it."""
    return {name for name in names for bad in forbidden if name == bad or name.startswith(bad + ".")}


def forbidden_for(path: Path) -> tuple[str, ...]:
    """What a file of the project may not import, by where it stands. Paths are relative to the root."""
    parts = path.with_suffix("").parts
    if parts[0] == "helpdesk":
        rules: tuple[str, ...] = ("queues", "wsgi", "tests")
        if parts[1] == "models":
            return (*rules, "helpdesk.queries", "helpdesk.views", "helpdesk.cli")
        if parts[1] == "queries":
            return (*rules, "helpdesk.views", "helpdesk.cli")
        if parts[1] in FOUNDATION:
            return (*rules, "helpdesk.models", "helpdesk.queries", "helpdesk.views", "helpdesk.cli")
        if parts[1] in {"views", "api", "__init__"}:
            return rules
        return (*rules, "helpdesk.views")
    rules = ("wsgi", "tests")
    if parts[1] == "channels":
        database = ("helpdesk.db", "helpdesk.models", "helpdesk.queries", "sqlalchemy", "flask_sqlalchemy", "psycopg")
        steps = tuple(f"queues.{p.stem}" for p in (ROOT / "queues").glob("*.py") if p.stem != "__init__")
        return (*rules, *database, *steps, "helpdesk.views", "queues.views")
    if parts[1] in {"views", "api", "__init__", "cli"}:
        return rules
    return (*rules, "queues.views", "queues.cli", "helpdesk.views")


def project_files() -> list[Path]:
    return sorted(path for package in ("helpdesk", "queues") for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", project_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    assert reaches(imports_of(path), *forbidden_for(path.relative_to(ROOT))) == set()


@pytest.mark.parametrize(
    ("place", "line", "caught"),
    [
        ("helpdesk/models/ticket.py", "from queues import fifo", {"queues.fifo"}),
        ("helpdesk/models/ticket.py", "def f():\n    import helpdesk.views.tickets", {"helpdesk.views.tickets"}),
        ("helpdesk/models/ticket.py", "from ..queries.line import order", {"helpdesk.queries.line.order"}),
        ("helpdesk/db.py", "from helpdesk import models", {"helpdesk.models"}),
        ("queues/channels/email/adapter.py", "from helpdesk.db import db", {"helpdesk.db.db"}),
        ("queues/channels/email/adapter.py", "from queues.intake import accept", {"queues.intake.accept"}),
        ("queues/channels/email/adapter.py", "from queues.channels.base import Adapter", set()),
        ("queues/fifo.py", "from queues.views import claims", {"queues.views.claims"}),
        ("helpdesk/views/a.py", "if TYPE_CHECKING:\n    import queues\nelse:\n    import wsgi", {"wsgi"}),
    ],
)
def test_a_wrong_import_is_found(tmp_path, place, line, caught):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert reaches(imports_of(path, tmp_path), *forbidden_for(Path(place))) == caught


@pytest.mark.parametrize("module", PARENT)
def test_the_parent_stays_light(module):
    heavy = "flask", "sqlalchemy", "redis", "psycopg", "cryptography", "rq"
    code = f"import sys, helpdesk.{module}; print([m for m in {heavy!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
