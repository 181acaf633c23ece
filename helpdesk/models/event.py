"""The history of a ticket: one append-only row per fact, written in the transaction that made it.

Each kind of fact is a small dataclass: its fields are the payload that is stored. No translated sentence is kept;
`helpdesk.history` turns facts into words in the reader's language.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Now, db

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket


# What was said stands in the thread itself; what happened beside it is found by its time (`ix_events_beside`).
NOT_SAID = "kind NOT IN ('message.inbound', 'message.reply', 'message.note', 'message.delivery')"


class Event(Model):
    """One fact: when, on which ticket and queue, by whom, what. Never changed, never deleted."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_ticket_id_id", "ticket_id", "id"),
        Index("ix_events_kind_id", "kind", "id"),
        Index("ix_events_beside", "ticket_id", "at", postgresql_where=text(NOT_SAID)),
    )

    id: Mapped[Id]
    at: Mapped[Now]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    queue_id: Mapped[int | None]
    project_id: Mapped[int | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[int | None]
    kind: Mapped[str]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    cause_id: Mapped[int | None]

    ticket: Mapped["Ticket | None"] = relationship()


FACTS: dict[str, type["Fact"]] = {}


@dataclass(frozen=True)
class Fact:
    """Base of all facts; a subclass names its kind: `class Claimed(Fact, kind="ticket.claimed")`.

    A subclass without a kind is a base for others. Whatever moves a ticket in line also keeps its new place, as
    `line_at` and `line_class` beside the fields: so the line of any past moment can be read from the events.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, kind: str = "", version: int = 1) -> None:
        cls.kind, cls.version = kind, version
        if kind:
            FACTS[kind] = cls

    def payload(self) -> dict[str, Any]:
        """What is stored: the fields that say something."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Opened(Fact, kind="ticket.opened"):
    """A ticket began, from a customer's message or by hand; `previous_id` is the finished one it follows."""

    number: str
    queue_id: int
    line_at: str
    line_class: int
    previous_id: int | None = None


@dataclass(frozen=True)
class Imported(Fact, kind="ticket.imported"):
    """The ticket came from a former system, where it had this number and was opened at this moment."""

    former_number: str
    opened_at: str
    state: str


@dataclass(frozen=True)
class CustomerWrote(Fact, kind="message.inbound"):
    """A message of the customer came in on the ticket; `nature` is human, auto-reply, bounce, ..."""

    message_id: int
    nature: str


@dataclass(frozen=True)
class CameAgain(Fact, kind="message.copy"):
    """The same mail came to another of our addresses too; nothing was made of the copy."""

    message_id: int
    address: str


@dataclass(frozen=True)
class ForwardAnswered(Fact, kind="message.forward_answered"):
    """Somebody to whom a message was forwarded answered; only operators see it."""

    message_id: int


@dataclass(frozen=True)
class ParticipantChanged(Fact, kind="ticket.participant"):
    """Somebody beside the customer takes part in the conversation from now on, or no longer."""

    address: str
    added: bool


@dataclass(frozen=True)
class MarkedHandled(Fact, kind="message.handled"):
    """An operator marked so many messages of the customer as handled."""

    count: int


@dataclass(frozen=True)
class HandlingUndone(Fact, kind="message.unhandled"):
    """An operator took such a mark back: so many messages are unread again."""

    count: int


@dataclass(frozen=True)
class ClientEventCame(Fact, kind="message.event"):
    """Another system told what the customer did elsewhere: subscribed, paid, ...; only operators see it."""

    message_id: int
    what: str


@dataclass(frozen=True)
class Replied(Fact, kind="message.reply"):
    """An operator or the system wrote to the customer."""

    message_id: int
    automatic: bool = False


@dataclass(frozen=True)
class WroteBeside(Fact, kind="message.beside"):
    """An operator wrote to the customer without reopening the ticket."""

    message_id: int


@dataclass(frozen=True)
class ReplyUndone(Fact, kind="message.reply_undone"):
    """A reply was taken back before it left."""

    message_id: int


@dataclass(frozen=True)
class Noted(Fact, kind="message.note"):
    """An operator left a note for colleagues."""

    message_id: int


@dataclass(frozen=True)
class Claimed(Fact, kind="ticket.claimed"):
    """An operator became the owner; `reason` where the ticket was not the next in line.

    `full_kinds` are the kinds of channel of which they had as many as they may: tickets of these were left standing.
    """

    owner_id: int
    waited_seconds: int
    reason: str | None = None
    passed_over: int | None = None
    full_kinds: list[str] | None = None


@dataclass(frozen=True)
class Released(Fact, kind="ticket.released"):
    """The ticket went back to its queue, where it keeps its place.

    Without `cause` its owner or a supervisor gave it back. Else "going home", "by supervisor", "owner away" or "owner
    offline"; of the last two `away_since` is the moment since when the owner was not there.
    """

    former_owner_id: int | None
    cause: str | None = None
    away_since: str | None = None


@dataclass(frozen=True)
class HandedOver(Fact, kind="ticket.handed_over"):
    """The ticket went to another person; `reason` where it was not the next in line.

    `cause` is "stands in" where its owner is out of office and it went to whoever stands in for them.
    """

    former_owner_id: int | None
    owner_id: int
    reason: str | None = None
    passed_over: int | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Moved(Fact, kind="ticket.moved"):
    """The ticket went to another queue, keeping its clocks."""

    from_queue_id: int
    to_queue_id: int


@dataclass(frozen=True)
class StateChanged(Fact, kind="ticket.state"):
    """The state changed; `until` for pending, `reason` for finished, `cause` where no person did it."""

    before: str
    after: str
    until: str | None = None
    reason: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class StateKept(Fact, kind="ticket.state_kept"):
    """A change of state was due but not possible; the ticket stays as it is and a person chooses."""

    wanted: str
    cause: str


@dataclass(frozen=True)
class FieldChanged(Fact, kind="ticket.field"):
    """A plain fact of the ticket changed: title, priority, type, category, group, customer."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ItemsChanged(Fact, kind="ticket.items"):
    """Reasons or components (`list_name`) were chosen or taken away, by their names at that time."""

    list_name: str
    added: list[str]
    removed: list[str]


@dataclass(frozen=True)
class OwnFieldChanged(Fact, kind="ticket.own_field"):
    """A field of one's own was filled in, changed or emptied; label and values as they were called then."""

    field_id: int
    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Tagged(Fact, kind="ticket.tagged"):
    """Tags were added or removed."""

    added: list[str]
    removed: list[str]


@dataclass(frozen=True)
class RuleFired(Fact, kind="ticket.rule"):
    """A rule on the way in fired on the message that opened the ticket; what it did, where it did something.

    `queue_refused` is a queue that the rule names but that cannot be used: closed, gone, or of another project. `fate`
    is spam or trusted, or drop where the mail was kept because it belongs to a ticket. `fields` are pairs of label and
    value in words, `fields_refused` labels of those that could not be filled in.
    """

    rule_id: int
    name: str
    queue_id: int | None = None
    queue_refused: int | None = None
    priority: int | None = None
    tags: list[str] | None = None
    request_type: str | None = None
    no_acknowledgement: bool | None = None
    fate: str | None = None
    fields: list[list[str]] | None = None
    fields_refused: list[str] | None = None


@dataclass(frozen=True)
class Linked(Fact, kind="ticket.linked"):
    """The ticket was tied to another one."""

    other_id: int
    how: str


@dataclass(frozen=True)
class Unlinked(Fact, kind="ticket.unlinked"):
    """The ticket is tied to another one no more."""

    other_id: int
    how: str


@dataclass(frozen=True)
class Merged(Fact, kind="ticket.merged"):
    """The ticket was merged into another one (`into`), or another one into it; `join_id` is the row that says more."""

    other_id: int
    join_id: int
    into: bool


@dataclass(frozen=True)
class Unmerged(Fact, kind="ticket.unmerged"):
    """A merge was undone; `into` on the ticket that had been the pointer."""

    other_id: int
    join_id: int
    into: bool


@dataclass(frozen=True)
class Split(Fact, kind="ticket.split"):
    """Messages of the ticket became another one (`is_new` on that one)."""

    other_id: int
    messages: int
    is_new: bool


@dataclass(frozen=True)
class Unsplit(Fact, kind="ticket.unsplit"):
    """A split was undone: its messages are back where they were."""

    other_id: int
    messages: int
    is_new: bool


@dataclass(frozen=True)
class PeopleChanged(Fact, kind="ticket.people"):
    """An operator was added to the ticket's participants or left them; `message_id` says it in the thread already."""

    user_id: int
    added: bool
    message_id: int | None = None


@dataclass(frozen=True)
class DeliveryChanged(Fact, kind="message.delivery"):
    """What is known of an outgoing message changed; `words` are the server's own."""

    message_id: int
    state: str
    words: str | None = None


@dataclass(frozen=True)
class Elsewhere(Fact, kind="message.elsewhere"):
    """A colleague did something with the original in another program: `what` is answered or gone."""

    message_id: int
    what: str


@dataclass(frozen=True)
class Placed(Fact, kind="ticket.placed"):
    """The queue is ordered by another rule now, and the ticket has another place in it."""


@dataclass(frozen=True)
class Promoted(Fact, kind="ticket.promoted"):
    """The ticket was passed over as long as its queue allows and now goes first."""


@dataclass(frozen=True)
class SettingChanged(Fact, kind="admin.changed"):
    """An administrator changed something outside tickets; secrets are never part of it."""

    what: str
    ref_id: int | None
    name: str
    changes: dict[str, Any]


def record_change(by_id: int | None, what: str, ref_id: int | None, name: str, changes: dict[str, Any]) -> None:
    """Write that something outside tickets was changed; `changes` maps a field to what happened, never a secret."""
    fact = SettingChanged(what, ref_id, name, changes)
    kind = "system" if by_id is None else "user"
    db.session.add(Event(kind=fact.kind, payload=fact.payload(), actor_kind=kind, actor_id=by_id))
