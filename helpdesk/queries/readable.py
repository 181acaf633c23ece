"""Messages and files through what a user may see: access is the lookup."""

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Attachment, Draft, Message, Ticket, User
from helpdesk.permissions import visible


def readable(user: User) -> ColumnElement[bool]:
    """The condition on `Message`: on a ticket that `user` may see, or on none beside one in its conversation."""
    seen = or_(
        Ticket.id == Message.ticket_id,
        and_(Message.ticket_id.is_(None), Ticket.conversation_id == Message.conversation_id),
    )
    return exists().where(seen, visible(user))


def ticket_id_of(message: Message) -> int | None:
    """The ticket that shows a message: its own, or the last one of its conversation for what stands beside them all."""
    if message.ticket_id is not None:
        return message.ticket_id
    return db.session.scalar(select(func.max(Ticket.id)).where(Ticket.conversation_id == message.conversation_id))


def get_message(user: User, message_id: int) -> Message:
    """The message as `user` may read it. Raises NotFound when it is absent or hidden."""
    message = db.session.scalar(select(Message).where(Message.id == message_id, readable(user)))
    if message is None:
        raise NotFound(_("There is no such message."))
    return message


def get_attachment(user: User, attachment_id: int) -> Attachment:
    """The file as `user` may read it: of a readable message, or of their own draft. Raises NotFound."""
    of_message = exists().where(Message.id == Attachment.message_id, readable(user))
    of_draft = exists().where(Draft.id == Attachment.draft_id, Draft.user_id == user.id)
    attachment = db.session.scalar(select(Attachment).where(Attachment.id == attachment_id, or_(of_message, of_draft)))
    if attachment is None:
        raise NotFound(_("There is no such file."))
    return attachment
