"""Channels: where customers' messages come in and answers leave. For administrators."""

import secrets as random
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import clock
from helpdesk.auth import administrators_only, me, told
from helpdesk.config import settings as installation
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import typed
from helpdesk.models import Channel, ParkedMail
from queues import channel_changes
from queues.channels import adapter_for
from queues.channels.base import SourceTrouble
from queues.channels.email import oauth
from queues.channels.email.adapter import EmailAdapter
from queues.channels.email.presets import OWN, PRESETS, preset
from queues.channels.email.settings import MailboxSettings
from queues.connecting import is_undecided
from queues.secrets import StoredSecrets
from queues.views import mailbox_reading
from queues.views.mailbox_form import NEW_QUEUE, MailboxForm, form_for, read_secrets, read_settings

pages = Blueprint("channels", __name__)

SILENT = timedelta(minutes=6)  # a mailbox in order is looked into every two minutes
SIGN_IN = "mailbox_sign_in"


@pages.get("/admin/channels")
@administrators_only
def index() -> ResponseReturnValue:
    """All channels and how they are, in the order that decides about a mail to several of them."""
    query = select(Channel).options(joinedload(Channel.queue)).order_by(*channel_changes.ORDER)
    shown = [one for one in db.session.scalars(query) if adapter_for(one.kind).page]
    rows = [(channel, health(channel)) for channel in shown]
    return render_template("channels/index.html", rows=rows, presets=PRESETS.values())


def health(channel: Channel) -> tuple[str, str]:
    """Tone and words for how a channel is."""
    if not channel.enabled:
        return "", _("paused")
    if not adapter_for(channel.kind).listens(channel.settings):
        return ("red", _("in trouble")) if channel.last_error else ("green", _("open"))
    if is_undecided(channel):
        return "amber", _("not connected yet")
    if channel.last_error:
        return "red", _("in trouble")
    if channel.last_contact_at is None:
        return "amber", _("not reached yet")
    return ("green", _("connected")) if clock.now() - channel.last_contact_at < SILENT else ("amber", _("silent"))


