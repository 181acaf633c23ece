"""What all who write in a conversation share: a numbered message, its outbox item, by which channel, and to whom."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from flask_babel import gettext
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.capabilities import Capabilities, capabilities_of
from helpdesk.config import settings
from helpdesk.db import db, new_id
from helpdesk.errors import Refused
from helpdesk.models.channel import Channel, is_own_address
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.customer import Customer
from helpdesk.models.message import Attachment, DeliveryState, Message, MessageKind
from helpdesk.models.outbox import Delivery, OutboxItem
from helpdesk.models.queue import Queue
from helpdesk.models.search import index_document
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket.core import TicketCore

MOST_BODY = 200_000
EMAIL = "email"


@dataclass(frozen=True)
class Reply:
    """What an operator sends: plain text, addresses, files; `seen_id` is the last message its author saw.

    `to` and `cc` are lists of addresses; empty `to` means the customer. `answers_id` is the message that it answers by
    name, where the channel can say so.
    """

    body: str
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    subject: str | None = None
    seen_id: int | None = None
    files: list[Attachment] = field(default_factory=list)
    forwards_id: int | None = None
    answers_id: int | None = None
    automatic: bool = False


def check_reply(reply: Reply) -> None:
    """Raises Refused for an empty or oversized reply, and for one to ourselves: it would come back as a new mail."""
    if not reply.body.strip() and not reply.files:
        raise Refused(gettext("The reply is empty. Write something first."))
    if len(reply.body) > MOST_BODY:
        raise Refused(gettext("The reply is longer than 200,000 characters. Send the text as a file."))
    own = next((address for address in (*reply.to, *reply.cc) if is_own_address(address)), None)
    if own is not None and not reply.automatic:
        raise Refused(
            gettext(
                "%(address)s is one of our own addresses: the mail would come back to us. Take it out.", address=own
            )
        )


def say(
    conversation: Conversation, kind: MessageKind, by: User | None, body: str, subject: str, ticket: "TicketCore | None"
) -> Message:
    """A new message at the end of a locked conversation, on a ticket or on none."""
    conversation.last_seq += 1
    message = Message(
        id=new_id(Message),
        conversation=conversation,
        conversation_id=conversation.id,
        ticket=ticket,
        ticket_id=ticket.id if ticket is not None else None,
        seq=conversation.last_seq,
        kind=kind,
        user_id=by.id if by else None,
        at=clock.now(),
        subject=subject,
        text=body,
        visible_text=body,
    )
    db.session.add(message)
    return message


def say_reply(
    conversation: Conversation, by: User | None, reply: Reply, channel: Channel, ticket: "TicketCore | None"
) -> Message:
    """A message to the customer and its outbox item, due when the time to take it back is over."""
    to, cc = ([one for one in part if not is_own_address(one)] for part in (reply.to, reply.cc))
    message = say(conversation, MessageKind.REPLY, by, reply.body, reply.subject or "", ticket)
    message.recipients = {"to": to, "cc": cc}
    message.delivery = DeliveryState.QUEUED
    message.answers_id = reply.answers_id
    message.nature = "auto-reply" if reply.automatic else "human"
    message.facts = {"forwards": reply.forwards_id} if reply.forwards_id else {}
    adopt(message, reply.files)
    delay = 0 if reply.automatic else undo_seconds(by)
    item = OutboxItem(
        message=message,
        channel_id=channel.id,
        conversation_id=conversation.id,
        seq=message.seq,
        automatic=reply.automatic,
        envelope={"to": to, "cc": cc, "subject": reply.subject},
        not_before=message.at + timedelta(seconds=delay),
    )
    db.session.add(item)
    item.deliveries = [Delivery(address=address) for address in dict.fromkeys([*to, *cc])]
    return message


def undo_seconds(by: User | None) -> int:
    """For how long a reply of `by` can be taken back: their own choice, else the installation's."""
    own = by.settings.undo_seconds if by is not None else None
    return settings().undo_seconds if own is None else own


def adopt(message: Message, files: Collection[Attachment]) -> None:
    """Put files that waited in a draft on the message."""
    for file in files:
        file.message = message
        file.draft_id = None


def make_findable(message: Message, ticket_id: int | None) -> None:
    """Put what an operator wrote into the search index, under the ticket whose readers may find it."""
    index_document("message", message.id, ticket_id, message.text)


def join(conversation: Conversation, address: str, name: str = "", role: str = "to") -> bool:
    """Let an address take part, also one that was taken out before; False when it does already."""
    here = Participant.conversation_id == conversation.id
    part = db.session.scalar(select(Participant).where(here, func.lower(Participant.address) == address.lower()))
    if part is not None and not part.removed:
        return False
    if part is not None:
        part.removed, part.role = False, role
        return True
    db.session.add(Participant(conversation=conversation, address=address, name=name[:200], role=role))
    db.session.flush()
    return True


def can(channel: Channel) -> Capabilities:
    """What a channel can do."""
    return capabilities_of(channel.kind, channel.settings)


def reply_channel(queue: Queue, own: Channel) -> Channel | None:
    """The channel by which an answer leaves: the one that the queue names for its kind, else the conversation's own.

    Where that one cannot write (a call that was written down), by mail, if the queue has a mailbox; None if it has not.
    """
    if not can(own).writes:
        return first_channel(queue)
    named = db.session.get(Channel, queue.reply_channel_id) if queue.reply_channel_id else None
    return named if named is not None and named.kind == own.kind else own


def first_channel(queue: Queue, namespace: str = EMAIL) -> Channel | None:
    """The channel by which the queue's people may write first to an address of this namespace; None without one."""
    query = select(Channel).where(
        Channel.enabled, (Channel.queue_id == queue.id) | (Channel.id == queue.reply_channel_id)
    )
    found = db.session.scalars(query.order_by(Channel.position, Channel.id)).all()
    able = [channel for channel in found if can(channel).writes and can(channel).begins_with == namespace]
    able.sort(key=lambda channel: channel.id != queue.reply_channel_id)  # the named one goes before all others
    return able[0] if able else None


def begin_conversation(project_id: int, channel: Channel, customer: Customer, subject: str, key: str) -> Conversation:
    """A new conversation, its id taken; nobody else can know it yet, so it counts as locked until the transaction ends.

    `{id}` in `key` becomes the conversation's id.
    """
    conversation_id = new_id(Conversation)
    conversation = Conversation(
        id=conversation_id,
        project_id=project_id,
        channel=channel,
        channel_id=channel.id,
        customer=customer,
        customer_id=customer.id,
        key=key.replace("{id}", str(conversation_id)),
        subject=subject,
        last_seq=0,
    )
    db.session.add(conversation)
    _locked()[conversation.id] = conversation
    return conversation


def lock_conversation(conversation_id: int) -> Conversation:
    """Lock the conversation's row until the present transaction ends, so that those who write in it keep order."""
    return lock_conversations([conversation_id])[conversation_id]


def lock_conversations(ids: Collection[int]) -> dict[int, Conversation]:
    """Lock several conversations, always in the same order, so that two batches never wait for each other."""
    locked = _locked()
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


def _locked() -> dict[int, Conversation]:
    """The conversations that the present transaction holds, by id."""
    locked: dict[int, Conversation] = db.session().info.setdefault("locked", {})
    return locked
