"""Messages and files through what a user may see: access is the lookup."""

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Attachment, Draft, Message, Ticket, User
from helpdesk.permissions import visible


def readable(user: User) -> ColumnElement[bool]:
    """The condition on `Message`: on a ticket that `user` may see, or on none beside one in its conversation.

    What is on a merged ticket may be read by those who see where it is shown.
    """
    own = aliased(Ticket)
    shown = select(own.shown_on_id).where(own.id == Message.ticket_id).correlate(Message).scalar_subquery()
    seen = or_(
        Ticket.id == Message.ticket_id,
        Ticket.id == shown,
        and_(Message.ticket_id.is_(None), Ticket.conversation_id == Message.conversation_id),
    )
    return exists().where(seen, visible(user))


def ticket_id_of(message: Message) -> int | None:
    """The ticket that shows a message: its own, or the last one of its conversation for what stands beside them all.

    Where that was merged, the one that it was merged into.
    """
    ticket_id = message.ticket_id
    if ticket_id is None:
        last = select(func.max(Ticket.id)).where(Ticket.conversation_id == message.conversation_id)
        ticket_id = db.session.scalar(last.where(Ticket.merged_into_id.is_(None))) or db.session.scalar(last)
    if ticket_id is None:
        return None
    return db.session.scalar(select(func.coalesce(Ticket.shown_on_id, Ticket.id)).where(Ticket.id == ticket_id))


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
