"""Customers: who they are, how to reach them, all their tickets; one person under two names is merged here."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user, login_required
from sqlalchemy import func, select

from helpdesk import addresses, clock, words
from helpdesk.auth import me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import Conflict, Forbidden, NotFound, Refused
from helpdesk.models import Customer, CustomerMerge, Identity, Organisation
from helpdesk.models.customer_merge import likely_duplicates, merge_into, open_merges, undo_merge
from helpdesk.models.definitions import definitions
from helpdesk.queries.customers import TicketPage, get_customer, list_customers, present_customer, tickets_of
from helpdesk.queries.search import find_customers, read_older_than
from helpdesk.queries.tasks import of_customer
from helpdesk.views import shapes
from helpdesk.views.customer_values import PLACES, organisation_named, values_of
from helpdesk.views.fact_shapes import own_field
from helpdesk.views.states import typed_fields
from helpdesk.views.tasks import card as task_card

pages = Blueprint("customers", __name__)

NAMESPACE_ICONS = {addresses.EMAIL: "mail", addresses.PHONE: "phone"}


def back_to(customer: Customer) -> ResponseReturnValue:
    """After a change: the customer's page again."""
    return redirect(url_for("customers.show", customer_id=customer.id), 303)


@pages.get("/customers")
@login_required
def index() -> ResponseReturnValue:
    """All customers in alphabetical order, or those who answer a question."""
    question = request.args.get("q", "")[:200]
    page = list_customers(question, request.args.get("after"))
    return render_template(
        "customers/index.html",
        customers=page.customers,
        question=question,
        next_url=url_for("customers.index", q=question or None, after=page.next_after) if page.next_after else None,
        first_url=url_for("customers.index", q=question or None) if "after" in request.args else None,
    )


@pages.get("/customers/<int:customer_id>")
@login_required
def show(customer_id: int) -> ResponseReturnValue:
    """One customer; who was merged leads to who they became."""
    customer = get_customer(customer_id)
    if customer.merged_into_id is not None:
        return back_to(customer.as_merged())
    page = tickets_of(customer, current_user, read_older_than(request.args.get("older_than")))
    return render_template(
        "customers/show.html",
        customer=customer,
        customer_values=values_of(customer),
        identities=[_reach(identity) for identity in customer.identities],
        merges=open_merges(customer),
        duplicates=likely_duplicates(customer),
        **task_card(of_customer(me(), customer.id), customer_id=customer.id),
        **_history(customer, page),
    )


def _history(customer: Customer, page: TicketPage) -> dict[str, Any]:
    here: dict[str, Any] = {"customer_id": customer.id}
    now = clock.now()
    total = ngettext("%(num)s ticket", "%(num)s tickets", page.total)
    return {
        "rows": [shapes.row(item, now) for item in page.rows],
        "list_id": "customer-tickets",
        "list_text": _("more than %(tickets)s", tickets=total) if page.more else total,
        "next_url": url_for("customers.show", **here, older_than=page.older_than) if page.older_than else None,
        "prev_url": url_for("customers.show", **here) if "older_than" in request.args else None,
        "empty_mark": "inbox",
        "empty_title": _("No tickets"),
        "empty_text": _("There is no ticket of this customer that you may see."),
    }


def _reach(identity: Identity) -> dict[str, Any]:
    schemes = {addresses.EMAIL: "mailto:", addresses.PHONE: "tel:"}
    scheme = schemes.get(identity.namespace)
    return {
        "id": identity.id,
        "icon": NAMESPACE_ICONS.get(identity.namespace, "at"),
        "kind": words.identity_kind(identity.namespace),
        "value": identity.shown,
        "shared": identity.shared,
        "unreachable": identity.unreachable_since is not None,
        "url": f"{scheme}{identity.value}" if scheme else None,
    }


@pages.get("/customers/<int:customer_id>/edit")
@login_required
def edit(customer_id: int) -> ResponseReturnValue:
    """The form with all that is known but addresses."""
    customer = present_customer(customer_id)
    organisation = customer.organisation.name if customer.organisation else ""
    given = {"name": customer.name, "note": customer.note, "language": customer.language or ""}
    return _form(customer, {**given, "organisation": organisation})


@pages.post("/customers/<int:customer_id>")
@login_required
def save(customer_id: int) -> ResponseReturnValue:
    """Take what the form says; what was typed is kept where it cannot be."""
    customer = present_customer(customer_id, lock=True)
    given = {name: request.form.get(name, "") for name in ("name", "note", "organisation", "language")}
    version, own = request.form.get("version", 0, type=int), typed_fields()
    try:
        customer.edit(current_user, given["name"], given["note"], organisation_named(given["organisation"]), version)
        if "language" in request.form:
            customer.prefer_language(current_user, given["language"] if given["language"] in LANGUAGES else None)
        if "internal_shown" in request.form:
            customer.mark_internal(me(), "internal" in request.form)
        customer.set_fields(me(), own)
    except (Refused, Conflict) as refusal:
        db.session.rollback()
        return _form(get_customer(customer_id), given, refusal.message, own), refusal.status
    return back_to(customer)


