"""No customer waits because an owner went home: told again from events and from who was here when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

ACTIVE = {"new", "open"}
FINISHED = {"solved", "unsolved", "spam", "merged"}
CALLS_FOR_PEOPLE = {"human", "missed-call"}


@dataclass
class Owned:
    """A ticket, its owner, and since when it needs them.

    Either its customer waits for an answer, or it came back by itself (its time was over, a message failed) and its
    owner has not touched it since.
    """

    queue_id: int
    state: str = "new"
    owner_id: int | None = None
    owned_at: datetime | None = None
    unanswered_at: datetime | None = None
    attention_at: datetime | None = None
    told: bool = False

    @property
    def needed_at(self) -> datetime | None:
        """Since when its owner is needed, None when they are not."""
        return min((at for at in (self.unanswered_at, self.attention_at) if at is not None), default=None)


@dataclass
class Owners:
    """Follows every owned ticket. `waits` is by queue the minutes that an owner who is away is waited for.

    `slack` is how late the machine may look.
    """

    waits: dict[int, int]
    slack: timedelta
    here: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    tickets: dict[int, Owned] = field(default_factory=dict)
    stranded: list[str] = field(default_factory=list)
    returned: int = 0

    def tell(self, facts: Iterable[tuple[datetime, int, Any]]) -> None:
        """Take in (moment, order, row) of events and availability changes, in the order of time."""
        for at, _order, row in facts:
            if hasattr(row, "user_id"):
                self._comes_or_goes(at, row)
            elif row.kind == "ticket.opened":
                self.tickets[row.ticket_id] = Owned(row.payload["queue_id"])
            elif row.ticket_id in self.tickets:
                self._look(row.ticket_id, at)
                self._change(self.tickets[row.ticket_id], row, at)

    def close(self, at: datetime) -> None:
        """Look at what is left at the end."""
        for ticket_id in self.tickets:
            self._look(ticket_id, at)

    def _comes_or_goes(self, at: datetime, row: Any) -> None:
        for ticket_id, ticket in self.tickets.items():
            if ticket.owner_id == row.user_id:
                self._look(ticket_id, at)
        before = self.here.get(row.user_id)
        since = before[1] if before and before[0] == row.state else at
        self.here[row.user_id] = (row.state, since)

    def _look(self, ticket_id: int, now: datetime) -> None:
        """Whether the ticket has stood with somebody absent for longer than its queue allows."""
        ticket = self.tickets[ticket_id]
        if ticket.owner_id is None or ticket.needed_at is None or ticket.state not in ACTIVE or ticket.told:
            return
        state, since = self.here.get(ticket.owner_id, ("offline", ticket.needed_at))
        if state == "available":
            return
        minutes = 0 if state == "offline" else self.waits[ticket.queue_id]
        assert ticket.owned_at is not None
        until = max(ticket.needed_at, ticket.owned_at, since) + timedelta(minutes=minutes) + self.slack
        if now > until:
            ticket.told = True
            self.stranded.append(f"ticket {ticket_id} stood with an absent owner from {until - self.slack} to {now}")

    def _change(self, ticket: Owned, row: Any, at: datetime) -> None:
        payload = row.payload
        by_owner = row.actor_kind == "user" and row.actor_id == ticket.owner_id
        if by_owner:
            ticket.attention_at = None
        match row.kind:
            case "ticket.claimed" | "ticket.handed_over":
                ticket.owner_id, ticket.owned_at, ticket.told = payload["owner_id"], at, False
                if row.actor_id == ticket.owner_id:
                    ticket.attention_at = None
            case "ticket.released":
                self.returned += str(payload.get("cause", "")).startswith("owner")
                ticket.owner_id = ticket.attention_at = None
            case "ticket.moved":
                ticket.queue_id, ticket.owner_id, ticket.attention_at = payload["to_queue_id"], None, None
            case "message.inbound":
                if payload["nature"] in CALLS_FOR_PEOPLE and ticket.unanswered_at is None:
                    ticket.unanswered_at = at
            case "message.reply":
                if not payload.get("automatic"):
                    ticket.unanswered_at = None
            case "message.delivery":
                if payload["state"] in {"failed", "bounced"} and ticket.state in ACTIVE:
                    ticket.attention_at = at
            case "ticket.state":
                self._turn(ticket, row, at)

    def _turn(self, ticket: Owned, row: Any, at: datetime) -> None:
        before, ticket.state = ticket.state, row.payload["after"]
        if ticket.state in FINISHED:
            ticket.unanswered_at = None
        if ticket.state in ACTIVE and before not in ACTIVE and row.actor_kind != "user":
            ticket.attention_at = at
