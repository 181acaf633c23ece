"""Merging a ticket into another one, splitting messages off, links between tickets, following one."""

from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import clock, joining, permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.forms import whole
from helpdesk.models import Message, MessageKind, Right, Ticket
from helpdesk.models.ticket import Place, Tie, find_by_number, lock_for_joining
from helpdesk.models.ticket.parted import words_of
from helpdesk.views import link_shapes, shapes
from helpdesk.views.states import back_to

pages = Blueprint("joining", __name__)

MOST_CHOSEN = 200


@pages.get("/tickets/<int:ticket_id>/merge")
@login_required
def merge_form(ticket_id: int) -> ResponseReturnValue:
    """Into which ticket (`q`, a number or words), and what would happen (`target`)."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    chosen = _target(whole(request.args.get("target", "")))
    question = request.args.get("q", "").strip()[:200]
    now = clock.now()
    found = joining.answers(me(), ticket, question) if question else joining.offers(me(), ticket)
    refusal = ticket.why_not_merge(chosen) if chosen is not None else ""
    return _dialog(
        "merge",
        ticket,
        question=question,
        found=[shapes.row(item, now) for item in found] if chosen is None else [],
        target=chosen,
        refusal=refusal,
        says=joining.preview(me(), ticket, chosen) if chosen is not None and not refusal else [],
    )


@pages.post("/tickets/<int:ticket_id>/merge")
@login_required
def merge(ticket_id: int) -> ResponseReturnValue:
    """Merge the ticket into `target_id`; one must be able to work on both."""
    permissions.get_ticket(current_user, ticket_id, Right.WORK)
    target_id = whole(request.form.get("target_id", ""))
    if target_id is None:
        raise Refused(_("Choose the ticket to merge into."))
    ticket, target = joining.hold_both(me(), ticket_id, target_id)
    ticket.merge_into(me(), target)
    words = _("%(number)s was merged into this ticket.", number=ticket.number_text)
    _say_undoable(words, url_for("joining.unmerge", ticket_id=ticket.id))
    return back_to(target)


@pages.get("/tickets/<int:ticket_id>/merge/undo")
@login_required
def unmerge_form(ticket_id: int) -> ResponseReturnValue:
    """What undoing the merge of this ticket would do, and where what was said since belongs."""
    ticket, join = joining.merge_to_undo(me(), ticket_id)
    said = ticket.said_since_merge()
    return _dialog(
        "unmerge",
        ticket,
        target=join.to_ticket,
        clear=sum(1 for _message, own in said if own),
        unclear=[link_shapes.choice(message) for message, own in said if own is None],
    )


@pages.post("/tickets/<int:ticket_id>/merge/undo")
@login_required
def unmerge(ticket_id: int) -> ResponseReturnValue:
    """Undo the merge; `own` are ids of messages that go to this ticket."""
    ticket = joining.hold_merge(me(), ticket_id)
    ticket.unmerge(me(), own_ids=set(request.form.getlist("own", type=int)))
    flash(_("The merge was undone. Both tickets are as they were."), "success")
    return back_to(ticket)


@pages.get("/tickets/<int:ticket_id>/split")
@login_required
def split_form(ticket_id: int) -> ResponseReturnValue:
    """Which messages become a ticket of their own, where, and under which title; `message` is chosen already."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    queues = permissions.queues(me(), Right.WORK)
    own = [queue for queue in db.session.scalars(queues) if queue.project_id == ticket.project_id]
    picked = whole(request.args.get("message", ""))
    messages = _own_messages(ticket)
    title = next((words_of(message) for message in messages if message.id == picked), "")
    return _dialog(
        "split",
        ticket,
        messages=[link_shapes.choice(message) for message in messages],
        picked=picked,
        queues=own,
        title=title,
        places=[(str(place), link_shapes.PLACES[place]) for place in ticket.places()],
        is_active=ticket.kind == "active",
    )


