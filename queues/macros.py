"""Carrying out a macro: everything it says by the verbs and rules of the buttons, in one transaction, or nothing."""

from collections.abc import Callable

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import drafts, permissions, snoozes
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.macros import Actions, filled, plan
from helpdesk.models import Queue, Reply, Right, State, Ticket, User
from queues import fifo

Recipients = Callable[[Ticket], tuple[list[str], list[str]]]


def carry_out(
    user: User, ticket_id: int, actions: Actions, recipients: Recipients, seen_id: int | None = None
) -> Ticket:
    """Do what a macro says on a ticket. Raises Refused with the first thing that is not possible; then nothing is done.

    `recipients` says to whom an answer on a ticket goes (to, in copy); `seen_id` is the newest message that `user` saw:
    nothing is sent over it.
    """
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    impossible = next((step for step in plan(user, seen, actions) if step.refusal), None)
    if impossible is not None:
        raise Refused(_("%(step)s: not possible, because %(reason)s.", step=impossible.text, reason=impossible.refusal))
    to = permissions.get_queue(user, actions.queue_id) if actions.queue_id is not None else None
    fifo.lock_queues({seen.queue_id, *([to.id] if to is not None else [])})  # in the order in which everybody locks
    if actions.owner == "me":
        db.session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    if to is None:
        _own(user, ticket_id, actions)
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)
    _sort(user, ticket, actions)
    _say(user, ticket, actions, recipients, seen_id)
    _call(user, ticket, actions)
    _end(user, ticket, actions)
    if to is not None:
        _move(user, ticket, to, actions)
    db.session.flush()
    return ticket


def _own(user: User, ticket_id: int, actions: Actions) -> None:
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK)
    match actions.owner:
        case "me" if ticket.owner_id is None:
            fifo.claim_this(user, ticket_id, _("by a macro"))
        case "me":
            fifo.hand_over(user, ticket_id, user)
        case "nobody" if ticket.owner_id is not None:
            fifo.release(user, ticket_id)
        case "person":
            fifo.hand_over(user, ticket_id, db.session.get_one(User, actions.owner_id), _("by a macro"))


def _sort(user: User, ticket: Ticket, actions: Actions) -> None:
    if actions.request_type_id is not None:
        ticket.retype(user, actions.request_type_id)
    if actions.category_id is not None:
        ticket.categorise(user, actions.category_id)
    if actions.reason_ids:
        ticket.set_reasons(user, {*ticket.reason_ids, *actions.reason_ids})
    if actions.component_ids:
        ticket.set_components(user, {*ticket.component_ids, *actions.component_ids})
    if actions.priority:
        ticket.prioritise(user, actions.priority)
    if actions.add_tags or actions.remove_tags:
        ticket.retag(user, sorted((set(ticket.tags) - set(actions.remove_tags)) | set(actions.add_tags)))


def _say(user: User, ticket: Ticket, actions: Actions, recipients: Recipients, seen_id: int | None) -> None:
    text = filled(actions.reply, ticket, user)
    if text and actions.send:
        to, cc = recipients(ticket)
        ticket.reply(user, Reply(body=text, to=to, cc=cc, seen_id=seen_id))
    elif text:
        draft = drafts.draft_of(user, ticket)
        begun = drafts.begin_reply(draft)
        draft.body = "\n\n".join(part for part in (begun, text) if part)
        draft.writer = ""
        drafts.touch(draft)
    if actions.note:
        ticket.note(user, filled(actions.note, ticket, user))


def _call(user: User, ticket: Ticket, actions: Actions) -> None:
    ticket.call_in(user, [db.session.get_one(User, id_) for id_ in actions.colleague_ids])
    if actions.follow:
        ticket.watch(user)


def _end(user: User, ticket: Ticket, actions: Actions) -> None:
    match actions.state:
        case "solved" | "unsolved":
            ticket.finish(user, State(actions.state), actions.reason or None)
        case "snooze":
            ticket.pause(user, snoozes.moment_of(actions.until, user, ticket))
        case "waiting":
            ticket.pause(user)


def _move(user: User, ticket: Ticket, to: Queue, actions: Actions) -> None:
    """Whoever is to have the ticket has it in its new queue, by the rules of that one."""
    if ticket.queue_id != to.id:
        ticket.move(user, to)
        db.session.flush()
    match actions.owner:
        case "me":
            fifo.claim_this(user, ticket.id, _("by a macro"))
        case "person":
            fifo.hand_over(user, ticket.id, db.session.get_one(User, actions.owner_id), _("by a macro"))
