"""Tasks: my own by their time, "Remind me" on a ticket or a customer, and tasks for colleagues."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import auth, clock, permissions, reminders
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.forms import local_moment
from helpdesk.models import Customer, Right, Task, Ticket, User
from helpdesk.models.task import count_due
from helpdesk.queries import tasks as reading
from helpdesk.queries.customers import get_customer
from helpdesk.shell import panes_only
from helpdesk.views import shapes
from helpdesk.views.colleagues import everybody

pages = Blueprint("tasks", __name__)

MORNING, SUNDAY = 9, 6
TABS = ("now", "later", "done")


@pages.get("/tasks")
@login_required
def index() -> ResponseReturnValue:
    """What I have to do: today and overdue, later, or what is done."""
    tab = request.args.get("tab", "now")
    tab = tab if tab in TABS else "now"
    version = shapes.live_versions(f"tasks:{me().id}")
    found = {"now": reading.due_today, "later": reading.due_later, "done": reading.done}[tab](me())
    context = {
        "tab": tab,
        "tasks": _shapes(found),
        "list_url": url_for("tasks.index", tab=tab),
        "list_topics": f"tasks:{me().id}",
        "list_version": version,
    }
    return render_template("tasks/_list.html" if "HX-Request" in request.headers else "tasks/index.html", **context)


@pages.get("/tasks/due")
@login_required
def due() -> ResponseReturnValue:
    """How many of my tasks are due, for the rail, as a fragment."""
    return render_template("tasks/_due.html", tasks_due=count_due(me()))


@pages.get("/tasks/new")
@login_required
def new() -> ResponseReturnValue:
    """The dialog that makes a task: "Remind me"."""
    ticket, customer = _about(request.args)
    context = {
        "ticket": ticket,
        "customer": customer,
        "people": everybody(),
        "times": _times(),
        "title": ticket.title if ticket else "",
    }
    return _dialog("tasks/new.html", **context)


@pages.post("/tasks")
@login_required
def create() -> ResponseReturnValue:
    """Make a task: `title`, `when` (hour, evening, morning, monday) or `due`, `user_id`, `ticket_id`, `customer_id`."""
    ticket, customer = _about(request.form)
    user = _whose(ticket)
    title = request.form.get("title", "") or (ticket.title if ticket else "")
    task = reminders.give_task(me(), user, title, _due(), ticket, customer, request.form.get("note", ""))
    auth.told(
        _("You are reminded at %(time)s.", time=_local(task.due_at))
        if user.id == me().id
        else _("%(name)s has the task now.", name=user.name)
    )
    return _back(task)


@pages.get("/tasks/<int:task_id>")
@login_required
def show(task_id: int) -> ResponseReturnValue:
    """The dialog that changes a task."""
    task = reading.get_task(me(), task_id)
    local = task.due_at.astimezone(ZoneInfo(me().time_zone)).strftime("%Y-%m-%dT%H:%M")
    return _dialog("tasks/show.html", task=_shapes([task])[0], due_local=local)


@pages.post("/tasks/<int:task_id>")
@login_required
def save(task_id: int) -> ResponseReturnValue:
    """Change title, note and time."""
    task = reading.get_task(me(), task_id, lock=True)
    task.describe(request.form.get("title", ""), request.form.get("note", ""), _due(task.due_at))
    return _back(task)


@pages.post("/tasks/<int:task_id>/done")
@login_required
def finish(task_id: int) -> ResponseReturnValue:
    """It is done."""
    task = reading.get_task(me(), task_id, lock=True)
    task.finish()
    return _back(task)


@pages.post("/tasks/<int:task_id>/undone")
@login_required
def reopen(task_id: int) -> ResponseReturnValue:
    """It is not done after all."""
    task = reading.get_task(me(), task_id, lock=True)
    task.reopen()
    return _back(task)


@pages.post("/tasks/<int:task_id>/removal")
@login_required
def remove(task_id: int) -> ResponseReturnValue:
    """Delete a task that is not needed."""
    task = reading.get_task(me(), task_id, lock=True)
    answer = _back(task)
    task.remove()
    return answer


def card(found: Iterable[Task], **about: Any) -> dict[str, Any]:
    """What `tasks/_card.html` expects, for the card of a ticket or customer; `about` is ticket_id or customer_id."""
    return {"tasks": _shapes(found), "new_task_url": url_for("tasks.new", **about)}


def init_app(app: Flask) -> None:
    """Give every whole page of a signed-in person the number of their tasks that are due."""

    @app.context_processor
    def count() -> dict[str, Any]:
        if "HX-Request" in request.headers or panes_only() or not current_user or not current_user.is_authenticated:
            return {}
        return {"tasks_due": count_due(me())}


def _shapes(found: Iterable[Task]) -> list[dict[str, Any]]:
    """Tasks as templates show them; a ticket that went out of sight keeps its title to itself."""
    found = list(found)
    about = {task.ticket_id for task in found if task.ticket_id is not None}
    seen = select(Ticket.id).where(Ticket.id.in_(about), permissions.visible(me()))
    in_sight = set(db.session.scalars(seen)) if about else set()
    now, today = clock.now(), reading.end_of_today(me())
    return [_shape(task, now, today, task.ticket_id in in_sight) for task in found]


def _shape(task: Task, now: datetime, today: datetime, in_sight: bool) -> dict[str, Any]:
    is_mine = me().id in {task.user_id, task.made_by_id}
    late = task.done_at is None and task.due_at <= now
    return {
        "id": task.id,
        "title": task.title,
        "note": task.note if is_mine else "",
        "due_at": task.due_at,
        "tone": "late" if late else "soon" if task.done_at is None and task.due_at < today else "",
        "done": task.done_at is not None,
        "whose": "" if task.user_id == me().id else task.user.name,
        "by": task.made_by.name if task.made_by and task.made_by_id not in {me().id, task.user_id} else "",
        "ticket": {
            "url": url_for("tickets.show", ticket_id=task.ticket_id),
            "text": f"{task.ticket.number_text} · {task.ticket.title}",
        }
        if task.ticket and in_sight
        else None,
        "customer": {"url": url_for("customers.show", customer_id=task.customer_id), "name": task.customer.name}
        if task.customer
        else None,
        "url": url_for("tasks.show", task_id=task.id) if is_mine else None,
        "done_url": url_for("tasks.finish", task_id=task.id) if is_mine and task.done_at is None else None,
        "undone_url": url_for("tasks.reopen", task_id=task.id) if is_mine and task.done_at is not None else None,
        "removal_url": url_for("tasks.remove", task_id=task.id) if is_mine else None,
    }


def _about(given: Any) -> tuple[Ticket | None, Customer | None]:
    """The ticket or customer that the form or the address names."""
    ticket_id, customer_id = given.get("ticket_id", type=int), given.get("customer_id", type=int)
    if ticket_id is not None:
        return permissions.get_ticket(me(), ticket_id), None
    return None, get_customer(customer_id) if customer_id is not None else None


def _whose(ticket: Ticket | None) -> User:
    """For whom the task is. A colleague who does not see the ticket yet comes to take part in it."""
    user_id = request.form.get("user_id", type=int) or me().id
    user = db.session.get(User, user_id)
    if user is None or user.system:
        raise NotFound(_("There is no such person."))
    if ticket is not None and user.id != me().id:
        seen = select(Ticket.id).where(Ticket.id == ticket.id, permissions.visible(user))
        if db.session.scalar(seen) is None:
            permissions.get_ticket(me(), ticket.id, Right.WORK, lock=True).add_person(me(), user)
    return user


def _due(unchanged: datetime | None = None) -> datetime:
    """When the task is due, as the form says it."""
    when, typed = request.form.get("when", ""), request.form.get("due", "")
    times = {code: moment for code, moment, _label in _times()}
    if when in times:
        return times[when]
    try:
        due = local_moment(typed, me().time_zone)
    except ValueError as error:
        raise Refused(_("Choose when the task is due.")) from error
    kept = unchanged and unchanged.astimezone(due.tzinfo).replace(second=0, microsecond=0)
    return unchanged if unchanged and due == kept else due


def _times() -> list[tuple[str, datetime, str]]:
    """The times that are offered: code, moment, label."""
    now = clock.now().astimezone(ZoneInfo(me().time_zone))
    morning = now.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    offered = [
        ("hour", now + timedelta(hours=1), _("In one hour")),
        ("three", now + timedelta(hours=3), _("In three hours")),
        ("morning", morning + timedelta(days=1), _("Tomorrow morning")),
    ]
    if now.weekday() != SUNDAY:  # on which that is tomorrow
        offered.append(("monday", morning + timedelta(days=7 - now.weekday()), _("On Monday morning")))
    return offered


def _local(moment: datetime) -> str:
    return format_datetime(moment, "short")


def _dialog(inner: str, **context: Any) -> str:
    if "HX-Request" in request.headers:
        return render_template(inner, **context)
    return render_template("tasks/_page.html", inner=inner, **context)


def _back(task: Task) -> ResponseReturnValue:
    """The page that the task was changed on: its ticket, its customer, or my tasks."""
    match request.form.get("back", ""):
        case "ticket" if task.ticket_id is not None:
            return redirect(url_for("tickets.show", ticket_id=task.ticket_id), 303)
        case "customer" if task.customer_id is not None:
            return redirect(url_for("customers.show", customer_id=task.customer_id), 303)
    tab = request.form.get("tab", "")
    return redirect(url_for("tasks.index", tab=tab if tab in TABS else None), 303)
