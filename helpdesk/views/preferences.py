"""What a person sets for themselves: name, language, time zone, look, password, and where they are signed in."""

from typing import get_args
from zoneinfo import available_timezones

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import refresh
from flask_login import login_required
from flask_wtf import FlaskForm
from sqlalchemy import delete
from wtforms import BooleanField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from helpdesk import auth, notice_words, sign_in
from helpdesk.auth import me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused, TooMany
from helpdesk.forms import choices, typed
from helpdesk.models.absence import planned
from helpdesk.models.session import UserSession, end_sessions
from helpdesk.models.user_settings import Density, Sound

pages = Blueprint("preferences", __name__)

TIME_ZONES = [*sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")), "UTC"]


UNDO_TIMES = (0, 5, 8, 15, 30, 60)


class ProfileForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """How colleagues see me, and how I see the desk."""

    name = StringField(_l("Full name"), [InputRequired(), Length(max=120)])
    language = SelectField(_l("Language"), choices=choices(LANGUAGES.items()))
    time_zone = SelectField(_l("Time zone"), choices=choices((zone, zone.replace("_", " ")) for zone in TIME_ZONES))
    theme = RadioField(
        _l("Appearance"),
        choices=choices([("system", _l("As the computer")), ("light", _l("Light")), ("dark", _l("Dark"))]),
    )


class WorkForm(FlaskForm):  # type: ignore[misc]
    """How the desk behaves for me."""

    density = RadioField(
        _l("Rows of lists"),
        choices=choices([("comfortable", _l("Comfortable")), ("compact", _l("Compact"))]),
    )
    undo = SelectField(
        _l("Time to take a sent reply back"),
        choices=choices(
            [("", _l("As for everybody here")), *((str(s), _l("%(count)s s", count=s)) for s in UNDO_TIMES)]
        ),
    )
    shortcuts = BooleanField(
        _l("Single letters are shortcuts"),
        description=_l("Switch this off if you dictate, or if keys are pressed by accident. Keys with Ctrl stay."),
    )


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, and the present one as proof."""

    present = PasswordField(_l("Present password"), [InputRequired()])
    password = PasswordField(_l("New password"), [InputRequired()])
    again = PasswordField(_l("The same again"), [InputRequired(), EqualTo("password", _l("The two passwords differ."))])


@pages.get("/profile")
@login_required
def show() -> ResponseReturnValue:
    """My profile."""
    return _page(ProfileForm(obj=me()))


@pages.post("/profile")
@login_required
def save() -> ResponseReturnValue:
    """Save my profile."""
    form = ProfileForm()
    if not form.validate_on_submit():
        return _page(form), 422
    form.populate_obj(me())
    refresh()
    auth.told(_("Your profile is saved."))
    return redirect(url_for("preferences.show"))


@pages.post("/profile/work")
@login_required
def save_work() -> ResponseReturnValue:
    """Save how the desk behaves for me."""
    form = WorkForm()
    if not form.validate_on_submit():
        raise Refused(_("Choose one of the values that are offered."))
    undo = typed(form.undo)
    me().choose(
        density=typed(form.density), shortcuts=bool(form.shortcuts.data), undo_seconds=int(undo) if undo else None
    )
    auth.told(_("Saved."))
    return redirect(url_for("preferences.show"), 303)


@pages.post("/profile/notices")
@login_required
def save_notices() -> ResponseReturnValue:
    """Save how notices make themselves known: `sound`, `desktop`, `desktop_words`, and `<how>-<kind>` for each kind."""
    sound, form = request.form.get("sound", "off"), request.form
    if sound not in get_args(Sound):
        raise Refused(_("Choose one of the values that are offered."))
    kinds = [name for name, _kinds, _words in notice_words.CHOICES]
    chosen = {kind: {how: f"{how}-{kind}" in form for how in ("shown", "sound", "desktop")} for kind in kinds}
    me().choose(sound=sound, desktop="desktop" in form, desktop_words="desktop_words" in form, notices=chosen)
    auth.told(_("Saved."))
    return redirect(url_for("preferences.show"), 303)


@pages.post("/profile/density")
@login_required
def set_density() -> ResponseReturnValue:
    """Keep the density that was chosen in the menu."""
    density = request.form.get("density", "")
    if density in get_args(Density):
        me().choose(density=density)
    return "", 204


@pages.post("/profile/language")
@login_required
def set_language() -> ResponseReturnValue:
    """Change my language and stay on the page."""
    if request.form.get("language") in LANGUAGES:
        me().language = request.form["language"]
    return redirect(auth.local_path(_referring_path()))


@pages.post("/profile/theme")
@login_required
def set_theme() -> ResponseReturnValue:
    """Keep the look that was chosen in the menu."""
    if request.form.get("theme") in {"light", "dark", "system"}:
        me().theme = request.form["theme"]
    return "", 204


@pages.get("/profile/password")
@login_required
def ask_password() -> ResponseReturnValue:
    """The page that changes my password."""
    return render_template("preferences/password.html", form=PasswordForm(), fault="")


@pages.post("/profile/password")
@login_required
def save_password() -> ResponseReturnValue:
    """Change my password; I am signed out everywhere else."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return render_template("preferences/password.html", form=form, fault=""), 422
    try:
        if not sign_in.prove(me(), typed(form.present)):
            raise Refused(_("That is not your present password."))
        sign_in.set_password(me(), typed(form.password), keep=auth.current_session())
    except (Refused, TooMany) as error:
        return render_template("preferences/password.html", form=form, fault=error.message), error.status
    auth.renew_session()
    auth.told(_("Your password is changed. Other browsers are signed out."))
    return redirect(url_for("preferences.show"))


@pages.post("/profile/sessions/<int:session_id>/end")
@login_required
def end_one(session_id: int) -> ResponseReturnValue:
    """Sign one of my browsers out."""
    mine = delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == me().id)
    if db.session.scalar(mine.returning(UserSession.id)) is None:
        raise NotFound(_("That browser is signed out already."))
    auth.told(_("That browser is signed out."))
    return redirect(url_for("preferences.show"))


@pages.post("/profile/sessions/others/end")
@login_required
def end_others() -> ResponseReturnValue:
    """Sign all my other browsers out."""
    end_sessions(me(), but=auth.current_session())
    auth.told(_("All other browsers are signed out."))
    return redirect(url_for("preferences.show"))


def _referring_path() -> str:
    """The path of the page that the browser was on; the host of a Referer is nobody's proof."""
    return "/" + (request.referrer or "").partition("://")[2].partition("/")[2]


def _page(form: ProfileForm) -> str:
    chosen = me().settings
    undo = "" if chosen.undo_seconds is None else str(chosen.undo_seconds)
    return render_template(
        "preferences/show.html",
        form=form,
        work=WorkForm(formdata=None, density=chosen.density, shortcuts=chosen.shortcuts, undo=undo),
        chosen=chosen,
        kinds=[(name, words, chosen.choice(name)) for name, _kinds, words in notice_words.CHOICES],
        absence=planned(me()),
        sessions=UserSession.of_user(me()),
        here=auth.current_session(),
    )
