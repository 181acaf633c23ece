"""Out of office: I say from when to when I am not here, what colleagues should know, and who stands in."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import absences, auth, clock
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import User
from helpdesk.models.absence import MOST_WORDS, be_out, end, planned
from helpdesk.views.colleagues import everybody

pages = Blueprint("absences", __name__)


@pages.get("/profile/absence")
@login_required
def show() -> ResponseReturnValue:
    """My absence, planned or running."""
    return _page()


@pages.post("/profile/absence")
@login_required
def save() -> ResponseReturnValue:
    """Plan an absence: `from`, `until` (may be empty), `words`, `stand_in`. It replaces the one before."""
    try:
        from_at, until_at = _moment("from") or clock.now(), _moment("until")
        chosen = request.form.get("stand_in", type=int)
        stand_in = db.session.get(User, chosen) if chosen is not None else None
        absence = be_out(me(), from_at, until_at, request.form.get("words", ""), stand_in)
    except Refused as error:
        db.session.rollback()
        return _page(error.message), error.status
    if absence.from_at <= clock.now():
        absences.begin(absence)
    auth.told(_("Saved. Your colleagues read it wherever they choose somebody."))
    return redirect(url_for("absences.show"), 303)


@pages.post("/profile/absence/end")
@login_required
def finish() -> ResponseReturnValue:
    """I am back, or do not go at all."""
    auth.told(_("You are not out of office any more.") if end(me()) else _("You were not out of office."), "info")
    return redirect(url_for("absences.show"), 303)


def _moment(name: str) -> datetime | None:
    written = request.form.get(name, "")
    if not written:
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(me().time_zone))
    except ValueError as error:
        raise Refused(_("“%(text)s” is not a day and time.", text=written)) from error


def _page(fault: str = "") -> str:
    absence, zone = planned(me()), ZoneInfo(me().time_zone)
    given = {"from": "", "until": "", "words": "", "stand_in": ""}
    if absence is not None:
        given = {
            "from": _typed(absence.from_at, zone),
            "until": _typed(absence.until_at, zone) if absence.until_at else "",
            "words": absence.words,
            "stand_in": str(absence.stand_in_id or ""),
        }
    if fault:
        given |= {name: request.form.get(name, "") for name in given}
    return render_template(
        "preferences/absence.html",
        people=everybody(),
        absence=absence,
        given=given,
        fault=fault,
        most_words=MOST_WORDS,
    )


def _typed(moment: datetime, zone: ZoneInfo) -> str:
    """As an input of day and time takes it."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
