"""Signing in and out: address and password, then a code where the person has a second step."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from helpdesk import auth, sign_in
from helpdesk.babel import LANGUAGES
from helpdesk.errors import TooMany
from helpdesk.forms import typed
from helpdesk.models.session import Stage, UserSession

pages = Blueprint("sessions", __name__)


class SignInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Address and password."""

    email = StringField(_l("Email"), [InputRequired()])
    password = PasswordField(_l("Password"), [InputRequired()])
    next = HiddenField()


class CodeForm(FlaskForm):  # type: ignore[misc]
    """The code of the second step, or a recovery code."""

    code = StringField(_l("Code"), [InputRequired()])
    next = HiddenField()


@pages.get("/sign-in")
def show() -> ResponseReturnValue:
    """The sign-in page; whoever is signed in already goes on."""
    if current_user.is_authenticated:
        return redirect(auth.local_path(request.args.get("next")))
    return _sign_in_page(SignInForm(next=request.args.get("next", "")))


@pages.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Begin a session, or the second step; say no more than that something was wrong."""
    form = SignInForm()
    if not form.validate_on_submit():
        return _sign_in_page(form, status=422)
    try:
        user = sign_in.check_password(typed(form.email), typed(form.password), request.remote_addr or "")
    except TooMany as error:
        return _sign_in_page(form, error.message, 429)
    if user is None:
        return _sign_in_page(form, _("The address or the password is not right."), 422)
    if user.password_is_one_time and user.last_seen_at is None:
        user.language = str(get_locale())  # nobody has chosen yet; this page was read in it
    target = auth.local_path(form.next.data)
    if user.has_totp:
        auth.begin_session(user, Stage.CODE)
        return redirect(url_for("sessions.ask_code", next=target))
    auth.begin_session(user)
    return redirect(target)


@pages.get("/sign-in/code")
def ask_code() -> ResponseReturnValue:
    """The page of the second step."""
    if _waiting_for_code() is None:
        return redirect(url_for("sessions.show", next=request.args.get("next")))
    return _code_page(CodeForm(next=request.args.get("next", "")))


@pages.post("/sign-in/code")
def enter_code() -> ResponseReturnValue:
    """Complete the session with a code that was not used before."""
    form, row = CodeForm(), _waiting_for_code()
    if row is None:
        return redirect(url_for("sessions.show", next=auth.local_path(form.next.data)))
    if not form.validate_on_submit():
        return _code_page(form, status=422)
    try:
        right = sign_in.check_code(row.user, typed(form.code))
    except TooMany as error:
        return _code_page(form, error.message, 429)
    if not right:
        return _code_page(form, _("That code is not right, or it was used already. Wait for the next one."), 422)
    auth.begin_session(row.user)
    return redirect(auth.local_path(form.next.data))


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    auth.end_session()
    return redirect(url_for("sessions.show"))


@pages.get("/sign-in/language")
def choose_language() -> ResponseReturnValue:
    """Remember a stranger's language in their own browser."""
    if request.args.get("language") in LANGUAGES:
        session["language"] = request.args["language"]
    return redirect(url_for("sessions.show", next=request.args.get("next")))


def _waiting_for_code() -> UserSession | None:
    row = auth.half_session()
    return row if row is not None and row.stage == Stage.CODE else None


def _sign_in_page(form: SignInForm, fault: str = "", status: int = 200) -> ResponseReturnValue:
    language_url = url_for("sessions.choose_language")
    return render_template("sign_in/sign_in.html", form=form, fault=fault, language_url=language_url), status


def _code_page(form: CodeForm, fault: str = "", status: int = 200) -> ResponseReturnValue:
    return render_template("sign_in/code.html", form=form, fault=fault), status
