"""Who takes part in a ticket's conversation from outside: its customer, and those in copy."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk.addresses import EMAIL
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Customer, Draft, Ticket
from helpdesk.opening import customer_for
from helpdesk.queries.customers import get_customer
from helpdesk.views.composing import addresses
from helpdesk.views.states import back_to, locked

pages = Blueprint("participants", __name__)


@pages.post("/tickets/<int:ticket_id>/participants")
@login_required
def change(ticket_id: int) -> ResponseReturnValue:
    """Let an `address` take part, or take it out (`remove`)."""
    ticket = locked(ticket_id)
    found = addresses("address")
    if not found:
        raise Refused(_("Type a mail address."))
    for address in found:
        if request.form.get("remove"):
            ticket.take_out(current_user, address)
        else:
            ticket.bring_in(current_user, address)
        _follow(ticket, address, not request.form.get("remove"))
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/customer")
@login_required
def change_customer(ticket_id: int) -> ResponseReturnValue:
    """Give the conversation to another customer: `customer_id`, or whoever has `address` (made new with `name`)."""
    chosen = _chosen()
    hold = select(Customer.id).where(Customer.id == chosen.id).with_for_update(read=True, key_share=True)
    db.session.execute(hold)  # before the conversation, as the intake does: nobody merges them meanwhile
    ticket = locked(ticket_id)
    ticket.change_customer(current_user, chosen, keep_former="keep" in request.form)
    return back_to(ticket)


def _chosen() -> Customer:
    customer_id = request.form.get("customer_id", type=int)
    if customer_id is not None:
        return get_customer(customer_id)
    found = addresses("address")
    if not found:
        raise Refused(_("Choose a customer, or type the mail address of a new one."))
    return customer_for(EMAIL, found[0], request.form.get("name", ""))


def _follow(ticket: Ticket, address: str, present: bool) -> None:
    """Let the recipients of one's own draft follow, which else would keep those of before."""
    mine = select(Draft).where(Draft.user_id == current_user.id, Draft.ticket_id == ticket.id)
    draft = db.session.scalar(mine)
    if draft is None or "cc" not in draft.recipients:
        return
    kept = [one for one in draft.recipients["cc"] if one.lower() != address.lower()]
    draft.recipients = {**draft.recipients, "cc": [*kept, address] if present else kept}
