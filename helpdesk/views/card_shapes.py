"""The customer's part of the card as templates show it: open and earlier tickets, and the switch of channels."""

from collections.abc import Sequence
from typing import Any

from flask import url_for

from helpdesk import words
from helpdesk.models import Ticket
from helpdesk.models.ticket.states import Kind
from helpdesk.numbers import group_digits
from helpdesk.queries.card import Found

MOST_EARLIER = 5
# Which of several tickets in a channel one goes to: what is being worked on, what waits, what is over.
NEARNESS = {Kind.ACTIVE: 0, Kind.PAUSED: 1, Kind.FINISHED: 2}


def tickets(found: Sequence[Found], current_id: int) -> dict[str, Any]:
    """`open_tickets` and `earlier_tickets` beside the ticket that is open."""
    others = [_ticket(row) for row in found if row.id != current_id]
    return {
        "open_tickets": [one for one in others if one["state"]["kind"] != Kind.FINISHED],
        "earlier_tickets": [one for one in others if one["state"]["kind"] == Kind.FINISHED][:MOST_EARLIER],
    }


def _ticket(row: Found) -> dict[str, Any]:
    return {
        "id": row.id,
        "url": url_for("tickets.show", ticket_id=row.id),
        "number_text": group_digits(row.number),
        "subject": row.title,
        "state": words.state(row.state),
        "at": row.arrived_at,
        "channel": words.channel(row.channel_kind, row.channel_name),
    }


def channels(found: Sequence[Found], ticket: Ticket) -> list[dict[str, Any]]:
    """Every channel in which the person has spoken with us, each with the ticket to go to: {name, icon, url, current}.

    The channel of the open ticket is current; elsewhere the ticket that is worked on comes first, then the latest.
    """
    own = ticket.conversation.channel
    best: dict[int, Found] = {}
    for row in found:
        held = best.get(row.channel_id)
        if held is None or NEARNESS[Kind(row.kind)] < NEARNESS[Kind(held.kind)]:
            best[row.channel_id] = row
    elsewhere = [
        {
            **words.channel(row.channel_kind, row.channel_name),
            "url": url_for("tickets.show", ticket_id=row.id),
            "state": words.state(row.state),
            "current": False,
        }
        for row in best.values()
        if row.channel_id != own.id
    ]
    here = {**words.channel(own.kind, own.name), "url": url_for("tickets.show", ticket_id=ticket.id), "current": True}
    return [{**here, "state": words.state(ticket.state)}, *elsewhere]
