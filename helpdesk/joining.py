"""What merging two tickets would do, in sentences for whoever is about to do it; and whom they may choose."""

from dataclasses import dataclass
from typing import Any

from flask_babel import format_datetime, ngettext
from flask_babel import gettext as _
from sqlalchemy import Row, func, select

from helpdesk import permissions
from helpdesk.db import db
from helpdesk.errors import Conflict
from helpdesk.models import Draft, Message, OutboxItem, Participant, Right, Ticket, TicketJoin, User
from helpdesk.models.message import DeliveryState
from helpdesk.models.ticket import find_by_number, lock_for_joining
from helpdesk.models.ticket.states import Kind, State
from helpdesk.models.writing import reply_channel
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from helpdesk.queries.search import find_tickets
from helpdesk.queries.thread import people

MOST_OFFERED = 12
UNDER_WAY = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED)


@dataclass(frozen=True)
class Sentence:
    """One thing that will be so; `warns` where it may surprise somebody."""

    text: str
    warns: bool = False


def hold_both(user: User, first_id: int, second_id: int) -> tuple[Ticket, Ticket]:
    """Two tickets that `user` may work on, locked with all that merges have tied to them.

    Raises NotFound or Forbidden where they may not work on one of the two.
    """
    for ticket_id in (first_id, second_id):
        permissions.get_ticket(user, ticket_id, Right.WORK)
    lock_for_joining(Ticket, [first_id, second_id])
    first, second = (
        permissions.get_ticket(user, ticket_id, Right.WORK, lock=True) for ticket_id in (first_id, second_id)
    )  # once more: either may have gone to another queue while this waited
    return first, second


def merge_to_undo(user: User, ticket_id: int) -> tuple[Ticket, TicketJoin]:
    """A merged ticket with its merge, as `user` may undo it.

    They must work on it, on what it was merged into, and on the ticket on which both are shown now: what was said there
    since may go with it. Raises NotFound or Forbidden where they do not, Conflict where it is not merged.
    """
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK)
    join = ticket.active_merge()
    if join is None:
        raise Conflict(_("This ticket is not merged any more."))
    for shown_id in {join.to_id, ticket.as_merged().id}:
        permissions.get_ticket(user, shown_id, Right.WORK)
    return ticket, join


def hold_merge(user: User, ticket_id: int) -> Ticket:
    """The same ticket locked, with all that merges have tied to it."""
    hold_both(user, ticket_id, merge_to_undo(user, ticket_id)[1].to_id)
    return merge_to_undo(user, ticket_id)[0]  # once more: it may be shown elsewhere by now


def offers(user: User, ticket: Ticket) -> list[Row[Any]]:
    """The customer's other tickets that are not finished, the newest first, as rows of a list."""
    others = (Ticket.customer_id == ticket.customer_id, Ticket.id != ticket.id, Ticket.kind != Kind.FINISHED)
    query = ticket_rows().where(*others, visible(user)).order_by(Ticket.id.desc()).limit(MOST_OFFERED)
    return list(db.session.execute(query))


def answers(user: User, ticket: Ticket, question: str) -> list[Row[Any]]:
    """Other tickets that answer a number or words, as rows of a list."""
    by_number = find_by_number(question, visible(user))
    if by_number is not None:
        found = [by_number.as_merged().id]
    else:
        found = [hit.row.id for hit in find_tickets(user, question, limit=MOST_OFFERED).hits]
    query = ticket_rows().where(Ticket.id.in_(found), Ticket.id != ticket.id, Ticket.state != State.MERGED)
    return list(db.session.execute(query.where(visible(user)).order_by(Ticket.id.desc())))


def preview(user: User, ticket: Ticket, target: Ticket) -> list[Sentence]:
    """What happens when `ticket` is merged into `target`, which is possible."""
    number, other = ticket.number_text, target.number_text
    return [
        Sentence(_("All messages of both are shown together on %(other)s.", other=other)),
        Sentence(
            _(
                "%(number)s is finished as merged. Its number keeps working: it leads to %(other)s, and so do "
                "answers to its mails.",
                number=number,
                other=other,
            )
        ),
        *_place(ticket, target),
        *_people(user, ticket, target),
        *_copies(ticket, target),
        *_kept(ticket),
        Sentence(_("The history of both says so, and it can be undone at any time.")),
    ]


