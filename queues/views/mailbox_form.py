"""The form of a mail channel: text fields over `MailboxSettings`, which alone knows what is valid."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from pydantic import ValidationError
from sqlalchemy import func, select
from wtforms import BooleanField, Field, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from helpdesk.db import db
from helpdesk.forms import choices, typed
from helpdesk.models import Channel, Project, Queue
from queues.channels.email.presets import Preset
from queues.channels.email.settings import MailboxSettings, told_to

NEW_QUEUE = 0
LONGEST = 400
SECRETS = ("password", "smtp_password", "oauth_client_secret")
TOKENS = ("oauth_refresh_token", "oauth_access_token", "oauth_expires_at")

ENCRYPTIONS = (("ssl", _l("TLS from the start")), ("starttls", _l("STARTTLS")))


class MailboxForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Everything that a mail channel needs. Secrets are never sent to the browser: empty means unchanged."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)], description=_l("As operators see it."))
    project_id = SelectField(_l("Project"), coerce=int)
    queue_id = SelectField(_l("Tickets go to"), coerce=int)
    queue_name = StringField(_l("Name of the new queue"), [Length(max=80)])

    address = StringField(_l("Address"), [InputRequired(), Length(max=320)])
    from_name = StringField(_l("Name shown to customers"), [Length(max=LONGEST)])
    aliases = TextAreaField(
        _l("Other addresses of this mailbox"),
        [Length(max=4000)],
        description=_l("One on each line. They are ours, so we never write to them."),
    )

    imap_host = StringField(
        _l("Incoming server (IMAP)"),
        [Length(max=253)],
        description=_l("Empty: mail comes in by LMTP or pipe alone."),
    )
    imap_port = StringField(_l("Port"), [Length(max=5)])
    imap_tls = SelectField(_l("Encryption"), choices=choices(ENCRYPTIONS))
    user = StringField(_l("User name"), [Length(max=LONGEST)], description=_l("Empty: the address."))
    auth = RadioField(
        _l("Sign-in"),
        choices=choices(
            [
                ("password", _l("With a password or an app password")),
                ("oauth2", _l("With the provider's page (OAuth2)")),
            ]
        ),
    )
    password = PasswordField(_l("Password"), [Length(max=LONGEST)])
    folder = StringField(_l("Folder to read"), [Length(max=LONGEST)])
    done_action = RadioField(
        _l("Taken mail"),
        choices=choices(
            [
                ("move", _l("is moved to a folder: colleagues see in the inbox what is still to be taken")),
                ("mark", _l("stays in its place and gets a mark that mail programs do not show")),
                ("delete", _l("is deleted on the server: then it can never be read again from there")),
            ]
        ),
        description=_l("Only after it is stored here. Mail that is left out is never moved, marked or deleted."),
    )
    done_folder = StringField(_l("Folder for taken mail"), [Length(max=LONGEST)])

    smtp_host = StringField(_l("Outgoing server (SMTP)"), [Length(max=253)])
    smtp_port = StringField(_l("Port"), [Length(max=5)])
    smtp_tls = SelectField(_l("Encryption"), choices=choices(ENCRYPTIONS))
    smtp_user = StringField(_l("User name"), [Length(max=LONGEST)], description=_l("Empty: as for incoming mail."))
    smtp_password = PasswordField(_l("Password"), [Length(max=LONGEST)], description=_l("Empty: as for incoming mail."))
    plus_addressing = BooleanField(
        _l("Mail to address+anything arrives here"),
        description=_l("Then replies and delivery reports come to signed addresses, which proves where they belong."),
    )

    oauth_client_id = StringField(_l("Client ID"), [Length(max=LONGEST)])
    oauth_client_secret = PasswordField(_l("Client secret"), [Length(max=4000)])
    oauth_tenant = StringField(
        _l("Tenant"), [Length(max=LONGEST)], description=_l("Only Microsoft 365. Empty: any organisation.")
    )
    oauth_authorize_url = StringField(_l("Address of the sign-in page"), [Length(max=2000)])
    oauth_token_url = StringField(_l("Address of the token service"), [Length(max=2000)])
    oauth_scopes = StringField(_l("Scopes"), [Length(max=2000)])


SETTING_FIELDS = tuple(name for name in MailboxSettings.model_fields if name in vars(MailboxForm))


def form_for(channel: Channel, preset: Preset) -> MailboxForm:
    """The form of a channel, or of a new one with what the preset knows; what was posted comes first."""
    known = {"provider": preset.name, "address": ""} if channel in db.session else _defaults(preset)
    given = MailboxSettings.model_construct(**known)
    shown = {**given.model_dump(), **(channel.settings or {})}
    shown["aliases"] = "\n".join(shown.get("aliases", []))
    form = MailboxForm(
        data={
            **{name: str(shown.get(name, "")) for name in SETTING_FIELDS},
            "plus_addressing": bool(shown.get("plus_addressing")),
            "name": channel.name,
            "address": channel.address or "",
            "project_id": channel.project_id,
            "queue_id": channel.queue_id,
        }
    )
    offer_places(form)
    return form


def offer_places(form: Any) -> None:
    """Fill in which projects and queues a form of a channel may choose, and choose the first where none is."""
    projects = db.session.execute(select(Project.id, Project.name).order_by(func.sort_key(Project.name)))
    form.project_id.choices = choices(projects.tuples().all())
    queues = db.session.execute(select(Queue.id, Queue.name).where(Queue.active).order_by(func.sort_key(Queue.name)))
    form.queue_id.choices = choices([*queues.tuples().all(), (NEW_QUEUE, _("A new queue"))])
    if form.project_id.data is None:
        form.project_id.data = form.project_id.choices[0].value
    if form.queue_id.data is None:
        form.queue_id.data = form.queue_id.choices[0].value


def _defaults(preset: Preset) -> dict[str, Any]:
    names = ("imap_host", "imap_port", "imap_tls", "smtp_host", "smtp_port", "smtp_tls", "auth")
    return {"provider": preset.name, "address": "", **{name: getattr(preset, name) for name in names}}


def read_settings(form: MailboxForm, channel: Channel, provider: str) -> MailboxSettings | None:
    """The settings that the form holds, or None after each fault was told at its field."""
    values = {**(channel.settings or {}), "provider": provider}
    values |= {name: form[name].data for name in SETTING_FIELDS if form[name].data is not None}
    try:
        settings = MailboxSettings(**values)
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0])
            _tell(form[name if name in form else "address"], fault)
        return None
    faults = [
        *_missing(form, settings),
        *_secrets_to_type_again(form, channel, settings),
    ]
    for field, sentence in faults:
        field.errors = [*field.errors, sentence]
    return None if faults else settings


def _tell(field: Field, fault: Any) -> None:
    kind = fault["type"]
    if kind == "value_error":
        words = _(str(fault["ctx"]["error"]))
    elif field.short_name.endswith("port"):
        words = _("must be a number from 1 to 65535")
    else:
        words = _("cannot be used")
    field.errors = [*field.errors, words]


def _missing(form: MailboxForm, settings: MailboxSettings) -> list[tuple[Field, str]]:
    faults: list[tuple[Field, str]] = []
    if form.queue_id.data == NEW_QUEUE and not typed(form.queue_name).strip():
        faults.append((form.queue_name, _("Say how the new queue is called.")))
    if settings.auth == "oauth2" and (settings.imap_host or settings.smtp_host):
        if not settings.oauth_client_id:
            faults.append((form.oauth_client_id, _("The provider gives this when the application is registered.")))
        if not settings.authorize_url:
            faults.append((form.oauth_authorize_url, _("This provider is not known here; give its addresses.")))
        if not settings.token_url:
            faults.append((form.oauth_token_url, _("This provider is not known here; give its addresses.")))
    return faults


def _secrets_to_type_again(form: MailboxForm, channel: Channel, settings: MailboxSettings) -> list[tuple[Field, str]]:
    """A stored secret is never told to another server, or under another name, than those it was typed for."""
    typed_now = {name for name in SECRETS if form[name].data}
    return [
        (form[secret], _("The server or the user changed, so type this once more."))
        for secret in _told_anew(channel, settings, typed_now)
        if secret in SECRETS and secret not in typed_now
    ]


def _told_anew(channel: Channel, settings: MailboxSettings, typed_now: set[str]) -> set[str]:
    """The stored secrets that somebody would get to know who did not know them before."""
    stored = set(channel.secrets) if channel in db.session else set()
    own = "smtp_password" in stored
    try:
        before = told_to(MailboxSettings(**{"address": channel.address, **channel.settings}), own)
    except ValidationError:
        before = {}
    after = told_to(settings, own or "smtp_password" in typed_now)
    return {secret for secret, servers in after.items() if secret in stored and servers - before.get(secret, set())}


def read_secrets(form: MailboxForm, channel: Channel, settings: MailboxSettings) -> dict[str, str]:
    """The secrets that were typed; those left empty are not among them. Tokens are "" where they must be forgotten:
    where another server would get to know them, somebody has to sign in anew."""
    found = {name: typed(form[name]) for name in SECRETS if form[name].data}
    if _told_anew(channel, settings, set(found)) & set(TOKENS):
        found |= dict.fromkeys(TOKENS, "")
    return found