@pages.post("/tickets/<int:ticket_id>/split")
@login_required
def split(ticket_id: int) -> ResponseReturnValue:
    """Make a new ticket of the messages `message`, in `queue_id`, with `title`, placed as `place` says."""
    permissions.get_ticket(current_user, ticket_id, Right.WORK)
    lock_for_joining(Ticket, [ticket_id])
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK, lock=True)
    queue = permissions.get_queue(me(), whole(request.form.get("queue_id", "")) or ticket.queue_id, Right.WORK)
    ids = set(request.form.getlist("message", type=int))
    messages = list(db.session.scalars(select(Message).where(Message.id.in_(ids)).order_by(Message.id)))
    if len(messages) != len(ids):
        raise NotFound(_("There is no such message."))
    place = request.form.get("place", "")
    if place and place not in set(Place):
        raise Refused(_("Choose where the new ticket is talked about."))
    fresh = ticket.split(me(), messages, queue, request.form.get("title", ""), Place(place) if place else None)
    _say_undoable(
        _("%(number)s was split off.", number=fresh.number_text), url_for("joining.unsplit", ticket_id=fresh.id)
    )
    return back_to(fresh)


@pages.post("/tickets/<int:ticket_id>/split/undo")
@login_required
def unsplit(ticket_id: int) -> ResponseReturnValue:
    """Put the messages of a ticket that was split off back where they were."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    join = ticket.split_from()
    if join is None:
        raise Conflict(_("This split was undone already."))
    ticket = joining.hold_both(me(), ticket_id, join.from_id)[0]
    first = ticket.unsplit(me())
    flash(_("The split was undone. All messages are on this ticket again."), "success")
    return back_to(first)


@pages.get("/tickets/<int:ticket_id>/links")
@login_required
def link_form(ticket_id: int) -> ResponseReturnValue:
    """Link the ticket with another one; `number` may be filled in already."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    number = request.args.get("number", "")[:60]
    return _dialog("link", ticket, ties=[(str(tie), link_shapes.TIES[tie]) for tie in Tie], number=number)


@pages.post("/tickets/<int:ticket_id>/links")
@login_required
def link(ticket_id: int) -> ResponseReturnValue:
    """Say what the ticket with `number` is to this one (`what`)."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    other = find_by_number(request.form.get("number", "")[:60], permissions.visible(me()))
    if other is None:
        raise NotFound(_("There is no ticket with this number."))
    what = request.form.get("what", "")
    if what not in set(Tie):
        raise Refused(_("Choose what the other ticket is to this one."))
    locked = lock_for_joining(Ticket, [ticket.id, other.id])
    locked[ticket.id].tie(me(), locked[other.id], Tie(what))
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/links/<int:link_id>/removal")
@login_required
def unlink(ticket_id: int, link_id: int) -> ResponseReturnValue:
    """Take a link away."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK, lock=True)
    ticket.untie(me(), link_id)
    return back_to(ticket)


@pages.post("/tickets/<int:ticket_id>/watch")
@login_required
def watch(ticket_id: int) -> ResponseReturnValue:
    """Follow the ticket, or follow it no more (`remove`). Whoever sees it may."""
    ticket = permissions.get_ticket(current_user, ticket_id, lock=True)
    if request.form.get("remove"):
        ticket.unwatch(me())
    else:
        ticket.watch(me())
    return back_to(ticket)


def _dialog(name: str, ticket: Ticket, **context: Any) -> str:
    template = f"tickets/dialogs/{name}.html"
    if "HX-Request" in request.headers:
        return render_template(template, ticket=ticket, **context)
    return render_template("tickets/dialogs/_page.html", inner=template, ticket=ticket, **context)


def _target(ticket_id: int | None) -> Ticket | None:
    return permissions.get_ticket(current_user, ticket_id, Right.WORK) if ticket_id is not None else None


def _own_messages(ticket: Ticket) -> list[Message]:
    mine = (Message.ticket_id == ticket.id, Message.kind != MessageKind.SYSTEM)
    latest = select(Message).where(*mine).order_by(Message.id.desc()).limit(MOST_CHOSEN)
    return list(db.session.scalars(latest))[::-1]


def _say_undoable(words: str, url: str) -> None:
    """Tell on the next page what was done, with a button that undoes it."""
    flash((words, url), "undo")  # type: ignore[arg-type]  # any JSON may be flashed; `flashes` knows this pair
