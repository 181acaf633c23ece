"""One mail to several of our addresses is one ticket in each project, whichever copy is read first.

The copies arrive as events of their own, by several channels, perhaps in two workers at the same moment. They are the
same mail when Message-ID, sender and words are the same: an id alone is chosen by its sender, and other words under it
are another message. The row of a mail is held until the transaction ends, so that a second worker sees what the first
one made of it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update

from helpdesk.addresses import base_address
from helpdesk.db import db, insert_all, remembered
from helpdesk.models import Channel, InboundEvent, MailCopies, Message, Ticket
from helpdesk.models.channel import addresses_of
from helpdesk.models.event import CameAgain
from helpdesk.models.ticket.states import State
from queues.channels.base import Understood
from queues.known import Known

SAME_MAIL = "same mail"


class Copies:
    """Which events speak for the mails of a batch, in each project."""

    def __init__(self, digests: dict[int, bytes], speakers: dict[bytes, dict[str, int]]) -> None:
        self._digests, self._speakers = digests, speakers

    @classmethod
    def hold(cls, understood: Sequence[tuple[InboundEvent, Understood]]) -> "Copies":
        """Note the mails of a batch, and wait for those that another transaction is writing at this moment.

        To be called before anything else is locked: then nobody waits in a circle.
        """
        digests, fresh = dict[int, bytes](), dict[bytes, dict[str, int]]()
        for event, message in understood:
            if (key := digest(message)) is not None:
                digests[event.id] = key
                fresh.setdefault(key, {}).setdefault(str(project_of(event)), event.id)
        if not fresh:
            return cls({}, {})
        noted = insert_all(MailCopies, [{"digest": key, "events": fresh[key]} for key in sorted(fresh)])
        both = noted.excluded.events.op("||")(MailCopies.events)  # who spoke before goes on speaking
        rows = db.session.execute(
            noted.on_conflict_do_update(index_elements=["digest"], set_={"events": both}).returning(
                MailCopies.digest, MailCopies.events
            )
        )
        return cls(digests, {bytes(row.digest): dict(row.events) for row in rows})

    def first(self, event: InboundEvent) -> InboundEvent | None:
        """The event that this one is a further copy of, in the same project; None when it is not one.

        What was left out, or is not understood yet, does not speak for others: then this event does from now on.
        """
        key = self._digests.get(event.id)
        if key is None:
            return None
        project = str(project_of(event))
        speaker_id = self._speakers[key].get(project)
        if speaker_id == event.id:
            return None
        speaker = db.session.get(InboundEvent, speaker_id) if speaker_id is not None else None
        if speaker is not None and speaker.message_id is not None:
            return speaker
        self._speakers[key][project] = event.id
        speaks = update(MailCopies).where(MailCopies.digest == key).values(events=self._speakers[key])
        db.session.execute(speaks.execution_options(synchronize_session=False))
        return None

    def elsewhere(self, event: InboundEvent) -> list[InboundEvent]:
        """The events that speak for this mail in other projects."""
        speakers = self._speakers.get(self._digests.get(event.id, b""), {})
        others = [id_ for project, id_ in speakers.items() if project != str(project_of(event))]
        return [found for id_ in others if (found := db.session.get(InboundEvent, id_)) is not None]

    def tickets(self) -> set[int]:
        """The tickets of those events of earlier transactions that speak for mails of this batch."""
        speakers = {id_ for events in self._speakers.values() for id_ in events.values()} - self._digests.keys()
        if not speakers:
            return set()
        query = select(Message.ticket_id).join(InboundEvent, InboundEvent.message_id == Message.id)
        found = db.session.scalars(query.where(InboundEvent.id.in_(speakers), Message.ticket_id.is_not(None)))
        return {ticket_id for ticket_id in found if ticket_id is not None}


def came_again(event: InboundEvent, copy: Understood, first: InboundEvent, known: Known) -> str:
    """A further copy of a mail that is on a ticket: shown there, and left out by name.

    Where the mail names none of our addresses (a blind copy), the order of the channels decides, as long as nobody has
    begun to work on the ticket.
    """
    message = first.message
    assert message is not None  # only what is on a ticket speaks for its copies
    event.message, event.message_id = message, message.id
    ticket = known.ticket(message.ticket_id) if message.ticket_id is not None else None
    if ticket is None:
        return SAME_MAIL
    came_by = event.channel
    with ticket.changing(message.customer, CameAgain(message.id, came_by.address or came_by.name)):
        pass
    before = ticket.conversation.channel
    untouched = ticket.state == State.NEW and ticket.owner_id is None and ticket.queue_id == before.queue_id
    blind = not named_channels(copy, came_by.project_id)
    if blind and untouched and goes_before(came_by, before):
        ticket.move(None, came_by.queue)
        ticket.conversation.channel, ticket.channel_id = came_by, came_by.id
    return SAME_MAIL


def link_elsewhere(ticket: Ticket, events: Sequence[InboundEvent]) -> None:
    """Tie a new ticket to those that the same mail opened in other projects."""
    for event in events:
        message = event.message
        if message is not None and message.ticket is not None:
            ticket.link(None, message.ticket, "same mail")


def digest(message: Understood) -> bytes | None:
    """What two copies of a mail have in common and two mails have not.

    None for a mail without a Message-ID, and for what is no mail: a chat's ids say nothing outside of its channel.
    """
    if not message.header_id or message.conversation_key:
        return None
    words = " ".join(f"{message.subject} {message.text}".split())
    files = sorted(hashlib.sha256(file.content).hexdigest() for file in message.files)
    parts = [message.header_id.strip(), message.sender.lower(), words, *files]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()


def project_of(event: InboundEvent) -> int:
    """The project of the channel that an event came by."""
    return event.channel.project_id


def addressed_channel(message: Understood, came_by: Channel) -> Channel:
    """The channel that a mail is for: the first of those named in To, else of those in Cc, else the one it came by.

    First is by the order of the channels. It follows from the mail alone, so it is the same for every copy of it.
    """
    named = named_channels(message, came_by.project_id)
    return db.session.get_one(Channel, named[0]) if named else came_by


def named_channels(message: Understood, project_id: int) -> list[int]:
    """Ids of a project's channels named in the mail's To, or where there are none in its Cc; the first goes first."""
    doors: dict[str, tuple[int, int]] = remembered(f"doors:{project_id}", lambda: _doors(project_id))
    for people in (message.to, message.cc):
        written = [form for address, _name in people for form in (address.lower(), base_address(address))]
        if named := {doors[address] for address in written if address in doors}:
            return [channel_id for _position, channel_id in sorted(named)]
    return []


def goes_before(channel: Channel, other: Channel) -> bool:
    """Whether a channel stands before another in the order that decides about mails that name neither."""
    return (channel.position, channel.id) < (other.position, other.id)


def _doors(project_id: int) -> dict[str, tuple[int, int]]:
    """(position, channel id) by the addresses and aliases of the project's channels that are not paused."""
    columns: tuple[Any, ...] = (Channel.position, Channel.id, Channel.address, Channel.settings["aliases"])
    rows = db.session.execute(select(*columns).where(Channel.project_id == project_id, Channel.enabled))
    return {
        address: (position, channel_id)
        for position, channel_id, address, aliases in sorted(rows, key=lambda row: (-row[0], -row[1]))
        for address in addresses_of(address, aliases)
    }
