"""The list pane's other list: a row a person. Its keys are `people:` and a tab: important, all, unread, active."""

import zlib
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import clock, words
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.permissions import queue_ids
from helpdesk.queries.narrowing import NOTHING, Narrowing
from helpdesk.queries.people_list import PAGE, Person, Tab, has_important, important, list_people
from helpdesk.views import shapes
from helpdesk.views.desk_lists import ListPane, list_kind, make_list, shown_context
from helpdesk.views.list_addresses import list_address, narrowed_context, narrowed_empty, narrowed_key, turns
from helpdesk.views.list_rows import asked_length

pages = Blueprint("people_list", __name__)

PEOPLE = "people"
MOST_TOPICS = 100


@pages.get("/people-list")
@login_required
def show() -> ResponseReturnValue:
    """The people's list as a page; without a tab the important, or all where nobody is."""
    asked = request.args.get("tab")
    if asked not in set(Tab):
        tab = Tab.IMPORTANT if has_important(me(), end_of_day()) else Tab.ALL
        return redirect(url_for("people_list.show", tab=tab.value))
    clock.hold()  # one page shows one moment, and asks for it once
    made = make_list(f"{PEOPLE}:{asked}", request.args.get("after"))
    if "HX-Request" in request.headers:
        return render_template(made.template, **made.context)
    return render_template("people_list/show.html", **shown_context(made))


@list_kind(PEOPLE, lambda rest: list_address(":".join([PEOPLE, *rest])))
def people(rest: list[str], after: str | None, narrowing: Narrowing = NOTHING) -> ListPane:
    """One of the lists of people, narrowed or whole; the important are never narrowed."""
    if not rest or rest[0] not in set(Tab):
        raise NotFound(_("There is no such list."))
    tab = Tab(rest[0])
    base = f"{PEOPLE}:{tab.value}"
    key = narrowed_key(base, narrowing)
    topics = _topics()
    version, now = shapes.live_versions(topics), clock.now()
    if tab == Tab.IMPORTANT:
        found, next_after = important(me(), end_of_day()), None
    else:
        page = list_people(me(), tab, after, asked_length(PAGE), narrowing.where)
        found, next_after = page.rows, page.next_after
    context: dict[str, Any] = {
        "rows": [_row(person, now, key, tab) for person in found],
        "list_id": "people",
        "list_topics": topics,
        "list_version": version,
        **turns(key, after, next_after),
        **(narrowed_context(base, narrowing) if tab != Tab.IMPORTANT else {}),
        "is_narrowed": bool(narrowing.written),
        "is_people": True,
        "tabs_label": _("Which chats"),
        "orders": _orders(tab, narrowing),
        **_empty(tab),
        **narrowed_empty(narrowing),
    }
    return ListPane(key, _("Chats"), list_address(base), context, "people_list/_list.html", tabs=_tabs(tab, narrowing))


def end_of_day() -> datetime:
    """When the reader's present day ends."""
    zone = ZoneInfo(me().time_zone)
    tomorrow = clock.now().astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone)


def _row(person: Person, now: datetime, key: str, tab: Tab) -> dict[str, Any]:
    late = tab == Tab.IMPORTANT and person.at is not None and person.at <= now
    waits = shapes.tone(person.at, now) if tab in {Tab.UNREAD, Tab.UNREAD_NEWEST} else ""
    address: dict[str, Any] = {"in": key}
    row: dict[str, Any] = {
        "id": person.customer_id,
        "url": url_for("exchange.show", customer_id=person.customer_id, **address),
        "name": person.name,
        "at": person.at,
        "tone": "late" if late else waits,
        "words": person.words,
        "said_by_us": person.words_of == "us",
        "is_task": tab == Tab.IMPORTANT,
        "unread": person.unread,
        "active": person.active,
        "draft": person.draft,
        "status": status_chip(person.status),
        "kinds": [_kind(kind) for kind in person.kinds],
    }
    row["stamp"] = f"{zlib.crc32(repr(sorted(row.items())).encode()):x}"
    return row


def status_chip(status: str) -> dict[str, str] | None:
    """Why somebody cannot be reached any more, for templates: name and tone; None for everybody else."""
    known = {
        "blocked": {"name": _("blocked"), "tone": "red"},
        "unreachable": {"name": _("unreachable"), "tone": "amber"},
        "unsubscribed": {"name": _("unsubscribed"), "tone": "amber"},
    }
    return known.get(status)


def _kind(namespace: str) -> dict[str, str]:
    icons = {"email": "mail", "phone": "phone", "telegram": "send", "visitor": "messages", "crm": "id"}
    return {"icon": icons.get(namespace, "at"), "name": words.identity_kind(namespace)}


def _tabs(current: Tab, narrowing: Narrowing) -> list[tuple[str, str, bool]]:
    names = {
        Tab.IMPORTANT: _("Important"),
        Tab.ALL: _("All"),
        Tab.UNREAD: _("Unread"),
        Tab.ACTIVE: _("Active dialogs"),
    }
    shown = Tab.UNREAD if current == Tab.UNREAD_NEWEST else current
    return [(_address(tab, narrowing), name, tab == shown) for tab, name in names.items()]


def _orders(tab: Tab, narrowing: Narrowing) -> list[tuple[str, str, bool]]:
    """How the unread can be ordered."""
    names = {Tab.UNREAD: _("Oldest first"), Tab.UNREAD_NEWEST: _("Newest first")}
    if tab not in names:
        return []
    return [(_address(one, narrowing), name, one == tab) for one, name in names.items()]


def _address(tab: Tab, narrowing: Narrowing) -> str:
    base = f"{PEOPLE}:{tab.value}"
    return list_address(base if tab == Tab.IMPORTANT else narrowed_key(base, narrowing))


def _empty(tab: Tab) -> dict[str, str]:
    title, text = {
        Tab.IMPORTANT: (_("Nothing due today"), _("Customers with tasks of yours that are due today stand here.")),
        Tab.ALL: (_("Nobody has written yet"), _("Whoever writes or calls stands here from then on.")),
        Tab.ACTIVE: (_("No active dialogs"), _("Everybody was helped. New dialogs appear here by themselves.")),
    }.get(tab, (_("Everything is handled"), _("What customers write stands here until somebody marks it as handled.")))
    return {"empty_mark": "circle-check", "empty_title": title, "empty_text": text}


def _topics() -> str:
    """What makes the list look again: my queues, of which a page follows a hundred, and my tasks."""
    queues = db.session.scalars(queue_ids(me()).distinct().limit(MOST_TOPICS))
    return " ".join([*(f"queue:{id_}" for id_ in queues), f"tasks:{me().id}"])
