"""Which mail of a mailbox becomes tickets, who reads it, and taken mail read again. For administrators."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from pydantic import ValidationError
from wtforms import DateField, RadioField
from wtforms.validators import InputRequired, Optional

from helpdesk import clock
from helpdesk.auth import administrators_only, me, told
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices
from helpdesk.models import Channel
from queues import connecting
from queues.channels import adapter_for
from queues.channels.base import SourceTrouble
from queues.channels.email.boundary import Reading
from queues.channels.email.settings import MailboxSettings
from queues.channels.email.survey import Survey, survey
from queues.rescan import USUAL, ask_rescan
from queues.secrets import StoredSecrets

pages = Blueprint("mailbox_reading", __name__)


class ReadingForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What is taken of the mail that lies in a mailbox."""

    what = RadioField(
        _l("Which mail becomes tickets?"),
        [InputRequired()],
        choices=choices(
            [
                ("new", _l("Only mail that comes from now on")),
                ("since", _l("Mail that came since a date")),
                ("all", _l("All mail in the folder")),
            ]
        ),
        default="new",
        description=_l("Mail that is left out is not touched: it is not moved, not marked, not read."),
    )
    since = DateField(_l("Since"), [Optional()], description=_l("Only for “since a date”. That day is included."))


class RescanForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Since when taken mail is to be read again."""

    since = DateField(_l("Since"), [InputRequired()])


@dataclass(frozen=True)
class Told:
    """How a mailbox is read, as its page shows it. `moment` divides taken mail from what is left alone."""

    what: str
    moment: datetime | None
    left_out: int
    renumbered_at: datetime | None
    restored_at: datetime | None
    rival: dict[str, Any]
    unmarked: bool
    rescan: dict[str, Any]


def tell(channel: Channel) -> Told | None:
    """How the mailbox of a channel is read; None for a channel without one."""
    if channel.id is None or not adapter_for(channel.kind).listens(channel.settings):
        return None
    cursor = channel.cursor
    asked = channel.rescan_asked_at
    rescan = cursor.get("rescan", {})
    if asked is not None and rescan.get("asked_at", "") < asked.astimezone(UTC).isoformat():
        rescan = {"since": channel.rescan_since.isoformat() if channel.rescan_since else ""}
    return Told(
        what=Reading(**channel.reading).what,
        moment=connecting.chosen_moment(channel),
        left_out=int(cursor.get("left_out", 0)),
        renumbered_at=_moment(cursor.get("renumbered_at")),
        restored_at=_moment(cursor.get("restored_at")),
        rival=cursor.get("rival", {}),
        unmarked=bool(cursor.get("unmarked")),
        rescan={**rescan, "since": _moment(rescan.get("since"))} if rescan else {},
    )


def look(channel: Channel) -> tuple[Survey | None, str]:
    """What lies in the mailbox of a channel, or why that cannot be seen. No transaction is open meanwhile."""
    secrets = StoredSecrets(channel)
    try:
        settings = MailboxSettings(**{"address": channel.address, **channel.settings})
    except ValidationError:
        return None, _("The settings of this mailbox cannot be used. Save them again.")
    db.session.commit()
    try:
        return survey(settings, secrets), ""
    except SourceTrouble as error:
        return None, str(error)


@pages.get("/admin/channels/<int:channel_id>/reading")
@administrators_only
def show(channel_id: int) -> ResponseReturnValue:
    """What lies in the mailbox, and the question which of it is to be taken."""
    channel = _mailbox(channel_id)
    found, trouble = look(channel)
    return _page(_mailbox(channel_id), form_for(_mailbox(channel_id)), found, trouble)


@pages.post("/admin/channels/<int:channel_id>/reading")
@administrators_only
def choose(channel_id: int) -> ResponseReturnValue:
    """Take from this moment on what was chosen."""
    channel, form = _mailbox(channel_id), form_for(_mailbox(channel_id))
    valid = form.validate_on_submit()
    if valid and form.what.data == "since" and form.since.data is None:
        form.since.errors = [_("Say since when.")]
        valid = False
    looked_at = clock.now()  # before the look: what comes meanwhile counts as new
    found, trouble = look(channel)
    channel = _mailbox(channel_id)
    if not valid or found is None:
        return _page(channel, form, found, trouble), 422
    since = _midnight(channel, form.since.data) if form.what.data == "since" and form.since.data else None
    connecting.connect(me(), channel, form.what.data, since, found, looked_at)
    told(_("Connected. Mail is taken from now on."))
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@pages.post("/admin/channels/<int:channel_id>/reader")
@administrators_only
def read_here(channel_id: int) -> ResponseReturnValue:
    """Decide that this installation reads the mailbox, and no other."""
    connecting.read_here(me(), _mailbox(channel_id))
    told(_("This installation reads the mailbox now. The other one stops within minutes."))
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


@pages.post("/admin/channels/<int:channel_id>/rescan")
@administrators_only
def rescan(channel_id: int) -> ResponseReturnValue:
    """Read taken mail again."""
    channel, form = _mailbox(channel_id), RescanForm()
    if not form.validate_on_submit() or form.since.data is None:
        raise Refused(_("Say since when."))
    ask_rescan(channel, _midnight(channel, form.since.data))
    told(_("Taken mail is read again. What is missing becomes tickets, and what is known makes nothing new."))
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


def form_for(channel: Channel) -> ReadingForm:
    """The question with its present answer. A mailbox that was read before is asked for what came meanwhile."""
    reading = Reading(**channel.reading)
    since, what = reading.since, reading.what
    if what == "ask" and channel.last_contact_at is not None:
        what, since = "since", channel.last_contact_at
    given = {"what": "new" if what == "ask" else what, "since": since and since.astimezone(_zone(channel)).date()}
    return ReadingForm(data=given)


def rescan_form() -> RescanForm:
    """The form of reading again, with the usual span."""
    return RescanForm(formdata=None, data={"since": (clock.now() - USUAL).date()})


def _page(channel: Channel, form: ReadingForm, found: Survey | None, trouble: str) -> str:
    return render_template("channels/reading.html", channel=channel, form=form, survey=found, trouble=trouble)


def _mailbox(channel_id: int) -> Channel:
    channel = db.session.get(Channel, channel_id)
    if channel is None or not adapter_for(channel.kind).listens(channel.settings):
        raise NotFound(_("There is no such mailbox."))
    return channel


def _zone(channel: Channel) -> ZoneInfo:
    return ZoneInfo(channel.project.time_zone)


def _midnight(channel: Channel, day: date) -> datetime:
    """The first moment of a day where the channel's project is at home."""
    return datetime.combine(day, time(), _zone(channel)).astimezone(UTC)


def _moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None
