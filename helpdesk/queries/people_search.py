"""People by what one types: the beginning of a name, an address, the digits of a phone. Only whom the user may see.

A question is answered from the search's own index of customers, in which words are stemmed and numbers stand with
their endings; what is being typed counts as a beginning.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import selectinload

from helpdesk.db import db
from helpdesk.models import Customer, SearchDocument, Ticket, User
from helpdesk.permissions import visible
from helpdesk.queries.search_terms import tsquery
from helpdesk.search_text import terms

MOST = 8
MOST_MET = 400
SHORTEST = 2


@dataclass(frozen=True)
class Person:
    """Somebody who was found: name, addresses as they are shown, and the newest ticket that one may see, if any."""

    id: int
    name: str
    addresses: list[str]
    ticket_id: int | None


def find_people(user: User, question: str) -> list[Person]:
    """At most eight people, the latest known first; nobody for less than two letters or digits."""
    if sum(character.isalnum() for character in question) < SHORTEST:
        return []
    asked = terms(question)
    if not asked:
        return []
    met = select(SearchDocument.ref_id).where(
        SearchDocument.kind == "customer", SearchDocument.tsv.op("@@")(tsquery(asked))
    )
    newest = (
        select(Ticket.id)
        .where(Ticket.customer_id == Customer.id, visible(user))
        .order_by(Ticket.id.desc())
        .limit(1)
        .correlate(Customer)
        .scalar_subquery()
    )
    query = (
        select(Customer, newest.label("ticket_id"))
        .where(Customer.id.in_(met.limit(MOST_MET)), Customer.merged_into_id.is_(None), known_to(user))
        .order_by(Customer.id.desc())
        .limit(MOST)
        .options(selectinload(Customer.identities))
    )
    return [
        Person(customer.id, customer.name, [identity.shown for identity in customer.identities[:3]], ticket_id)
        for customer, ticket_id in db.session.execute(query)
    ]


def known_to(user: User) -> ColumnElement[bool]:
    """Whom `user` may see here: who has a ticket that they may see, or who has none at all."""
    if user.is_administrator:
        return Customer.id.is_not(None)
    theirs = exists().where(Ticket.customer_id == Customer.id)
    return or_(theirs.where(visible(user)), ~theirs)
