"""Going home, and the open tickets of somebody else: giving back and handing over many at once."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import login_required

from helpdesk import auth, clock, words
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Availability, OwnerAway, Queue, Ticket, User
from helpdesk.models.absence import running
from helpdesk.models.availability import Cause, change
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.lists import rows
from helpdesk.views import shapes
from helpdesk.views.availability import back
from helpdesk.views.dialogs import colleagues
from helpdesk.views.supervision import looked_after
from queues import shifts

pages = Blueprint("shifts", __name__)

MOST_SHOWN = 500


@pages.get("/availability/leaving")
@login_required
def leaving() -> ResponseReturnValue:
    """Going home: which of my open tickets stay with me, and which go back to their queues."""
    context = {"tickets": _tickets(me(), me())}
    if "HX-Request" in request.headers:
        return render_template("shifts/leaving.html", **context)
    return render_template("shifts/leaving_page.html", **context)


@pages.post("/availability/leaving")
@login_required
def leave() -> ResponseReturnValue:
    """Give back what was chosen, be offline, and sign out where the form says so."""
    user, target = me(), back()
    what = request.form.get("what", "keep")
    ticked = set(request.form.getlist("ticket", type=int))
    chosen = [ticket["id"] for ticket in _tickets(user, user) if what == "all" or ticket["id"] in ticked]
    given = 0
    if what in {"all", "chosen"} and chosen:
        notes = {ticket_id: request.form.get(f"note_{ticket_id}", "") for ticket_id in chosen}
        given = shifts.release_all(user, user, chosen, request.form.get("note", ""), notes)
    change(user, Availability.OFFLINE, by=user, cause=Cause.BY_HAND)
    if given:
        flash(_given_back(given), "success")
    if request.form.get("sign_out"):
        db.session.flush()
        auth.end_session()
        return redirect(url_for("sessions.show"), 303)
    return redirect(target, 303)


@pages.get("/people/<int:user_id>/tickets")
@login_required
def show(user_id: int) -> ResponseReturnValue:
    """The open tickets of one person in the queues that I look after."""
    person = looked_after(user_id)
    tickets = _tickets(me(), person)
    return render_template(
        "shifts/show.html",
        person=person,
        presence_of=words.availability(person.availability, person.availability_reason),
        tickets=tickets,
        absence=words.absence_words(absence) if (absence := running([person.id]).get(person.id)) else "",
        colleagues=[
            (user, words.availability(user.availability, user.availability_reason))
            for user in _who_may_get({ticket["queue_id"] for ticket in tickets})
            if user.id != person.id
        ],
    )


@pages.post("/people/<int:user_id>/tickets/release")
@login_required
def release(user_id: int) -> ResponseReturnValue:
    """Give the chosen tickets of one person back to their queues, each at its place."""
    person = looked_after(user_id)
    chosen = request.form.getlist("ticket", type=int)
    flash(_given_back(shifts.release_all(me(), person, chosen, request.form.get("note", ""))), "success")
    return redirect(url_for("shifts.show", user_id=person.id), 303)


@pages.post("/people/<int:user_id>/tickets/handover")
@login_required
def hand_over(user_id: int) -> ResponseReturnValue:
    """Make a colleague the owner of the chosen tickets of one person."""
    person = looked_after(user_id)
    to = db.session.get(User, request.form.get("user_id", type=int) or 0)
    if to is None:
        raise NotFound(_("There is no such person."))
    chosen = request.form.getlist("ticket", type=int)
    count = shifts.hand_over_all(me(), person, to, chosen, request.form.get("reason", ""))
    text = ngettext("%(name)s has one ticket more now.", "%(name)s has %(num)s tickets more now.", count, name=to.name)
    flash(text, "success")
    if to.availability != Availability.AVAILABLE:
        flash(_("%(name)s is not available: where a customer waits, the queue takes the ticket back.", name=to.name))
    return redirect(url_for("shifts.show", user_id=person.id), 303)


@pages.post("/people/<int:user_id>/availability")
@login_required
def set_availability(user_id: int) -> ResponseReturnValue:
    """Say for somebody else whether they are here: they fell ill, or forgot."""
    person, state = looked_after(user_id), request.form.get("state", "")
    if state not in list(Availability):
        raise Refused(_("Choose between available, away and offline."))
    change(person, Availability(state), request.form.get("reason", ""), by=me(), cause=Cause.BY_HAND)
    return redirect(url_for("shifts.show", user_id=person.id), 303)


def _tickets(by: User, owner: User) -> list[dict[str, Any]]:
    """The open tickets of `owner` that `by` may give back, the longest wait first."""
    now = clock.now()
    mine = shifts.in_reach(by, owner).with_only_columns(Ticket.id).order_by(None)
    query = rows().add_columns(Queue.name.label("queue_name"), Queue.owner_away, Ticket.attention_at)
    query = query.join(Queue, Queue.id == Ticket.queue_id).where(Ticket.id.in_(mine))
    found = db.session.execute(query.order_by(Ticket.kind, Ticket.line_at, Ticket.id).limit(MOST_SHOWN)).all()
    return [
        shapes.row(item, now)
        | {
            "queue_id": item.queue_id,
            "queue_name": item.queue_name,
            "active": item.kind == Kind.ACTIVE,
            "waits": item.kind == Kind.ACTIVE and bool(item.first_unanswered_at or item.attention_at),
            "returns": item.owner_away == OwnerAway.QUEUE,
        }
        for item in found
    ]


def _who_may_get(queue_ids: set[int]) -> list[User]:
    """The people who may work in all of these queues, those who are here first."""
    found: list[User] | None = None
    for queue_id in sorted(queue_ids):
        here = colleagues(queue_id)
        found = here if found is None else [user for user in found if user in here]
    return sorted(found or [], key=lambda user: user.availability != Availability.AVAILABLE)


def _given_back(count: int) -> str:
    return ngettext("One ticket waits in its queue again.", "%(num)s tickets wait in their queues again.", count)
