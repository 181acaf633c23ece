"""One ticket: its conversation, its customer, its facts, its history."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import clock, permissions
from helpdesk.colleagues import absences_of
from helpdesk.connections import reads_only
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.history import tell
from helpdesk.models import MessageKind, Right, Ticket
from helpdesk.models.former import former_numbers_of
from helpdesk.models.ticket import find_by_number
from helpdesk.models.ticket.states import Kind
from helpdesk.queries import thread as reading
from helpdesk.queries.card import recent_tickets
from helpdesk.queries.counters import count_of
from helpdesk.queries.line import position
from helpdesk.queries.tasks import of_ticket
from helpdesk.shell import panes_only, url_if
from helpdesk.views import card_shapes, fact_shapes, link_shapes, shapes, thread_shapes
from helpdesk.views.colleagues import shape as person_shape
from helpdesk.views.composing import composer, participants
from helpdesk.views.crm import place as crm_place
from helpdesk.views.customer_values import values_of
from helpdesk.views.desk_lists import MINE, pane_context
from helpdesk.views.handled import handled_context
from helpdesk.views.promise_shapes import panel
from helpdesk.views.tasks import card as task_card
from helpdesk.words import role_name

pages = Blueprint("tickets", __name__)

CARD_HISTORY = 20


@pages.get("/t/<number>")
@login_required
def by_number(number: str) -> ResponseReturnValue:
    """The ticket with this number, however it is written."""
    ticket = find_by_number(number, permissions.visible(current_user))
    if ticket is None:
        raise NotFound(_("There is no such ticket."))
    if ticket.shown_on_id is not None:  # the number of a merged ticket leads on, for those who may see where
        leads = db.session.scalar(
            select(Ticket.id).where(Ticket.id == ticket.shown_on_id, permissions.visible(current_user))
        )
        return redirect(url_for("tickets.show", ticket_id=leads or ticket.id))
    return redirect(url_for("tickets.show", ticket_id=ticket.id))


@pages.get("/tickets/<int:ticket_id>")
@login_required
@reads_only
def show(ticket_id: int) -> ResponseReturnValue:
    """The whole page of a ticket."""
    clock.hold()  # one page shows one moment, and asks for it once
    ticket = read(ticket_id)
    return render_template("tickets/show.html", **page_context(ticket))


def led_to(ticket: Ticket) -> ResponseReturnValue:
    """After something was done: the ticket's page. The desk's own script gets its panes with the same answer.

    What was done is committed before they are made, or others would wait for its locks meanwhile.
    """
    ticket_id = ticket.id
    address = url_for("tickets.show", ticket_id=ticket_id)
    if not panes_only():
        return redirect(address, 303)
    db.session.commit()
    clock.hold()
    return render_template("tickets/show.html", **page_context(read(ticket_id)), desk_url=address)


@pages.get("/tickets/<int:ticket_id>/thread")
@login_required
@reads_only
def thread(ticket_id: int) -> ResponseReturnValue:
    """The conversation, as a fragment."""
    ticket = read(ticket_id)
    return render_template("tickets/_thread.html", **thread_context(ticket, may_work(ticket)))


@pages.get("/tickets/<int:ticket_id>/thread/page")
@login_required
@reads_only
def thread_page(ticket_id: int) -> ResponseReturnValue:
    """More of the conversation, as list items: those `before` a message, those `after` one, or those `around` one.

    With both bounds it is the end of what lies between them, or with `down` its beginning. A message that is asked for
    by `around` may be far above what the browser shows; what lies between is loaded when somebody goes there.
    """
    ticket = read(ticket_id)
    before, after, middle = (request.args.get(name, type=int) for name in ("before", "after", "around"))
    if middle is not None:
        page = reading.around(ticket, middle, before)
    else:
        page = reading.messages(ticket, before=before, after=after, from_start="down" in request.args)
    first_new = reading.first_unanswered_id(ticket) if middle is not None else None
    context = thread_shapes.page_context(
        ticket, page, may_work(ticket), before=before, after=after, first_new=first_new
    )
    return render_template("tickets/_thread_page.html", **context)


@pages.get("/tickets/<int:ticket_id>/bar")
@login_required
@reads_only
def bar(ticket_id: int) -> ResponseReturnValue:
    """The bar above the conversation, as a fragment."""
    ticket = read(ticket_id)
    return render_template("tickets/_bar.html", **bar_context(ticket, may_work(ticket)))


@pages.get("/tickets/<int:ticket_id>/card")
@login_required
@reads_only
def card(ticket_id: int) -> ResponseReturnValue:
    """The card beside the conversation, as a fragment."""
    ticket = read(ticket_id)
    return render_template("tickets/_card.html", **card_context(ticket, may_work(ticket)))


@pages.get("/tickets/<int:ticket_id>/panes")
@login_required
@reads_only
def panes(ticket_id: int) -> ResponseReturnValue:
    """Several panes of one ticket in one answer: `of` names their ids, with commas. Each also has its own address."""
    ticket = read(ticket_id)
    asked, works = request.args.get("of", "").split(","), may_work(ticket)
    context: dict[str, Any] = {}
    for name, make in PANES.items():
        if name in asked:
            context |= make(ticket, works)
    return render_template("tickets/_panes.html", parts=[TEMPLATES[name] for name in PANES if name in asked], **context)


@pages.get("/tickets/<int:ticket_id>/history")
@login_required
@reads_only
def history(ticket_id: int) -> ResponseReturnValue:
    """The ticket's complete history, newest first, by pages; for the card its latest lines alone."""
    ticket = permissions.get_ticket(current_user, ticket_id)
    if "HX-Request" in request.headers:
        latest = tell(reading.events(ticket, limit=CARD_HISTORY))
        whole = url_for("tickets.history", ticket_id=ticket.id)
        return render_template("tickets/_history_lines.html", history=latest, history_url=whole)
    events = reading.events(ticket, limit=200, before=request.args.get("before", type=int))
    older = url_for("tickets.history", ticket_id=ticket.id, before=events[-1].id) if len(events) == 200 else None
    return render_template(
        "tickets/history.html", ticket=shapes.ticket_bar(ticket, clock.now()), history=tell(events), older_url=older
    )


