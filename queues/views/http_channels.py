"""Doors for other systems on the administrator's screens: what they take, where replies go, what was refused."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from pydantic import ValidationError
from sqlalchemy import select
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from helpdesk import clock
from helpdesk.auth import administrators_only, me, told
from helpdesk.config import settings as installation
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import typed
from helpdesk.models import Channel, HookRefusal
from queues import channel_changes
from queues.channels.http.adapter import HttpAdapter
from queues.channels.http.settings import HttpSettings, fresh_door, fresh_secret, rotated
from queues.secrets import StoredSecrets
from queues.views.channels import health
from queues.views.mailbox_form import NEW_QUEUE, offer_places

pages = Blueprint("http_channels", __name__)


class HttpChannelForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Everything that a door needs but its secret, which we make."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)], description=_l("As operators see it."))
    project_id = SelectField(_l("Project"), coerce=int)
    queue_id = SelectField(_l("Tickets go to"), coerce=int)
    queue_name = StringField(_l("Name of the new queue"), [Length(max=80)])
    takes_messages = BooleanField(_l("Takes messages"), description=_l("Of a chat, a form, a shop, a messenger."))
    takes_calls = BooleanField(
        _l("Takes calls"), description=_l("News of phone calls, as a telephone exchange knows them.")
    )
    takes_files = BooleanField(_l("Takes files with messages"), description=_l("Up to 10 MB in one message."))
    callback_url = StringField(
        _l("Address for replies"),
        [Length(max=2000)],
        description=_l("Replies of operators are posted there, signed. Empty: operators cannot reply."),
    )
    requests_per_minute = IntegerField(_l("Requests in a minute at most"), [InputRequired(), NumberRange(1, 100_000)])


SETTING_FIELDS = tuple(HttpSettings.model_fields)


@pages.get("/admin/channels/http/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new door."""
    return _page(Channel(kind=HttpAdapter.kind, settings={}))


@pages.post("/admin/channels/http")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a door, and show its secret for the only time."""
    channel = Channel(kind=HttpAdapter.kind, settings={}, address="", door=fresh_door())
    return _save(channel, {"secret": fresh_secret()})


@pages.get("/admin/channels/http/<int:channel_id>")
@administrators_only
def show(channel_id: int) -> ResponseReturnValue:
    """One door: how it is, its address, and its settings."""
    return _page(_channel(channel_id))


@pages.post("/admin/channels/http/<int:channel_id>")
@administrators_only
def save(channel_id: int) -> ResponseReturnValue:
    """Change one door."""
    return _save(_channel(channel_id), {})


@pages.post("/admin/channels/http/<int:channel_id>/secret")
@administrators_only
def rotate(channel_id: int) -> ResponseReturnValue:
    """Make a new secret and show it for the only time; the present one counts for a day more."""
    channel = _channel(channel_id)
    fresh = rotated(channel.secrets, clock.now())
    channel.keep_secrets({**channel.secrets, **fresh})
    channel_changes.note_change(me(), channel, {"secret": "changed"})
    return _page(channel, made=fresh["secret"])


@pages.post("/admin/channels/http/<int:channel_id>/check")
@administrators_only
def check(channel_id: int) -> ResponseReturnValue:
    """Post a signed ping to the address for replies, and tell how that went."""
    channel = _channel(channel_id)
    secrets, settings = StoredSecrets(channel), dict(channel.settings)
    db.session.commit()  # no transaction is open while the other system is asked
    steps = HttpAdapter().check(settings, secrets)
    if "HX-Request" in request.headers:
        return render_template("channels/_steps.html", steps=steps)
    return _page(_channel(channel_id), steps=steps)


def _save(channel: Channel, secrets: dict[str, str]) -> ResponseReturnValue:
    form = _form(channel)
    settings = _read(form) if form.validate_on_submit() else None
    if settings is None:
        return _page(channel, form), 422
    values = {"name": typed(form.name).strip(), "address": "", "project_id": form.project_id.data}
    try:
        if form.queue_id.data == NEW_QUEUE:
            name = typed(form.queue_name).strip()
            form.queue_id.data = channel_changes.open_queue(me(), form.project_id.data, name).id
        values["queue_id"] = form.queue_id.data
        channel_changes.save_channel(me(), channel, values, settings.model_dump(mode="json"), secrets)
    except Refused as error:
        db.session.rollback()
        return _page(channel, form, fault=error.message), 422
    if "secret" in secrets:
        return _page(channel, made=secrets["secret"])
    told(_("Saved."))
    return redirect(url_for("http_channels.show", channel_id=channel.id), 303)


def _form(channel: Channel) -> HttpChannelForm:
    shown = HttpSettings.model_validate(channel.settings or {}).model_dump()
    form = HttpChannelForm(
        data={**shown, "name": channel.name, "project_id": channel.project_id, "queue_id": channel.queue_id}
    )
    offer_places(form)
    return form


def _read(form: HttpChannelForm) -> HttpSettings | None:
    """The settings that the form holds, or None after each fault was told at its field."""
    if form.queue_id.data == NEW_QUEUE and not typed(form.queue_name).strip():
        form.queue_name.errors = [_("Say how the new queue is called.")]
        return None
    if not (form.takes_messages.data or form.takes_calls.data):
        form.takes_messages.errors = [_("A door that takes nothing is of no use. Choose one.")]
        return None
    try:
        return HttpSettings(**{name: form[name].data for name in SETTING_FIELDS if form[name].data is not None})
    except ValidationError as error:
        for fault in error.errors():
            field = form[str(fault["loc"][0])]
            words = _(str(fault["ctx"]["error"])) if fault["type"] == "value_error" else _("cannot be used")
            field.errors = [*field.errors, words]
        return None


def _page(
    channel: Channel, form: HttpChannelForm | None = None, fault: str = "", made: str = "", steps: Any = None
) -> str:
    refused = select(HookRefusal).where(HookRefusal.channel_id == (channel.id or 0)).order_by(HookRefusal.at.desc())
    door = installation().public_url + url_for("hooks.post", door=channel.door) if channel.id else ""
    return render_template(
        "channels/http.html",
        channel=channel,
        form=form or _form(channel),
        health=health(channel) if channel.id else None,
        door=door,
        made=made,
        former_until=channel.secrets.get("former_until") if channel.id else None,
        refused=db.session.scalars(refused).all() if channel.id else [],
        fault=fault,
        steps=steps,
    )


def _channel(channel_id: int) -> Channel:
    channel = db.session.get(Channel, channel_id)
    if channel is None or channel.kind != HttpAdapter.kind:
        raise NotFound(_("There is no such channel."))
    return channel
