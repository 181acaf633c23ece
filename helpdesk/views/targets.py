"""Targets for administrators: how soon customers are answered and helped, and what happens when it gets late."""

import re
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import Field, Form, IntegerField, RadioField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Length, NumberRange

from helpdesk import auth
from helpdesk.auth import administrators_only, me
from helpdesk.calendar_changes import remove_target, save_target
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import choices, typed
from helpdesk.models import Group, ListName, Organisation, Queue, Target, User
from helpdesk.models.definitions import definitions, ensure_item
from helpdesk.models.promise import by_rank
from helpdesk.promise_words import conditions, duration
from helpdesk.words import PRIORITIES

pages = Blueprint("targets", __name__)

TIMES = ("first_seconds", "next_seconds", "solution_seconds")
CONDITIONS = ("organisation_id", "priority", "queue_id")
STAGES = ("at_warning", "at_breach")
LONGEST = 366 * 24 * 3600
RAISES = {"": _l("leave the priority"), "one": _l("raise the priority by one"), "urgent": _l("make it urgent")}
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)")
_PLAIN = re.compile(r"(\d{1,6})")


def parse_duration(text: str) -> int | None:
    """Seconds of "4:30" (hours and minutes) or "4" (hours); None for nothing. Raises Refused."""
    text = text.strip()
    if not text:
        return None
    if match := _CLOCK.fullmatch(text):
        seconds = int(match[1]) * 3600 + int(match[2]) * 60
    elif match := _PLAIN.fullmatch(text):
        seconds = int(match[1]) * 3600
    else:
        raise Refused(_("Write a time as hours and minutes, such as 4:30."))
    if not 60 <= seconds <= LONGEST:
        raise Refused(_("A time is between one minute and a year."))
    return seconds


def write_duration(seconds: int | None) -> str:
    """Seconds as they are typed: "4:30"."""
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}" if seconds else ""


def _is_duration(_form: Form, field: Field) -> None:
    try:
        parse_duration(field.data or "")
    except Refused as error:
        raise ValidationError(error.message) from error


class TargetForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """When it holds, how long each answer may take, when people are warned, and what is done."""

    queue_id = SelectField(_l("Queue"), coerce=int)
    priority = SelectField(_l("Priority"), coerce=int)
    request_type = StringField(_l("Type"), [Length(max=100)], description=_l("Empty: any type."))
    organisation_id = SelectField(_l("Organisation"), coerce=int)
    first_seconds = StringField(_l("First answer within"), [_is_duration], description=_l("Hours and minutes: 4:00."))
    next_seconds = StringField(
        _l("Next answer within"), [_is_duration], description=_l("After the customer wrote again.")
    )
    solution_seconds = StringField(_l("Solution within"), [_is_duration], description=_l("From arrival to finishing."))
    real_time = RadioField(
        _l("What counts"),
        choices=choices(
            [("n", _l("Working time, by the calendar of the queue or project")), ("y", _l("All time, day and night"))]
        ),
        default="n",
    )
    warn_percent = IntegerField(
        _l("Warn after (percent of the time)"), [InputRequired(), NumberRange(1, 100)], default=80
    )
    warn_seconds = StringField(
        _l("Or so long before it is due"), [_is_duration], description=_l("Hours and minutes. Empty: by percent.")
    )
    at_warning_raise = SelectField(_l("Priority"), choices=choices(RAISES.items()))
    at_warning_queue_id = SelectField(_l("Move to"), coerce=int)
    at_warning_user_id = SelectField(_l("Also tell"), coerce=int)
    at_warning_group_id = SelectField(_l("Also tell the group"), coerce=int)
    at_breach_raise = SelectField(_l("Priority"), choices=choices(RAISES.items()))
    at_breach_queue_id = SelectField(_l("Move to"), coerce=int)
    at_breach_user_id = SelectField(_l("Also tell"), coerce=int)
    at_breach_group_id = SelectField(_l("Also tell the group"), coerce=int)


@pages.get("/admin/promises")
@administrators_only
def index() -> ResponseReturnValue:
    """All targets, the most specific first: in this order they are looked through for a ticket."""
    targets = by_rank(db.session.scalars(select(Target).where(Target.active)))
    return render_template("admin/targets.html", targets=[_shape(target) for target in targets])


