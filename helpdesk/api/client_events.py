"""What other systems tell of customers: subscriptions, orders, payments, funnels."""

from typing import Annotated, Literal

from pydantic import Field

from helpdesk import client_events
from helpdesk.api.customers import noun
from helpdesk.api.framework import Caller
from helpdesk.api.schemas import Id, In, Moment, Out, Words
from helpdesk.client_events import What
from helpdesk.db import db
from helpdesk.models import Scope
from helpdesk.queries.customers import get_customer

MOST_WORDS = 200

Short = Annotated[Words, Field(max_length=MOST_WORDS)]
Said = Annotated[Words, Field(min_length=1, max_length=MOST_WORDS)]


class Subscription(In):
    """The customer subscribed, for the first time or again: to which funnel, from where, by what."""

    what: Literal["subscribed", "resubscribed"]
    funnel: Short = ""
    source: Annotated[Short, Field(description="The source of the traffic.")] = ""
    lead_tool: Short = ""


class Unsubscription(In):
    """The customer unsubscribed; lists show them as unsubscribed until they subscribe again."""

    what: Literal["unsubscribed"]
    funnel: Short = ""
    reason: Short = ""


class Order(In):
    """The customer ordered an offer, or paid for it, or the payment failed."""

    what: Literal["ordered", "payment-ok", "payment-failed"]
    offer: Short = ""
    amount: Annotated[Short, Field(description="With its currency, as people read it.")] = ""
    reason: Short = ""


class FunnelStep(In):
    """A funnel was started or stopped for the customer."""

    what: Literal["funnel-start", "funnel-stop"]
    funnel: Said
    block: Short = ""
    way: Annotated[Short, Field(description="The kind of start or stop, such as “by hand”.")] = ""


class Other(In):
    """Anything else, in words."""

    what: Literal["other"]
    text: Annotated[Words, Field(min_length=1, max_length=500)]


class ClientEventIn(In):
    """What happened."""

    event: Annotated[Subscription | Unsubscription | Order | FunnelStep | Other, Field(discriminator="what")]


class ClientEventOut(Out):
    """What was written down. `id` is the message's; `customer_id` is another one where the customer was merged."""

    id: Id
    customer_id: Id
    what: What
    at: Moment


@noun.post(
    "/customers/{customer_id}/events",
    scope=Scope.CUSTOMERS_WRITE,
    answer=ClientEventOut,
    status=201,
    body=ClientEventIn,
)
def tell(caller: Caller, customer_id: int, body: ClientEventIn) -> ClientEventOut:
    """Tell what the customer did elsewhere: it stands in their conversation, for colleagues alone.

    It opens no ticket, makes nothing unread and is never sent.
    """
    details = body.event.model_dump()
    what = What(details.pop("what"))
    message = client_events.record_event(caller.user, get_customer(customer_id), what, details)
    db.session.flush()
    assert message.customer_id is not None
    return ClientEventOut(id=message.id, customer_id=message.customer_id, what=what, at=message.at)