def _place(ticket: Ticket, target: Ticket) -> list[Sentence]:
    said = []
    since = ticket.first_unanswered_at
    if ticket.kind == Kind.ACTIVE and since is not None:
        if target.kind == Kind.PAUSED:
            said.append(Sentence(_("%(other)s wakes up, because its customer waits.", other=target.number_text)))
        if target.first_unanswered_at is None or since < target.first_unanswered_at:
            moment = format_datetime(since, "short")
            said.append(Sentence(_("The customer keeps their place in line: they wait since %(time)s.", time=moment)))
    if ticket.promised and ticket.due_at is not None:
        said.append(
            Sentence(
                _(
                    "What was promised on %(number)s ends; on %(other)s it counts from the older message.",
                    number=ticket.number_text,
                    other=target.number_text,
                )
            )
        )
    return said


def _people(user: User, ticket: Ticket, target: Ticket) -> list[Sentence]:
    said = []
    goes_on = target.owner_id is None and ticket.owner_id == user.id and Kind.FINISHED not in {ticket.kind, target.kind}
    if goes_on:
        said.append(Sentence(_("You have %(other)s from then on.", other=target.number_text)))
    if ticket.queue_id != target.queue_id:
        queue = target.queue.name
        said.append(Sentence(_("Whoever sees the queue %(queue)s can read all of it then.", queue=queue), warns=True))
    here = {person.id for person in people(target)} | {target.owner_id}
    joining = [person.name for person in people(ticket) if person.id not in here]
    if ticket.owner is not None and ticket.owner_id not in here and not goes_on:
        joining.insert(0, ticket.owner.name)
    if joining:
        said.append(Sentence(_("These colleagues take part from now on: %(names)s.", names=", ".join(joining))))
    if tags := sorted(set(ticket.tags) - set(target.tags)):
        said.append(Sentence(_("Tags that join: %(tags)s.", tags=", ".join(tags))))
    return said


def _copies(ticket: Ticket, target: Ticket) -> list[Sentence]:
    """By which way answers leave, and who gets them from now on that did not before."""
    said = []
    if ticket.conversation_id != target.conversation_id:
        channel = reply_channel(target.queue, target.conversation.channel)
        if channel is not None and channel.id != ticket.channel_id:
            said.append(Sentence(_("Answers leave by %(channel)s.", channel=channel.name), warns=True))
        parts = select(func.lower(Participant.address))
        there = set(db.session.scalars(parts.where(Participant.conversation_id == target.conversation_id)))
        ours = parts.where(Participant.conversation_id == ticket.conversation_id, Participant.removed.is_(False))
        if fresh := sorted(set(db.session.scalars(ours)) - there):
            addresses = ", ".join(fresh)
            said.append(
                Sentence(
                    _("These addresses get answers in copy from now on: %(addresses)s.", addresses=addresses), True
                )
            )
    return said


def _kept(ticket: Ticket) -> list[Sentence]:
    said = []
    drafts = db.session.scalar(select(func.count()).where(Draft.ticket_id == ticket.id)) or 0
    if drafts:
        words = ngettext("%(num)s unfinished text is kept.", "%(num)s unfinished texts are kept.", drafts)
        said.append(Sentence(words))
    waiting = (
        select(func.count())
        .select_from(OutboxItem)
        .join(Message, Message.id == OutboxItem.message_id)
        .where(Message.ticket_id == ticket.id, OutboxItem.state.in_(UNDER_WAY))
    )
    if count := db.session.scalar(waiting):
        words = ngettext(
            "%(num)s answer that waits to be sent still leaves.",
            "%(num)s answers that wait to be sent still leave.",
            count,
        )
        said.append(Sentence(words))
    return said