@pages.get("/admin/promises/new")
@administrators_only
def new() -> ResponseReturnValue:
    """The form of a new target."""
    return _page(Target(), _form(Target(warn_percent=80, real_time=False, at_warning={}, at_breach={})))


@pages.post("/admin/promises")
@administrators_only
def create() -> ResponseReturnValue:
    """Make a target."""
    return _save(Target())


@pages.get("/admin/promises/<int:target_id>")
@administrators_only
def show(target_id: int) -> ResponseReturnValue:
    """One target."""
    target = _target(target_id)
    return _page(target, _form(target))


@pages.post("/admin/promises/<int:target_id>")
@administrators_only
def save(target_id: int) -> ResponseReturnValue:
    """Change one target."""
    return _save(_target(target_id))


@pages.post("/admin/promises/<int:target_id>/removal")
@administrators_only
def remove(target_id: int) -> ResponseReturnValue:
    """Switch a target off."""
    remove_target(me(), _target(target_id))
    auth.told(_("The target no longer applies. Open tickets are counted again."))
    return redirect(url_for("targets.index"), 303)


def _shape(target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "conditions": conditions(target),
        "times": [duration(seconds) if (seconds := getattr(target, name)) else "" for name in TIMES],
        "real_time": target.real_time,
        "escalates": any(target.at_warning.values()) or any(target.at_breach.values()),
    }


def _form(target: Target | None = None) -> TargetForm:
    """The form with what there is to choose from, filled from `target` or from what was sent."""
    values: dict[str, Any] = {}
    if target is not None:
        values = {name: getattr(target, name) or 0 for name in CONDITIONS}
        values |= {name: write_duration(getattr(target, name)) for name in (*TIMES, "warn_seconds")}
        values |= {"request_type": target.request_type or "", "warn_percent": target.warn_percent}
        values["real_time"] = "y" if target.real_time else "n"
        for stage in STAGES:
            said = getattr(target, stage) or {}
            values |= {f"{stage}_{name}": said.get(name) or 0 for name in ("queue_id", "user_id", "group_id")}
            values[f"{stage}_raise"] = said.get("raise", "")
    form = TargetForm(data=values or None)
    queues, people = _named(Queue, Queue.active), _named(User, User.active)
    groups = _named(Group)
    form.queue_id.choices = choices([(0, _("any queue")), *queues])
    form.priority.choices = choices([(0, _("any priority")), *PRIORITIES.items()])
    form.organisation_id.choices = choices([(0, _("any organisation")), *_named(Organisation)])
    for stage in STAGES:
        form[f"{stage}_queue_id"].choices = choices([(0, _("leave it in its queue")), *queues])
        form[f"{stage}_user_id"].choices = choices([(0, _("nobody else")), *people])
        form[f"{stage}_group_id"].choices = choices([(0, _("no group")), *groups])
    return form


def _named(model: Any, *conditions_: Any) -> list[tuple[int, str]]:
    query = select(model.id, model.name).where(*conditions_).order_by(func.sort_key(model.name))
    return list(db.session.execute(query).tuples())


def _save(target: Target) -> ResponseReturnValue:
    form = _form()
    if not form.validate_on_submit():
        return _page(target, form), 422
    values: dict[str, Any] = {name: form[name].data or None for name in CONDITIONS}
    values |= {name: parse_duration(typed(form[name])) for name in (*TIMES, "warn_seconds")}
    values["request_type"] = " ".join(typed(form.request_type).split()) or None
    if values["request_type"]:
        ensure_item(ListName.TYPE, values["request_type"])
    values["warn_percent"] = form.warn_percent.data
    values["real_time"] = form.real_time.data == "y"
    for stage in STAGES:
        names = ("raise", "queue_id", "user_id", "group_id")
        values[stage] = {name: value for name in names if (value := form[f"{stage}_{name}"].data)}
    try:
        save_target(me(), target, values)
    except Refused as error:
        return _page(target, form, error.message), 422
    auth.told(_("Saved. Open tickets are counted again within a minute."))
    return redirect(url_for("targets.index"), 303)


def _target(target_id: int) -> Target:
    target = db.session.get(Target, target_id)
    if target is None or not target.active:
        raise NotFound(_("There is no such target."))
    return target


def _page(target: Target, form: TargetForm, fault: str = "") -> str:
    return render_template(
        "admin/target.html", target=target, form=form, fault=fault, request_types=definitions().type_names()
    )
