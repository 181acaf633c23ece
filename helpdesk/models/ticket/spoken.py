"""What is said on a ticket: customers write, operators reply and note, drafts wait."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask_babel import gettext
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.config import settings
from helpdesk.db import db, new_id
from helpdesk.errors import Conflict, Refused
from helpdesk.models.channel import own_addresses
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.event import CustomerWrote, DeliveryChanged, Elsewhere, ForwardAnswered, Noted, Replied, ReplyUndone
from helpdesk.models.message import Attachment, DeliveryState, Message, MessageKind
from helpdesk.models.outbox import Delivery, OutboxItem
from helpdesk.models.search import index_document
from helpdesk.models.ticket.core import TicketCore
from helpdesk.models.ticket.described import TicketPerson
from helpdesk.models.ticket.states import Kind, State
from helpdesk.models.user import User

MOST_BODY = 200_000


@dataclass(frozen=True)
class Reply:
    """What an operator sends: plain text, addresses, files; `seen_id` is the last message its author saw.

    `to` and `cc` are lists of addresses; empty `to` means the customer. `kind` is reply, forward or new.
    """

    body: str
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    subject: str | None = None
    seen_id: int | None = None
    files: list[Attachment] = field(default_factory=list)
    forwards_id: int | None = None
    automatic: bool = False


class Spoken(TicketCore):
    """Verbs of speech."""

    def hear(self, message: Message, nature: str, at: datetime) -> None:
        """Take a customer's message that came in. Only a person's words run the clocks; a nudge moves nothing back."""
        with self.changing(message.customer, CustomerWrote(message.id, nature)):
            if nature == "human" and self.kind != Kind.FINISHED:
                self.last_customer_at = max(self.last_customer_at or at, at)
                self.first_unanswered_at = min(self.first_unanswered_at or at, at)

    def hear_aside(self, message: Message) -> None:
        """Take the answer to a forwarded message, which is for colleagues alone; it runs no clock."""
        with self.changing(message.customer, ForwardAnswered(message.id)):
            pass

    def reply(self, by: User | None, reply: Reply) -> Message:
        """Write to the customer: a message and its outbox item in this transaction, sent after the undo time.

        Raises Refused on a ticket that is not active or for an empty or oversized body, and Conflict when something was
        said since the author last looked; its details hold `unseen`, the ids of the messages they have not seen.
        """
        if not reply.automatic and self.kind == Kind.FINISHED:
            raise Refused(gettext("This ticket is finished: nothing can be sent on it. Reopen it first."))
        if not reply.automatic and self.kind == Kind.PAUSED:
            raise Refused(gettext("This ticket is paused: nothing can be sent on it. Wake it up first."))
        if by is not None and (refusal := self.why_not_answer(by)):
            raise Refused(refusal)
        if not reply.body.strip() and not reply.files:
            raise Refused(gettext("The reply is empty. Write something first."))
        if len(reply.body) > MOST_BODY:
            raise Refused(gettext("The reply is longer than 200,000 characters. Send the text as a file."))
        conversation = lock_conversation(self.conversation_id)
        if reply.seen_id is not None:
            self._guard(reply.seen_id)  # only now: whoever was about to say something has said it
        message = self._say(conversation, MessageKind.REPLY, by, reply.body, reply.subject or "")
        message.recipients = {"to": reply.to, "cc": reply.cc}
        message.delivery = DeliveryState.QUEUED
        message.nature = "auto-reply" if reply.automatic else "human"
        message.facts = {"forwards": reply.forwards_id} if reply.forwards_id else {}
        self._adopt(message, reply.files)
        self._enqueue(message, reply)
        answers = not reply.automatic and reply.forwards_id is None
        with self.changing(by, Replied(message.id, reply.automatic)):
            if answers:
                self.last_reply_at = message.at
                self.first_unanswered_at = None
                self.line_class = self.priority if self.queue.by_priority else 0  # promoted no more: it was served
                if self.state == State.NEW:
                    self.state = State.OPEN
        if answers:
            self._invite(conversation, [*reply.to, *reply.cc])
        return message

    def why_not_answer(self, by: User) -> str:
        """Why `by` may not write to the customer on this ticket, as a sentence; empty when they may.

        Its owner and the operators who take part in it may; others take it first, or take it over.
        """
        if self.owner_id == by.id or db.session.get(TicketPerson, (self.id, by.id)) is not None:
            return ""
        if self.owner is None:
            return gettext("Take this ticket first: then your answer can be sent.")
        return gettext("%(name)s has this ticket. Take it over before you answer.", name=self.owner.name)

    def note(self, by: User | None, body: str, files: list[Attachment] | None = None) -> Message:
        """Leave a note for colleagues; allowed in every state, never seen by the customer."""
        if not body.strip() and not files:
            raise Refused(gettext("The note is empty. Write something first."))
        if len(body) > MOST_BODY:
            raise Refused(gettext("The note is longer than 200,000 characters. Attach the text as a file."))
        message = self._say(lock_conversation(self.conversation_id), MessageKind.NOTE, by, body, "")
        self._adopt(message, files or [])
        with self.changing(by, Noted(message.id)):
            pass
        return message

    def undo_reply(self, by: User, message: Message) -> None:
        """Take back a reply of one's own that has not left yet. Raises Conflict when it is on its way, or Refused.

        The outbox item is locked before the ticket, as whoever sends it does.
        """
        item = db.session.scalar(
            select(OutboxItem).where(OutboxItem.message_id == message.id).with_for_update(key_share=True)
        )
        if item is None or item.state != DeliveryState.QUEUED or item.attempts > 0:
            raise Conflict(gettext("It is too late: the reply has been sent."))
        if message.user_id != by.id:
            raise Refused(gettext("Only its author can take a reply back."))
        db.session.refresh(self, with_for_update={"key_share": True})
        item.state = DeliveryState.CANCELLED
        item.finished_at = clock.now()
        message.delivery = DeliveryState.CANCELLED
        db.session.flush()
        with self.changing(by, ReplyUndone(message.id)):
            self.wind_back()

    def note_delivery(self, by: User | None, message: Message, state: str, words: str | None = None) -> None:
        """Show what is known of an outgoing message; `words` are the other side's own."""
        with self.changing(by, DeliveryChanged(message.id, state, words)):
            message.delivery = state
            message.delivery_note = words
            if state in {DeliveryState.FAILED, DeliveryState.BOUNCED} and self.kind == Kind.ACTIVE:
                self.attention_at = clock.now()

    def tell_elsewhere(self, message: Message, what: str) -> None:
        """Show operators that a colleague answered the original outside, or took it away ("answered", "gone").

        It changes no clock and no state: whoever works on the ticket decides what it means.
        """
        words = {
            "answered": gettext("A colleague has answered this mail in another mail program. Look there first."),
            "gone": gettext("A colleague has moved or deleted this mail in another mail program."),
        }
        line = self._say(lock_conversation(self.conversation_id), MessageKind.SYSTEM, None, words[what], "")
        line.answers_id = message.id
        with self.changing(None, Elsewhere(message.id, what)):
            pass

    def unseen_since(self, seen_id: int) -> list[Message]:
        """Messages by the customer or other operators to the customer, later than the one with id `seen_id`."""
        here = Message.conversation_id == self.conversation_id
        seen = select(Message.seq).where(Message.id == seen_id, here).scalar_subquery()
        query = (
            select(Message)
            .where(
                Message.ticket_id == self.id,
                Message.seq > func.coalesce(seen, 0),  # whoever names a message of elsewhere has seen nothing
                Message.kind.in_([MessageKind.INBOUND, MessageKind.REPLY]),
                Message.nature == "human",
                Message.delivery.is_distinct_from(DeliveryState.CANCELLED),
            )
            .order_by(Message.seq)
        )
        return list(db.session.scalars(query))

    def _guard(self, seen_id: int) -> None:
        unseen = self.unseen_since(seen_id)
        if unseen:
            raise Conflict(
                gettext("Something was said since you began to write. Look at it, then send again."),
                unseen=[message.id for message in unseen],
            )

    def _say(self, conversation: Conversation, kind: MessageKind, by: User | None, body: str, subject: str) -> Message:
        conversation.last_seq += 1
        message = Message(
            id=new_id(Message),
            conversation=conversation,
            conversation_id=conversation.id,
            ticket=self,
            ticket_id=self.id,
            seq=conversation.last_seq,
            kind=kind,
            user_id=by.id if by else None,
            at=clock.now(),
            subject=subject,
            text=body,
            visible_text=body,
        )
        db.session.add(message)
        index_document("message", message.id, self.id, body)
        return message

    def _invite(self, conversation: Conversation, addresses: list[str]) -> None:
        """Whoever an operator writes to takes part from now on, so that their answers find the ticket."""
        known = select(func.lower(Participant.address)).where(Participant.conversation_id == conversation.id)
        present = own_addresses() | set(db.session.scalars(known))
        for address in dict.fromkeys(addresses):
            if address.lower() not in present:
                db.session.add(Participant(conversation_id=conversation.id, address=address, role="to"))

    def _adopt(self, message: Message, files: list[Attachment]) -> None:
        for file in files:
            file.message = message
            file.draft_id = None

    def _enqueue(self, message: Message, reply: Reply) -> None:
        delay = 0 if reply.automatic else settings().undo_seconds
        item = OutboxItem(
            message=message,
            channel_id=self.queue.reply_channel_id or self.channel_id,
            conversation_id=self.conversation_id,
            seq=message.seq,
            automatic=reply.automatic,
            envelope={"to": reply.to, "cc": reply.cc, "subject": reply.subject},
            not_before=message.at + timedelta(seconds=delay),
        )
        db.session.add(item)
        item.deliveries = [Delivery(address=address) for address in dict.fromkeys([*reply.to, *reply.cc])]


def lock_conversation(conversation_id: int) -> Conversation:
    """Lock the conversation's row until the present transaction ends, so that those who write in it keep order."""
    return lock_conversations([conversation_id])[conversation_id]


def lock_conversations(ids: Collection[int]) -> dict[int, Conversation]:
    """Lock several conversations, always in the same order, so that two batches never wait for each other."""
    locked: dict[int, Conversation] = db.session().info.setdefault("locked", {})
    wanted = sorted(set(ids) - locked.keys())
    if wanted:
        query = (
            select(Conversation)
            .where(Conversation.id.in_(wanted))
            .order_by(Conversation.id)
            .with_for_update(key_share=True, of=Conversation)
        )
        found = db.session.scalars(query.execution_options(populate_existing=True))
        locked.update({conversation.id: conversation for conversation in found})
    return locked


def header_hash(header_id: str) -> bytes:
    """What a Message-ID is looked up by; the ids themselves may be longer than an index row."""
    return hashlib.sha256(header_id.strip().encode("utf-8", "replace")).digest()


__all__ = ["Reply", "Spoken", "header_hash", "lock_conversation", "lock_conversations"]
