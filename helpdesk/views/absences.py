"""Out of office: from when to when I am not here, what colleagues should know, and who stands in.

Whoever looks after somebody's queues can say it for them.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import absences, auth, clock
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.forms import local_moment
from helpdesk.models import User
from helpdesk.models.absence import MOST_WORDS, planned
from helpdesk.queries.supervision import owners
from helpdesk.views.colleagues import everybody, shape
from helpdesk.views.supervision import looked_after

pages = Blueprint("absences", __name__)


@pages.get("/profile/absence")
@login_required
def show() -> ResponseReturnValue:
    """My absence, planned or running."""
    return _page(me())


@pages.post("/profile/absence")
@login_required
def save() -> ResponseReturnValue:
    """Plan an absence: `from`, `until` (may be empty), `words`, `stand_in`. It replaces the one before."""
    return _save(me(), url_for("absences.show"))


@pages.post("/profile/absence/end")
@login_required
def finish() -> ResponseReturnValue:
    """I am back, or do not go at all."""
    ended = absences.leave_off(me(), me())
    auth.told(_("You are not out of office any more.") if ended else _("You were not out of office."), "info")
    return redirect(url_for("absences.show"), 303)


@pages.get("/people/<int:user_id>/absence")
@login_required
def show_of(user_id: int) -> ResponseReturnValue:
    """The absence of somebody whose queues I look after."""
    return _page(looked_after(user_id))


@pages.post("/people/<int:user_id>/absence")
@login_required
def save_of(user_id: int) -> ResponseReturnValue:
    """Plan an absence for somebody else, who fell ill or forgot. They are told."""
    return _save(looked_after(user_id), url_for("absences.show_of", user_id=user_id))


@pages.post("/people/<int:user_id>/absence/end")
@login_required
def finish_of(user_id: int) -> ResponseReturnValue:
    """End the absence of somebody else. They are told."""
    person = looked_after(user_id)
    if absences.leave_off(me(), person):
        auth.told(_("%(name)s is not out of office any more.", name=person.name), "info")
    return redirect(url_for("absences.show_of", user_id=user_id), 303)


def _save(person: User, back: str) -> ResponseReturnValue:
    try:
        if not person.active:
            raise Refused(_("%(name)s does not work here any more.", name=person.name))
        from_at, until_at = _moment("from") or clock.now(), _moment("until")
        stand_in = _stand_in(person, request.form.get("stand_in", type=int))
        absences.enter(me(), person, from_at, until_at, request.form.get("words", ""), stand_in)
    except Refused as error:
        db.session.rollback()
        return _page(person, error.message), error.status
    auth.told(_("Saved. Your colleagues read it wherever they choose somebody."))
    return redirect(back, 303)


def _stand_in(person: User, chosen: int | None) -> User | None:
    """Who was chosen to stand in. For somebody else one chooses among those whose queues one looks after as well."""
    if chosen is None:
        return None
    if chosen not in {one["id"] for one in _offered(person)}:
        raise Refused(_("Choose a colleague who works here to stand in for you."))
    return db.session.get(User, chosen)


def _offered(person: User) -> list[dict[str, Any]]:
    """Who can stand in: for oneself everybody, for another whom one looks after, and who does so already."""
    if person.id == me().id or me().is_administrator:
        found = [*everybody(), shape(me())]
    else:
        present = planned(person)
        known = {load.user_id for load in owners(me())} | {present.stand_in_id if present is not None else None}
        found = [one for one in [*everybody(), shape(me())] if one["id"] in known or one["id"] == me().id]
    return [one for one in found if one["id"] != person.id]


def _moment(name: str) -> datetime | None:
    written = request.form.get(name, "")
    if not written:
        return None
    try:
        return local_moment(written, me().time_zone)
    except ValueError as error:
        raise Refused(_("“%(text)s” is not a day and time.", text=written)) from error


def _page(person: User, fault: str = "") -> str:
    absence, zone = planned(person), ZoneInfo(me().time_zone)
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
        person=person if person.id != me().id else None,
        people=_offered(person),
        absence=absence,
        given=given,
        fault=fault,
        most_words=MOST_WORDS,
    )


def _typed(moment: datetime, zone: ZoneInfo) -> str:
    """As an input of day and time takes it."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
