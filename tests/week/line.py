"""The line as it stood at any moment, told again from events alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ACTIVE = {"new", "open"}


@dataclass
class Standing:
    """A ticket as the events so far tell it."""

    id: int
    queue_id: int
    line_at: datetime
    line_class: int
    channel_kind: str
    state: str = "new"
    owner_id: int | None = None

    @property
    def waits(self) -> bool:
        """Whether it stands in line."""
        return self.state in ACTIVE and self.owner_id is None

    @property
    def place(self) -> tuple[int, datetime, int]:
        """By which the line is ordered."""
        return self.line_class, self.line_at, self.id


@dataclass
class Line:
    """All tickets, and what broke the order on the way."""

    rights: dict[int, set[int]]
    kinds: dict[int, str]
    tickets: dict[int, Standing] = field(default_factory=dict)
    waiting: dict[int, dict[int, Standing]] = field(default_factory=dict)
    claims: int = 0
    overtaken: list[str] = field(default_factory=list)

    def tell(self, events: Iterator[Any]) -> None:
        """Take in the events (rows with id, at, ticket_id, kind, payload, actor_id) in the order of their ids."""
        for event in events:
            if event.kind == "ticket.opened":
                self._open(event)
            elif event.ticket_id in self.tickets:
                self._change(self.tickets[event.ticket_id], event)

    def _open(self, event: Any) -> None:
        payload = event.payload
        ticket = Standing(
            event.ticket_id,
            payload["queue_id"],
            datetime.fromisoformat(payload["line_at"]),
            payload["line_class"],
            self.kinds[event.ticket_id],
        )
        self.tickets[ticket.id] = ticket
        self._stand(ticket)

    def _change(self, ticket: Standing, event: Any) -> None:
        payload = event.payload
        if event.kind == "ticket.claimed":
            self._judge(ticket, event)
        self.waiting.get(ticket.queue_id, {}).pop(ticket.id, None)
        match event.kind:
            case "ticket.claimed" | "ticket.handed_over":
                ticket.owner_id = payload["owner_id"]
                if ticket.state == "new":
                    ticket.state = "open"
            case "ticket.released":
                ticket.owner_id = None
            case "ticket.moved":
                ticket.queue_id = payload["to_queue_id"]
                if ticket.state in ACTIVE | {"pending", "waiting"}:
                    ticket.owner_id = None
            case "ticket.state":
                ticket.state = payload["after"]
        if "line_at" in payload:
            ticket.line_at = datetime.fromisoformat(payload["line_at"])
            ticket.line_class = payload["line_class"]
        self._stand(ticket)

    def _stand(self, ticket: Standing) -> None:
        if ticket.waits:
            self.waiting.setdefault(ticket.queue_id, {})[ticket.id] = ticket

    def _judge(self, ticket: Standing, event: Any) -> None:
        """A claim without a reason must take the very first of all lines in which its owner works."""
        self.claims += 1
        payload = event.payload
        if payload.get("reason") or payload.get("passed_over"):
            return
        full = set(payload.get("full_kinds") or [])
        heads = [
            one
            for queue_id in self.rights.get(payload["owner_id"], set())
            for one in self.waiting.get(queue_id, {}).values()
            if one.channel_kind not in full
        ]
        if not ticket.waits:
            self.overtaken.append(f"event {event.id}: ticket {ticket.id} was taken though it stood in no line")
        first = min(heads, key=lambda one: one.place, default=ticket)
        if first.place < ticket.place:
            self.overtaken.append(
                f"event {event.id}: ticket {ticket.id} ({ticket.place}) was taken before {first.id} ({first.place})"
            )
