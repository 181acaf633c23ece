"""What is said on a ticket: customers write, operators reply and note, drafts wait."""

import hashlib
from datetime import datetime

from flask_babel import gettext
from sqlalchemy import func, or_, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.conversation import Participant
from helpdesk.models.event import (
    CustomerWrote,
    DeliveryChanged,
    Elsewhere,
    ForwardAnswered,
    Noted,
    Replied,
    ReplyUndone,
)
from helpdesk.models.message import Attachment, DeliveryState, Message, MessageKind
from helpdesk.models.outbox import OutboxItem
from helpdesk.models.ticket.core import TicketCore
from helpdesk.models.ticket.described import TicketPerson
from helpdesk.models.ticket.states import Kind, State
from helpdesk.models.unread import note_unread
from helpdesk.models.user import User
from helpdesk.models.writing import (
    MOST_BODY,
    Reply,
    adopt,
    check_reply,
    join,
    lock_conversation,
    lock_conversations,
    make_findable,
    reply_channel,
    say,
    say_reply,
)


class Spoken(TicketCore):
    """Verbs of speech."""

    def hear(self, message: Message, nature: str, at: datetime) -> None:
        """Take a customer's message that came in, or news of a call.

        Only a person's words, and a call that nobody answered, run the clocks; a nudge moves nothing back.
        """
        with self.changing(message.customer, CustomerWrote(message.id, nature)):
            if nature in {"human", "missed-call"} and self.kind != Kind.FINISHED:
                self.last_customer_at = max(self.last_customer_at or at, at)
                self.first_unanswered_at = min(self.first_unanswered_at or at, at)
            note_unread(self, message, nature)

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
        check_reply(reply)
        conversation = lock_conversation(self.conversation_id)
        if reply.seen_id is not None:
            self._guard(reply.seen_id)  # only now: whoever was about to say something has said it
        channel = reply_channel(self.queue, conversation.channel)
        if channel is None:
            raise Refused(gettext("Nothing can be sent on this ticket: its queue has no mailbox to write from."))
        if reply.forwards_id is not None:
            self._check_forward(reply)
        if reply.answers_id is not None:
            self._check_answered(reply.answers_id)
        message = say_reply(conversation, by, reply, channel, self)
        make_findable(message, self.shown_on_id or self.id)
        answers = not reply.automatic and reply.forwards_id is None
        with self.changing(by, Replied(message.id, reply.automatic)):
            if answers:
                self.last_reply_at = message.at
                self.first_unanswered_at = None
                self.line_class = self.priority if self.queue.by_priority else 0  # promoted no more: it was served
                if self.state == State.NEW:
                    self.state = State.OPEN
        if answers:
            for address in message.recipients["to"] + message.recipients["cc"]:
                join(conversation, address)
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
        message = say(lock_conversation(self.conversation_id), MessageKind.NOTE, by, body, "", self)
        make_findable(message, self.shown_on_id or self.id)
        adopt(message, files or [])
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
        line = say(lock_conversation(self.conversation_id), MessageKind.SYSTEM, None, words[what], "", self)
        make_findable(line, self.shown_on_id or self.id)
        line.answers_id = message.id
        with self.changing(None, Elsewhere(message.id, what)):
            pass

    def unseen_since(self, seen_id: int) -> list[Message]:
        """Messages by the customer or other operators to the customer, later than the one with id `seen_id`."""
        family = self.family
        here = or_(Message.conversation_id == self.conversation_id, Message.ticket_id.in_(family))
        seen = select(Message.id).where(Message.id == seen_id, here).scalar_subquery()
        query = (
            select(Message)
            .where(
                Message.ticket_id.in_(family),
                Message.id > func.coalesce(seen, 0),  # whoever names a message of elsewhere has seen nothing
                Message.kind.in_([MessageKind.INBOUND, MessageKind.REPLY]),
                Message.nature == "human",
                Message.delivery.is_distinct_from(DeliveryState.CANCELLED),
            )
            .order_by(Message.id)
        )
        return list(db.session.scalars(query))

    def _check_forward(self, reply: Reply) -> None:
        """Raises Refused where what only colleagues may read would reach the customer or those beside them."""
        original = db.session.get(Message, reply.forwards_id)
        if original is None or not original.is_internal:
            return
        there = select(func.lower(Participant.address)).where(Participant.conversation_id == self.conversation_id)
        theirs = {one.value.lower() for one in self.customer.identities} | set(db.session.scalars(there))
        if found := next((one for one in [*reply.to, *reply.cc] if one.lower() in theirs), None):
            raise Refused(
                gettext("%(address)s takes part in the conversation and must not read internal notes.", address=found)
            )

    def _check_answered(self, message_id: int) -> None:
        """Raises Refused for a message of elsewhere, or one that only operators know."""
        answered = db.session.get(Message, message_id)
        if answered is None or answered.conversation_id != self.conversation_id or answered.is_internal:
            raise Refused(gettext("The message that you answer is not in this conversation. Send without naming it."))

    def _guard(self, seen_id: int) -> None:
        unseen = self.unseen_since(seen_id)
        if unseen:
            raise Conflict(
                gettext("Something was said since you began to write. Look at it, then send again."),
                unseen=[message.id for message in unseen],
            )


def header_hash(header_id: str) -> bytes:
    """What a Message-ID is looked up by; the ids themselves may be longer than an index row."""
    return hashlib.sha256(header_id.strip().encode("utf-8", "replace")).digest()


__all__ = ["MOST_BODY", "Reply", "Spoken", "header_hash", "lock_conversation", "lock_conversations"]
