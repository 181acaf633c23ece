"""Tickets that an operator begins: a mail to somebody, or a call or visit that is written down by hand."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import select

from helpdesk import addresses, drafts, permissions
from helpdesk.auth import me
from helpdesk.colleagues import say_to_colleagues
from helpdesk.db import db, transaction
from helpdesk.errors import Conflict, Forbidden, Refused
from helpdesk.files import attach, put
from helpdesk.forms import chosen_ids, whole
from helpdesk.models import Attachment, Customer, Identity, Queue, Reply, Right, Ticket, User
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.writing import first_channel
from helpdesk.opening import Entry, active_tickets, customer_for, write_down, write_first
from helpdesk.queries.search import find_customers
from helpdesk.views.colleagues import everybody
from helpdesk.views.composing import addresses as typed_addresses
from helpdesk.views.composing import told_draft
from helpdesk.views.fact_shapes import opening_rows
from helpdesk.views.facts import AT_OPENING, MANY, sort_new, typed_facts
from helpdesk.views.states import back_to
from queues import fifo

pages = Blueprint("openings", __name__)

MOST_FOUND = 6
MAIL, HAND = "mail", "hand"
NAMESPACES = {MAIL: (addresses.EMAIL,), HAND: (addresses.PHONE, addresses.EMAIL)}


@pages.get("/tickets/new")
@login_required
def new() -> ResponseReturnValue:
    """The form of a new ticket: a mail, or with `kind=hand` an entry by hand; `identity_id` names to whom.

    What was begun before stands in it again, unless the address says what the new one is about.
    """
    kind, given = HAND if request.args.get("kind") == HAND else MAIL, request.args.to_dict()
    draft = drafts.own_opening(me(), kind)
    if draft is not None and not given.keys() - {"kind", "in"}:
        given |= draft.fields | {"body": draft.body}
    return _page(kind, given)


@pages.get("/tickets/new/customers")
@login_required
def customers() -> ResponseReturnValue:
    """Whom the typed words may mean, as a fragment."""
    kind = HAND if request.args.get("kind") == HAND else MAIL
    return render_template("tickets/_new_customers.html", **_found(kind, request.args.to_dict()))


@pages.post("/tickets")
@login_required
def write() -> ResponseReturnValue:
    """Send a first mail; the ticket is the author's own."""
    return _begin(MAIL)


@pages.post("/tickets/entries")
@login_required
def enter() -> ResponseReturnValue:
    """Keep a call or a visit, as one's own ticket or in line."""
    return _begin(HAND)


def _begin(kind: str) -> ResponseReturnValue:
    """A refusal shows the form again with all that was typed; the same key twice opens one ticket."""
    given = request.form.to_dict()
    _keep_posted_files(kind)
    key = given.get("key") or None
    if (earlier := fifo.repeat(current_user, key)) is not None:
        return back_to(earlier)
    try:
        customer, to = _customer(kind)
        if not given.get("anyway") and (active := active_tickets(current_user, customer)):
            return _page(kind, given, active=active, customer=customer), 409
        ticket = _write_mail(customer, to) if kind == MAIL else _write_entry(customer)
        sort_new(ticket)
        _bring_colleagues(ticket)
        drafts.sent(drafts.own_opening(me(), kind), given.get("body", ""))
        db.session.flush()
    except (Refused, Conflict, Forbidden) as refusal:
        db.session.rollback()
        return _page(kind, given, fault=refusal.message), 422
    if key is not None:
        db.session.get_one(IdempotencyKey, (current_user.id, key[:100])).ticket_id = ticket.id
    if ticket.owner_id == current_user.id:
        return back_to(ticket)
    flash(_("Ticket %(number)s waits in %(queue)s.", number=ticket.number_text, queue=ticket.queue.name), "success")
    return redirect(url_for("queues.show", queue_id=ticket.queue_id), 303)


def _write_mail(customer: Customer, to: str) -> Ticket:
    reply = Reply(
        body=request.form.get("body", ""),
        to=[to],
        cc=typed_addresses("cc"),
        subject=request.form.get("subject", ""),
        files=_waiting_files(),
    )
    queue = permissions.get_queue(current_user, _queue_id(), Right.WORK)
    return write_first(current_user, queue, customer, reply, waits=request.form.get("state") == "waiting")


def _write_entry(customer: Customer) -> Ticket:
    form, own = request.form, request.form.get("place") != "line"
    queue = permissions.get_queue(current_user, _queue_id(), Right.WORK if own else Right.SEE)
    entry = Entry(form.get("way", ""), form.get("direction", ""), form.get("subject", ""), form.get("body", ""))
    return write_down(current_user, queue, customer, entry, own)


