"""Customers: who they are and how they are reached."""

from typing import Annotated, Literal

from flask_babel import gettext as _
from pydantic import Field

from helpdesk.api import cursors
from helpdesk.api.framework import Caller, Noun, check_version
from helpdesk.api.schemas import FieldValues, Id, In, Moment, Named, Out, Paged, Words
from helpdesk.api.shapes import named
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Customer, Identity, Organisation, Scope
from helpdesk.models.customer import MOST_IDENTITIES, MOST_NAME, MOST_NOTE, tidy_name
from helpdesk.models.event import record_change
from helpdesk.queries.customers import get_customer, list_customers, present_customer

noun = Noun("customers", "People who write or call, and their addresses. All operators may know all customers.")

Name = Annotated[Words, Field(min_length=1, max_length=MOST_NAME)]
Note = Annotated[Words, Field(max_length=MOST_NOTE)]


class IdentityIn(In):
    """An address: of mail, or a phone number with its country code."""

    namespace: Literal["email", "phone"]
    value: Annotated[Words, Field(min_length=1, max_length=320)]
    shared: Annotated[bool, Field(description="Several people use it: it suggests a customer and never decides.")] = (
        False
    )


class CustomerIn(In):
    """A new customer."""

    name: Name
    identities: Annotated[list[IdentityIn], Field(min_length=1, max_length=MOST_IDENTITIES)]
    note: Note = ""
    organisation_id: Id | None = None
    fields: FieldValues | None = None


class CustomerFacts(In):
    """What shall be changed; what is left out stays."""

    name: Name | None = None
    note: Note | None = None
    organisation_id: Annotated[Id | None, Field(description="Null: of no organisation.")] = None
    fields: FieldValues | None = None


class IdentityOut(Out):
    """An address of a customer."""

    id: Id
    namespace: Annotated[str, Field(description="email, phone, telegram:<bot>, ...")]
    value: str
    label: str
    shared: bool
    unreachable_since: Moment | None


class CustomerOut(Out):
    """A person. Who was merged into another one says so in `merged_into_id`."""

    id: Id
    name: str
    organisation: Named | None
    language: str | None
    note: str
    fields: FieldValues
    blocked: bool
    merged_into_id: Id | None
    identities: list[IdentityOut]
    version: int
    created_at: Moment


class CustomersQuery(Paged):
    """Which customers."""

    q: Annotated[
        Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] | None,
        Field(description="Words of a name or an organisation, an address, a phone number or parts of them."),
    ] = None


class CustomerPage(Out):
    """A page of customers in alphabetical order; `next_cursor` is null at the end."""

    items: list[CustomerOut]
    next_cursor: str | None


@noun.get("/customers", scope=Scope.CUSTOMERS_READ, answer=CustomerPage, query=CustomersQuery)
def index(caller: Caller, query: CustomersQuery) -> CustomerPage:
    """List customers in alphabetical order, or find some by words."""
    place = cursors.read(query.cursor)
    page = list_customers(query.q or "", str(place[0]) if place else None, limit=query.limit)
    more = cursors.write([int(page.next_after)]) if page.next_after else None
    return CustomerPage(items=[_shape(customer) for customer in page.customers], next_cursor=more)


@noun.get("/customers/{customer_id}", scope=Scope.CUSTOMERS_READ, answer=CustomerOut)
def show(caller: Caller, customer_id: int) -> CustomerOut:
    """Read one customer."""
    return _shape(get_customer(customer_id))


@noun.post("/customers", scope=Scope.CUSTOMERS_WRITE, answer=CustomerOut, status=201, body=CustomerIn)
def create(caller: Caller, body: CustomerIn) -> CustomerOut:
    """Add a customer. 409 when somebody has one of the addresses; `facts.customer` then says who."""
    name = tidy_name(body.name)
    if not name:
        raise Refused(_("A customer needs a name; the address will do."))
    customer = Customer(name=name, note=body.note.strip(), organisation=_organisation(body.organisation_id))
    db.session.add(customer)
    db.session.flush()
    record_change(caller.user.id, "customer", customer.id, name, {"added": True})
    for identity in body.identities:
        customer.add_identity(caller.user, identity.namespace, identity.value, identity.shared)
    if body.fields is not None:
        customer.set_fields(caller.user, body.fields)
    return _fresh(customer)


@noun.patch(
    "/customers/{customer_id}",
    scope=Scope.CUSTOMERS_WRITE,
    answer=CustomerOut,
    body=CustomerFacts,
    versioned=True,
)
def change(caller: Caller, customer_id: int, body: CustomerFacts) -> CustomerOut:
    """Change name, note, organisation and fields of a customer."""
    customer = present_customer(customer_id, lock=True)
    check_version(customer.version)
    organisation = customer.organisation
    if "organisation_id" in body.model_fields_set:
        organisation = _organisation(body.organisation_id)
    name = customer.name if body.name is None else body.name
    note = customer.note if body.note is None else body.note
    customer.edit(caller.user, name, note, organisation, customer.version)
    if body.fields is not None:
        customer.set_fields(caller.user, body.fields)
    return _fresh(customer)


@noun.post(
    "/customers/{customer_id}/identities",
    scope=Scope.CUSTOMERS_WRITE,
    answer=CustomerOut,
    status=201,
    body=IdentityIn,
)
def add_identity(caller: Caller, customer_id: int, body: IdentityIn) -> CustomerOut:
    """Add an address to a customer."""
    customer = present_customer(customer_id, lock=True)
    customer.add_identity(caller.user, body.namespace, body.value, body.shared)
    return _fresh(customer)


@noun.delete("/customers/{customer_id}/identities/{identity_id}", scope=Scope.CUSTOMERS_WRITE, answer=None)
def remove_identity(caller: Caller, customer_id: int, identity_id: int) -> None:
    """Take an address away; the last one stays."""
    customer = present_customer(customer_id, lock=True)
    identity = db.session.get(Identity, identity_id)
    if identity is None or identity.customer_id != customer.id:
        raise NotFound(_("There is no such address of this customer."))
    customer.remove_identity(caller.user, identity)


def _organisation(organisation_id: int | None) -> Organisation | None:
    if organisation_id is None:
        return None
    found = db.session.get(Organisation, organisation_id)
    if found is None:
        raise Refused(_("There is no such organisation."))
    return found


def _fresh(customer: Customer) -> CustomerOut:
    db.session.flush()
    db.session.refresh(customer)
    return _shape(customer)


def _shape(customer: Customer) -> CustomerOut:
    return CustomerOut(
        id=customer.id,
        name=customer.name,
        organisation=named(customer.organisation),
        language=customer.language,
        note=customer.note,
        fields=customer.fields,
        blocked=customer.blocked,
        merged_into_id=customer.merged_into_id,
        identities=[
            IdentityOut(
                id=identity.id,
                namespace=identity.namespace,
                value=identity.value,
                label=identity.label,
                shared=identity.shared,
                unreachable_since=identity.unreachable_since,
            )
            for identity in customer.identities
        ],
        version=customer.version,
        created_at=customer.created_at,
    )
