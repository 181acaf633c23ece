"""My second step: a code from my telephone, and codes for the day on which it is lost."""

import binascii

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import login_required
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from helpdesk import auth, clock, sign_in, throttle, totp
from helpdesk.auth import me
from helpdesk.errors import Refused, StartError, TooMany
from helpdesk.forms import typed
from helpdesk.models.session import end_sessions

pages = Blueprint("second_step", __name__)


class SetupForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The first code, which shows that the telephone has the secret."""

    secret = HiddenField(validators=[InputRequired()])
    code = StringField(_l("Six digits from the telephone"), [InputRequired()])


class ProofForm(FlaskForm):  # type: ignore[misc]
    """My password, asked again before the second step is changed."""

    password = PasswordField(_l("Your password"), [InputRequired()])


@pages.get("/profile/second-step")
@login_required
def show() -> ResponseReturnValue:
    """Set the second step up, or look after it."""
    if me().has_totp:
        return render_template("preferences/second_step.html", form=ProofForm(), fault="")
    return _setup_page(SetupForm(secret=totp.seal_setup(me(), totp.new_secret())))


@pages.post("/profile/second-step")
@login_required
def enable() -> ResponseReturnValue:
    """Put the second step in force, and show the recovery codes once."""
    form = SetupForm()
    if me().has_totp:
        return redirect(url_for("second_step.show"))
    if not form.validate_on_submit():
        return redirect(url_for("second_step.show"))
    try:
        throttle.count_try((throttle.CODE, str(me().id)))
        secret = totp.open_setup(me(), typed(form.secret))
    except (StartError, ValueError, binascii.Error):
        return redirect(url_for("second_step.show"))
    except TooMany as error:
        return _setup_page(form, error.message), 429
    step = totp.matching_step(secret, typed(form.code), clock.now())
    if step is None:
        return _setup_page(form, _("That code is not right. Is the clock of the telephone set by itself?")), 422
    codes = totp.enable(me(), secret, step)
    _now_safer()
    return render_template("preferences/recovery_codes.html", codes=codes)


@pages.post("/profile/second-step/codes")
@login_required
def renew_codes() -> ResponseReturnValue:
    """Fresh recovery codes, shown once."""
    fault, status = _proof_fault()
    if fault:
        return render_template("preferences/second_step.html", form=ProofForm(), fault=fault), status
    return render_template("preferences/recovery_codes.html", codes=totp.renew_recovery_codes(me()))


@pages.post("/profile/second-step/removal")
@login_required
def remove() -> ResponseReturnValue:
    """Sign in by password alone again."""
    fault, status = _proof_fault()
    if fault:
        return render_template("preferences/second_step.html", form=ProofForm(), fault=fault), status
    totp.disable(me())
    _now_safer()
    auth.told(_("The second step is switched off."), "warning")
    return redirect(url_for("preferences.show"))


def _now_safer() -> None:
    """Other sessions were opened under other rules; this one gets a new token."""
    end_sessions(me(), but=auth.current_session())
    auth.renew_session()


def _proof_fault() -> tuple[str, int]:
    form = ProofForm()
    if not me().has_totp or not form.validate_on_submit():
        return _("Type your password to confirm."), 422
    try:
        return ("", 200) if sign_in.prove(me(), typed(form.password)) else (_("That is not your password."), 422)
    except (Refused, TooMany) as error:
        return error.message, error.status


def _setup_page(form: SetupForm, fault: str = "") -> str:
    secret = totp.open_setup(me(), typed(form.secret))
    groups = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    picture = totp.qr_picture(totp.setup_uri(me(), secret))
    return render_template("preferences/second_step_setup.html", form=form, fault=fault, picture=picture, secret=groups)
