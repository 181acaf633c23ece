"""What the database knows about a batch of messages, fetched in a constant number of queries before they are placed.

Messages of one batch may belong together (a mail and the answer to it), so what is made of one is told to `Known`
before the next is looked at. The conversations that the batch touches are locked first, always in the same order.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from helpdesk import addresses
from helpdesk.db import db
from helpdesk.models import Conversation, FormerNumber, Identity, Message, OutboxItem, Participant, Ticket
from helpdesk.models.customer import phone_region
from helpdesk.models.ticket import lock_conversation, lock_conversations
from queues.channels.base import Understood

if TYPE_CHECKING:
    from queues.proofs import Claimed

MOST_STEPS = 20


class Known:
    """Tickets, participants and identities that a batch may need, by what messages say of them."""

    def __init__(self) -> None:
        self._lasting: dict[int, int] = {}
        self._sent: dict[bytes, int] = {}
        self._tickets: dict[int, Ticket] = {}
        self._by_hash: dict[bytes, int] = {}
        self._by_number: dict[str, int] = {}
        self._by_former: dict[tuple[int | None, str], int] = {}
        self._forwards: set[bytes] = set()
        self._removed: defaultdict[int, set[str]] = defaultdict(set)
        self._participants: defaultdict[int, set[str]] = defaultdict(set)
        self._identities: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        self._in_conversation: defaultdict[int, list[Ticket]] = defaultdict(list)

    @classmethod
    def load(
        cls,
        claims: "Collection[Claimed]",
        own_hashes: Collection[bytes],
        bounced: Mapping[int, int | None],
        copied: Collection[int] = (),
        lasting: Mapping[int, int] | None = None,
    ) -> "Known":
        """Fetch what the claims point at, locked in the order in which everybody locks.

        `own_hashes` are of the messages' own ids, `bounced` maps outbox items that are reported on to their tickets,
        `copied` are tickets that hold other copies of the messages, `lasting` conversations that events name by their
        keys, by event id.
        """
        known = cls()
        known._lasting = dict(lasting or {})
        hashes = {one for claim in claims for one in claim.hashes}
        known._read_hashes(hashes, set(own_hashes))
        keys = {key for claim in claims for key in claim.number_keys}
        signed = {one for claim in claims for one in (claim.signed_address, claim.signed_id) if one is not None}
        known._read_former({(claim.project_id, mark.key) for claim in claims for mark in claim.former})
        ids = signed | {one for one in bounced.values() if one is not None} | set(known._by_hash.values())
        ids |= set(known._by_former.values()) | set(copied)
        conversations = known._find(ids, keys) | set(known._lasting.values())
        lock_conversations(conversations)
        _lock_items(bounced)
        known._read_tickets(conversations)
        known._follow_merges(conversations)
        known._read_people()
        return known

    def lasting(self, event_id: int) -> Conversation | None:
        """The lasting conversation that an event names, which is locked."""
        conversation_id = self._lasting.get(event_id)
        return lock_conversation(conversation_id) if conversation_id is not None else None

    def ticket(self, ticket_id: int) -> Ticket | None:
        """The ticket with this id, or what it was merged into."""
        found = self._tickets.get(ticket_id)
        return found.as_merged() if found is not None else None

    def id_by_hash(self, header_hash: bytes) -> int | None:
        """Id of the ticket of the message with this Message-ID, merged or not."""
        return self._by_hash.get(header_hash)

    def id_by_number(self, number_key: str) -> int | None:
        """Id of the ticket with this number, merged or not."""
        return self._by_number.get(number_key)

    def id_by_former(self, project_id: int | None, number_key: str) -> int | None:
        """Id of the ticket that carries this number of the project's former system, merged or not."""
        return self._by_former.get((project_id, number_key))

    def ticket_by_former(self, project_id: int | None, number_key: str) -> Ticket | None:
        """The ticket that carries this number of the project's former system."""
        ticket_id = self._by_former.get((project_id, number_key))
        return self.ticket(ticket_id) if ticket_id is not None else None

    def sent_mail(self, header_hash: bytes) -> bytes | None:
        """The bytes of the mail that we sent under this Message-ID."""
        message_id = self._sent.get(header_hash)
        if message_id is None:
            return None
        return db.session.scalar(select(OutboxItem.rendered).where(OutboxItem.message_id == message_id))

    def is_known(self, header_hash: bytes) -> bool:
        """Whether a message with this Message-ID is on a ticket."""
        return header_hash in self._by_hash

    def is_forward(self, header_hash: bytes) -> bool:
        """Whether this is the Message-ID of a mail by which an operator forwarded a message."""
        return header_hash in self._forwards

    def was_forwarded_to(self, ticket: Ticket, address: str) -> bool:
        """Whether an operator forwarded a message of the ticket to this address."""
        query = select(Message.recipients["to"]).where(
            Message.ticket_id.in_(ticket.family), Message.kind == "reply", Message.facts.has_key("forwards")
        )
        return any(address.lower() in (one.lower() for one in to or []) for to in db.session.scalars(query))

    def is_customer(self, message: Understood, ticket: Ticket) -> bool:
        """Whether the sender is the ticket's customer, by any of their addresses."""
        identity = (message.namespace, addresses.normalise(message.namespace, message.sender, phone_region()))
        return bool(message.sender) and identity in self._identities[ticket.customer_id]

    def takes_part(self, message: Understood, ticket: Ticket) -> bool:
        """Whether the sender is a participant of the ticket's conversation or one of its customer's identities."""
        if not message.sender:
            return False
        if self.is_customer(message, ticket):
            return True
        return message.sender.lower() in self._participants[ticket.conversation_id]

    def tickets_in(self, conversation: Conversation) -> list[Ticket]:
        """The tickets of a conversation, the newest first."""
        return self._in_conversation[conversation.id]

    def tickets_for(self, conversation: Conversation) -> list[Ticket]:
        """The tickets that take what is said in a lasting conversation: its own, newest first, then where merged ones
        lead, which may be in another conversation."""
        here = self._in_conversation[conversation.id]
        leads = [self._tickets[one.shown_on_id] for one in here if one.shown_on_id in self._tickets]
        return list({one.id: one for one in [*(one for one in here if one.shown_on_id is None), *leads]}.values())

    def participants_in(self, conversation: Conversation) -> set[str]:
        """The addresses that take part, in lower case; what is added here counts for the rest of the batch."""
        return self._participants[conversation.id]

    def removed_from(self, conversation: Conversation) -> set[str]:
        """The addresses that operators took out of a conversation, in lower case."""
        return self._removed[conversation.id]

    def learn(self, ticket: Ticket, message: Message) -> None:
        """Take what was made of one message into account for the next ones."""
        if ticket.id not in self._tickets:
            self._tickets[ticket.id] = ticket
            self._by_number[ticket.number_key] = ticket.id
            self._in_conversation[ticket.conversation_id].insert(0, ticket)
        if message.header_hash is not None:
            self._by_hash.setdefault(message.header_hash, ticket.id)

    def _read_hashes(self, hashes: set[bytes], own: set[bytes]) -> None:
        if not hashes and not own:
            return
        # What was written beside all tickets is answered on the conversation's last one.
        latest = select(func.max(Ticket.id)).where(Ticket.conversation_id == Message.conversation_id).scalar_subquery()
        rows = db.session.execute(
            select(
                Message.id,
                Message.header_hash,
                func.coalesce(Message.ticket_id, latest),
                Message.kind,
                Message.facts.has_key("forwards"),
            )
            .where(Message.header_hash.in_(hashes | own))
            .order_by(Message.id)
        )
        for message_id, header_hash, ticket_id, kind, forwards in rows:
            if forwards:
                self._forwards.add(bytes(header_hash))
            if ticket_id is not None:
                self._by_hash.setdefault(bytes(header_hash), ticket_id)
            if kind == "reply":
                self._sent.setdefault(bytes(header_hash), message_id)

    def learn_former(self, ticket: Ticket, keys: Collection[str]) -> None:
        """Take into account that the ticket carries numbers of the former system from now on."""
        for key in keys:
            self._by_former.setdefault((ticket.project_id, key), ticket.id)

    def _read_former(self, wanted: set[tuple[int | None, str]]) -> None:
        if not wanted:
            return
        keys = FormerNumber.number_key.in_({key for _project, key in wanted})
        rows = db.session.execute(
            select(FormerNumber.project_id, FormerNumber.number_key, FormerNumber.ticket_id).where(keys)
        )
        self._by_former = {(project, key): ticket for project, key, ticket in rows if (project, key) in wanted}

    def _find(self, ids: set[int], keys: set[str]) -> set[int]:
        """The conversations of the tickets with these ids or numbers, following merges."""
        wanted, conversations = ids, set[int]()
        condition = or_(Ticket.id.in_(wanted), Ticket.number_key.in_(keys))
        for _step in range(MOST_STEPS):
            if not wanted and not keys:
                break
            rows = db.session.execute(
                select(Ticket.id, Ticket.number_key, Ticket.conversation_id, Ticket.merged_into_id).where(condition)
            ).all()
            self._by_number.update({row.number_key: row.id for row in rows})
            conversations |= {row.conversation_id for row in rows}
            wanted = {row.merged_into_id for row in rows if row.merged_into_id is not None}
            keys, condition = set(), Ticket.id.in_(wanted)
        return conversations

    def _read_tickets(self, conversations: set[int]) -> None:
        """Read and lock, so that nobody changes a ticket between reading and writing; claims lock nothing else."""
        if not conversations:
            return
        query = (
            select(Ticket)
            .where(Ticket.conversation_id.in_(conversations))
            .order_by(Ticket.id)
            .with_for_update(of=Ticket, key_share=True)
            .execution_options(populate_existing=True)
        )
        for ticket in db.session.scalars(query):
            self._tickets[ticket.id] = ticket
            self._in_conversation[ticket.conversation_id].insert(0, ticket)

    def _follow_merges(self, conversations: set[int]) -> None:
        """Lock and read where merged tickets lead.

        What was merged at this very moment was not known when the conversations were locked, so its target may be
        locked out of order; should that ever be a deadlock, the batch is done again.
        """
        for _step in range(MOST_STEPS):
            leads = {one.shown_on_id for one in self._tickets.values() if one.shown_on_id not in {None, *self._tickets}}
            if not leads:
                return
            query = select(Ticket.conversation_id).where(Ticket.id.in_(leads))
            further = set(db.session.scalars(query)) - conversations
            lock_conversations(further)
            self._read_tickets(further)
            conversations |= further

    def _read_people(self) -> None:
        conversations = list(self._in_conversation)
        if not conversations:
            return
        parts = select(Participant.conversation_id, Participant.address, Participant.removed)
        parts = parts.where(Participant.conversation_id.in_(conversations))
        for conversation_id, address, removed in db.session.execute(parts):
            (self._removed if removed else self._participants)[conversation_id].add(address.lower())
        customers = {ticket.customer_id for ticket in self._tickets.values()}
        identities = select(Identity.customer_id, Identity.namespace, Identity.value)
        for customer_id, namespace, value in db.session.execute(identities.where(Identity.customer_id.in_(customers))):
            self._identities[customer_id].add((namespace, value))


def _lock_items(ids: Collection[int]) -> None:
    if ids:
        query = select(OutboxItem.id).where(OutboxItem.id.in_(ids)).order_by(OutboxItem.id)
        db.session.execute(query.with_for_update(key_share=True))
