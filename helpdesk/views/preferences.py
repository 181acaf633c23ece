"""What a person sets for themselves: name, language, time zone, look, password, and where they are signed in."""

from zoneinfo import available_timezones

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import refresh
from flask_login import login_required
from flask_wtf import FlaskForm
from sqlalchemy import delete
from wtforms import PasswordField, RadioField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from helpdesk import auth, sign_in
from helpdesk.auth import me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused, TooMany
from helpdesk.forms import choices, typed
from helpdesk.models.session import UserSession, end_sessions

pages = Blueprint("preferences", __name__)

TIME_ZONES = [*sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")), "UTC"]


class ProfileForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """How colleagues see me, and how I see the desk."""

    name = StringField(_l("Full name"), [InputRequired(), Length(max=120)])
    language = SelectField(_l("Language"), choices=choices(LANGUAGES.items()))
    time_zone = SelectField(_l("Time zone"), choices=choices((zone, zone.replace("_", " ")) for zone in TIME_ZONES))
    theme = RadioField(
        _l("Appearance"),
        choices=choices([("system", _l("As the computer")), ("light", _l("Light")), ("dark", _l("Dark"))]),
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
    return render_template(
        "preferences/show.html", form=form, sessions=UserSession.of_user(me()), here=auth.current_session()
    )
