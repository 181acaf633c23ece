"""Settings of the whole installation: ticket numbers, safety. For administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk import auth, clock
from helpdesk.auth import REQUIRE_TOTP, administrators_only, me
from helpdesk.customer_kinds import STAFF_DOMAINS, read_domains, staff_domains
from helpdesk.errors import Refused
from helpdesk.forms import typed
from helpdesk.models import read_setting, write_setting
from helpdesk.models.event import record_change
from helpdesk.numbers import DEFAULT_PATTERN, format_number, validate_pattern

pages = Blueprint("installation", __name__)

NUMBER_PATTERN = "number_pattern"


class InstallationForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What holds for everybody."""

    number_pattern = StringField(_l("Pattern of ticket numbers"), [InputRequired(), Length(max=24)])
    staff_domains = StringField(
        _l("Mail domains of our own people"),
        [Length(max=1000)],
        description=_l("Such as company.example, separated by spaces. Who writes from there counts as a colleague."),
    )
    require_totp = BooleanField(
        _l("Administrators must have a second step"),
        description=_l("Whoever has none is asked to set it up before anything else."),
    )


@pages.get("/admin/installation")
@administrators_only
def show() -> ResponseReturnValue:
    """The settings."""
    pattern = read_setting(NUMBER_PATTERN, DEFAULT_PATTERN)
    given = {"require_totp": read_setting(REQUIRE_TOTP, False), "staff_domains": " ".join(sorted(staff_domains()))}
    return _page(InstallationForm(number_pattern=pattern, **given))


@pages.post("/admin/installation")
@administrators_only
def save() -> ResponseReturnValue:
    """Change the settings; former ticket numbers stay findable."""
    form = InstallationForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        pattern = validate_pattern(typed(form.number_pattern).strip().upper())
    except Refused as error:
        return _page(form, error.message), 422
    if form.require_totp.data and not me().has_totp:
        return _page(form, _("Set your own second step up first; otherwise you would shut yourself out.")), 422
    try:
        domains = read_domains(form.staff_domains.data or "")
    except Refused as error:
        return _page(form, error.message), 422
    totp = bool(form.require_totp.data)
    for key, value in ((NUMBER_PATTERN, pattern), (REQUIRE_TOTP, totp), (STAFF_DOMAINS, domains)):
        before = read_setting(key, {NUMBER_PATTERN: DEFAULT_PATTERN, STAFF_DOMAINS: []}.get(key, False))
        if before != value:
            write_setting(key, value)
            record_change(me().id, "setting", None, key, {"value": [before, value]})
    auth.told(_("Saved."))
    return redirect(url_for("installation.show"))


def _page(form: InstallationForm, fault: str = "") -> str:
    try:
        example = format_number(validate_pattern(form.number_pattern.data or ""), 1000042, clock.now())
    except Refused:
        example = ""
    return render_template("admin/installation.html", form=form, example=example, fault=fault)