def read(ticket_id: int) -> Ticket:
    """The ticket as the user may see it; its live version is noted first, so that no later change is missed."""
    seen_version(ticket_id)
    return permissions.get_ticket(current_user, ticket_id)


def seen_version(ticket_id: int) -> str:
    """The live version of the ticket at the beginning of this request."""
    known: dict[int, str] = g.setdefault("ticket_versions", {})
    if ticket_id not in known:
        known[ticket_id] = shapes.live_versions(f"ticket:{ticket_id}")
    return known[ticket_id]


def may_work(ticket: Ticket) -> bool:
    """Whether the signed-in user may change the ticket."""
    return Right.WORK in permissions.rights(current_user, ticket.queue_id)


def page_context(ticket: Ticket) -> dict[str, Any]:
    """Everything `tickets/show.html` expects. To the desk's own script the card comes after what was said."""
    works = may_work(ticket)
    said = thread_context(ticket, works)
    newest = said["newest_id"]
    later = {"card_later": True, "card_url": url_for("tickets.card", ticket_id=ticket.id)}
    return {
        **said,
        **bar_context(ticket, works),
        **(later if panes_only() else card_context(ticket, works)),
        "composer": composer(ticket, newest) if permissions.may_note(current_user, ticket) else None,
        "current_id": ticket.id,
        **pill_context(ticket, works),
        **pane_context(default_list(ticket)),
    }


def bar_context(ticket: Ticket, works: bool) -> dict[str, Any]:
    """What `_bar.html` expects. A ticket that stands in line changes its place with the whole queue."""
    supervises = works and Right.SUPERVISE in permissions.rights(current_user, ticket.queue_id)
    topics, version = f"ticket:{ticket.id}", seen_version(ticket.id)
    if ticket.kind == Kind.ACTIVE and ticket.owner_id is None:
        topics += f" queue:{ticket.queue_id}"
        version = f"{version} {shapes.live_versions(f'queue:{ticket.queue_id}')}".strip()
    return {
        "ticket": shapes.ticket_bar(ticket, clock.now()),
        "former_numbers": former_numbers_of(ticket.id),
        "place": shapes.place(position(ticket)),
        "actions": shapes.actions(ticket, works, supervises) | link_shapes.actions(ticket, works),
        "merged_into": link_shapes.merged_into(ticket, works),
        "bar_url": url_for("tickets.bar", ticket_id=ticket.id),
        "bar_topics": topics,
        "bar_version": version,
        "panes_url": panes_url(ticket),
    }


