"""Marking as handled: one customer's messages from an open page, and everything, for administrators."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import auth, clock, handled
from helpdesk.auth import administrators_only, local_path, me
from helpdesk.connections import reads_only
from helpdesk.models import Customer, Handling
from helpdesk.models.handling import RunState
from helpdesk.queries.customers import get_customer
from helpdesk.queries.live import allowed
from helpdesk.views import shapes

pages = Blueprint("handled", __name__)


def handled_context(customer_id: int, topics: str) -> dict[str, Any]:
    """What `handled/_pill.html` expects beside a conversation that follows `topics`. One index probe."""
    version = shapes.live_versions(topics)
    return {
        "unread": handled.unread_of(current_user, customer_id),
        "handle_url": url_for("handled.mark", customer_id=customer_id),
        "pill_url": url_for("handled.show", customer_id=customer_id, topics=topics),
        "pill_topics": topics,
        "pill_version": version,
    }


@pages.get("/customers/<int:customer_id>/handling")
@login_required
@reads_only
def show(customer_id: int) -> ResponseReturnValue:
    """The button that marks the customer's messages as handled, with how many there are, as a fragment."""
    customer = get_customer(customer_id).as_merged()
    topics = " ".join(sorted(allowed(me(), frozenset(request.args.get("topics", "").split()[:5]))))
    return render_template("handled/_pill.html", **handled_context(customer.id, topics))


@pages.post("/customers/<int:customer_id>/handling")
@login_required
def mark(customer_id: int) -> ResponseReturnValue:
    """Mark what the page showed (`seen`) as handled; it can be taken back for an hour."""
    customer = get_customer(customer_id).as_merged()
    act = handled.mark_handled(me(), customer, handled.read_seen(request.form.get("seen", "")))
    return _answer(customer, act)


@pages.post("/customers/<int:customer_id>/handling/<int:handling_id>/undoing")
@login_required
def undo(customer_id: int, handling_id: int) -> ResponseReturnValue:
    """Take one's own mark back: the same messages are unread again."""
    customer = get_customer(customer_id).as_merged()
    handled.undo_mark(me(), handling_id)
    return _answer(customer, None, undone=True)


def _answer(customer: Customer, act: Handling | None, undone: bool = False) -> ResponseReturnValue:
    """A small message with Undo for scripts, else the page again."""
    undo_url = url_for("handled.undo", customer_id=customer.id, handling_id=act.id) if act else None
    sentence = _("Unread again") if undone else _("Marked as handled") if act else _("Nothing was unread any more")
    if "HX-Request" in request.headers:
        return render_template("handled/_told.html", sentence=sentence, undo_url=undo_url)
    flash(f"{sentence}.", "success")
    return redirect(local_path(request.form.get("back"), url_for("exchange.show", customer_id=customer.id)), 303)


@pages.get("/admin/handled")
@administrators_only
def everything() -> ResponseReturnValue:
    """How much is unread in the whole company, and what was marked at once before."""
    acts = [_shape(run) for run in handled.runs()]
    context = {"count": handled.unread_everywhere(), "acts": acts, "busy": any(act["busy"] for act in acts)}
    template = "handled/_runs.html" if "HX-Request" in request.headers else "handled/everything.html"
    return render_template(template, **context)


@pages.post("/admin/handled")
@administrators_only
def mark_everything() -> ResponseReturnValue:
    """Mark everything that customers wrote until now as handled, in the background."""
    handled.begin_run(me())
    auth.told(_("This is being done now. It can be undone for an hour."))
    return redirect(url_for("handled.everything"), 303)


@pages.post("/admin/handled/<int:handling_id>/undoing")
@administrators_only
def undo_everything(handling_id: int) -> ResponseReturnValue:
    """Take such an act back, in the background."""
    handled.undo_run(me(), handling_id)
    auth.told(_("This is being undone now."))
    return redirect(url_for("handled.everything"), 303)


def _shape(run: Handling) -> dict[str, Any]:
    state = RunState(run.state or "")
    ends_at = run.at + handled.UNDO_FOR
    open_still = state in {RunState.RUNNING, RunState.DONE} and ends_at > clock.now()
    words = {
        RunState.RUNNING: _("being done"),
        RunState.DONE: _("done"),
        RunState.UNDOING: _("being undone"),
        RunState.UNDONE: _("undone"),
    }
    return {
        "at": run.at,
        "by": run.by.name,
        "count": run.count,
        "state": words[state],
        "busy": state in {RunState.RUNNING, RunState.UNDOING},
        "undo_url": url_for("handled.undo_everything", handling_id=run.id) if open_still else None,
        "undo_until": ends_at,
    }
