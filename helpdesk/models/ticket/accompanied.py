"""Whom a ticket is with: its customer, and those who take part in the conversation beside them."""

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models.channel import is_own_address
from helpdesk.models.conversation import Participant
from helpdesk.models.customer import Customer
from helpdesk.models.event import FieldChanged, ParticipantChanged
from helpdesk.models.inbound import Tally
from helpdesk.models.message import Message, MessageKind
from helpdesk.models.ticket.core import Actor
from helpdesk.models.ticket.described import Described
from helpdesk.models.writing import EMAIL, join, lock_conversation

ON_BEHALF = "on_behalf"


class Accompanied(Described):
    """Verbs about the people outside who are part of a ticket."""

    def bring_in(self, by: Actor, address: str, name: str = "", role: str = "cc") -> None:
        """Let an address take part in the conversation: it is written to with every answer, and its mails join.

        Raises Refused for an address of ours.
        """
        if is_own_address(address):
            raise Refused(_("%(address)s is one of our own addresses and cannot take part.", address=address))
        if join(lock_conversation(self.conversation_id), address, name, role):
            with self.changing(by, ParticipantChanged(address, added=True)):
                pass

    def take_out(self, by: Actor, address: str) -> None:
        """Take an address out of the conversation for good: nobody brings it back but an operator. Raises NotFound."""
        here = Participant.conversation_id == self.conversation_id
        part = db.session.scalar(select(Participant).where(here, func.lower(Participant.address) == address.lower()))
        if part is None:
            raise NotFound(_("This address takes no part in the conversation."))
        if not part.removed:
            with self.changing(by, ParticipantChanged(part.address, added=False)):
                part.removed = True

    def change_customer(self, by: Actor, customer: Customer, keep_former: bool = False) -> None:
        """Say whose conversation this is, because a colleague or partner forwarded what `customer` had written.

        All tickets of the conversation go over. The former customer is written to no more unless they are kept; what
        they wrote stays theirs and does not say where answers go. Raises Refused for a blocked customer.
        """
        customer = customer.as_merged()
        if customer.blocked:
            raise Refused(_("%(name)s is blocked. Unblock them on their page first.", name=customer.name))
        conversation = lock_conversation(self.conversation_id)
        former = conversation.customer
        if former.id == customer.id:
            return
        tickets = self._of_conversation()
        for ticket in tickets:
            with ticket.changing(by, FieldChanged("customer", former.name, customer.name)):
                ticket.customer, ticket.customer_id = customer, customer.id
        conversation.customer, conversation.customer_id = customer, customer.id
        for whose, delta in ((former, -len(tickets)), (customer, len(tickets))):
            Tally.add(f"customer:{whose.id}", "tickets", delta)
        self._hand_over_voice(former, customer, keep_former)
        db.session.flush()
        for ticket in tickets:
            ticket.reindex()

    def _of_conversation(self) -> "list[Accompanied]":
        """All tickets of the conversation, locked; who changes one of them holds the conversation first."""
        db.session.flush()
        table = type(self)
        query = select(table).where(table.conversation_id == self.conversation_id).order_by(table.id)
        locked = query.with_for_update(of=table, key_share=True).execution_options(populate_existing=True)
        return list(db.session.scalars(locked))

    def _hand_over_voice(self, former: Customer, customer: Customer, keep_former: bool) -> None:
        """What the former customer wrote was on another's behalf; what the new one wrote is their own word."""
        conversation = lock_conversation(self.conversation_id)
        heard = select(Message).where(
            Message.conversation_id == conversation.id,
            Message.kind == MessageKind.INBOUND,
            Message.customer_id.in_([former.id, customer.id]),
        )
        for message in db.session.scalars(heard):
            own = {name: value for name, value in message.facts.items() if name != ON_BEHALF}
            message.facts = own if message.customer_id == customer.id else own | {ON_BEHALF: customer.id}
        theirs = {one.value.lower() for one in former.identities if one.namespace == EMAIL}
        for part in conversation.participants:
            if part.address.lower() in theirs and not keep_former:
                part.removed = True
        for identity in [one for one in customer.identities if one.namespace == EMAIL][:1]:
            join(conversation, identity.value, customer.name, "from")
