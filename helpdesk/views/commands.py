"""The command bar's list: where one can go, whom one can call, and what one looks for as one types.

What can be done with the open ticket is not listed here: the bar takes the buttons that stand on the page, so that it
offers exactly what they offer. What is listed here are ordinary links and forms too; js/commands.js presses them.
"""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import permissions, words
from helpdesk.auth import me
from helpdesk.colleagues import offered
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.macros import macros_for
from helpdesk.models import Right
from helpdesk.numbers import group_digits
from helpdesk.queries.lists import View
from helpdesk.queries.people_search import find_people
from helpdesk.queries.saved_views import views_of
from helpdesk.queries.search import by_number, find_tickets
from helpdesk.shell import navigation, url_if
from helpdesk.views.list_addresses import list_address

pages = Blueprint("commands", __name__)

MOST_FOUND = 6
SHORTEST = 2
MOST_TYPED = 100

Command = dict[str, Any]


@pages.get("/commands")
@login_required
def index() -> ResponseReturnValue:
    """Every place that the person may go to, as a fragment; asked for once a page."""
    return render_template("commands/_places.html", groups=[(_("Go to"), _places()), (_("Settings"), _settings())])


@pages.get("/commands/tickets/<int:ticket_id>")
@login_required
def of_ticket(ticket_id: int) -> ResponseReturnValue:
    """Macros for the ticket, colleagues to whom it can be given or who can be asked about it, as a fragment."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK)
    people = offered(ticket, me())
    here: dict[str, Any] = {"ticket_id": ticket.id}
    assign = [
        command(
            _("Assign to %(name)s", name=user.name),
            url_for("dialogs.show", name="assign", user_id=user.id, **here),
            "user-check",
            dialog=True,
        )
        for user, works in people
        if works and user.id != ticket.owner_id
    ]
    ask = [
        command(
            _("Mention %(name)s", name=user.name),
            url_for("colleagues.new", user_id=user.id, **here),
            "at",
            dialog=True,
        )
        for user, _works in people
    ]
    macros = [
        command(
            macro.name,
            url_for("macro_runs.preview", macro_id=macro.id, **here),
            "bolt",
            _("Macro"),
            dialog=True,
        )
        for macro in macros_for(me(), ticket)
    ]
    groups = [(_("Macros"), macros), (_("Colleagues"), assign + ask)]
    return render_template("commands/_places.html", groups=groups, on_demand=True)


@pages.get("/commands/found")
@login_required
def found() -> ResponseReturnValue:
    """Tickets and customers for what was typed (`q`), else for the same keys in another layout (`other`)."""
    typed = [request.args.get(name, "").strip()[:MOST_TYPED] for name in ("q", "other")]
    groups: list[tuple[str, list[Command]]] = []
    for question in typed:
        if len(question) >= SHORTEST and not groups:
            groups = [group for group in _found(question) if group[1]]
    return render_template("commands/_places.html", groups=groups, found=True)


def command(label: str, url: str, icon: str, hint: str = "", sought: str = "", dialog: bool = False) -> Command:
    """One line of the bar: a link, or the dialog that `url` answers with. `sought` are further words to find it by."""
    return {"label": label, "url": url, "icon": icon, "hint": hint, "sought": sought, "dialog": dialog}


def _places() -> list[Command]:
    work = [command(str(item.label), item.url, item.icon) for item in navigation("work") + navigation("watch")]
    lists = [command(_("My tickets"), list_address("mine"), "inbox")]
    queues = []
    for queue in db.session.scalars(permissions.queues(me())):
        queues.append(command(queue.name, url_for("queues.show", queue_id=queue.id), "stack-2", _("Queue")))
        queues += [
            command(f"{queue.name}: {name}", url_for("queues.show", queue_id=queue.id, view=view.value), "stack-2")
            for view, name in _views().items()
        ]
    views = [command(view.name, list_address(f"view:{view.id}"), "bookmark", _("View")) for view in views_of(me())]
    own = [
        command(_("Your profile"), url_for("preferences.show"), "user", sought=_("settings language password")),
        command(_("Notices"), url_for("notices.index"), "bell"),
    ]
    if keys := url_if("keys.show"):
        own.append(command(_("Keyboard shortcuts"), keys, "keyboard"))
    return [*work, *lists, *queues, *views, *own]


def _views() -> dict[View, str]:
    return {View.IN_WORK: _("In work"), View.PAUSED: _("Paused"), View.FINISHED: _("Finished")}


def _settings() -> list[Command]:
    entries = navigation("manage")
    return [command(str(item.label), item.url, item.icon, sought=str(item.hint)) for item in entries]


def _found(question: str) -> list[tuple[str, list[Command]]]:
    return [(_("Tickets"), _tickets(question)), (_("Customers"), _customers(question))]


def _tickets(question: str) -> list[Command]:
    exact = by_number(me(), question)
    try:
        hits = find_tickets(me(), question, limit=MOST_FOUND).hits
    except Refused:  # a condition that is still being typed
        hits = []
    rows = [hit.row for hit in hits]
    shown = [
        command(
            row.title,
            url_for("tickets.show", ticket_id=row.id),
            words.channel(row.channel_kind, row.channel_name)["icon"],
            f"{group_digits(row.number)} · {row.customer_name} · {words.state_name(row.state)}",
        )
        for row in rows
        if row.id != exact
    ]
    if exact is not None:
        number = _("Ticket %(number)s", number=question)
        shown.insert(0, command(number, url_for("tickets.show", ticket_id=exact), "inbox"))
    return shown


def _customers(question: str) -> list[Command]:
    return [
        command(
            person.name,
            url_for("customers.show", customer_id=person.id),
            "id",
            " · ".join(person.addresses),
        )
        for person in find_people(me(), question)[:MOST_FOUND]
    ]
