"""What rules do to a ticket, and how it becomes spam and comes back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.definitions import FieldDefinition, definitions, ensure_item
from helpdesk.models.event import RuleFired
from helpdesk.models.field_values import plain_value, read_value
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

    def follow_rule(self, fired: RuleFired, fields: Mapping[str, Any] | None = None) -> None:
        """Let a rule that fired on the message that opened this ticket do what it says beside queue and priority.

        `fields` are values of the ticket's own fields as the rule holds them; those that cannot be taken are named in
        the history.
        """
        values, refused = _fitting(self.queue_id, fields or {})
        told = [[one.label, plain_value(one, value) or ""] for one, value in values.items()]
        with self.changing(None, replace(fired, fields=told or None, fields_refused=refused or None)):
            if values:
                self.fields = {**(self.fields or {}), **{one.key: value for one, value in values.items()}}
            if fired.request_type:
                self.request_type_id = ensure_item(ListName.TYPE, fired.request_type)
            for name in fired.tags or []:
                db.session.add(TicketTag(ticket=self, tag_id=tag_id(name)))
        if values:
            self.reindex(former=())  # it was just opened, and its former numbers are learnt later

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


def _fitting(queue_id: int, fields: Mapping[str, Any]) -> tuple[dict[FieldDefinition, Any], list[str]]:
    """The values that tickets of a queue take now by their fields, and the labels of the others."""
    shown = {field.key: field for field in definitions().of_ticket(queue_id)} if fields else {}
    values: dict[FieldDefinition, Any] = {}
    refused: list[str] = []
    for key, stored in fields.items():
        known = definitions().fields.get(int(key))
        try:
            value = read_value(shown[key], stored) if key in shown else None
        except Refused:
            value = None
        if value is None:
            refused.append(known.label if known else key)
        else:
            values[shown[key]] = value
    return values, refused
