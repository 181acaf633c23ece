"""Webhooks: addresses that are told of events, and what became of it. For administrators."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import auth, webhook_changes
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Project, Queue, Webhook
from helpdesk.models.webhook import GIVE_UP_DAYS, offered_kinds
from helpdesk.webhook_changes import Wanted, get_webhook

pages = Blueprint("webhooks", __name__)


@pages.get("/admin/webhooks/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form for a new webhook."""
    return _form(Wanted("", ""))


@pages.post("/admin/webhooks")
@administrators_only
def create() -> ResponseReturnValue:
    """Add a webhook; its secret is on this page and nowhere else."""
    wanted = _wanted()
    try:
        _check_chosen(wanted)
        webhook, secret = webhook_changes.create(me(), wanted)
    except Refused as refusal:
        db.session.rollback()
        return _form(wanted, fault=refusal.message), refusal.status
    return _page(webhook, secret=secret), 201


@pages.get("/admin/webhooks/<int:webhook_id>")
@administrators_only
def show(webhook_id: int) -> ResponseReturnValue:
    """One webhook: how it is, and its last deliveries."""
    return _page(get_webhook(webhook_id))


@pages.get("/admin/webhooks/<int:webhook_id>/edit")
@administrators_only
def edit(webhook_id: int) -> ResponseReturnValue:
    """The form with a webhook's facts."""
    webhook = get_webhook(webhook_id)
    return _form(
        Wanted(
            webhook.name,
            webhook.url,
            tuple(webhook.kinds),
            webhook.queue_id,
            webhook.project_id,
            webhook.give_up_days,
        ),
        webhook,
    )


@pages.post("/admin/webhooks/<int:webhook_id>")
@administrators_only
def save(webhook_id: int) -> ResponseReturnValue:
    """Change a webhook."""
    wanted = _wanted()
    try:
        _check_chosen(wanted)
        webhook_changes.change(me(), get_webhook(webhook_id), wanted)
    except Refused as refusal:
        db.session.rollback()
        return _form(wanted, get_webhook(webhook_id), refusal.message), refusal.status
    auth.told(_("Saved."))
    return _back(webhook_id)


@pages.post("/admin/webhooks/<int:webhook_id>/activation")
@administrators_only
def switch(webhook_id: int) -> ResponseReturnValue:
    """Switch a webhook on (`active=1`) or off."""
    webhook_changes.switch(me(), get_webhook(webhook_id), request.form.get("active") == "1")
    return _back(webhook_id)


@pages.post("/admin/webhooks/<int:webhook_id>/secret")
@administrators_only
def renew_secret(webhook_id: int) -> ResponseReturnValue:
    """Another secret; it is on this page and nowhere else."""
    webhook = get_webhook(webhook_id)
    return _page(webhook, secret=webhook_changes.renew_secret(me(), webhook))


@pages.post("/admin/webhooks/<int:webhook_id>/tests")
@administrators_only
def test(webhook_id: int) -> ResponseReturnValue:
    """Tell the receiver of a made-up event."""
    webhook_changes.send_test(get_webhook(webhook_id))
    auth.told(_("A test is on its way. Load this page again to see what the receiver answered."), "info")
    return _back(webhook_id)


@pages.post("/admin/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/repeats")
@administrators_only
def send_again(webhook_id: int, delivery_id: int) -> ResponseReturnValue:
    """Tell of one event once more."""
    webhook_changes.send_again(get_webhook(webhook_id), delivery_id)
    auth.told(_("It is sent again, under the same id."), "info")
    return _back(webhook_id)


@pages.post("/admin/webhooks/<int:webhook_id>/removal")
@administrators_only
def remove(webhook_id: int) -> ResponseReturnValue:
    """Delete a webhook."""
    webhook = get_webhook(webhook_id)
    webhook_changes.remove(me(), webhook)
    auth.told(_("The webhook “%(name)s” is removed.", name=webhook.name))
    return redirect(url_for("api_admin.index"))


def _back(webhook_id: int) -> ResponseReturnValue:
    return redirect(url_for("webhooks.show", webhook_id=webhook_id), 303)


def _wanted() -> Wanted:
    form = request.form
    kinds = () if form.get("which") != "some" else tuple(form.getlist("kind"))
    return Wanted(
        name=form.get("name", ""),
        url=form.get("url", "").strip(),
        kinds=kinds,
        queue_id=form.get("queue_id", type=int) or None,
        project_id=form.get("project_id", type=int) or None,
        give_up_days=form.get("give_up_days", GIVE_UP_DAYS, type=int),
    )


def _check_chosen(wanted: Wanted) -> None:
    """No kind is every kind, so that must be said and not slipped into. Raises Refused."""
    if request.form.get("which") == "some" and not wanted.kinds:
        raise Refused(_("Choose at least one kind of event, or all of them."))


def _form(wanted: Wanted, webhook: Webhook | None = None, fault: str = "") -> str:
    return render_template(
        "api/webhook_form.html",
        webhook=webhook,
        wanted=wanted,
        kinds=offered_kinds(),
        queues=db.session.scalars(select(Queue).where(Queue.active).order_by(func.sort_key(Queue.name))).all(),
        projects=db.session.scalars(select(Project).order_by(func.sort_key(Project.name))).all(),
        fault=fault,
    )


def _page(webhook: Webhook, secret: str = "") -> str:
    return render_template(
        "api/webhook.html",
        webhook=webhook,
        deliveries=webhook_changes.last_deliveries(webhook),
        queue=db.session.get(Queue, webhook.queue_id) if webhook.queue_id else None,
        project=db.session.get(Project, webhook.project_id) if webhook.project_id else None,
        secret=secret,
    )
