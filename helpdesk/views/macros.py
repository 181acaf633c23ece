"""Macros as a list and a form: one's own for everybody, shared ones for those who look after a group."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required
from pydantic import ValidationError
from sqlalchemy import func, or_, select

from helpdesk import clock, permissions, variables
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Forbidden, Refused
from helpdesk.forms import chosen_ids, whole
from helpdesk.macros import Actions, get_macro, groups_to_share, may_change, read_actions, usable
from helpdesk.models import Macro, User
from helpdesk.models.definitions import definitions
from helpdesk.models.event import record_change
from helpdesk.models.lists import ListName
from helpdesk.words import PRIORITIES

pages = Blueprint("macros", __name__)

MOST_OWN = 100
MINE, ALL = "mine", "all"


@pages.get("/macros")
@login_required
def index() -> ResponseReturnValue:
    """The macros that one may use or change."""
    seen = or_(usable(me()), Macro.user_id.is_(None)) if me().is_administrator else usable(me())
    query = select(Macro).where(seen).order_by(Macro.position, func.sort_key(Macro.name), Macro.id)
    rows = [{"macro": macro, "may_change": may_change(me(), macro)} for macro in db.session.scalars(query)]
    return render_template("macros/index.html", rows=rows)


@pages.get("/macros/new")
@login_required
def new() -> ResponseReturnValue:
    """The form of a new macro, one's own unless said otherwise."""
    return _form(Macro(name="", user_id=me().id, active=True, position=0), Actions())


@pages.post("/macros")
@login_required
def create() -> ResponseReturnValue:
    """Make a macro."""
    count = db.session.scalar(select(func.count()).where(Macro.user_id == me().id)) or 0
    if count >= MOST_OWN:
        raise Refused(_("You have %(count)s macros. Remove some first.", count=count))
    macro = Macro(created_at=clock.now())
    _take(macro)
    db.session.add(macro)
    db.session.flush()
    _record(macro, "made")
    return _done(_("The macro “%(name)s” is ready.", name=macro.name))


@pages.get("/macros/<int:macro_id>")
@login_required
def show(macro_id: int) -> ResponseReturnValue:
    """One macro, to change it."""
    macro = get_macro(me(), macro_id, to_change=True)
    return _form(macro, read_actions(macro))


@pages.post("/macros/<int:macro_id>")
@login_required
def save(macro_id: int) -> ResponseReturnValue:
    """Change a macro."""
    macro = get_macro(me(), macro_id, to_change=True)
    _take(macro)
    _record(macro, "changed")
    return _done(_("The macro “%(name)s” was saved.", name=macro.name))


@pages.post("/macros/<int:macro_id>/removal")
@login_required
def remove(macro_id: int) -> ResponseReturnValue:
    """Take a macro away for good; what it did stays done."""
    macro = get_macro(me(), macro_id, to_change=True)
    _record(macro, "removed")
    db.session.delete(macro)
    return _done(_("The macro “%(name)s” is gone.", name=macro.name))


def _take(macro: Macro) -> None:
    """What the form says, checked."""
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > 120:
        raise Refused(_("A macro has a name of up to 120 characters."))
    actions = _typed_actions()
    if actions.says_nothing:
        raise Refused(_("Choose at least one thing that the macro does."))
    _give_to(macro, request.form.get("whose", MINE))
    macro.name = name
    macro.active = bool(request.form.get("active"))
    macro.position = min(whole(request.form.get("position", "")) or 0, 10_000)
    macro.actions = actions.model_dump(mode="json", exclude_defaults=True)
    macro.changed_at = clock.now()


def _typed_actions() -> Actions:
    form = request.form
    given: dict[str, Any] = {name: form.get(name, "").strip() for name in ("reply", "note", "reason")}
    given |= {name: form.get(name, "") for name in ("state", "until", "owner")}
    given |= {name: form.get(name, "").split(",") for name in ("add_tags", "remove_tags")}
    given |= {name: whole(form.get(name, "")) for name in ("request_type_id", "category_id", "owner_id", "queue_id")}
    given |= {name: sorted(chosen_ids(name)) for name in ("reason_ids", "component_ids", "colleague_ids")}
    given |= {"priority": whole(form.get("priority", "")) or 0}
    given |= {"send": bool(form.get("send")), "follow": bool(form.get("follow"))}
    if given["state"] == "snooze" and not given["until"]:
        raise Refused(_("Choose until when the ticket should wait."))
    if given["reply"] and given["state"] and not given["send"]:
        raise Refused(_("An answer in the composer needs an active ticket. Send it, or leave the state as it is."))
    if given["owner"] == "person" and not given["owner_id"]:
        raise Refused(_("Choose who gets the ticket."))
    try:
        return Actions.model_validate(given)
    except ValidationError as error:
        where = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
        raise Refused(_("This cannot be saved; look at: %(fields)s.", fields=where)) from error


def _give_to(macro: Macro, whose: str) -> None:
    """Make it one's own, a group's, or everybody's. Raises Forbidden where one may not share it so."""
    macro.user_id = macro.group_id = None
    group_id = whole(whose)
    if whose == MINE:
        macro.user_id = me().id
    elif group_id is not None and group_id in {group.id for group in groups_to_share(me())}:
        macro.group_id = group_id
    elif whose != ALL or not me().is_administrator:
        raise Forbidden(_("You may not share a macro in this way."))


def _form(macro: Macro, actions: Actions) -> ResponseReturnValue:
    known = definitions()
    people = select(User).where(User.active, ~User.system).order_by(func.sort_key(User.name), User.id).limit(500)
    lists = {name.value: [one for one in known.lists[name].values() if one.active] for name in ListName}
    return render_template(
        "macros/show.html",
        macro=macro,
        actions=actions,
        groups=groups_to_share(me()),
        may_share_with_all=me().is_administrator,
        queues=list(db.session.scalars(permissions.queues(me()))),
        people=list(db.session.scalars(people)),
        lists=lists,
        priorities=PRIORITIES,
        variables=list(variables.LABELS.items()),
    )


def _record(macro: Macro, what: str) -> None:
    """Shared macros change the work of others, so their changes are kept."""
    if macro.user_id is None:
        record_change(me().id, "macro", macro.id, macro.name, {"macro": what})


def _done(words: str) -> ResponseReturnValue:
    flash(words, "success")
    return redirect(url_for("macros.index"), 303)