def thread_context(ticket: Ticket, works: bool) -> dict[str, Any]:
    """What `_thread.html` expects; a constant number of queries whatever the length of the conversation.

    A browser that shows the thread already says from which message on (header X-Thread-From), so that what it has
    loaded does not vanish from above when something new comes in below.
    """
    before = request.args.get("before", type=int)
    first = request.headers.get("X-Thread-From", type=int)
    page = reading.messages(ticket, before=before) if before else reading.window(ticket, first)
    first_new = first_new_id(ticket, page) if before is None else None
    context = {
        **thread_shapes.page_context(ticket, page, works, before=before, first_new=first_new),
        "newest_id": page.messages[-1].id if page.messages else 0,
        "first_new_id": first_new,
        "thread_url": url_for("tickets.thread", ticket_id=ticket.id) if before is None else None,
        "thread_version": seen_version(ticket.id),
        "panes_url": panes_url(ticket),
    }
    if page.older:
        earlier: dict[str, Any] = {"ticket_id": ticket.id, "before": page.messages[0].id}
        context["earlier"] = {
            "url": url_for("tickets.thread_page", **earlier),
            "page_url": url_for("tickets.show", **earlier),
        }
    return context


def first_new_id(ticket: Ticket, page: reading.Page) -> int | None:
    """The customer's first message that nobody has answered or marked as handled; None where there is none.

    What was answered has been read, whether or not somebody marked it.
    """
    since, unread = ticket.first_unanswered_at, ticket.unread_first_id
    if since is None or unread is None:
        return None
    if page.older and page.messages[0].at > since:
        return max(unread, reading.first_unanswered_id(ticket) or 0)
    heard = (item.id for item in page.messages if item.kind == MessageKind.INBOUND and item.at >= since)
    return next((id_ for id_ in heard if id_ >= unread), None)


def card_context(ticket: Ticket, works: bool) -> dict[str, Any]:
    """What `_card.html` expects."""
    customer = reading.customer_of(ticket)
    known = recent_tickets(current_user, customer.id)
    people = reading.people(ticket)
    out = absences_of(people)
    return {
        **task_card(of_ticket(ticket.id), ticket_id=ticket.id),
        "colleagues": [person_shape(person, out.get(person.id)) for person in people],
        "ticket": shapes.ticket_bar(ticket, clock.now()),
        "customer": shapes.customer_card(customer),
        "customer_values": values_of(customer),
        "participants": [
            {"address": part.address, "name": part.name, "role": role_name(part.role)} for part in participants(ticket)
        ],
        "may_change": works,
        "facts": fact_shapes.panel(ticket, works, [person.name for person in people]),
        **card_shapes.tickets(known, ticket.id),
        "channels": card_shapes.channels(known, ticket),
        "ticket_total": count_of(f"customer:{customer.id}", "tickets"),
        "all_tickets_url": url_if("customers.show", customer_id=customer.id),
        "promises": panel(ticket, clock.now()),
        **link_shapes.panel(ticket, works),
        "crm": crm_place(ticket),
        "history_url": url_for("tickets.history", ticket_id=ticket.id),
        "files_url": url_for("cards.files", customer_id=customer.id),
        "large_card_url": url_for("cards.show", customer_id=customer.id),
        "card_url": url_for("tickets.card", ticket_id=ticket.id),
        "card_version": seen_version(ticket.id),
        "panes_url": panes_url(ticket),
    }


def pill_context(ticket: Ticket, _works: bool) -> dict[str, Any]:
    """What `handled/_pill.html` expects beside this ticket."""
    return handled_context(ticket.customer_id, f"ticket:{ticket.id}") | {"panes_url": panes_url(ticket)}


def panes_url(ticket: Ticket) -> str:
    """Where several panes of the ticket are had at once."""
    return url_for("tickets.panes", ticket_id=ticket.id)


# The panes of a ticket by the ids that they have on the page, in the order in which they may overwrite each other.
PANES = {
    "thread": thread_context,
    "ticket-bar": bar_context,
    "card-body": card_context,
    "handled": pill_context,
}
TEMPLATES = {
    "thread": "tickets/_thread.html",
    "ticket-bar": "tickets/_bar.html",
    "card-body": "tickets/_card.html",
    "handled": "handled/_pill.html",
}


def default_list(ticket: Ticket) -> str:
    """The list beside a ticket opened from none: its queue's line, or mine when it is mine or the queue is hidden."""
    sees = Right.SEE in permissions.rights(current_user, ticket.queue_id)
    return MINE if ticket.owner_id == current_user.id or not sees else f"queue:{ticket.queue_id}"
