"""People: who works here, in which role and groups. For administrators."""

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from helpdesk import auth, limits, staff
from helpdesk.auth import administrators_only, me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import checked_address, choices, chosen_ids, typed
from helpdesk.models import Group, Permission, Project, Role, User

pages = Blueprint("people", __name__)

ROLES = {
    Role.OPERATOR: _l("Operator"),
    Role.SUPERVISOR: _l("Supervisor"),
    Role.ADMINISTRATOR: _l("Administrator"),
}


class PersonForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A person as administrators see them."""

    name = StringField(_l("Full name"), [InputRequired(), Length(max=120)])
    email = StringField(_l("Email"), [InputRequired(), Length(max=254), checked_address])
    role = SelectField(_l("Role"), choices=choices(ROLES.items()))
    claim_limit = IntegerField(
        _l("Open tickets at most"),
        [Optional(), NumberRange(1, 1000)],
        description=_l("With that many, no more can be taken. Empty: as the queue says."),
    )
    dialog_settings = BooleanField(
        _l("May edit dialog settings"),
        description=_l("Request types, reasons, components, categories, and fields of your own. Administrators may."),
    )
    texts = BooleanField(
        _l("May edit ready answers"), description=_l("And the variables that stand in them. Administrators may.")
    )


class InviteForm(FlaskForm):  # type: ignore[misc]
    """A person who is to be invited."""

    name = StringField(_l("Full name"), [InputRequired(), Length(max=120)])
    email = StringField(_l("Email"), [InputRequired(), Length(max=254), checked_address])
    role = SelectField(_l("Role"), choices=choices(ROLES.items()))
    language = SelectField(_l("Language of the invitation"), choices=choices(LANGUAGES.items()))


class DeactivationForm(FlaskForm):  # type: ignore[misc]
    """What becomes of the tickets of somebody who leaves."""

    give_back = BooleanField(_l("Give their open tickets back to the line"), default=True)


@dataclass(frozen=True)
class Once:
    """A link that the next page shows once; it is stored nowhere."""

    link: str


@pages.get("/people")
@administrators_only
def index() -> ResponseReturnValue:
    """Everybody with an account, those who left at the end."""
    people = select(User).options(selectinload(User.groups))
    people = people.order_by(User.active.desc(), func.sort_key(User.name), User.id)
    return render_template("people/index.html", people=db.session.scalars(people).all(), roles=ROLES)


@pages.get("/people/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form that invites somebody."""
    language = db.session.scalar(select(Project.language).order_by(Project.id).limit(1))
    group = staff.everyone()
    return _invite_page(InviteForm(language=language), {group.id} if group else set())


@pages.post("/people")
@administrators_only
def invite() -> ResponseReturnValue:
    """Invite somebody; the link is also shown once, for those whose mail does not arrive."""
    form, ids = InviteForm(), chosen_ids("groups")
    if not form.validate_on_submit():
        return _invite_page(form, ids), 422
    try:
        user, link = staff.invite_person(
            me(), typed(form.email), typed(form.name), Role(form.role.data), _groups(ids), typed(form.language)
        )
    except Refused as error:
        return _invite_page(form, ids, error.message), 422
    return render_template("people/invited.html", person=user, once=Once(link))


@pages.get("/people/<int:user_id>")
@administrators_only
def show(user_id: int) -> ResponseReturnValue:
    """One person."""
    user = _person(user_id)
    form = PersonForm(obj=user, **{one.value: one in user.permissions for one in Permission})
    return _page(user, form, {group.id for group in user.groups})


@pages.post("/people/<int:user_id>")
@administrators_only
def save(user_id: int) -> ResponseReturnValue:
    """Change one person."""
    user, form, ids = _person(user_id), PersonForm(), chosen_ids("groups")
    if not form.validate_on_submit():
        return _page(user, form, ids), 422
    values = {name: form[name].data for name in ("name", "email", "role", "claim_limit")}
    values["permissions"] = [one.value for one in Permission if form[one.value].data]
    try:
        values["claim_limits"] = limits.checked(request.form)
        staff.change_person(me(), user, values, _groups(ids))
    except Refused as error:
        db.session.rollback()
        return _page(_person(user_id), form, ids, error.message), 422
    auth.told(_("Saved."))
    return redirect(url_for("people.show", user_id=user.id))


@pages.post("/people/<int:user_id>/link")
@administrators_only
def send_link(user_id: int) -> ResponseReturnValue:
    """A fresh link to set a password, mailed and shown once."""
    user = _person(user_id)
    return render_template("people/invited.html", person=user, once=Once(staff.invite_again(me(), user)))


@pages.post("/people/<int:user_id>/deactivation")
@administrators_only
def deactivate(user_id: int) -> ResponseReturnValue:
    """Shut one person out at once."""
    user = _person(user_id)
    count = staff.deactivate(me(), user, give_back="give_back" in request.form)
    auth.told(_("%(name)s is signed out and cannot sign in any more.", name=user.name))
    if count:
        text = ngettext("One ticket waits in its queue again.", "%(num)s tickets wait in their queues again.", count)
        auth.told(text, "info")
    return redirect(url_for("people.show", user_id=user.id))


@pages.post("/people/<int:user_id>/activation")
@administrators_only
def activate(user_id: int) -> ResponseReturnValue:
    """Let one person in again."""
    user = _person(user_id)
    staff.activate(me(), user)
    auth.told(_("%(name)s may sign in again.", name=user.name))
    return redirect(url_for("people.show", user_id=user.id))


@pages.post("/people/<int:user_id>/second-step/removal")
@administrators_only
def remove_totp(user_id: int) -> ResponseReturnValue:
    """Take the second step off for somebody who lost their telephone."""
    user = _person(user_id)
    staff.remove_totp(me(), user)
    auth.told(_("%(name)s signs in by password alone until the second step is set up again.", name=user.name))
    return redirect(url_for("people.show", user_id=user.id))


def _person(user_id: int) -> User:
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound(_("There is no such person."))
    return user


def _groups(ids: set[int]) -> list[Group]:
    return list(db.session.scalars(select(Group).where(Group.id.in_(ids))))


def _all_groups() -> list[Group]:
    return list(db.session.scalars(select(Group).order_by(Group.everyone.desc(), func.sort_key(Group.name))))


def _invite_page(form: InviteForm, ids: set[int], fault: str = "") -> str:
    return render_template("people/new.html", form=form, groups=_all_groups(), ticked=ids, fault=fault)


def _page(user: User, form: PersonForm, ids: set[int], fault: str = "") -> str:
    open_count = db.session.scalar(select(func.count()).select_from(staff.open_tickets(user).order_by(None).subquery()))
    return render_template(
        "people/show.html",
        person=user,
        form=form,
        leaving=DeactivationForm(formdata=None),
        groups=_all_groups(),
        ticked=ids,
        fault=fault,
        open_count=open_count,
        kinds=[(kind, name, user.claim_limits.get(kind, "")) for kind, name in limits.kind_names().items()],
        everybodys=limits.default_limits(),
    )
