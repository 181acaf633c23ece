"""Writing into a conversation outside any ticket: nothing is reopened for a word that makes no work."""

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.conversation import Conversation
from helpdesk.models.event import WroteBeside
from helpdesk.models.message import Message
from helpdesk.models.ticket import Ticket
from helpdesk.models.user import User
from helpdesk.models.writing import Reply, check_reply, join, lock_conversation, make_findable, reply_channel, say_reply


def write_beside(conversation: Conversation, by: User, reply: Reply) -> Message:
    """The work of `Conversation.write`. The conversation's last ticket shows the message and its way."""
    conversation = lock_conversation(conversation.id)
    last = _last_ticket(conversation)
    check_reply(reply)
    queue = last.queue if last is not None else conversation.channel.queue
    channel = reply_channel(queue, conversation.channel)
    if channel is None:
        raise Refused(_("Nothing can be sent in this conversation: its queue has no mailbox to write from."))
    message = say_reply(conversation, by, reply, channel, None)
    make_findable(message, last.id if last is not None else None)
    for address in message.recipients["to"] + message.recipients["cc"]:
        join(conversation, address)
    if last is not None:
        with last.changing(by, WroteBeside(message.id)):
            pass
    return message


def _last_ticket(conversation: Conversation) -> Ticket | None:
    """The conversation's last ticket, locked. Raises Conflict while any of its tickets is active."""
    rival = db.session.scalar(select(Ticket).where(Ticket.occupies == f"conv:{conversation.id}"))
    if rival is not None:
        raise Conflict(
            _("Ticket %(number)s of this conversation is active. Write there.", number=rival.number_text),
            ticket_id=rival.id,
        )
    db.session.flush()
    query = select(Ticket).where(Ticket.conversation_id == conversation.id).order_by(Ticket.id.desc()).limit(1)
    locked = query.with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
    return db.session.scalar(locked)
