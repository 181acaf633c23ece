"""Who follows a ticket, and what they are told. Following gives nobody a right that they have not."""

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.db import Model, Now, db
from helpdesk.models.customer import Customer
from helpdesk.models.event import CustomerWrote, Fact, Replied, StateChanged
from helpdesk.models.notice import Notice, tell_people
from helpdesk.models.user import User

if TYPE_CHECKING:
    from helpdesk.models.ticket.core import TicketCore

WATCHED = "ticket.watched"  # the kind of their notices; `what` is the kind of fact
TOLD = frozenset(
    {
        *("message.inbound", "message.reply", "message.note", "ticket.state", "ticket.claimed", "ticket.handed_over"),
        *("ticket.released", "ticket.moved", "ticket.merged", "ticket.unmerged", "ticket.split", "ticket.unsplit"),
    }
)


class TicketWatcher(Model):
    """An operator who wants to know what happens on a ticket."""

    __tablename__ = "ticket_watchers"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    at: Mapped[Now]


def tell_watchers(ticket: "TicketCore", by: User | Customer | None, fact: Fact) -> None:
    """Let those who follow the ticket know of a fact, but for who did it.

    Whoever has not seen an earlier notice of the same kind about the ticket is not told again.
    """
    if not ticket.watched or fact.kind not in TOLD or _is_noise(fact):
        return
    who = select(TicketWatcher.user_id).where(TicketWatcher.ticket_id == ticket.id)
    unseen = select(Notice.user_id).where(
        Notice.ticket_id == ticket.id,
        Notice.kind == WATCHED,
        Notice.seen_at.is_(None),
        Notice.payload["what"].astext == fact.kind,
    )
    author_id = by.id if isinstance(by, User) else None
    ids = [id_ for id_ in db.session.scalars(who.where(TicketWatcher.user_id.not_in(unseen))) if id_ != author_id]
    after = fact.after if isinstance(fact, StateChanged) else None
    more = {"after": str(after)} if after else {}
    tell_people(ids, WATCHED, ticket.id, what=fact.kind, name=by.name if by is not None else "", **more)


def _is_noise(fact: Fact) -> bool:
    """What no person said: automatic mail of either side."""
    if isinstance(fact, CustomerWrote):
        return fact.nature != "human"
    return isinstance(fact, Replied) and fact.automatic
