"""One act on many tickets: its form with a preview, the act, what became of each ticket, and the way back."""

from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import login_required
from sqlalchemy import func, select

from helpdesk import clock, permissions, words
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Forbidden, NotFound, Refused
from helpdesk.forms import local_moment, whole
from helpdesk.models import Right, State, Ticket, User
from helpdesk.models.ticket.states import Priority
from helpdesk.snoozes import SNOOZES
from helpdesk.views import shapes
from helpdesk.views.desk_lists import MINE, page_of_list, pane_context
from queues import bulk, bulk_acts
from queues.bulk_merge import Merge, offers, told

pages = Blueprint("bulk", __name__)

MOST_OFFERED = 500
# Code of an act: the title of its form, and the word of its button.
ACTS = {
    "assign": (_l("Assign tickets"), _l("Assign")),
    "release": (_l("Take back to the queue"), _l("Take back to the queue")),
    "move": (_l("Move to another queue"), _l("Move")),
    "tag": (_l("Change tags"), _l("Change tags")),
    "priority": (_l("Change the priority"), _l("Change the priority")),
    "merge": (_l("Merge tickets"), _l("Merge")),
    "snooze": (_l("Snooze tickets"), _l("Snooze")),
    "finish": (_l("Finish tickets"), _l("Finish")),
    "spam": (_l("Mark as spam"), _l("Mark as spam")),
    "reopen": (_l("Reopen tickets"), _l("Reopen")),
}
SNOOZE_NAMES = {"1h": _l("for an hour"), "3h": _l("for three hours"), "1d": _l("for a day"), "7d": _l("for a week")}


@pages.get("/tickets/bulk")
@login_required
def show() -> ResponseReturnValue:
    """The form of an act for the chosen tickets, with its preview where nothing has to be chosen first."""
    code = _known(request.args.get("act", "assign"))
    ids = bulk.chosen(request.args.get("ids", ""))
    context = {
        "act": code,
        "title": ACTS[code][0],
        "ids": ids,
        "options": _options(code, ids),
        **_preview(code, ids, {**request.args, **_first_choice(code, ids)}),
    }
    if "HX-Request" in request.headers:
        return render_template("bulk/form.html", **context)
    return render_template("bulk/page.html", **context)


@pages.post("/tickets/bulk/preview")
@login_required
def preview() -> ResponseReturnValue:
    """What the act would change now, as a fragment; the form asks for it after each choice."""
    code = _known(request.form.get("act", ""))
    return render_template(
        "bulk/_preview.html", act=code, **_preview(code, bulk.chosen(request.form.get("ids", "")), request.form)
    )


@pages.post("/tickets/bulk")
@login_required
def run() -> ResponseReturnValue:
    """Do it, each ticket by itself, and tell what became of each."""
    code = _known(request.form.get("act", ""))
    ids = bulk.chosen(request.form.get("ids", ""))
    act = _act(code, request.form)
    row_id = bulk.run(me(), act, _changing(act, ids), request.form.get("key", "") or f"{clock.now().timestamp()}")
    return redirect(url_for("bulk.result", bulk_id=row_id), 303)


@pages.get("/tickets/bulk/<int:bulk_id>")
@login_required
def result(bulk_id: int) -> ResponseReturnValue:
    """How many tickets changed, and which did not, with the reason."""
    row = bulk.get_act(me(), bulk_id)
    refusals = [bulk.Refusal(told["id"], told["number"], told["reason"]) for told in row.results if not told["done"]]
    return render_template(
        "bulk/result.html",
        row=row,
        title=ACTS[row.act][0] if row.act in ACTS else row.act,
        done=sum(told["done"] for told in row.results),
        refused=bulk.by_reason(refusals),
        can_undo=bulk.can_undo(row),
        back_url=page_of_list(),
        **pane_context(MINE),
    )


@pages.post("/tickets/bulk/<int:bulk_id>/undoing")
@login_required
def undo(bulk_id: int) -> ResponseReturnValue:
    """Put back what the act changed, where nobody changed it meanwhile."""
    row = bulk.get_act(me(), bulk_id)
    count, refusals = bulk.undo(me(), row.id)
    flash(ngettext("%(num)s ticket is as it was.", "%(num)s tickets are as they were.", count), "success")
    for reason, those in bulk.by_reason(refusals):
        numbers = ", ".join(one.number for one in those[:10])
        flash(_("Not put back: %(numbers)s: %(reason)s.", numbers=numbers, reason=reason), "warning")
    return redirect(page_of_list(), 303)


def _known(code: str) -> str:
    if code not in ACTS:
        raise NotFound(_("There is no such act."))
    return code