def _form(customer: Customer, given: dict[str, str], fault: str = "", own: dict[str, Any] | None = None) -> str:
    values = {**customer.fields, **(own or {})}
    organisations = select(Organisation.name).order_by(func.sort_key(Organisation.name)).limit(200)
    return render_template(
        "customers/edit.html",
        customer=customer,
        given=given,
        fault=fault,
        organisations=list(db.session.scalars(organisations)),
        languages=LANGUAGES,
        rows=[own_field(field, values.get(field.key)) for field in definitions().of_customer()],
    )


@pages.post("/customers/<int:customer_id>/identities")
@login_required
def add_identity(customer_id: int) -> ResponseReturnValue:
    """Add a mail address or a phone number, whichever was typed."""
    customer = present_customer(customer_id, lock=True)
    value = request.form.get("value", "")[:400]
    namespace = addresses.PHONE if addresses.looks_like_phone(value) else addresses.EMAIL
    in_place = "HX-Request" in request.headers
    try:
        customer.add_identity(me(), namespace, value, shared="shared" in request.form)
    except (Refused, Conflict) as refusal:
        if not in_place:
            raise
        db.session.rollback()
        return _reach_part(get_customer(customer_id), value, refusal), refusal.status
    return _reach_part(customer) if in_place else back_to(customer)


def _reach_part(customer: Customer, typed: str = "", refusal: Refused | Conflict | None = None) -> str:
    """The addresses as the card shows them; after a refusal with what was typed, why, and who has the address."""
    other = db.session.get(Customer, refusal.details["customer"]) if refusal and "customer" in refusal.details else None
    at = request.form.get("at", "card")
    return render_template(
        "customers/_identities.html",
        customer=shapes.customer_card(customer),
        at=at if at in PLACES else "card",
        typed=typed,
        fault=refusal.message if refusal else "",
        taken_by={"name": other.name} if other else None,
    )


@pages.post("/customers/<int:customer_id>/identities/<int:identity_id>/removal")
@login_required
def remove_identity(customer_id: int, identity_id: int) -> ResponseReturnValue:
    """Take an address away from the customer."""
    customer = present_customer(customer_id, lock=True)
    customer.remove_identity(current_user, _identity(customer, identity_id))
    return back_to(customer)


@pages.post("/customers/<int:customer_id>/identities/<int:identity_id>/sharing")
@login_required
def share_identity(customer_id: int, identity_id: int) -> ResponseReturnValue:
    """Say that several people use an address (`shared=1`), or that one does."""
    customer = present_customer(customer_id, lock=True)
    customer.share_identity(current_user, _identity(customer, identity_id), request.form.get("shared") == "1")
    return back_to(customer)


def _identity(customer: Customer, identity_id: int) -> Identity:
    identity = db.session.get(Identity, identity_id)
    if identity is None or identity.customer_id != customer.id:
        raise NotFound(_("There is no such address of this customer."))
    return identity


@pages.post("/customers/<int:customer_id>/blocking")
@login_required
def block(customer_id: int) -> ResponseReturnValue:
    """Leave out what this customer sends (`blocked=1`), or take it again. For supervisors."""
    if not current_user.is_supervisor:
        raise Forbidden(_("Only supervisors block customers."))
    customer = present_customer(customer_id, lock=True)
    customer.block(current_user, request.form.get("blocked") == "1")
    return back_to(customer)


@pages.get("/customers/<int:customer_id>/merge")
@login_required
def choose_merge(customer_id: int) -> ResponseReturnValue:
    """Choose who is the same person as this customer: likely ones, or found by a question."""
    customer = present_customer(customer_id)
    question = request.args.get("q", "")[:200]
    found = find_customers(question, limit=20) if question.strip() else likely_duplicates(customer)
    others = [other for other in found if other.id != customer.id]
    return render_template("customers/merge.html", customer=customer, others=others, question=question)


@pages.post("/customers/<int:customer_id>/merges")
@login_required
def merge(customer_id: int) -> ResponseReturnValue:
    """Let the customer `other` become this one."""
    customer = present_customer(customer_id)
    other = present_customer(request.form.get("other", 0, type=int))
    merge_into(other, customer, current_user)
    flash(_("%(name)s was merged into this customer. It can be undone below.", name=other.name), "success")
    return back_to(customer)


@pages.post("/customers/<int:customer_id>/merges/<int:merge_id>/undoing")
@login_required
def undo(customer_id: int, merge_id: int) -> ResponseReturnValue:
    """Part two customers again."""
    customer = present_customer(customer_id)
    row = db.session.get(CustomerMerge, merge_id)
    if row is None or row.target_id != customer.id:
        raise NotFound(_("There is no such merge of this customer."))
    restored = undo_merge(row, current_user)
    flash(_("%(name)s is a customer of their own again.", name=restored.name), "success")
    return back_to(customer)
