"""What rules look at, gathered for a batch: who wrote, who is blocked, who floods; and kept with the event.

Asked in a constant number of queries for a batch. The facts stay with the event as long as its raw input, so that a
changed rule can be tried on what came lately without reading any mail again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import case, exists, select

from helpdesk import clock
from helpdesk.addresses import EMAIL, normalise_email
from helpdesk.blocking import forms
from helpdesk.db import db, insert_all
from helpdesk.models import BlockedSender, Channel, Customer, InboundEvent, SenderCount, State, Ticket
from queues.channels.base import Understood
from queues.routing import MailFacts

MOST_AN_HOUR = 60  # mails of one sender to a project; what comes beyond opens no tickets for people
HOUR = timedelta(hours=1)
LONGEST_TEXT = 20_000  # characters that rules look into; a bound on the work, not on the mail
MOST_FILES = 100


@dataclass
class Gathered:
    """What is known of the mails of a batch. `blocked` maps (project, address or @domain) to the row's id."""

    projects: dict[int, int] = field(default_factory=dict)
    blocked: dict[tuple[int, str], int] = field(default_factory=dict)
    flooding: set[int] = field(default_factory=set)
    known_customers: set[int] = field(default_factory=set)

    def facts(self, event: InboundEvent, message: Understood, customer: Customer) -> MailFacts:
        """What rules look at in this mail."""
        sender = normalise_email(message.sender)
        return MailFacts(
            sender=sender,
            recipients=tuple(normalise_email(address) for address, _name in [*message.to, *message.cc]),
            subject=message.subject[:LONGEST_TEXT],
            text=message.text[:LONGEST_TEXT],
            headers=message.headers,
            size=event.size,
            language=message.language,
            files=tuple((file.name[:200], file.type[:100]) for file in message.files[:MOST_FILES] if not file.inline),
            automatic=message.nature != "human",
            known_customer=customer.id in self.known_customers,
            organisation_id=customer.organisation_id,
            blocked=self.block_of(event, sender) is not None,
            flooding=event.id in self.flooding,
        )

    def block_of(self, event: InboundEvent, sender: str) -> int | None:
        """The id of the row by which the sender (in normal form) is blocked in the project of the event."""
        project = self.projects[event.channel_id]
        found = (self.blocked.get((project, value)) for value in forms(sender))
        return next((id_ for id_ in found if id_ is not None), None)


def gather(items: Sequence[tuple[InboundEvent, Understood, Customer]]) -> Gathered:
    """Look up what rules need for these mails, and count them for their senders. Flushes nothing, commits nothing."""
    channels = {event.channel_id for event, _message, _customer in items}
    found = Gathered()
    rows = db.session.execute(select(Channel.id, Channel.project_id).where(Channel.id.in_(channels)))
    found.projects = {row.id: row.project_id for row in rows}
    senders = {normalise_email(message.sender) for _event, message, _customer in items} - {""}
    values = {value for sender in senders for value in forms(sender)}
    if values:
        blocks = select(BlockedSender.project_id, BlockedSender.value, BlockedSender.id)
        for project_id, value, id_ in db.session.execute(blocks.where(BlockedSender.value.in_(values))):
            found.blocked[project_id, value] = id_
    found.flooding = _flooding(items, found.projects)
    customers = {customer.id for _event, _message, customer in items}
    had = exists().where(Ticket.customer_id == Customer.id, Ticket.state != State.SPAM)
    found.known_customers = set(db.session.scalars(select(Customer.id).where(Customer.id.in_(customers), had)))
    return found


def _flooding(items: Sequence[tuple[InboundEvent, Understood, Customer]], projects: dict[int, int]) -> set[int]:
    """Count the mails for their senders; the ids of the events beyond what one may send in an hour.

    One statement, its rows in one order, so that workers wait for each other and never deadlock. Mail that is older
    than its channel says nothing about today, and calls are not counted: a switchboard has one number.
    """
    counted = [
        (event.id, (projects[event.channel_id], normalise_email(message.sender)))
        for event, message, _customer in items
        if message.namespace == EMAIL and message.sender and not event.envelope.get("old")
    ]
    if not counted:
        return set()
    batch = Counter(key for _id, key in counted)
    rows = [{"project_id": key[0], "address": key[1], "mails": batch[key]} for key in sorted(batch)]
    fresh = insert_all(SenderCount, rows)
    over = SenderCount.since <= clock.SQL_NOW - HOUR
    statement = fresh.on_conflict_do_update(
        index_elements=["project_id", "address"],
        set_={
            "mails": case((over, fresh.excluded.mails), else_=SenderCount.mails + fresh.excluded.mails),
            "since": case((over, clock.SQL_NOW), else_=SenderCount.since),
        },
    ).returning(SenderCount.project_id, SenderCount.address, SenderCount.mails)
    so_far = {(row.project_id, row.address): row.mails for row in db.session.execute(statement)}
    flooding = set()
    for event_id, key in reversed(counted):
        if so_far[key] > MOST_AN_HOUR:
            flooding.add(event_id)
        so_far[key] -= 1
    return flooding


def to_row(facts: MailFacts, keep_text: bool) -> dict[str, Any]:
    """Facts as an event keeps them; the text only where no message has it."""
    row = asdict(facts if keep_text else replace(facts, text=""))
    return {name: value for name, value in row.items() if value not in (None, False, "", (), {}, 0)}


def from_row(row: dict[str, Any], text: str) -> MailFacts:
    """The inverse of `to_row`; `text` is that of the message, if there is one."""
    values = {name: value for name, value in row.items() if name in MailFacts.__dataclass_fields__}
    values["recipients"] = tuple(row.get("recipients", ()))
    values["files"] = tuple((name, type_) for name, type_ in row.get("files", ()))
    return MailFacts(**{**values, "text": row.get("text") or text[:LONGEST_TEXT]})