def _preview(code: str, ids: list[int], form: Any) -> dict[str, Any]:
    """What `bulk/_preview.html` expects. An incomplete choice is no fault yet: it says what to choose."""
    try:
        act = _act(code, form)
        changing = _changing(act, ids)
    except (Refused, NotFound, Forbidden) as refusal:
        return {"seen": None, "hint": refusal.message, "total": len(ids), "verb": ACTS[code][1], "free": ""}
    seen = bulk.preview(me(), act, changing)
    free = select(Ticket.id).where(Ticket.id.in_(seen.changes), Ticket.owner_id.is_(None)).order_by(Ticket.id)
    return {
        "seen": seen,
        "says": told(me(), act, seen.changes) if isinstance(act, Merge) else [],
        "hint": "",
        "total": len(changing),
        "verb": ACTS[code][1],
        "free": ",".join(str(id_) for id_ in db.session.scalars(free)) if code == "assign" else "",
    }


def _act(code: str, form: Any) -> bulk_acts.Act:
    """The act with the settings of its form. Raises Refused or NotFound for a choice that is none."""
    match code:
        case "assign":
            to = db.session.get(User, whole(form.get("user_id", "")) or 0)
            if to is None or not to.active or to.system:
                raise Refused(_("Choose to whom."))
            free = frozenset(int(part) for part in form.get("free", "").split(",") if whole(part) is not None)
            return bulk_acts.Assign(to, _line(form.get("reason", "")), free)
        case "release":
            return bulk_acts.Release()
        case "move":
            if not form.get("queue_id"):
                raise Refused(_("Choose a queue."))
            return bulk_acts.Move(permissions.get_queue(me(), whole(form.get("queue_id", "")) or 0))
        case "tag":
            add, remove = _tags(form.get("add", "")), _tags(form.get("remove", ""))
            if not add and not remove:
                raise Refused(_("Write the tags, with commas between them."))
            return bulk_acts.Tag(add, remove)
        case "priority":
            priority = whole(form.get("priority", ""))
            if priority not in Priority.ALL:
                raise Refused(_("Choose a priority."))
            return bulk_acts.Prioritise(priority)
        case "snooze":
            return bulk_acts.Snooze(_until(form))
        case "merge":
            into = whole(form.get("into", ""))
            if into is None:
                raise Refused(_("Choose the ticket to merge into."))
            return Merge(permissions.get_ticket(me(), into, Right.WORK))
        case "reopen":
            return bulk_acts.Reopen()
        case "spam":
            return bulk_acts.Spam(State.SPAM, "")
        case _:
            state = form.get("state", State.SOLVED)
            if state not in {State.SOLVED, State.UNSOLVED}:
                raise Refused(_("A ticket is closed as solved or not solved."))
            return bulk_acts.Finish(State(state), _line(form.get("reason", "")), bool(form.get("despite_children")))


def _changing(act: bulk_acts.Act, ids: list[int]) -> list[int]:
    """The tickets that the act is done to: all that are chosen, but not the one that the others are merged into."""
    if not isinstance(act, Merge):
        return ids
    others = [id_ for id_ in ids if id_ != act.into.id]
    if not others:
        raise Refused(_("Choose at least two tickets to merge."))
    return others


def _first_choice(code: str, ids: list[int]) -> dict[str, str]:
    """What the form has chosen when it opens."""
    if code == "merge":
        return {"into": str(next((row.id for row in offers(me(), ids)), ""))}
    return {"state": State.SOLVED.value} if code == "finish" else {"choice": "1h"} if code == "snooze" else {}


def _options(code: str, ids: list[int]) -> dict[str, Any]:
    """What the form of an act lets one choose."""
    match code:
        case "assign":
            people = select(User).where(User.active, ~User.system).order_by(func.sort_key(User.name), User.id)
            return {"people": list(db.session.scalars(people.limit(MOST_OFFERED)))}
        case "move":
            return {"queues": list(db.session.scalars(permissions.queues(me())))}
        case "merge":
            return {"tickets": [shapes.row(item, clock.now()) for item in offers(me(), ids)]}
        case "priority":
            return {"priorities": words.PRIORITIES}
        case "snooze":
            return {"snoozes": SNOOZE_NAMES}
        case "finish":
            return {"states": [(state.value, words.state_name(state)) for state in (State.SOLVED, State.UNSOLVED)]}
        case _:
            return {}


def _until(form: Any) -> datetime | None:
    choice = form.get("choice", "")
    if choice == "customer":
        return None
    if choice in SNOOZES:
        return clock.now() + SNOOZES[choice]
    try:
        until = local_moment(form.get("until", ""), me().time_zone)
    except ValueError as error:
        raise Refused(_("Choose until when the tickets should wait.")) from error
    if until <= clock.now():
        raise Refused(_("This time is in the past. Choose a later one."))
    return until


def _tags(written: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(name.split()).lower() for name in written.split(",") if name.strip()))


def _line(written: str) -> str:
    return " ".join(written.split())[: bulk_acts.MOST_REASON]
