"""How lists are named: the key of each, the address of its page, and what says by which conditions it is narrowed.

A narrowed list has the key `filter:<key of the whole list>/<conditions>`, so the address of a row names it as well:
back, reload and a sent link show the same list.
"""

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_login import current_user

from helpdesk.queries.lists import View
from helpdesk.queries.narrowing import NOTHING, Narrowing, tell, write_pairs

FILTER = "filter"
ALL = "all"


def queue_key(queue_id: int, view: View) -> str:
    """The key of one list of a queue."""
    return f"queue:{queue_id}" + ("" if view == View.WAITING else f":{view.value}")


def narrowed_key(base: str, narrowing: Narrowing) -> str:
    """The key of a list when it is narrowed; its own when it is not."""
    return f"{FILTER}:{base}/{narrowing.written}" if narrowing.written else base


def split_key(key: str) -> tuple[str, str]:
    """The key of the whole list, and the conditions by which it is narrowed."""
    if not key.startswith(f"{FILTER}:"):
        return key, ""
    base, _slash, written = key.removeprefix(f"{FILTER}:").partition("/")
    return base, written


def list_address(key: str, **more: Any) -> str:
    """The page of the list with this key."""
    kind, *rest = key.split(":")
    if kind == "queue" and rest and rest[0].isdecimal():
        view = rest[1] if rest[1:] else None
        return url_for("queues.show", queue_id=int(rest[0]), view=view, **more)
    if kind == "view" and rest and rest[0].isdecimal():
        return url_for("ticket_lists.of_view", view_id=int(rest[0]), **more)
    if kind == "people" and len(rest) == 1:
        return url_for("people_list.show", tab=rest[0], **more)
    if key == ALL:
        return url_for("ticket_lists.all_tickets", **more)
    named: dict[str, Any] = {"in": key, **more}
    return url_for("ticket_lists.show", **named)


def ticket_address(ticket_id: int, key: str) -> str:
    """A ticket with the list of this key beside it."""
    named: dict[str, Any] = {"in": key}
    return url_for("tickets.show", ticket_id=ticket_id, **named)


def turns(key: str, after: str | None, next_after: str | None) -> dict[str, Any]:
    """Where a list is read anew, where it goes on, and where it begins: for `queues/_list.html`."""
    return {
        "list_url": list_address(key, after=after),
        "next_url": list_address(key, after=next_after) if next_after else None,
        "prev_url": list_address(key) if after else None,
    }


def narrowed_context(base: str, narrowing: Narrowing = NOTHING, is_view: bool = False) -> dict[str, Any]:
    """What `desk/_list_filter.html` expects: the panel's address, and the conditions with the list without each."""
    pairs = narrowing.pairs
    here: dict[str, Any] = {"in": narrowed_key(base, narrowing)}
    chips = [] if is_view else zip(tell(current_user, pairs), range(len(pairs)), strict=True)
    return {
        "filter_url": url_for("ticket_lists.panel", **here),
        "filter_base": base,
        "filter_chips": [(text, list_address(_without(base, narrowing, place))) for text, place in chips],
        "clear_url": list_address(base) if narrowing.written and not is_view else None,
        "save_url": url_for("saved_views.new", **here),
        "is_narrowed": bool(narrowing.written),
    }


def narrowed_empty(narrowing: Narrowing) -> dict[str, str]:
    """What an empty list says when conditions made it so."""
    if not narrowing.written:
        return {}
    return {
        "empty_mark": "filter",
        "empty_title": _("Nothing meets the filter"),
        "empty_text": _("Take a condition away, or look in another list."),
    }


def _without(base: str, narrowing: Narrowing, place: int) -> str:
    rest = [pair for at, pair in enumerate(narrowing.pairs) if at != place]
    return narrowed_key(base, Narrowing(write_pairs(rest)))
