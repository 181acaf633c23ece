"""What every page needs beside its own content: links to our files, and the navigation in the rail.

Files under `static/` are linked with a hash of their content, so browsers may keep them for good. The import
map gives the same hashes to modules that import each other. Packages add their own entries to the rail with
`add_nav`: the desk need not know which screens belong to the way of a message.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from flask import Flask, Response, current_app, request, url_for
from flask_login import current_user

Section = Literal["work", "watch", "manage"]

KEEP_SECONDS = 365 * 24 * 3600
BARE_MODULES = {"tinykeys": "vendor/tinykeys/tinykeys.mjs"}

LOOK_AGAIN_SECONDS = 1.0

T = TypeVar("T")
_recent: dict[tuple[str | None, str, str], tuple[float, object]] = {}
_digests: dict[Path, tuple[int, str]] = {}


@dataclass(frozen=True)
class NavItem:
    """One entry of the rail. `shows` gets the signed-in user and says whether the entry is for them.

    `also` names further blueprints whose pages belong to the entry. Of the section "manage" only what is wanted `often`
    stands in the rail; all of it stands on the page of settings, in its `group` and with its `hint`.
    """

    section: Section
    endpoint: str
    label: Any
    icon: str
    key: str = ""
    shows: Callable[[Any], bool] = lambda _user: True
    also: tuple[str, ...] = ()
    often: bool = False
    group: str = ""
    hint: Any = ""

    @property
    def url(self) -> str:
        """Where the entry leads."""
        return url_for(self.endpoint)

    @property
    def is_current(self) -> bool:
        """Whether the page being shown belongs to this entry: the very endpoint, or one of its blueprints."""
        here = request.endpoint or ""
        blueprints = {self.endpoint.rpartition(".")[0], *self.also} - {""}
        return here == self.endpoint or here.rpartition(".")[0] in blueprints


def add_nav(app: Flask, *items: NavItem, before: str = "") -> None:
    """Add entries to the rail in this order: at its end, or before the entry of the endpoint `before`."""
    entries: list[NavItem] = app.extensions.setdefault("navigation", [])
    place = next((at for at, entry in enumerate(entries) if entry.endpoint == before), len(entries))
    entries[place:place] = items


def navigation(section: Section) -> list[NavItem]:
    """The entries of one section of the rail that this installation has and the signed-in user may see."""
    items: list[NavItem] = current_app.extensions.get("navigation", [])
    present = current_app.view_functions
    return [i for i in items if i.section == section and i.endpoint in present and i.shows(current_user)]


def rail_current(list_pane: dict[str, Any] | None) -> str:
    """The path of the rail's entry for what is shown: the list's own page, else the entry of this endpoint.

    Empty where the list stays the one that is on the screen already, and with it the entry.
    """
    if list_pane is not None:
        return "" if list_pane["kept"] else str(list_pane["url"]).partition("?")[0]
    items = (item for section in get_args(Section) for item in navigation(section))
    return next((item.url for item in items if item.is_current), request.path)


def panes_only() -> bool:
    """Whether the desk's own script asks, which has the page already and wants its panes alone."""
    return "X-Panes" in request.headers


def url_if(endpoint: str, **values: Any) -> str | None:
    """The URL of `endpoint`, or None where this installation has no such page."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def once() -> str:
    """A key for one act: a form that carries it and is sent twice acts once."""
    return secrets.token_urlsafe(12)


def asset(filename: str) -> str:
    """The URL of a file under `static/` that changes whenever the file does, a moment later at most."""
    return _kept(filename, lambda: url_for("static", filename=filename, v=_digest(filename)))


def import_map() -> dict[str, dict[str, str]]:
    """The import map of the page: each of our modules, and the few from elsewhere, under its hashed URL."""
    return _kept("import map", _read_import_map)


def _kept(name: str, read: Callable[[], T]) -> T:
    """What `read` gives, for all pages of one second: a page links to dozens of files and must not look at each."""
    now = time.monotonic()
    key = (current_app.static_folder, request.script_root, name)
    read_at, value = _recent.get(key, (0.0, None))
    if value is None or now - read_at > LOOK_AGAIN_SECONDS:
        value = read()
        _recent[key] = (now, value)
    return cast(T, value)


def _read_import_map() -> dict[str, dict[str, str]]:
    static = Path(current_app.static_folder or "")
    ours = {
        url_for("static", filename=f"js/{path.name}"): asset(f"js/{path.name}")
        for path in sorted((static / "js").glob("*.js"))
    }
    return {"imports": ours | {name: asset(file) for name, file in BARE_MODULES.items()}}


def _digest(filename: str) -> str:
    path = Path(current_app.static_folder or "") / filename
    changed = path.stat().st_mtime_ns
    known = _digests.get(path)
    if known is None or known[0] != changed:
        known = (changed, hashlib.sha256(path.read_bytes()).hexdigest()[:12])
        _digests[path] = known
    return known[1]


def _keep_for_good(response: Response) -> Response:
    if request.endpoint == "static" and "v" in request.args and response.status_code in {200, 304}:
        response.cache_control.clear()
        response.cache_control.public = True
        response.cache_control.max_age = KEEP_SECONDS
        response.cache_control.immutable = True
    return response


def init_app(app: Flask) -> None:
    """Give templates `asset`, `import_map`, `navigation` and `url_if`, and let browsers keep hashed files."""
    app.jinja_env.globals.update(once=once, asset=asset, import_map=import_map, navigation=navigation, url_if=url_if)
    app.jinja_env.globals.update(rail_current=rail_current)
    app.context_processor(lambda: {"panes_only": panes_only()})
    app.after_request(_keep_for_good)
