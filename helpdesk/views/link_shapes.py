"""What a ticket's page shows of other tickets: merged into it, split off, linked."""

from collections.abc import Iterable
from typing import Any

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk import permissions, words
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.models import Event, Message, MessageKind, Ticket, TicketJoin, TicketLink
from helpdesk.models.ticket import Place, Tie
from helpdesk.models.ticket.joins import MERGE
from helpdesk.models.ticket.parted import words_of
from helpdesk.models.ticket.states import Kind, State
from helpdesk.models.ticket.tied import PARENT_OF, SPLIT_OFF
from helpdesk.shell import url_if

TIES: dict[Tie, Any] = {
    Tie.RELATED: _l("has to do with this one"),
    Tie.PARENT: _l("is the parent of this one"),
    Tie.CHILD: _l("is a child of this one"),
    Tie.FOLLOWS: _l("came before this one"),
    Tie.DUPLICATE: _l("is about the same"),
}
PLACES: dict[Place, Any] = {
    Place.OWN: _l("In a mail thread of its own: both tickets can be worked on"),
    Place.WAIT: _l("In this conversation: the new ticket waits until this one is finished or paused"),
    Place.SWAP: _l("In this conversation: this ticket waits, and the new one is worked on"),
}
# What the other ticket is, by the stored kind and whether this ticket is the first of the two.
NAMES: dict[tuple[str, bool], Any] = {
    (PARENT_OF, True): _l("Child"),
    (PARENT_OF, False): _l("Parent"),
    ("related", True): _l("Related"),
    ("related", False): _l("Related"),
    ("duplicate", True): _l("Duplicate"),
    ("duplicate", False): _l("Duplicate"),
    ("follow-up", True): _l("Came before"),
    ("follow-up", False): _l("Follow-up"),
    ("same mail", True): _l("The same mail"),
    ("same mail", False): _l("The same mail"),
    (SPLIT_OFF, True): _l("Split off from"),
    (SPLIT_OFF, False): _l("Was split off"),
}


def panel(ticket: Ticket, works: bool) -> dict[str, Any]:
    """What `_links.html` expects. One query for the links; another one where tickets were merged into this one."""
    ties = ticket.ties()
    in_sight = _in_sight({tie.from_id for tie in ties} | {tie.to_id for tie in ties})
    links = [_tie(ticket, tie, works) for tie in ties if {tie.from_id, tie.to_id} <= in_sight | {ticket.id}]
    return {
        "links": links,
        "merged": _merged(ticket, works),
        "children_open": sum(1 for one in links if one["is_child"] and one["state"]["kind"] != Kind.FINISHED),
        "link_url": url_for("joining.link_form", ticket_id=ticket.id) if works else None,
    }


def actions(ticket: Ticket, works: bool) -> dict[str, str | None]:
    """What can be done with the ticket and others; whoever sees it may follow it."""
    at: dict[str, Any] = {"ticket_id": ticket.id}
    offered: dict[str, str | None] = {
        "unwatch" if ticket.is_watched_by(me()) else "watch": url_for("joining.watch", **at)
    }
    if works:
        offered["link"] = url_for("joining.link_form", **at)
        if ticket.merged_into_id is not None:
            return offered | {"reopen": None}
        offered["macros"] = url_if("macro_runs.choose", **at)
        if ticket.state != State.SPAM:
            offered["merge"] = url_for("joining.merge_form", **at)
            offered["split"] = url_for("joining.split_form", **at)
    return offered


def merged_into(ticket: Ticket, works: bool) -> dict[str, Any] | None:
    """Where a merged ticket leads, as its bar says it; without a name where the user may not see that one."""
    if ticket.merged_into_id is None:
        return None
    target = ticket.as_merged()
    if target.id not in _in_sight({target.id}):
        return {"url": url_for("tickets.show", ticket_id=ticket.id), "number_text": "…", "title": "", "undo_url": None}
    undo_url = url_for("joining.unmerge_form", ticket_id=ticket.id) if works else None
    return _other(target) | {"undo_url": undo_url}


def undo_urls(events: Iterable[Event]) -> dict[int, str]:
    """Where the merges among the facts of a ticket that took another one in can be undone, by id of the fact.

    Asks the database only where there are such facts, and leaves out what is undone already.
    """
    taken_in = [event for event in events if event.kind == "ticket.merged" and not event.payload["into"]]
    merges = {event.payload["join_id"]: event for event in taken_in}
    if not merges:
        return {}
    live = select(TicketJoin.id).where(TicketJoin.id.in_(merges), TicketJoin.undone_at.is_(None))
    return {
        merges[id_].id: url_for("joining.unmerge_form", ticket_id=merges[id_].payload["other_id"])
        for id_ in db.session.scalars(live)
    }


def choice(message: Message) -> dict[str, Any]:
    """A message as something to choose: who, when, the first words."""
    author = message.user.name if message.user else message.sender_name
    return {
        "id": message.id,
        "author": author or (message.customer.name if message.customer else message.sender),
        "at": message.at,
        "words": words_of(message),
        "is_note": message.kind == MessageKind.NOTE,
    }


def _tie(ticket: Ticket, tie: TicketLink, works: bool) -> dict[str, Any]:
    is_first = tie.from_id == ticket.id
    other = tie.to_ticket if is_first else tie.from_ticket
    split_here = tie.how == SPLIT_OFF and is_first
    removable = works and tie.how != SPLIT_OFF
    return _other(other) | {
        "name": NAMES.get((tie.how, is_first), tie.how),
        "is_child": tie.how == PARENT_OF and is_first,
        "remove_url": url_for("joining.unlink", ticket_id=ticket.id, link_id=tie.id) if removable else None,
        "undo_url": url_for("joining.unsplit", ticket_id=ticket.id) if works and split_here else None,
    }


def _other(other: Ticket) -> dict[str, Any]:
    return {
        "url": url_for("tickets.show", ticket_id=other.id),
        "number_text": other.number_text,
        "title": other.title,
        "state": words.state(other.state),
    }


def _merged(ticket: Ticket, works: bool) -> list[dict[str, Any]]:
    if not ticket.has_merged:
        return []
    live = (TicketJoin.to_id == ticket.id, TicketJoin.what == MERGE, TicketJoin.undone_at.is_(None))
    query = select(TicketJoin).where(*live).order_by(TicketJoin.id)
    joins = list(db.session.scalars(query.options(joinedload(TicketJoin.from_ticket), joinedload(TicketJoin.by))))
    in_sight = _in_sight({join.from_id for join in joins})
    return [
        _other(join.from_ticket)
        | {
            "at": join.at,
            "by": join.by.name if join.by else "",
            "undo_url": url_for("joining.unmerge_form", ticket_id=join.from_id)
            if works and not join.kept.get("split")
            else None,
        }
        for join in joins
        if join.from_id in in_sight
    ]


def _in_sight(ids: set[int]) -> set[int]:
    if not ids:
        return set()
    return set(db.session.scalars(select(Ticket.id).where(Ticket.id.in_(ids), permissions.visible(me()))))
