"""What rules do to a ticket, and how it becomes spam and comes back."""

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.definitions import ensure_item
from helpdesk.models.event import RuleFired
from helpdesk.models.lists import ListName
from helpdesk.models.message import Message, MessageKind
from helpdesk.models.ticket.core import Actor
from helpdesk.models.ticket.described import TicketTag, tag_id
from helpdesk.models.ticket.stateful import Stateful
from helpdesk.models.ticket.states import State
from helpdesk.models.user import User

BY_HAND = "person"


class Ruled(Stateful):
    """Verbs of the way in."""

    def follow_rule(self, fired: RuleFired) -> None:
        """Let a rule that fired on the message that opened this ticket do what it says beside queue and priority."""
        with self.changing(None, fired):
            if fired.request_type:
                self.request_type_id = ensure_item(ListName.TYPE, fired.request_type)
            for name in fired.tags or []:
                db.session.add(TicketTag(ticket=self, tag_id=tag_id(name)))

    def file_as_spam(self, by: Actor, cause: str = BY_HAND) -> None:
        """Finish the ticket as spam: it is nobody's work, and nothing is ever answered on it.

        `cause` says who found that: person, or of the way in rule, blocked, server, flood.
        """
        self._move_to(State.SPAM, by, cause=None if cause == BY_HAND else f"spam: {cause}")
        self.spam_cause = cause

    def rescue(self, by: User) -> None:
        """It is no spam: put the ticket back into its line, with the place that its customer's messages give it.

        Raises Refused when it is no spam, Conflict when another ticket of the conversation is active.
        """
        if self.state != State.SPAM:
            raise Refused(_("This ticket is not marked as spam."))
        heard = select(func.max(Message.at)).where(
            Message.ticket_id.in_(self.family), Message.kind == MessageKind.INBOUND, Message.nature == "human"
        )
        last = db.session.scalar(heard)
        self.reopen(by, "not spam")
        with self.changing(by):
            self.last_customer_at = last or self.last_customer_at
