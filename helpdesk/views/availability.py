"""Whether I am here: the switch on every page, and what administrators decide about it."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_required
from flask_wtf import FlaskForm
from werkzeug.exceptions import HTTPException
from wtforms import IntegerField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange

from helpdesk import auth, limits, words
from helpdesk.auth import administrators_only, me
from helpdesk.errors import Refused
from helpdesk.forms import typed
from helpdesk.models import Availability, read_setting, write_setting
from helpdesk.models.availability import (
    AWAY_REASONS,
    DEFAULT_IDLE_MINUTES,
    IDLE_MINUTES,
    MOST_REASON,
    Cause,
    away_reasons,
    change,
)
from helpdesk.models.event import record_change
from helpdesk.shell import panes_only, url_if
from helpdesk.views import shapes

pages = Blueprint("availability", __name__)

MOST_REASONS = 20


class AvailabilityForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What holds for everybody."""

    idle_minutes = IntegerField(
        _l("Minutes without an open page until somebody counts as gone"), [InputRequired(), NumberRange(2, 600)]
    )
    away_reasons = TextAreaField(
        _l("Reasons to be away, one per line"),
        [Length(max=3000)],
        description=_l(
            "Offered to everybody; other words can be typed. Break, Lunch, Training and Meeting are shown in each "
            "reader's language."
        ),
    )


@pages.get("/availability")
@login_required
def show() -> ResponseReturnValue:
    """The choice between available, away and offline."""
    context = {"presence": shape(), "reasons": [(code, words.away_reason(code)) for code in away_reasons()]}
    if "HX-Request" in request.headers:
        return render_template("availability/choice.html", **context)
    return render_template("availability/page.html", **context)


@pages.post("/availability")
@login_required
def save() -> ResponseReturnValue:
    """Say that I am available, away (with a reason) or offline."""
    state = request.form.get("state", "")
    if state not in list(Availability):
        raise Refused(_("Choose between available, away and offline."))
    reason = request.form.get("reason", "") if state == Availability.AWAY else ""
    change(me(), Availability(state), reason, by=me(), cause=Cause.BY_HAND)
    return redirect(back(), 303)


@pages.get("/availability/bar")
@login_required
def bar() -> ResponseReturnValue:
    """The line above every page of somebody who is not available, as a fragment."""
    return render_template("availability/_bar.html", presence=shape())


@pages.get("/availability/switch")
@login_required
def switch() -> ResponseReturnValue:
    """The switch in the rail, as a fragment."""
    place = "top" if request.args.get("place") == "top" else "rail"
    return render_template("availability/_switch.html", presence=shape(), place=place)


@pages.get("/admin/availability")
@administrators_only
def settings() -> ResponseReturnValue:
    """When somebody counts as gone, the reasons to be away, and how much everybody may have at once."""
    form = AvailabilityForm(
        idle_minutes=read_setting(IDLE_MINUTES, DEFAULT_IDLE_MINUTES), away_reasons="\n".join(away_reasons())
    )
    return _settings_page(form, {kind: str(most) for kind, most in limits.default_limits().items()})


@pages.post("/admin/availability")
@administrators_only
def save_settings() -> ResponseReturnValue:
    """Change these settings."""
    form = AvailabilityForm()
    shown = {kind: request.form.get(f"limit_{kind}", "") for kind in limits.kind_names()}
    if not form.validate_on_submit():
        return _settings_page(form, shown), 422
    try:
        reasons, most = _reasons(typed(form.away_reasons)), limits.checked(request.form)
    except Refused as error:
        return _settings_page(form, shown, error.message), 422
    _keep(IDLE_MINUTES, read_setting(IDLE_MINUTES, DEFAULT_IDLE_MINUTES), form.idle_minutes.data)
    _keep(AWAY_REASONS, away_reasons(), reasons)
    _keep(limits.CLAIM_LIMITS, limits.default_limits(), most)
    auth.told(_("Saved."))
    return redirect(url_for("availability.settings"), 303)


def shape() -> dict[str, Any]:
    """What I am, as the switch and the bar show it. No queries."""
    user = me()
    return words.availability(user.availability, user.availability_reason) | {
        "since": user.availability_since,
        "choice_url": url_for("availability.show"),
        "bar_url": url_for("availability.bar"),
        "switch_url": url_for("availability.switch"),
        "topic": f"presence:{user.id}",
        "leaving_url": url_if("shifts.leaving"),
    }


def back() -> str:
    """The page that the person was on: the dialog lies over any page."""
    came_from = urlsplit(request.referrer or "")
    path = came_from.path + (f"?{came_from.query}" if came_from.query else "")
    if came_from.netloc != request.host or came_from.path.startswith("/availability") or not _is_page(came_from.path):
        return "/"
    return auth.local_path(path)


def _is_page(path: str) -> bool:
    """Whether the path can be looked at: the answer to a form may stand at one that only takes forms."""
    routes = current_app.create_url_adapter(request)
    try:
        return routes is not None and bool(routes.match(path, method="GET"))
    except HTTPException:
        return False


def init_app(app: Flask) -> None:
    """Give every whole page of a signed-in person what the switch and the bar show."""

    @app.context_processor
    def presence() -> dict[str, Any]:
        if "HX-Request" in request.headers or panes_only() or not current_user or not current_user.is_authenticated:
            return {}
        return {"presence": shape(), "presence_version": shapes.live_versions(f"presence:{me().id}")}


def _reasons(text: str) -> list[str]:
    reasons = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if len(reasons) > MOST_REASONS or any(len(reason) > MOST_REASON for reason in reasons):
        raise Refused(_("There are at most 20 reasons of up to 100 characters each."))
    return list(dict.fromkeys(reasons))


def _keep(key: str, before: Any, after: Any) -> None:
    if before != after:
        write_setting(key, after)
        record_change(me().id, "setting", None, key, {"value": [before, after]})


def _settings_page(form: AvailabilityForm, most: dict[str, str], fault: str = "") -> str:
    kinds = [(kind, name, most.get(kind, "")) for kind, name in limits.kind_names().items()]
    return render_template("admin/availability.html", form=form, kinds=kinds, fault=fault)
