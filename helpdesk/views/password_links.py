"""Links that set a password: asking for one, and following one from an invitation or a letter."""

import time

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired

from helpdesk import auth, invitations, sign_in, throttle
from helpdesk.errors import Refused, TooMany
from helpdesk.forms import typed
from helpdesk.models.session import PasswordLink, Stage
from helpdesk.models.user import User

pages = Blueprint("password_links", __name__)

# Asking takes this long whether or not the address has an account, so that nobody learns it from the clock.
ASKING_TAKES = 0.3  # seconds


class AskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The address of an account."""

    email = StringField(_l("Email"), [InputRequired()])


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, twice."""

    password = PasswordField(_l("New password"), [InputRequired()])
    again = PasswordField(_l("The same again"), [InputRequired(), EqualTo("password", _l("The two passwords differ."))])


@pages.get("/password/forgotten")
def ask() -> ResponseReturnValue:
    """The page of people who forgot their password."""
    return render_template("sign_in/forgotten.html", form=AskForm(), fault="", sent=False)


@pages.post("/password/forgotten")
def send() -> ResponseReturnValue:
    """Mail a link if the address has an account; the answer is the same if it has not."""
    began, form = time.monotonic(), AskForm()
    if not form.validate_on_submit():
        return render_template("sign_in/forgotten.html", form=form, fault="", sent=False), 422
    email = typed(form.email).strip().lower()[:320]
    try:
        place = throttle.place_of(request.remote_addr or "")
        throttle.count_try((throttle.RESET, email), (throttle.RESET_PLACE, place))
    except TooMany as error:
        return render_template("sign_in/forgotten.html", form=form, fault=error.message, sent=False), 429
    user = sign_in.user_by_email(email)
    if user is not None and user.active:
        invitations.send_reset(user)
    time.sleep(max(0.0, ASKING_TAKES - (time.monotonic() - began)))
    return render_template("sign_in/forgotten.html", form=form, fault="", sent=True)


@pages.get("/password/<token>")
def show(token: str) -> ResponseReturnValue:
    """The page behind a link, in the language of whoever it was made for; opening it does not use it up."""
    user = PasswordLink.peek(token)
    if user is None:
        return render_template("sign_in/link_gone.html"), 404
    with force_locale(user.language):
        return render_template("sign_in/new_password.html", form=NewPasswordForm(), fault="", user=user)


@pages.post("/password/<token>")
def save(token: str) -> ResponseReturnValue:
    """Set the password and sign in; with a second step the code is asked for as ever."""
    user = PasswordLink.peek(token)
    if user is None:
        return render_template("sign_in/link_gone.html"), 404
    with force_locale(user.language):
        return _save(token, user)


def _save(token: str, user: User) -> ResponseReturnValue:
    form = NewPasswordForm()
    if not form.validate_on_submit():
        return render_template("sign_in/new_password.html", form=form, fault="", user=user), 422
    try:
        checked = PasswordLink.use(token)
        if checked is None:
            return render_template("sign_in/link_gone.html"), 404
        sign_in.set_password(checked, typed(form.password))
    except Refused as error:
        page = render_template("sign_in/new_password.html", form=form, fault=error.message, user=user)
        return page, 422
    auth.begin_session(checked, Stage.CODE if checked.has_totp else Stage.FULL)
    auth.told(_("Your password is set."))
    return redirect(url_for("sessions.ask_code") if checked.has_totp else "/")