@pages.get("/admin/channels/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new mailbox, filled in with what the chosen provider needs."""
    chosen = preset(request.args.get("provider", OWN))
    return _page(Channel(kind=EmailAdapter.kind, settings={}), chosen.name)


@pages.post("/admin/channels")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a channel."""
    return _save(Channel(kind=EmailAdapter.kind, settings={}), preset(request.form.get("provider", OWN)).name)


@pages.get("/admin/channels/<int:channel_id>")
@administrators_only
def show(channel_id: int) -> ResponseReturnValue:
    """One channel: how it is, what to do with it, and its settings."""
    channel = _channel(channel_id)
    page = adapter_for(channel.kind).page
    if page != request.endpoint:
        return redirect(url_for(page, channel_id=channel.id), 303)
    return _page(channel, channel.settings.get("provider", OWN))


@pages.post("/admin/channels/<int:channel_id>")
@administrators_only
def save(channel_id: int) -> ResponseReturnValue:
    """Change one channel."""
    channel = _channel(channel_id)
    return _save(channel, channel.settings.get("provider", OWN))


@pages.post("/admin/channels/<int:channel_id>/position")
@administrators_only
def move(channel_id: int) -> ResponseReturnValue:
    """Let a channel change places with the one before it in its project."""
    channel_changes.move_up(me(), _channel(channel_id))
    return redirect(url_for("channels.index"), 303)


@pages.post("/admin/channels/<int:channel_id>/check")
@administrators_only
def check(channel_id: int) -> ResponseReturnValue:
    """Try the stored settings for real and tell each step."""
    channel = _channel(channel_id)
    secrets, adapter = StoredSecrets(channel), adapter_for(channel.kind)
    settings = {"address": channel.address, **channel.settings}
    db.session.commit()  # no transaction is open while other servers are asked
    steps = adapter.check(settings, secrets)
    channel = _channel(channel_id)
    question = _question(channel) if all(step.ok for step in steps) and is_undecided(channel) else {}
    if "HX-Request" in request.headers:
        return render_template("channels/_checked.html", steps=steps, channel=channel, question=question)
    return _page(channel, channel.settings.get("provider", OWN), steps=steps, question=question)


def _question(channel: Channel) -> dict[str, object]:
    """What the template needs to ask which mail becomes tickets."""
    survey, trouble = mailbox_reading.look(channel)
    return {"form": mailbox_reading.form_for(_channel(channel.id)), "survey": survey, "trouble": trouble}


@pages.post("/admin/channels/<int:channel_id>/pause")
@administrators_only
def pause(channel_id: int) -> ResponseReturnValue:
    """Stop taking mail in; it stays on its server."""
    return _switch(channel_id, False)


@pages.post("/admin/channels/<int:channel_id>/resumption")
@administrators_only
def resume(channel_id: int) -> ResponseReturnValue:
    """Go on."""
    return _switch(channel_id, True)


def _switch(channel_id: int, enabled: bool) -> ResponseReturnValue:
    channel_changes.set_enabled(me(), _channel(channel_id), enabled)
    told(_("The channel goes on.") if enabled else _("The channel is paused."))
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@pages.post("/admin/channels/<int:channel_id>/parked")
@administrators_only
def try_parked_again(channel_id: int) -> ResponseReturnValue:
    """Fetch again what could not be fetched."""
    channel_changes.try_parked_again(me(), _channel(channel_id))
    told(_("The parked mails are tried again."))
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@pages.post("/admin/channels/<int:channel_id>/sign-in")
@administrators_only
def begin_sign_in(channel_id: int) -> ResponseReturnValue:
    """Send the browser to the provider's page; it comes back to `end_sign_in`."""
    settings = _mailbox(_channel(channel_id))
    state, verifier = random.token_urlsafe(32), random.token_urlsafe(64)
    session[SIGN_IN] = {"state": state, "verifier": verifier, "channel": channel_id, "user": me().id}
    address = oauth.authorize_address(settings, redirect_uri(), state, verifier)
    # a redirect would be part of the form's submission, which our policy (form-action) keeps on this site
    return render_template("channels/leave.html", address=address, host=urlsplit(address).hostname), {
        "Refresh": f"0; url={address}"
    }


@pages.get("/admin/channels/sign-in")
@administrators_only
def end_sign_in() -> ResponseReturnValue:
    """The provider sent the browser back, with a code or with a refusal. Only whoever set out may come back."""
    begun = session.pop(SIGN_IN, {})
    state = request.args.get("state", "")
    if begun.get("user") != me().id or not random.compare_digest(begun.get("state", "").encode(), state.encode()):
        raise Refused(
            _("This sign-in was not begun here, or it is over already. Begin it again on the channel's page.")
        )
    channel = _channel(begun["channel"])
    there = redirect(url_for("channels.show", channel_id=channel.id), 303)
    if "code" not in request.args:
        words = request.args.get("error_description") or request.args.get("error") or ""
        told(_("The provider did not let us in: %(words)s", words=words[:300]), "error")
        return there
    settings, code = _mailbox(channel), request.args["code"]
    try:
        StoredSecrets(channel).rotate(
            lambda present: oauth.exchange_code(settings, present, code, begun["verifier"], redirect_uri())
        )
    except SourceTrouble as error:
        told(str(error), "error")
        return there
    channel_changes.note_sign_in(me(), _channel(channel.id))
    told(_("Signed in. The mailbox is being read."))
    return there


def redirect_uri() -> str:
    """The address that has to be registered at the provider."""
    return installation().public_url + url_for("channels.end_sign_in")


def _save(channel: Channel, provider: str) -> ResponseReturnValue:
    form = form_for(channel, preset(provider))
    valid = form.validate_on_submit()
    settings = read_settings(form, channel, provider)
    if not valid or settings is None:
        return _page(channel, provider, form), 422
    values = {"name": typed(form.name).strip(), "address": settings.address, "project_id": form.project_id.data}
    try:
        if form.queue_id.data == NEW_QUEUE:
            queue = channel_changes.open_queue(me(), form.project_id.data, typed(form.queue_name).strip())
            form.queue_id.data = queue.id
        values["queue_id"] = form.queue_id.data
        secrets = read_secrets(form, channel, settings)
        channel_changes.save_channel(me(), channel, values, settings.model_dump(mode="json"), secrets)
    except Refused as error:
        db.session.rollback()
        return _page(channel, provider, form, fault=error.message), 422
    told(
        _("Saved. Check it now: when every step is fine, you say which mail becomes tickets.")
        if is_undecided(channel)
        else _("Saved. Check it now: the button tries every step.")
    )
    return redirect(url_for("channels.show", channel_id=channel.id), 303)


def _page(
    channel: Channel,
    provider: str,
    form: MailboxForm | None = None,
    fault: str = "",
    steps: object = None,
    question: dict[str, object] | None = None,
) -> str:
    parked = select(ParkedMail).where(ParkedMail.channel_id == (channel.id or 0)).order_by(ParkedMail.uid)
    return render_template(
        "channels/show.html",
        channel=channel,
        form=form or form_for(channel, preset(provider)),
        preset=preset(provider),
        health=health(channel) if channel.id else None,
        stored=set(channel.secrets) if channel.id else set(),
        parked=db.session.scalars(parked.limit(100)).all() if channel.id else [],
        redirect_uri=redirect_uri(),
        outgoing=installation().outgoing,
        fault=fault,
        steps=steps,
        question=question,
        mailbox=mailbox_reading.tell(channel),
        rescan_form=mailbox_reading.rescan_form(),
    )


def _channel(channel_id: int) -> Channel:
    channel = db.session.get(Channel, channel_id)
    if channel is None or not adapter_for(channel.kind).page:
        raise NotFound(_("There is no such channel."))
    return channel


def _mailbox(channel: Channel) -> MailboxSettings:
    settings = MailboxSettings(**{"address": channel.address, **channel.settings})
    if settings.auth != "oauth2" or not settings.authorize_url:
        raise Refused(_("This mailbox does not sign in with its provider's page."))
    return settings
