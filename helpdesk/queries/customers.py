"""Customers and organisations as lists, and a customer's tickets as one user may see them; pages by keyset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Row, Select, func, literal, select, tuple_
from sqlalchemy.orm import selectinload

from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.models import Customer, Organisation, Ticket, User
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from helpdesk.queries.search import customer_condition

PAGE = 50
MOST_COUNTED = 1000


@dataclass(frozen=True)
class CustomerPage:
    """A page of customers in alphabetical order; `next_after` continues after the last one, None at the end."""

    customers: Sequence[Customer]
    next_after: str | None


@dataclass(frozen=True)
class TicketPage:
    """A page of tickets, newest first, with the columns of `helpdesk.queries.lists`; `older_than` continues.

    `total` counts up to MOST_COUNTED; `more` says that there are more than that.
    """

    rows: Sequence[Row[Any]]
    older_than: int | None
    total: int
    more: bool


def get_customer(customer_id: int) -> Customer:
    """The customer, who may have been merged. All operators may know all customers. Raises NotFound."""
    customer = db.session.get(Customer, customer_id)
    if customer is None:
        raise NotFound(_("There is no such customer."))
    return customer


def present_customer(customer_id: int, lock: bool = False) -> Customer:
    """A customer who is still one by themselves, their row held with `lock`. Raises NotFound or Conflict."""
    customer = get_customer(customer_id)
    if lock:
        db.session.refresh(customer, with_for_update={"key_share": True})
    if customer.merged_into_id is not None:
        raise Conflict(_("This customer was merged into another one meanwhile."), customer=customer.merged_into_id)
    return customer


def get_organisation(organisation_id: int) -> Organisation:
    """The organisation. Raises NotFound."""
    organisation = db.session.get(Organisation, organisation_id)
    if organisation is None:
        raise NotFound(_("There is no such organisation."))
    return organisation


def list_customers(
    question: str = "", after: str | None = None, organisation_id: int | None = None, limit: int = PAGE
) -> CustomerPage:
    """A page of the customers whose name, address or phone answers `question` (all without one)."""
    query = select(Customer).where(Customer.merged_into_id.is_(None))
    if question.strip():
        condition = customer_condition(question)
        if condition is None:
            return CustomerPage([], None)
        query = query.where(condition)
    if organisation_id is not None:
        query = query.where(Customer.organisation_id == organisation_id)
    query = query.options(selectinload(Customer.identities), selectinload(Customer.organisation))
    found = list(db.session.scalars(_after(query, Customer, after).limit(limit + 1)))
    return CustomerPage(found[:limit], _place(found[limit - 1]) if len(found) > limit else None)


def list_organisations(question: str = "", after: str | None = None, limit: int = PAGE) -> tuple[list[Any], str | None]:
    """A page of organisations in alphabetical order, and where to go on."""
    query = select(Organisation).options(selectinload(Organisation.domains))
    if question.strip():
        typed = question.strip().lower().replace("\\", "").replace("%", "").replace("_", "\\_")
        query = query.where(func.lower(Organisation.name).like(f"%{typed}%"))
    found = list(db.session.scalars(_after(query, Organisation, after).limit(limit + 1)))
    return found[:limit], _place(found[limit - 1]) if len(found) > limit else None


def tickets_of(customer: Customer, user: User, older_than: int | None = None, limit: int = PAGE) -> TicketPage:
    """A page of the customer's tickets that `user` may see."""
    condition = (Ticket.customer_id == customer.id, visible(user))
    counted = select(literal(1)).where(*condition).limit(MOST_COUNTED + 1).subquery()
    total = db.session.execute(select(func.count()).select_from(counted)).scalar_one()
    query = ticket_rows().where(*condition).order_by(Ticket.id.desc())
    if older_than is not None:
        query = query.where(Ticket.id < older_than)
    found = db.session.execute(query.limit(limit + 1)).all()
    rest = found[limit - 1].id if len(found) > limit else None
    return TicketPage(found[:limit], rest, min(total, MOST_COUNTED), total > MOST_COUNTED)


def _place(row: Customer | Organisation) -> str:
    return f"{row.id}"


def _after(query: Select[Any], model: type[Customer] | type[Organisation], after: str | None) -> Select[Any]:
    """Alphabetical order, going on after the row with this id; its name is looked up, so that URLs hold no names."""
    order = (func.sort_key(model.name), model.id)
    if after:
        if not (after.isascii() and after.isdigit()) or len(after) > 18:
            raise Refused(_("The address of this page is not complete. Open the list again."))
        last = db.session.scalar(select(model.name).where(model.id == int(after)))
        if last is not None:
            query = query.where(tuple_(*order) > tuple_(func.sort_key(last), literal(int(after))))
    return query.order_by(*order)
