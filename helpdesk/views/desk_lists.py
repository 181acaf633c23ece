"""The list in the desk's second pane: which one the address names by `in`, and what its template expects.

A key is a kind and what it is about, with colons: `queue:3`, `queue:3:paused`, `mine`. Other lists join by `list_kind`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from helpdesk import clock, permissions, words
from helpdesk.errors import HelpdeskError, NotFound
from helpdesk.models import Queue, Right
from helpdesk.queries.lists import PAGE, View, owned_by
from helpdesk.queries.narrowing import NOTHING, Narrowing
from helpdesk.shell import url_if
from helpdesk.views import shapes
from helpdesk.views.list_addresses import (
    list_address,
    narrowed_context,
    narrowed_empty,
    narrowed_key,
    queue_key,
    turns,
)
from helpdesk.views.list_rows import asked_length, list_rows
from helpdesk.views.shared_pages import queue_page

MINE = "mine"
FIRST_ROWS = 16  # what a screen shows; each row more is laid out before anything of them is painted


@dataclass(frozen=True)
class ListPane:
    """One list: its key, its title, the page it has of its own, and its template with what that expects.

    `tabs` are (url, label, is_current); `take_url` claims the next of this list (POST).
    """

    key: str
    title: str
    url: str
    context: dict[str, Any]
    template: str = "queues/_list.html"
    tabs: list[tuple[str, str, bool]] = field(default_factory=list)
    take_url: str | None = None


Maker = Callable[[list[str], str | None], ListPane]
Address = Callable[[list[str]], str]

Made = TypeVar("Made", bound=Maker)

_makers: dict[str, Maker] = {}
_addresses: dict[str, Address] = {}


def list_kind(kind: str, address: Address | None = None) -> Callable[[Made], Made]:
    """Register the maker of one kind of list; `address` gives its page, if it has one, from the parts of the key.

    The maker gets the parts of the key behind the kind and the keyset place to go on from, and answers with the list
    as the signed-in user may see it. Raises NotFound where there is none for them.
    """

    def register(maker: Made) -> Made:
        _makers[kind] = maker
        if address is not None:
            _addresses[kind] = address
        return maker

    return register


def list_length(after: str | None) -> int:
    """How many rows a list shall have: few at its beginning, which is waited for, more where somebody goes on."""
    return asked_length(FIRST_ROWS if after is None else PAGE)


def make_list(key: str, after: str | None = None) -> ListPane:
    """The list of this key. Raises NotFound when it is absent or hidden."""
    kind, *rest = key.split(":")
    if kind not in _makers:
        raise NotFound(_("There is no such list."))
    return _makers[kind](rest, after)


def page_of_list(otherwise: str = "") -> str:
    """The page of the list that stands on the asking screen; where it shows none, `otherwise` or all my queues."""
    kind, *rest = request.headers.get("X-List", "").split(":")
    otherwise = otherwise or url_for("queues.index")
    try:
        return _addresses[kind](rest) if kind in _addresses else otherwise
    except (IndexError, ValueError):
        return otherwise  # a key that no list has


def pane_context(default_key: str) -> dict[str, Any]:
    """What `desk/_list_pane.html` expects: the list that the address, else the page before, else the caller names.

    A list that the browser shows already is not read again.
    """
    shown = request.headers.get("X-List", "")
    wanted = request.args.get("in") or shown or default_key
    if wanted == shown:
        return {"list_pane": {"key": shown, "kept": True, "url": page_of_list()}, "list_key": shown}
    try:
        made = make_list(wanted)
    except HelpdeskError:
        made = make_list(default_key)
    return shown_context(made)


def shown_context(made: ListPane) -> dict[str, Any]:
    """The same for a list that was made already."""
    return {
        "list_pane": {
            "key": made.key,
            "kept": made.key == request.headers.get("X-List"),
            "title": made.title,
            "url": made.url,
            "template": made.template,
            "tabs": made.tabs,
            "take_url": made.take_url,
        },
        "list_key": made.key,
        **made.context,
    }


@list_kind("mine", lambda _rest: url_for("queues.index"))
def my_tickets(_rest: list[str], after: str | None, narrowing: Narrowing = NOTHING) -> ListPane:
    """My own tickets that are not finished."""
    now, topic = clock.now(), f"user:{current_user.id}"
    version = shapes.live_versions(topic)
    page = owned_by(current_user, list_length(after), after, narrowing.where)
    key = narrowed_key(MINE, narrowing)
    context = {
        "rows": list_rows(page.rows, now, within=key),
        "list_id": "my-tickets",
        "list_topics": topic,
        "list_version": version,
        **turns(key, after, page.next_after),
        **narrowed_context(MINE, narrowing),
        "may_choose": True,
        "empty_mark": "inbox",
        "empty_title": _("You have no open tickets"),
        "empty_text": _("Take the next one: the longest wait comes first."),
        **narrowed_empty(narrowing),
    }
    return ListPane(key, _("My tickets"), url_for("queues.index"), context)


def _queue_page(rest: list[str]) -> str:
    return url_for("queues.show", queue_id=int(rest[0]), view=rest[1] if rest[1:] else None)


@list_kind("queue", _queue_page)
def of_one_queue(rest: list[str], after: str | None, narrowing: Narrowing = NOTHING) -> ListPane:
    """The line of one queue, or its tickets in work, due, paused, finished."""
    if not rest or not rest[0].isdecimal():
        raise NotFound(_("There is no such queue."))
    queue = permissions.get_queue(current_user, int(rest[0]))
    view = View(rest[1]) if rest[1:] and rest[1] in list(View) else View.WAITING
    return queue_list(queue, view, after, narrowing)


def queue_list(queue: Queue, view: View, after: str | None = None, narrowing: Narrowing = NOTHING) -> ListPane:
    """The list of a queue that the caller found visible."""
    topic, works = f"queue:{queue.id}", Right.WORK in permissions.rights(current_user, queue.id)
    version, now = shapes.live_versions(topic), clock.now()
    shared = queue_page(queue, view, after, list_length(after), version, narrowing)
    base = queue_key(queue.id, view)
    key = narrowed_key(base, narrowing)
    may_take = {queue.id} if works else ()
    context = {
        "rows": list_rows(shared.rows, now, may_take, within=key, words=shared.words, here=shared.here),
        "list_topics": topic,
        "list_version": version,
        **turns(key, after, shared.page.next_after),
        **narrowed_context(base, narrowing),
        "may_choose": works,
        "is_line": view == View.WAITING and narrowing == NOTHING,
        "list_text": words.clock_rule(queue.clock, queue.by_priority) if view == View.WAITING else "",
        "view": view,
        "may_work": works,
        "shift_note": _shift_note(queue) if after is None else None,
        **(narrowed_empty(narrowing) or _empty(view)),
    }
    take_url = url_if("claims.take_next_of", queue_id=queue.id) if works else None
    tabs = _tabs(queue, view, narrowing)
    return ListPane(key, queue.name, list_address(base), context, tabs=tabs, take_url=take_url)


def _tabs(queue: Queue, current: View, narrowing: Narrowing) -> list[tuple[str, str, bool]]:
    names = {
        View.WAITING: _("Waiting"),
        View.IN_WORK: _("In work"),
        View.DUE: _("Due first"),
        View.PAUSED: _("Paused"),
        View.FINISHED: _("Finished"),
    }
    return [
        (list_address(narrowed_key(queue_key(queue.id, view), narrowing)), name, view == current)
        for view, name in names.items()
    ]


def _shift_note(queue: Queue) -> dict[str, Any] | None:
    if not queue.shift_note:
        return None
    author = queue.shift_note_by.name if queue.shift_note_by else ""
    return {"text": queue.shift_note, "author": author, "at": queue.shift_note_at}


def _empty(view: View) -> dict[str, str]:
    if view == View.WAITING:
        return {}
    return {
        "empty_mark": "inbox",
        "empty_title": _("Nothing here"),
        "empty_text": _("No ticket of this queue is in this state."),
    }
