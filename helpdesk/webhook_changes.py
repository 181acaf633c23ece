"""What administrators do with webhooks, on screens and through the API. Every change is written into the history."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import clock, outbound
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Project, Queue, User, Webhook, WebhookDelivery
from helpdesk.models.event import record_change
from helpdesk.models.webhook import offered_kinds

MOST_WEBHOOKS = 50
MOST_DAYS = 60


@dataclass(frozen=True)
class Wanted:
    """A webhook as somebody wants it. No `kinds` are all kinds; `give_up_days` of failure switch it off."""

    name: str
    url: str
    kinds: tuple[str, ...] = ()
    queue_id: int | None = None
    project_id: int | None = None
    give_up_days: int = 5


def all_webhooks() -> list[Webhook]:
    """All webhooks, in alphabetical order."""
    return list(db.session.scalars(select(Webhook).order_by(func.sort_key(Webhook.name), Webhook.id)))


def get_webhook(webhook_id: int) -> Webhook:
    """The webhook. Raises NotFound."""
    webhook = db.session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound(_("There is no such webhook."))
    return webhook


def create(by: User, wanted: Wanted) -> tuple[Webhook, str]:
    """A new webhook, and the secret that its requests are signed with, which is shown once.

    Raises Refused when something of it cannot be, OutboundRefused for an address that may not be reached from here.
    """
    if (db.session.scalar(select(func.count()).select_from(Webhook)) or 0) >= MOST_WEBHOOKS:
        raise Refused(_("There are %(count)s webhooks already; remove one first.", count=MOST_WEBHOOKS))
    webhook = Webhook(created_by_id=by.id)
    changes = _apply(webhook, wanted)
    db.session.add(webhook)
    secret = _new_secret(webhook)
    record_change(by.id, "webhook", webhook.id, webhook.name, {"added": True, **changes})
    return webhook, secret


def change(by: User, webhook: Webhook, wanted: Wanted) -> None:
    """Change a webhook. Raises as `create` does."""
    changes = _apply(webhook, wanted)
    if changes:
        record_change(by.id, "webhook", webhook.id, webhook.name, changes)


def renew_secret(by: User, webhook: Webhook) -> str:
    """Another secret, which is shown once; the former one signs nothing more."""
    record_change(by.id, "webhook", webhook.id, webhook.name, {"secret": "renewed"})
    return _new_secret(webhook)


def switch(by: User, webhook: Webhook, on: bool) -> None:
    """Switch a webhook on or off. Switched on, it first gets what waited from before."""
    if webhook.active == on:
        return
    if on:
        webhook.switch_on()
    else:
        webhook.switch_off()
    record_change(by.id, "webhook", webhook.id, webhook.name, {"active": [not on, on]})


def remove(by: User, webhook: Webhook) -> None:
    """Delete a webhook and the log of its deliveries."""
    record_change(by.id, "webhook", webhook.id, webhook.name, {"removed": True})
    db.session.delete(webhook)


def send_test(webhook: Webhook) -> WebhookDelivery:
    """Tell the receiver of a made-up event. Raises Refused while the webhook is off."""
    if not webhook.active:
        raise Refused(_("This webhook is switched off. Switch it on first."))
    webhook.try_after = clock.now()
    delivery = WebhookDelivery(webhook=webhook)
    db.session.add(delivery)
    db.session.flush()
    return delivery


def send_again(webhook: Webhook, delivery_id: int) -> WebhookDelivery:
    """Tell of one event once more, under the same id. Raises NotFound, Refused while it is on its way anyway."""
    delivery = db.session.get(WebhookDelivery, delivery_id)
    if delivery is None or delivery.webhook_id != webhook.id:
        raise NotFound(_("There is no such delivery."))
    if not webhook.active:
        raise Refused(_("This webhook is switched off. Switch it on first."))
    if delivery.state == "sending":
        raise Refused(_("It is being sent at this moment."))
    delivery.state, delivery.not_before, delivery.finished_at = "queued", clock.now(), None
    webhook.try_after = clock.now()
    return delivery


def last_deliveries(webhook: Webhook, limit: int = 30, before: int | None = None) -> list[WebhookDelivery]:
    """The latest deliveries of a webhook, newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    return list(db.session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


def _new_secret(webhook: Webhook) -> str:
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    webhook.keep_secret(secret)
    return secret


def _apply(webhook: Webhook, wanted: Wanted) -> dict[str, object]:
    name = " ".join(wanted.name.split())
    if not 1 <= len(name) <= 100:
        raise Refused(_("A webhook needs a name of at most 100 characters."))
    taken = select(Webhook.id).where(func.lower(Webhook.name) == name.lower(), Webhook.id != (webhook.id or 0))
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a webhook with that name already."))
    if wanted.url != webhook.url:
        _check_url(wanted.url)
    if not 1 <= wanted.give_up_days <= MOST_DAYS:
        raise Refused(_("A webhook is given up after 1 to %(count)s days.", count=MOST_DAYS))
    values: dict[str, object] = {
        "name": name,
        "url": wanted.url,
        "kinds": _kinds(wanted.kinds),
        "queue_id": _present(Queue, wanted.queue_id),
        "project_id": _present(Project, wanted.project_id),
        "give_up_days": wanted.give_up_days,
    }
    changes: dict[str, object] = {}
    for column, value in values.items():
        if getattr(webhook, column) != value:
            changes[column] = [getattr(webhook, column), value]
            setattr(webhook, column, value)
    return changes


def _kinds(kinds: Iterable[str]) -> list[str]:
    wanted = sorted(set(kinds))
    if unknown := set(wanted) - set(offered_kinds()):
        raise Refused(_("There is no kind of event called “%(kind)s”.", kind=min(unknown)))
    return wanted


def _present(model: type[Queue] | type[Project], key: int | None) -> int | None:
    if key is not None and db.session.get(model, key) is None:
        raise Refused(_("That choice does not exist any more. Choose another one."))
    return key


def _check_url(url: str) -> None:
    if len(url) > 2000:
        raise Refused(_("The address is too long."))
    try:
        outbound.check_url(url)
    except (OSError, ValueError) as error:
        raise Refused(_("The address %(url)s cannot be used: %(words)s", url=url[:200], words=str(error))) from error
