"""What kind of customer somebody is: known by a channel alone, from an outside system, one of us, or nobody by name.

It follows from the addresses: whoever has an identity `crm:<system>` is of the CRM; a mark, or a mail address at one of
our own domains, makes a colleague; visitors of a widget who left nothing else are anonymous.
"""

import re
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select

from helpdesk.addresses import normalise_domain
from helpdesk.errors import Refused
from helpdesk.models import Customer, Identity, read_setting

STAFF_DOMAINS = "staff_domains"


class CustomerKind(StrEnum):
    """The types of customers."""

    CHANNEL = "channel"
    CRM = "crm"
    INTERNAL = "internal"
    ANONYMOUS = "anonymous"


def kind_of(customer: Customer) -> CustomerKind:
    """The type of one customer, from their identities."""
    own = staff_domains()
    spaces = [identity.namespace.partition(":")[0] for identity in customer.identities]
    domains = {one.value.rpartition("@")[2] for one in customer.identities if one.namespace == "email"}
    if customer.internal or domains & own:
        return CustomerKind.INTERNAL
    if "crm" in spaces:
        return CustomerKind.CRM
    return CustomerKind.ANONYMOUS if spaces and set(spaces) == {"visitor"} else CustomerKind.CHANNEL


def kind_column() -> ColumnElement[str]:
    """The same for queries on `Customer`."""
    theirs = Identity.customer_id == Customer.id
    is_own = and_(theirs, Identity.namespace == "email", _domain().in_(sorted(staff_domains())))
    is_visitor = Identity.namespace.startswith("visitor:")
    return case(
        (or_(Customer.internal, exists().where(is_own)), literal(CustomerKind.INTERNAL.value)),
        (exists().where(theirs, Identity.namespace.startswith("crm:")), literal(CustomerKind.CRM.value)),
        (
            and_(exists().where(theirs, is_visitor), ~exists().where(theirs, ~is_visitor)),
            literal(CustomerKind.ANONYMOUS.value),
        ),
        else_=literal(CustomerKind.CHANNEL.value),
    )


def customers_of_kind(kind: CustomerKind, customer_id: Any) -> ColumnElement[bool]:
    """The condition that the customer with this id (a column) is of this type."""
    return select(Customer.id).where(Customer.id == customer_id, kind_column() == kind.value).exists()


def kind_name(kind: CustomerKind) -> str:
    """What a type is called."""
    return {
        CustomerKind.CHANNEL: _("Channel"),
        CustomerKind.CRM: _("CRM"),
        CustomerKind.INTERNAL: _("Colleague"),
        CustomerKind.ANONYMOUS: _("Anonymous"),
    }[kind]


def staff_domains() -> set[str]:
    """The mail domains of our own people, as administrators set them, in the form in which addresses are kept."""
    return {normalise_domain(str(one)) for one in read_setting(STAFF_DOMAINS, [])}


def read_domains(typed: str) -> list[str]:
    """Mail domains as somebody typed them, sorted. Raises Refused for what is none."""
    found = {part.strip("@.").lower() for part in re.split(r"[\s,;]+", typed) if part.strip("@.")}
    for one in found:
        if "." not in one or "@" in one or len(one) > 253:
            raise Refused(_("“%(domain)s” is not a mail domain such as company.example.", domain=one[:100]))
    return sorted(found)


def _domain() -> ColumnElement[str]:
    return func.split_part(Identity.value, "@", 2)
