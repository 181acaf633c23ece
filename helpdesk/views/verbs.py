"""What can be done with a ticket from a list: the menu of its row, asked for when it is opened."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from helpdesk import permissions
from helpdesk.models import Right
from helpdesk.views import link_shapes, shapes

pages = Blueprint("verbs", __name__)


@pages.get("/tickets/<int:ticket_id>/verbs")
@login_required
def show(ticket_id: int) -> ResponseReturnValue:
    """The verbs that the ticket's own bar would offer its reader now, as a fragment."""
    ticket = permissions.get_ticket(current_user, ticket_id)
    rights = permissions.rights(current_user, ticket.queue_id)
    works = Right.WORK in rights
    offered = shapes.actions(ticket, works, works and Right.SUPERVISE in rights) | link_shapes.actions(ticket, works)
    return render_template("tickets/_verbs.html", number_text=ticket.number_text, actions=offered)
