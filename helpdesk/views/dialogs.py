"""The small forms that a ticket's page opens: a fragment for the dialog, or a page of its own without scripts."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import blocking, permissions, snoozes, words
from helpdesk.auth import me
from helpdesk.colleagues import absences_of
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forwarded import people_in
from helpdesk.models import Queue, QueueRight, Right, Role, Ticket, User
from helpdesk.models.channel import is_own_address
from helpdesk.models.field_values import missing_on_close
from helpdesk.models.user import Membership
from helpdesk.queries import thread as reading
from helpdesk.queries.search import find_customers
from helpdesk.views import fact_shapes
from helpdesk.views.composing import recipients

pages = Blueprint("dialogs", __name__)


@pages.get("/tickets/<int:ticket_id>/dialogs/<name>")
@login_required
def show(ticket_id: int, name: str) -> ResponseReturnValue:
    """One of the dialogs of a ticket."""
    if name not in CONTEXTS:
        raise NotFound(_("There is no such form."))
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    context = {"ticket": ticket, **CONTEXTS[name](ticket)}
    template = f"tickets/dialogs/{name}.html"
    if "HX-Request" in request.headers:
        return render_template(template, **context)
    return render_template("tickets/dialogs/_page.html", inner=template, **context)


def colleagues(queue_id: int) -> list[User]:
    """The active people who may work in a queue, in alphabetical order."""
    members = (
        select(Membership.user_id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(QueueRight.queue_id == queue_id, QueueRight.right.in_([Right.WORK, Right.SUPERVISE]))
    )
    query = select(User).where(User.active, (User.id.in_(members)) | (User.role == Role.ADMINISTRATOR))
    return list(db.session.scalars(query.order_by(User.name, User.id).limit(500)))


def _finish(ticket: Ticket) -> dict[str, Any]:
    """With the fields that closing requires and that are still empty, to be filled in right there."""
    missing = missing_on_close(ticket.queue_id, ticket.fields)
    rows = [fact_shapes.own_field(field, None) for field in missing]
    return {"then": request.args.get("then", ""), "rows": rows, "children": ticket.children_text()}


def _assign(ticket: Ticket) -> dict[str, Any]:
    people = colleagues(ticket.queue_id)
    out = {user_id: words.absence_words(absence) for user_id, absence in absences_of(people).items()}
    return {"people": people, "out": out}


def _move(ticket: Ticket) -> dict[str, Any]:
    query = permissions.queues(current_user).where(Queue.id != ticket.queue_id, Queue.project_id == ticket.project_id)
    return {"queues": list(db.session.scalars(query))}


def _customer(ticket: Ticket) -> dict[str, Any]:
    """Those whom forwarded mails on the ticket name as their authors, and those who answer the search."""
    question = request.args.get("q", "")
    said = [message.text for message in reading.messages(ticket).messages if message.kind == "inbound"]
    offers = {address.lower(): (name, address) for text in said for name, address in people_in(text)}
    return {
        "question": question,
        "found": [one for one in find_customers(question, 8) if one.id != ticket.customer_id] if question else [],
        "offers": [offer for offer in offers.values() if not is_own_address(offer[1])],
    }


def _beside(ticket: Ticket) -> dict[str, Any]:
    to, cc = recipients(ticket)
    return {"to": ", ".join(to), "cc": ", ".join(cc)}


def _forward(ticket: Ticket) -> dict[str, Any]:
    return {"message_id": request.args.get("message_id", type=int) or 0}


CONTEXTS: dict[str, Callable[[Ticket], dict[str, Any]]] = {
    "assign": _assign,
    "snooze": lambda ticket: {"snoozes": snoozes.offers(me(), ticket)},
    "finish": _finish,
    "move": _move,
    "priority": lambda ticket: {"priorities": [(p, words.priority_name(p)) for p in (1, 2, 3, 4)]},
    "forward": _forward,
    "customer": _customer,
    "beside": _beside,
    "spam": lambda ticket: {"blockable": blocking.blockable(blocking.sender_of(ticket))},
    "rescue": lambda ticket: {"blocks": blocking.blocks_of(ticket.project_id, blocking.sender_of(ticket))},
    "reason": lambda ticket: {},
    "takeover": lambda ticket: {},
}
