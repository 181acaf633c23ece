"""Webhooks: other systems that are told of events. For administrators."""

from typing import Annotated, Literal

from flask_babel import gettext as _
from pydantic import Field

from helpdesk import webhook_changes
from helpdesk.api import cursors
from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Id, In, Moment, Out, Paged, Words
from helpdesk.errors import Forbidden
from helpdesk.models import Scope, Webhook, WebhookDelivery
from helpdesk.webhook_changes import MOST_DAYS, Wanted

noun = Noun("webhooks", "Addresses that are told of events. For administrators.")

Url = Annotated[Words, Field(min_length=8, max_length=2000, pattern=r"^https?://[^\x00-\x20]+$")]
Kinds = Annotated[list[Annotated[Words, Field(max_length=100)]], Field(max_length=100)]


class WebhookIn(In):
    """A new webhook."""

    name: Annotated[Words, Field(min_length=1, max_length=100)]
    url: Url
    kinds: Annotated[Kinds, Field(default_factory=list, description="Kinds of events; none named: all.")]
    queue_id: Annotated[Id | None, Field(description="Only events of this queue.")] = None
    project_id: Annotated[Id | None, Field(description="Only events of this project.")] = None
    give_up_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 5


class WebhookFacts(In):
    """What shall be changed; what is left out stays."""

    active: bool | None = None
    url: Url | None = None
    kinds: Kinds | None = None


class WebhookOut(Out):
    """A webhook, and how it is. `failing_since` is the first failure after the last success."""

    id: Id
    name: str
    url: str
    kinds: list[str]
    queue_id: Id | None
    project_id: Id | None
    active: bool
    give_up_days: int
    failing_since: Moment | None
    off_at: Moment | None
    off_words: str
    created_at: Moment
    secret: Annotated[str | None, Field(description="What requests are signed with: given once, when it is made.")]


class WebhookList(Out):
    """All webhooks."""

    items: list[WebhookOut]


class DeliveryOut(Out):
    """One event for one webhook, and what became of it. `event_id` is null for a test."""

    id: Id
    event_id: Id | None
    state: Literal["queued", "sending", "sent", "failed"]
    attempts: int
    status: Annotated[int | None, Field(description="The receiver's last HTTP status.")]
    words: Annotated[str, Field(description="What the receiver said, or why there was no answer.")]
    created_at: Moment
    finished_at: Moment | None


class DeliveryPage(Out):
    """A page of deliveries, newest first; `next_cursor` is null at the end."""

    items: list[DeliveryOut]
    next_cursor: str | None


@noun.get("/webhooks", scope=Scope.WEBHOOKS_MANAGE, answer=WebhookList)
def index(caller: Caller) -> WebhookList:
    """List all webhooks."""
    _check(caller)
    return WebhookList(items=[_shape(webhook) for webhook in webhook_changes.all_webhooks()])


@noun.post("/webhooks", scope=Scope.WEBHOOKS_MANAGE, answer=WebhookOut, status=201, body=WebhookIn)
def create(caller: Caller, body: WebhookIn) -> WebhookOut:
    """Add a webhook. The secret is in this answer and in no other."""
    _check(caller)
    wanted = Wanted(body.name, body.url, tuple(body.kinds), body.queue_id, body.project_id, body.give_up_days)
    webhook, secret = webhook_changes.create(caller.user, wanted)
    return _shape(webhook, secret)


@noun.get("/webhooks/{webhook_id}", scope=Scope.WEBHOOKS_MANAGE, answer=WebhookOut)
def show(caller: Caller, webhook_id: int) -> WebhookOut:
    """Read one webhook."""
    _check(caller)
    return _shape(webhook_changes.get_webhook(webhook_id))


@noun.patch("/webhooks/{webhook_id}", scope=Scope.WEBHOOKS_MANAGE, answer=WebhookOut, body=WebhookFacts)
def change(caller: Caller, webhook_id: int, body: WebhookFacts) -> WebhookOut:
    """Change the address or kinds of a webhook, or switch it off or on."""
    _check(caller)
    webhook = webhook_changes.get_webhook(webhook_id)
    kinds = webhook.kinds if body.kinds is None else body.kinds
    wanted = Wanted(
        webhook.name,
        body.url or webhook.url,
        tuple(kinds),
        webhook.queue_id,
        webhook.project_id,
        webhook.give_up_days,
    )
    webhook_changes.change(caller.user, webhook, wanted)
    if body.active is not None:
        webhook_changes.switch(caller.user, webhook, body.active)
    return _shape(webhook)


@noun.delete("/webhooks/{webhook_id}", scope=Scope.WEBHOOKS_MANAGE, answer=None)
def remove(caller: Caller, webhook_id: int) -> None:
    """Delete a webhook and the log of its deliveries."""
    _check(caller)
    webhook_changes.remove(caller.user, webhook_changes.get_webhook(webhook_id))


@noun.get("/webhooks/{webhook_id}/deliveries", scope=Scope.WEBHOOKS_MANAGE, answer=DeliveryPage, query=Paged)
def deliveries(caller: Caller, webhook_id: int, query: Paged) -> DeliveryPage:
    """List what a webhook was told, newest first."""
    _check(caller)
    before = cursors.after_id(query.cursor)
    webhook = webhook_changes.get_webhook(webhook_id)
    found = webhook_changes.last_deliveries(webhook, query.limit + 1, before)
    page, more = cursors.cut(found, query.limit)
    return DeliveryPage(items=[_delivery(row) for row in page], next_cursor=more)


@noun.post("/webhooks/{webhook_id}/tests", scope=Scope.WEBHOOKS_MANAGE, answer=DeliveryOut, status=201)
def test(caller: Caller, webhook_id: int) -> DeliveryOut:
    """Tell the receiver of a made-up event, `webhook.test`."""
    _check(caller)
    return _delivery(webhook_changes.send_test(webhook_changes.get_webhook(webhook_id)))


@noun.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/repeats", scope=Scope.WEBHOOKS_MANAGE, answer=DeliveryOut
)
def send_again(caller: Caller, webhook_id: int, delivery_id: int) -> DeliveryOut:
    """Tell of one event once more, under the same id."""
    _check(caller)
    return _delivery(webhook_changes.send_again(webhook_changes.get_webhook(webhook_id), delivery_id))


def _check(caller: Caller) -> None:
    if not caller.user.is_administrator:
        raise Forbidden(_("Only administrators manage webhooks."))


def _delivery(row: WebhookDelivery) -> DeliveryOut:
    return DeliveryOut.model_validate(
        {name: getattr(row, name) for name in DeliveryOut.model_fields}
    )


def _shape(webhook: Webhook, secret: str | None = None) -> WebhookOut:
    names = WebhookOut.model_fields.keys() - {"secret"}
    return WebhookOut.model_validate({name: getattr(webhook, name) for name in names} | {"secret": secret})
