"""Tickets that have to do with each other: related, parent and children, follow-up, duplicate. Both histories tell."""

from enum import StrEnum
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload

from helpdesk import live
from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.models.event import Unlinked
from helpdesk.models.ticket.core import Actor
from helpdesk.models.ticket.described import Described, TicketLink
from helpdesk.models.ticket.states import Kind

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MOST_LINKS = 200
MOST_LEVELS = 50


class Tie(StrEnum):
    """What another ticket is to this one, as a person says it."""

    RELATED = "related"
    PARENT = "parent"
    CHILD = "child"
    FOLLOWS = "follow-up"
    DUPLICATE = "duplicate"


PARENT_OF = "parent"  # stored: `from` is the parent of `to`
SPLIT_OFF = "split"  # stored: `from` was split off `to`


class Tied(Described):
    """Verbs of ties between tickets."""

    def tie(self, by: Actor, other: "Ticket", what: Tie) -> None:
        """Say what `other` is to this ticket: related to it, its parent or child, what it follows, or its duplicate.

        Raises Refused for a tie to itself or one that makes a ticket its own ancestor, Conflict where it is there.
        """
        if self.id == other.id:
            raise Refused(_("A ticket cannot be linked with itself."))
        start, end, how = (other, self, PARENT_OF) if what == Tie.PARENT else (self, other, str(what))
        if what == Tie.CHILD:
            how = PARENT_OF
        if self._tie_between(other, how) is not None:
            raise Conflict(_("These tickets are linked in this way already."))
        if how == PARENT_OF:
            _check_parent(start, end)
        if len(self.ties()) >= MOST_LINKS:
            raise Refused(_("A ticket has at most %(count)s links.", count=MOST_LINKS))
        start.link(by, other if start is self else self, how)
        db.session.flush()
        live.touch(f"ticket:{self.id}", f"ticket:{other.id}")

    def untie(self, by: Actor, link_id: int) -> None:
        """Take a link away, from both. Raises NotFound where the ticket has no such link."""
        link = db.session.get(TicketLink, link_id)
        if link is None or self.id not in {link.from_id, link.to_id}:
            raise NotFound(_("There is no such link."))
        other = link.to_ticket if link.from_id == self.id else link.from_ticket
        self.record(by, Unlinked(other.id, link.how))
        other.record(by, Unlinked(self.id, link.how))
        db.session.delete(link)
        db.session.flush()
        live.touch(f"ticket:{self.id}", f"ticket:{other.id}")

    def ties(self) -> list[TicketLink]:
        """The ticket's links in both directions with the other tickets, the oldest first."""
        both = or_(TicketLink.from_id == self.id, TicketLink.to_id == self.id)
        query = select(TicketLink).where(both).order_by(TicketLink.id).limit(MOST_LINKS)
        return list(
            db.session.scalars(query.options(joinedload(TicketLink.from_ticket), joinedload(TicketLink.to_ticket)))
        )

    def open_children(self) -> int:
        """How many of its children are not finished."""
        table = type(self)
        query = select(func.count()).select_from(TicketLink).join(table, table.id == TicketLink.to_id)
        mine = (TicketLink.from_id == self.id, TicketLink.how == PARENT_OF, table.kind != Kind.FINISHED)
        return db.session.scalar(query.where(*mine)) or 0

    def children_text(self) -> str:
        """How many children are open, in words; empty when none is."""
        count = self.open_children()
        return ngettext("%(num)s child ticket is open.", "%(num)s child tickets are open.", count) if count else ""

    def _tie_between(self, other: "Ticket", how: str) -> int | None:
        """The link of this kind between the two, in whichever direction."""
        pairs = or_(
            (TicketLink.from_id == self.id) & (TicketLink.to_id == other.id),
            (TicketLink.from_id == other.id) & (TicketLink.to_id == self.id),
        )
        return db.session.scalar(select(TicketLink.id).where(pairs, TicketLink.how == how).limit(1))


def _check_parent(parent: Described, child: Described) -> None:
    """Raises Refused where the child has a parent, or is an ancestor of what would become its parent."""
    if _parent_of(child.id) is not None:
        raise Refused(_("Ticket %(number)s has a parent already. Take that link away first.", number=child.number))
    above: int | None = parent.id
    for _step in range(MOST_LEVELS):
        above = _parent_of(above) if above is not None else None
        if above is None:
            return
        if above == child.id:
            raise Refused(_("Ticket %(number)s stands above this one already.", number=child.number))
    raise Refused(_("There are too many levels of parents."))


def _parent_of(ticket_id: int) -> int | None:
    above = (TicketLink.to_id == ticket_id, TicketLink.how == PARENT_OF)
    return db.session.scalar(select(TicketLink.from_id).where(*above).limit(1))