def _bring_colleagues(ticket: Ticket) -> None:
    """Let those who were chosen take part: the author where the box is ticked, and colleagues, who are told."""
    if "takes_part" in request.form:
        ticket.call_in(me(), [me()])
    ids = chosen_ids("user_id")
    if not ids:
        return
    permissions.get_queue(me(), ticket.queue_id, Right.WORK)  # who only sees a queue lets nobody else see it
    say_to_colleagues(ticket, me(), "", people=list(db.session.scalars(select(User).where(User.id.in_(ids)))))


def _queue_id() -> int:
    queue_id = request.form.get("queue_id", type=int)
    if queue_id is None:
        raise Refused(_("Choose a queue."))
    return queue_id


def _customer(kind: str) -> tuple[Customer, str]:
    """Whom the form names, by an address of the list or a typed one; a typed one that is new makes a customer."""
    identity = _identity(request.form.get("identity_id", type=int), kind)
    if identity is not None:
        return identity.customer.as_merged(), identity.value
    who, name = request.form.get("who", "").strip(), request.form.get("name", "")
    if "@" in who:
        (address,) = typed_addresses("who")[:1] or [""]
        return customer_for(addresses.EMAIL, address, name), address
    if kind == HAND and addresses.looks_like_phone(who):
        return customer_for(addresses.PHONE, who, name), who
    if kind == HAND:
        raise Refused(_("Choose a customer from the list, or type a phone number or mail address."))
    raise Refused(_("Choose a customer from the list, or type a mail address."))


def _identity(identity_id: int | None, kind: str) -> Identity | None:
    identity = db.session.get(Identity, identity_id) if identity_id is not None else None
    return identity if identity is not None and identity.namespace in NAMESPACES[kind] else None


def _found(kind: str, given: dict[str, str]) -> dict[str, Any]:
    """What `_new_customers.html` expects: customers with their addresses of this kind and what is open for them."""
    who = given.get("who", "").strip()
    chosen = _identity(whole(given.get("identity_id", "")), kind)
    people = find_customers(who, MOST_FOUND) if len(who) > 1 else []
    if chosen is not None and chosen.customer not in people:
        people.insert(0, chosen.customer)
    reach = [[one for one in person.identities if one.namespace in NAMESPACES[kind]][:4] for person in people]
    is_new = "@" in who or (kind == HAND and addresses.looks_like_phone(who))
    if chosen is None and not is_new and [len(ways) for ways in reach] == [1]:
        ((chosen,),) = reach  # nobody else can be meant
    return {
        "people": [
            {"customer": person, "identities": ways, "active": active_tickets(current_user, person)}
            for person, ways in zip(people, reach, strict=True)
        ],
        "chosen_id": chosen.id if chosen is not None else None,
        "is_new": is_new,
        "name": given.get("name", ""),
    }


def _queues(kind: str) -> list[Queue]:
    """The queues for a new ticket: those whose people may write a mail, or all that one can see."""
    if kind == HAND:
        return list(db.session.scalars(permissions.queues(current_user)))
    mine = db.session.scalars(permissions.queues(current_user, Right.WORK)).all()
    return [queue for queue in mine if first_channel(queue) is not None]


def _page(kind: str, given: dict[str, str], fault: str = "", **more: Any) -> str:
    posted = request.method == "POST"
    facts = typed_facts() if posted else _kept_facts(given)
    return render_template(
        "tickets/new.html",
        kind=kind,
        given=given,
        fault=fault,
        queues=_queues(kind),
        draft=told_draft(drafts.own_opening(me(), kind)),
        colleagues=everybody(),
        sorting=opening_rows(facts),
        is_sorted=any(facts.get(name) for name in AT_OPENING),
        chosen=chosen_ids("user_id") if posted else _ids(given, "user_id"),
        takes_part="takes_part" in given if posted else given.get("takes_part", "1") == "1",
        **_found(kind, given),
        **more,
    )


def _kept_facts(given: dict[str, str]) -> dict[str, Any]:
    """What a draft is sorted by, in the shape of `typed_facts`."""
    lists = {name: sorted(_ids(given, name)) for name in AT_OPENING}
    return {name: ids if name in MANY else next(iter(ids), None) for name, ids in lists.items()}


def _ids(given: dict[str, str], name: str) -> set[int]:
    return {id_ for part in given.get(name, "").split(",") if (id_ := whole(part)) is not None}


def _keep_posted_files(kind: str) -> None:
    """Put files that were posted with the form into the draft, for good: a refusal must not lose them."""
    posted = [file for file in request.files.getlist("files") if file.filename]
    if not posted:
        return
    with transaction():
        draft = drafts.opening_of(me(), kind)
        for file in posted:
            declared = file.mimetype or "application/octet-stream"
            attach(None, file.filename or "", declared, put(file.read())).draft_id = draft.id


def _waiting_files() -> list[Attachment]:
    draft = drafts.own_opening(me(), MAIL)
    return list(draft.attachments) if draft is not None else []
