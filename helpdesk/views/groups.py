"""Groups: teams, and what each may do in which queue. For administrators."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk import auth, staff
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import chosen_ids, chosen_rights, typed
from helpdesk.models import Group, Permission, Queue, Right, User

pages = Blueprint("groups", __name__)

RIGHTS = {
    "": _l("Nothing"),
    Right.SEE.value: _l("See"),
    Right.WORK.value: _l("Work"),
    Right.SUPERVISE.value: _l("Supervise"),
}


class GroupForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A group's name; members and rights are tables of their own."""

    name = StringField(_l("Name"), [InputRequired(), Length(max=80)])
    dialog_settings = BooleanField(
        _l("Its people may edit dialog settings"),
        description=_l("Request types, reasons, components, categories, and fields of your own."),
    )
    texts = BooleanField(
        _l("Its people may edit ready answers"), description=_l("And the variables that stand in them.")
    )


@pages.get("/groups")
@administrators_only
def index() -> ResponseReturnValue:
    """All groups with their members and queues."""
    query = select(Group).options(selectinload(Group.users), selectinload(Group.rights))
    groups = db.session.scalars(query.order_by(Group.everyone.desc(), func.sort_key(Group.name))).all()
    names = {queue.id: queue.name for queue in _queues()}
    return render_template("groups/index.html", groups=groups, queue_names=names, rights=RIGHTS)


@pages.get("/groups/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new group."""
    return _page(Group(name=""), GroupForm(), set(), {})


@pages.post("/groups")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a group."""
    return _save(Group())


@pages.get("/groups/<int:group_id>")
@administrators_only
def show(group_id: int) -> ResponseReturnValue:
    """One group."""
    group = _group(group_id)
    rights = {row.queue_id: Right(row.right) for row in group.rights}
    form = GroupForm(obj=group, **{one.value: one in group.permissions for one in Permission})
    return _page(group, form, {user.id for user in group.users}, rights)


@pages.post("/groups/<int:group_id>")
@administrators_only
def save(group_id: int) -> ResponseReturnValue:
    """Change one group."""
    return _save(_group(group_id))


@pages.post("/groups/<int:group_id>/removal")
@administrators_only
def remove(group_id: int) -> ResponseReturnValue:
    """Delete a group that nothing names."""
    staff.remove_group(me(), _group(group_id))
    auth.told(_("The group is removed."))
    return redirect(url_for("groups.index"))


def _save(group: Group) -> ResponseReturnValue:
    form, members, rights = GroupForm(), chosen_ids("members"), chosen_rights()
    if not form.validate_on_submit():
        return _page(group, form, members, rights), 422
    permissions = [one.value for one in Permission if form[one.value].data]
    try:
        staff.save_group(me(), group, {"name": typed(form.name).strip(), "permissions": permissions}, members, rights)
    except Refused as error:
        return _page(group, form, members, rights, error.message), 422
    auth.told(_("Saved."))
    return redirect(url_for("groups.show", group_id=group.id))


def _group(group_id: int) -> Group:
    group = db.session.get(Group, group_id)
    if group is None:
        raise NotFound(_("There is no such group."))
    return group


def _queues() -> list[Queue]:
    return list(db.session.scalars(select(Queue).order_by(Queue.active.desc(), func.sort_key(Queue.name))))


def _page(group: Group, form: GroupForm, members: set[int], rights: Mapping[int, Right | None], fault: str = "") -> str:
    people = db.session.scalars(select(User).where(User.active).order_by(func.sort_key(User.name), User.id)).all()
    return render_template(
        "groups/show.html",
        group=group,
        form=form,
        people=people,
        members=members,
        rows=_queues(),
        given=rights,
        rights=RIGHTS,
        fault=fault,
    )
