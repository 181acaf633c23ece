"""The first steps in an empty installation, and where `/` leads."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import refresh
from flask_login import login_required
from flask_wtf import FlaskForm
from sqlalchemy import exists, func, select
from wtforms import PasswordField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from helpdesk import auth, dialog_settings, first_sign_in, sign_in
from helpdesk.auth import administrators_only, me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.forms import checked_address, choices, typed
from helpdesk.models import Channel, Message, MessageKind, User
from helpdesk.shell import url_if
from helpdesk.views.preferences import TIME_ZONES

pages = Blueprint("welcome", __name__)


class OwnAccountForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Who I am, and a password of my own instead of the one-time one."""

    name = StringField(_l("Your name"), [InputRequired(), Length(max=120)])
    email = StringField(
        _l("Your email"),
        [InputRequired(), Length(max=254), checked_address],
        description=_l("You sign in with it, and a forgotten password is sent there."),
    )
    language = SelectField(_l("Language"), choices=choices(LANGUAGES.items()))
    time_zone = SelectField(_l("Time zone"), choices=choices((zone, zone.replace("_", " ")) for zone in TIME_ZONES))
    password = PasswordField(
        _l("New password"),
        [InputRequired()],
        description=_l("At least 12 characters; a few words in a row are easy to remember."),
    )
    again = PasswordField(_l("The same again"), [InputRequired(), EqualTo("password", _l("The two passwords differ."))])


@pages.get("/")
@login_required
def home() -> ResponseReturnValue:
    """To work; administrators of an empty installation to its first steps."""
    if me().is_administrator and not db.session.scalar(select(exists().where(Channel.id.is_not(None)))):
        return redirect(url_for("welcome.show"))
    return redirect(url_if("queues.index") or url_for("preferences.show"))


@pages.get("/welcome")
@administrators_only
def show() -> ResponseReturnValue:
    """The first steps and which of them are done."""
    channel_url = url_if("channels.index") or "/channels"
    return render_template("welcome/show.html", done=steps_done(), channel_url=channel_url)


@pages.get("/welcome/account")
@login_required
def own_account() -> ResponseReturnValue:
    """Replace the one-time password."""
    if not me().password_is_one_time:
        return redirect(url_for("preferences.show"))
    form = OwnAccountForm(obj=me())
    if typed(form.email).endswith("@localhost"):
        form.email.data = ""
    return render_template("welcome/account.html", form=form, fault="")


@pages.post("/welcome/account")
@login_required
def save_own_account() -> ResponseReturnValue:
    """Keep who I am and my own password; the one-time password works no more."""
    user, form = me(), OwnAccountForm()
    if not user.password_is_one_time:
        return redirect(url_for("preferences.show"))
    if not form.validate_on_submit():
        return render_template("welcome/account.html", form=form, fault=""), 422
    try:
        other = sign_in.user_by_email(typed(form.email))
        if other is not None and other.id != user.id:
            raise Refused(_("%(name)s has this address already.", name=other.name))
        user.name, user.email = typed(form.name), typed(form.email)
        user.language, user.time_zone = typed(form.language), typed(form.time_zone)
        sign_in.set_password(user, typed(form.password), keep=auth.current_session())
        dialog_settings.name_defaults(user.language)
    except Refused as error:
        return render_template("welcome/account.html", form=form, fault=error.message), 422
    auth.renew_session()
    refresh()
    first_sign_in.forget()
    auth.told(_("Your password is set."))
    return redirect(url_for("welcome.home"))


def steps_done() -> dict[str, bool]:
    """Which first steps the database shows as done: password, mailbox, people, answer."""
    replied = exists().where(Message.kind == MessageKind.REPLY, Message.user_id.is_not(None))
    people = select(func.count()).select_from(select(User.id).where(User.active).limit(2).subquery())
    return {
        "password": not me().password_is_one_time,
        "mailbox": bool(db.session.scalar(select(exists().where(Channel.id.is_not(None))))),
        "people": (db.session.scalar(people) or 0) > 1,
        "answer": bool(db.session.scalar(select(replied))),
    }
