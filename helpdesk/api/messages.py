"""What is said on a ticket: read it, answer, leave a note."""

from typing import Annotated, Literal

from flask_babel import gettext as _
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from helpdesk import clock, permissions
from helpdesk.api import cursors
from helpdesk.api.framework import Caller, Noun
from helpdesk.api.schemas import Address, Id, In, Moment, Out, Paged, Words
from helpdesk.api.tickets import locked
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import DeliveryState, Message, MessageKind, Reply, Scope
from helpdesk.models.message import Attachment
from helpdesk.models.ticket.spoken import MOST_BODY
from helpdesk.queries.readable import get_message
from helpdesk.signed_links import file_link
from helpdesk.views.composing import MOST_RECIPIENTS, recipients

noun = Noun("messages", "What is said on a ticket: by customers, to customers, and among colleagues.")

Recipients = Annotated[list[Address], Field(max_length=MOST_RECIPIENTS)]
Body = Annotated[Words, Field(min_length=1, max_length=MOST_BODY)]


class ReplyIn(In):
    """A letter to the customer. It leaves after the time in which it can be taken back."""

    body: Annotated[Body, Field(description="Plain text.")]
    to: Annotated[Recipients | None, Field(description="Nothing: whoever wrote last, as on the screen.")] = None
    cc: Annotated[Recipients | None, Field(description="Nothing: all others who take part.")] = None
    seen_id: Annotated[
        Id | None,
        Field(
            description="The last message that you read. Was something said since, the answer is 409 and `facts.unseen`"
            " holds the ids; without it nothing is checked."
        ),
    ] = None


class NoteIn(In):
    """A note for colleagues; customers never see it."""

    body: Body


class Author(Out):
    """Who says it."""

    kind: Literal["user", "customer", "system"]
    id: Id | None
    name: str


class RecipientsOut(Out):
    """Where it went."""

    to: list[str]
    cc: list[str]


class FileOut(Out):
    """A file of a message. Its `url` can be fetched for ten minutes, without a token."""

    id: Id
    name: Annotated[str, Field(description="As its sender calls it.")]
    type: Annotated[str, Field(description="What its sender says that it is; nobody checked.")]
    size: int
    inline: bool
    url: str


class EventOut(Out):
    """What a customer did elsewhere, as another system told it."""

    what: Annotated[str, Field(description="subscribed, payment-ok, funnel-start, ...")]
    details: dict[str, str]


class MessageOut(Out):
    """One thing said on a ticket. `reply` and `inbound` are the customer's conversation, the rest is for colleagues."""

    id: Id
    ticket_id: Id
    seq: Annotated[int, Field(description="Rises within the conversation.")]
    kind: MessageKind
    at: Moment
    author: Author
    subject: str
    text: str
    nature: Annotated[str, Field(description="human, auto-reply, bounce, ...")]
    sender: str
    recipients: RecipientsOut
    delivery: Annotated[DeliveryState | None, Field(description="What is known of its way to the customer.")]
    delivery_note: str | None
    event: Annotated[EventOut | None, Field(description="Of a message of the kind `event`.")]
    files: list[FileOut]


class MessagePage(Out):
    """A page of messages, oldest first; `next_cursor` is null at the end."""

    items: list[MessageOut]
    next_cursor: str | None


WITH_ALL = (joinedload(Message.user), joinedload(Message.customer), selectinload(Message.attachments))


@noun.get("/tickets/{ticket_id}/messages", scope=Scope.TICKETS_READ, answer=MessagePage, query=Paged)
def index(caller: Caller, ticket_id: int, query: Paged) -> MessagePage:
    """List what was said on a ticket and on those merged into it, oldest first: letters, answers and notes."""
    ticket = permissions.get_ticket(caller.user, ticket_id)
    chosen = select(Message).where(Message.ticket_id.in_(ticket.family)).order_by(Message.id)
    after = cursors.after_id(query.cursor)
    if after is not None:
        chosen = chosen.where(Message.id > after)
    found = db.session.scalars(chosen.options(*WITH_ALL).limit(query.limit + 1)).all()
    page, more = cursors.cut(found, query.limit)
    return MessagePage(items=[_shape(caller, message) for message in page], next_cursor=more)


@noun.get("/messages/{message_id}", scope=Scope.TICKETS_READ, answer=MessageOut)
def show(caller: Caller, message_id: int) -> MessageOut:
    """Read one message; its files get fresh links."""
    message = get_message(caller.user, message_id)
    if message.ticket_id is None:
        raise NotFound(_("There is no such message."))
    return _shape(caller, message)


@noun.post("/tickets/{ticket_id}/replies", scope=Scope.TICKETS_WRITE, answer=MessageOut, status=201, body=ReplyIn)
def reply(caller: Caller, ticket_id: int, body: ReplyIn) -> MessageOut:
    """Write to the customer.

    The owner of an active ticket may, and who takes part in it: claim it first.
    """
    ticket = locked(caller, ticket_id)
    by_default = recipients(ticket)
    to = list(dict.fromkeys(body.to or [])) or by_default[0]
    copies = by_default[1] if body.cc is None else dict.fromkeys(body.cc)
    cc = [address for address in copies if address not in to]
    message = ticket.reply(caller.user, Reply(body=body.body, to=to, cc=cc, seen_id=body.seen_id))
    return _fresh(caller, message)


@noun.post("/tickets/{ticket_id}/notes", scope=Scope.TICKETS_WRITE, answer=MessageOut, status=201, body=NoteIn)
def note(caller: Caller, ticket_id: int, body: NoteIn) -> MessageOut:
    """Leave a note for colleagues, in whatever state the ticket is."""
    return _fresh(caller, locked(caller, ticket_id).note(caller.user, body.body))


def _fresh(caller: Caller, message: Message) -> MessageOut:
    db.session.flush()
    db.session.refresh(message)
    return _shape(caller, message)


def _shape(caller: Caller, message: Message) -> MessageOut:
    assert message.ticket_id is not None
    links = [_file(caller, file) for file in message.attachments]
    return MessageOut(
        id=message.id,
        ticket_id=message.ticket_id,
        seq=message.seq,
        kind=MessageKind(message.kind),
        at=message.at,
        author=_author(message),
        subject=message.subject,
        text=message.text,
        nature=message.nature,
        sender=message.sender,
        recipients=RecipientsOut(
            to=_addresses(message.recipients.get("to")), cc=_addresses(message.recipients.get("cc"))
        ),
        delivery=DeliveryState(message.delivery) if message.delivery else None,
        delivery_note=message.delivery_note,
        event=_event(message),
        files=links,
    )


def _event(message: Message) -> EventOut | None:
    if message.kind != MessageKind.EVENT:
        return None
    return EventOut(what=str(message.facts.get("event", "")), details=message.facts.get("details") or {})


def _addresses(found: object) -> list[str]:
    """Addresses of a message's recipients, however its adapter keeps them."""
    if not isinstance(found, list):
        return []
    return [one if isinstance(one, str) else str(one.get("address", "")) for one in found]


def _author(message: Message) -> Author:
    if message.user is not None:
        return Author(kind="user", id=message.user.id, name=message.user.name)
    if message.customer is not None:
        return Author(kind="customer", id=message.customer.id, name=message.customer.name)
    return Author(kind="system", id=None, name=message.sender_name)


def _file(caller: Caller, file: Attachment) -> FileOut:
    link = file_link(file, caller.user.id, clock.now())
    return FileOut(
        id=file.id,
        name=file.name,
        type=file.type,
        size=file.size,
        inline=file.inline,
        url=link if settings().files_url else f"{settings().public_url}{link}",
    )


