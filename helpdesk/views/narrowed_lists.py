"""Lists of more than one queue, and lists that conditions narrow: `all`, `view:7`, `filter:<key>/<conditions>`."""

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_login import current_user

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Order, Right
from helpdesk.permissions import queue_ids
from helpdesk.queries import saved_views
from helpdesk.queries.lists import seen_by
from helpdesk.queries.narrowing import NOTHING, Narrowing, read_narrowing
from helpdesk.views import desk_lists, people_list, shapes
from helpdesk.views.desk_lists import ListPane, list_kind, list_length
from helpdesk.views.list_addresses import (
    ALL,
    FILTER,
    list_address,
    narrowed_context,
    narrowed_empty,
    narrowed_key,
    split_key,
    turns,
)
from helpdesk.views.list_rows import list_rows

MOST_TOPICS = 100


@list_kind(ALL, lambda _rest: list_address(ALL))
def all_tickets(_rest: list[str], after: str | None, narrowing: Narrowing = NOTHING) -> ListPane:
    """All that is active and that I may see, by its wait; the newest first where only closed tickets are asked for."""
    order = Order.NEWEST if narrowing.only_closed else Order.WAIT
    return _of_all(narrowed_key(ALL, narrowing), _("All tickets"), order, after, narrowing, base=ALL)


@list_kind("view", lambda rest: list_address(f"view:{rest[0]}"))
def saved(rest: list[str], after: str | None) -> ListPane:
    """A view that somebody saved, with what the reader may see of it."""
    view = saved_views.get_view(current_user, rest[0] if rest else "")
    key = f"view:{view.id}"
    try:
        narrowing, fault = read_narrowing(current_user, view.conditions), ""
    except Refused as refusal:
        narrowing, fault = NOTHING, refusal.message
    if fault:
        context = {
            "rows": [],
            **narrowed_context(key, is_view=True),
            "empty_mark": "alert-circle",
            "empty_title": _("This view finds nothing any more"),
            "empty_text": fault,
            "empty_url": url_for("saved_views.index"),
            "empty_label": _("My views"),
        }
        return ListPane(key, view.name, list_address(key), context)
    order = Order.NEWEST if narrowing.only_closed else Order(view.ordering)
    return _of_all(key, view.name, order, after, narrowing, base=key)


@list_kind(FILTER, lambda rest: list_address(":".join([FILTER, *rest])))
def narrowed(rest: list[str], after: str | None) -> ListPane:
    """Another list, narrowed."""
    base, written = split_key(f"{FILTER}:{':'.join(rest)}")
    narrowing = read_narrowing(current_user, written)
    kind, *inner = base.split(":")
    match kind:
        case "mine":
            return desk_lists.my_tickets(inner, after, narrowing)
        case "all":
            return all_tickets(inner, after, narrowing)
        case "queue":
            return desk_lists.of_one_queue(inner, after, narrowing)
        case "people":
            return people_list.people(inner, after, narrowing)
        case _:
            raise NotFound(_("There is no such list."))


def _of_all(key: str, title: str, order: Order, after: str | None, narrowing: Narrowing, base: str) -> ListPane:
    topics = _topics()
    version, now = shapes.live_versions(topics), clock.now()
    page = seen_by(current_user, order, after, list_length(after), narrowing.where)
    workable = set(db.session.scalars(queue_ids(current_user, Right.WORK)))
    is_view = base != ALL
    context: dict[str, Any] = {
        "rows": list_rows(page.rows, now, workable, within=key),
        "list_id": "all-tickets",
        "list_topics": topics,
        "list_version": version,
        **turns(key, after, page.next_after),
        **narrowed_context(base, narrowing, is_view),
        "is_narrowed": True,
        "may_choose": bool(workable),
        "empty_mark": "inbox",
        "empty_title": _("Nothing here"),
        "empty_text": _("No ticket that you may see is in this list."),
        **narrowed_empty(narrowing),
    }
    return ListPane(key, title, list_address(base), context)


def _topics() -> str:
    """What makes such a list look again: my queues, of which a page follows a hundred."""
    return " ".join(f"queue:{id_}" for id_ in db.session.scalars(queue_ids(current_user).limit(MOST_TOPICS)))
