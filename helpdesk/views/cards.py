"""The large card: everything about a customer in a dialog over the page, and the files that went to and fro."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from helpdesk import clock
from helpdesk.models import Customer
from helpdesk.queries.card import files_of
from helpdesk.queries.counters import count_of
from helpdesk.queries.customers import get_customer, tickets_of
from helpdesk.queries.tasks import of_customer
from helpdesk.views import shapes
from helpdesk.views.customer_values import values_of
from helpdesk.views.tasks import card as task_card
from helpdesk.views.thread_shapes import attachment

pages = Blueprint("cards", __name__)

FEW_FILES = 12
MOST_FILES = 40
MOST_TICKETS = 30


@pages.get("/customers/<int:customer_id>/card")
@login_required
def show(customer_id: int) -> ResponseReturnValue:
    """The large card as a fragment; without scripts the customer's own page."""
    customer = get_customer(customer_id).as_merged()
    if "HX-Request" not in request.headers:
        return redirect(url_for("customers.show", customer_id=customer.id))
    now = clock.now()
    found = tickets_of(customer, current_user, limit=MOST_TICKETS)
    return render_template(
        "customers/_large_card.html",
        customer=shapes.customer_card(customer),
        customer_values=values_of(customer),
        known_since=customer.created_at,
        page_url=url_for("customers.show", customer_id=customer.id),
        rows=[shapes.row(item, now) for item in found.rows],
        ticket_total=count_of(f"customer:{customer.id}", "tickets"),
        files=_files(customer, MOST_FILES),
        **task_card(of_customer(current_user, customer.id), customer_id=customer.id),
    )


@pages.get("/customers/<int:customer_id>/files")
@login_required
def files(customer_id: int) -> ResponseReturnValue:
    """The latest files of the customer's tickets that one may see, as a fragment."""
    customer = get_customer(customer_id).as_merged()
    return render_template("customers/_files.html", files=_files(customer, FEW_FILES))


def _files(customer: Customer, limit: int) -> list[dict[str, Any]]:
    return [
        {**attachment(file), "at": file.message.at if file.message else None}
        for file in files_of(current_user, customer.id, limit)
    ]
