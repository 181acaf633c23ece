"""A list as a page of its own, the panel that narrows it, and the people whom one finds by typing."""

import re
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import func, select

from helpdesk import capabilities, clock, permissions, words
from helpdesk.auth import me
from helpdesk.customer_kinds import CustomerKind, kind_name
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.forms import whole
from helpdesk.models import ListName, State, User
from helpdesk.models.definitions import FieldDefinition, Item, definitions
from helpdesk.queries.narrowing import NOTHING, read_narrowing, write_pairs
from helpdesk.queries.people_search import find_people
from helpdesk.queries.search_filters import read_question
from helpdesk.search_text import LONGEST_QUESTION
from helpdesk.views import narrowed_lists  # noqa: F401  registers its kinds of lists
from helpdesk.views.desk_lists import make_list, shown_context
from helpdesk.views.list_addresses import ALL, list_address, narrowed_key, split_key, ticket_address

pages = Blueprint("ticket_lists", __name__)

TICKET = re.compile(r"/tickets/(\d{1,18})")
MOST_OFFERED = 500
# The fields of the panel that hold one value each, in the order in which their conditions are written.
PLAIN = (
    *("queue", "who", "state", "owner", "priority"),
    *("type", "reason", "component", "category", "tag", "due", "from", "to"),
)
FIELD = "field-"


@pages.get("/views/list")
@login_required
def show() -> ResponseReturnValue:
    """The list that `in` names, as a page."""
    return _list_page(request.args.get("in", ALL))


@pages.get("/views/all")
@login_required
def all_tickets() -> ResponseReturnValue:
    """All active tickets that I may see, the longest wait first."""
    return _list_page(ALL)


@pages.get("/views/<int:view_id>/tickets")
@login_required
def of_view(view_id: int) -> ResponseReturnValue:
    """The list of a saved view."""
    return _list_page(f"view:{view_id}")


def _list_page(key: str) -> ResponseReturnValue:
    clock.hold()  # one page shows one moment, and asks for it once
    made = make_list(key, request.args.get("after"))
    if "HX-Request" in request.headers:
        return render_template(made.template, **made.context)
    return render_template("ticket_lists/show.html", **shown_context(made))


@pages.get("/views/filter")
@login_required
def panel() -> ResponseReturnValue:
    """The panel with the conditions by which a list can be narrowed, as a fragment."""
    base, written = split_key(request.args.get("in", ALL))
    given = _given(written)
    return render_template(
        "ticket_lists/_filter_panel.html" if "HX-Request" in request.headers else "ticket_lists/filter.html",
        base=base,
        given=given,
        all_shown=any(given.get(name) for name in (*PLAIN, "field")),
        kinds=capabilities.kinds(),
        queues=[] if base.startswith("queue:") else list(db.session.scalars(permissions.queues(current_user))),
        customer_kinds=[(kind.value, kind_name(kind)) for kind in CustomerKind],
        states=[(state.value, words.state_name(state)) for state in State],
        colleagues=_colleagues(),
        lists=_lists(),
        fields=_fields(base),
        priorities=words.PRIORITIES,
    )


@pages.get("/views/narrowed")
@login_required
def narrow() -> ResponseReturnValue:
    """From the panel's form to the list that it describes; an open ticket stays open beside it."""
    base, written = request.args.get("base", ALL), write_pairs(_asked())
    narrowing = read_narrowing(me(), written) if written else NOTHING
    key = narrowed_key(base, narrowing)
    make_list(key)  # says now what is wrong with it
    ticket = TICKET.fullmatch(request.args.get("at", ""))
    return redirect(ticket_address(int(ticket[1]), key) if ticket else list_address(key), 303)


@pages.get("/views/people")
@login_required
def people() -> ResponseReturnValue:
    """Up to eight people who answer what was typed, as a fragment."""
    question = request.args.get("q", "").strip()[:LONGEST_QUESTION]
    return render_template("ticket_lists/_people.html", question=question, people=find_people(me(), question))


def _asked() -> list[tuple[str, str]]:
    """The conditions that the form holds."""
    form = request.args
    pairs = [("kind", ",".join(kind for kind in form.getlist("kind") if kind in capabilities.kinds()))]
    pairs += [("has", name) for name in ("phone", "email") if form.get(f"has_{name}")]
    pairs += [(name, form.get(name, "").strip()) for name in PLAIN]
    pairs += [
        ("field", f"{name.removeprefix(FIELD)}={value.strip()}")
        for name, value in form.items()
        if name.startswith(FIELD) and value.strip()
    ]
    found = [(code, value) for code, value in pairs if value]
    if any(len(value) > LONGEST_QUESTION for _code, value in found):
        raise Refused(_("One of the conditions is too long."))
    return found


def _given(written: str) -> dict[str, Any]:
    """What the panel's fields hold for conditions that were applied."""
    given: dict[str, Any] = {}
    for code, value in read_question(written).filters:
        if code == "kind":
            given["kind"] = value.split(",")
        elif code == "has":
            given[f"has_{value}"] = True
        elif code == "field":
            number, _equals, asked = value.partition("=")
            given.setdefault("field", {})[number] = asked
        else:
            given[code] = value
    return given


def _lists() -> list[tuple[str, str, list[Item]]]:
    """The managed lists that hold anything: code of the condition, name, items."""
    names = {
        "type": (_("Type"), ListName.TYPE),
        "reason": (_("Reason"), ListName.REASON),
        "component": (_("Component"), ListName.COMPONENT),
        "category": (_("Category"), ListName.CATEGORY),
    }
    found = definitions().lists
    return [(code, name, list(found[of].values())) for code, (name, of) in names.items() if found[of]]


def _fields(base: str) -> list[FieldDefinition]:
    """The fields by which this list can be narrowed: those of its queue's tickets, and those of customers."""
    known = definitions()
    kind, _colon, rest = base.partition(":")
    queue_id = whole(rest.partition(":")[0]) if kind == "queue" else None
    if queue_id is not None:
        return [*known.of_ticket(queue_id), *known.of_customer()]
    return [field for field in known.fields.values() if field.active]


def _colleagues() -> list[tuple[str, str]]:
    query = select(User.id, User.name).where(User.active, ~User.system).order_by(func.sort_key(User.name), User.id)
    return [(f"#{row.id}", row.name) for row in db.session.execute(query.limit(MOST_OFFERED))]
