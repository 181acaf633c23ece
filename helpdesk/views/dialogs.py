"""The small forms that a ticket's page opens: a fragment for the dialog, or a page of its own without scripts."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import blocking, permissions, words
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.forwarded import people_in
from helpdesk.models import Category, Group, Queue, QueueRight, Right, Role, Ticket, User
from helpdesk.models.channel import is_own_address
from helpdesk.models.user import Membership
from helpdesk.queries import thread as reading
from helpdesk.queries.search import find_customers
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


def _edit(ticket: Ticket) -> dict[str, Any]:
    categories = select(Category).where(Category.active).order_by(Category.name)
    return {
        "categories": list(db.session.scalars(categories)),
        "groups": list(db.session.scalars(select(Group).order_by(Group.name))),
        "tags": ", ".join(ticket.tags),
    }


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
    "assign": lambda ticket: {"people": colleagues(ticket.queue_id)},
    "snooze": lambda ticket: {},
    "finish": lambda ticket: {"then": request.args.get("then", "")},
    "move": _move,
    "priority": lambda ticket: {"priorities": [(p, words.priority_name(p)) for p in (1, 2, 3, 4)]},
    "edit": _edit,
    "people": lambda ticket: {"people": colleagues(ticket.queue_id), "present": reading.people(ticket)},
    "forward": _forward,
    "customer": _customer,
    "beside": _beside,
    "spam": lambda ticket: {"blockable": blocking.blockable(blocking.sender_of(ticket))},
    "rescue": lambda ticket: {"blocks": blocking.blocks_of(ticket.project_id, blocking.sender_of(ticket))},
    "reason": lambda ticket: {},
    "takeover": lambda ticket: {},
}
