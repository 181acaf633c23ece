"""Plain facts of a ticket: title, priority, group, tags, links, people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from sqlalchemy import ForeignKey, UniqueConstraint, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Now, db
from helpdesk.errors import Refused
from helpdesk.models.event import FieldChanged, Linked, PeopleChanged, Tagged
from helpdesk.models.field_values import searchable
from helpdesk.models.former import former_numbers_of
from helpdesk.models.search import index_document
from helpdesk.models.ticket.core import Actor
from helpdesk.models.ticket.fielded import Fielded
from helpdesk.models.ticket.states import Priority
from helpdesk.models.user import Group, User

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MOST_TITLE = 500
MOST_TAGS = 30


class Tag(Model):
    """A free word that sorts tickets."""

    __tablename__ = "tags"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)


class TicketTag(Model):
    """A tag on a ticket."""

    __tablename__ = "ticket_tags"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True)

    ticket: Mapped["Ticket"] = relationship()  # so that the tag of a new ticket is written after the ticket


class TicketLink(Model):
    """Two tickets that have to do with each other; `how` is follow-up, related, ..."""

    __tablename__ = "ticket_links"
    __table_args__ = (UniqueConstraint("from_id", "to_id", "how"),)

    id: Mapped[Id]
    from_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    to_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), index=True)
    how: Mapped[str]
    at: Mapped[Now]

    from_ticket: Mapped["Ticket"] = relationship(foreign_keys=[from_id])
    to_ticket: Mapped["Ticket"] = relationship(foreign_keys=[to_id])


class TicketPerson(Model):
    """An operator who takes part in a ticket beside its owner, and may see it wherever it goes."""

    __tablename__ = "ticket_people"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)


class Described(Fielded):
    """Verbs that change plain facts; each is an event with before and after."""

    def retitle(self, by: Actor, title: str) -> None:
        """Give the ticket another title, 1 to 500 characters."""
        title = " ".join(title.split())
        if not title or len(title) > MOST_TITLE:
            raise Refused(_("A title has between 1 and 500 characters."))
        self._set(by, "title", title, self.title, title)
        self.reindex()

    def reindex(self, former: Iterable[str] | None = None) -> None:
        """Make the ticket findable by its numbers, title and customer as they are now, in the present transaction.

        `former` are its numbers of a former system, where the caller knows them.
        """
        numbers = " ".join(former_numbers_of(self.id) if former is None else former)
        names = f"{self.number} {self.number_key} {numbers} {self.customer.name}"
        text = f"{self.title}\n{searchable(self.fields)}" if self.fields else self.title
        index_document("ticket", self.id, self.id, text, names)

    def prioritise(self, by: Actor, priority: int) -> None:
        """Change the priority, 1 (urgent) to 4 (low). It moves the ticket only where the queue orders by it."""
        if priority not in Priority.ALL:
            raise Refused(_("The priority is urgent, high, normal or low."))
        if priority == self.priority:
            return
        with self.changing(by, FieldChanged("priority", str(self.priority), str(priority))):
            self.priority = priority
            self.line_class = priority if self.queue.by_priority else 0

    def give_to_group(self, by: Actor, group: Group | None) -> None:
        """Make a team responsible; the owner stays."""
        before = self.group.name if self.group else None
        self._set(by, "group_id", group.id if group else None, before, group.name if group else None)

    def retag(self, by: Actor, names: list[str]) -> None:
        """Make `names` the tags of the ticket: at most 30, up to 50 characters each, in lower case."""
        wanted = {" ".join(name.split()).lower() for name in names if name.strip()}
        if len(wanted) > MOST_TAGS or any(len(name) > 50 for name in wanted):
            raise Refused(_("A ticket has at most 30 tags of up to 50 characters."))
        present = set(self.tags)
        added, removed = sorted(wanted - present), sorted(present - wanted)
        if not added and not removed:
            return
        with self.changing(by, Tagged(added, removed)):
            gone = select(Tag.id).where(Tag.name.in_(removed))
            db.session.execute(delete(TicketTag).where(TicketTag.ticket_id == self.id, TicketTag.tag_id.in_(gone)))
            for name in added:
                db.session.add(TicketTag(ticket_id=self.id, tag_id=tag_id(name)))
            db.session.flush()

    @property
    def tags(self) -> list[str]:
        """Names of the ticket's tags, sorted."""
        query = select(Tag.name).join(TicketTag, TicketTag.tag_id == Tag.id).where(TicketTag.ticket_id == self.id)
        return sorted(db.session.scalars(query))

    def link(self, by: Actor, other: "Described", how: str) -> None:
        """Tie the ticket to another one; both histories say so."""
        db.session.add(TicketLink(from_ticket=self, to_ticket=other, how=how))
        self.record(by, Linked(other.id, how))
        other.record(by, Linked(self.id, how))

    def add_person(self, by: Actor, user: User, message_id: int | None = None) -> None:
        """Let an operator take part; they may see the ticket from now on. `message_id` is what says so, if any."""
        if db.session.get(TicketPerson, (self.id, user.id)) is not None:
            return
        with self.changing(by, PeopleChanged(user.id, added=True, message_id=message_id)):
            db.session.add(TicketPerson(ticket_id=self.id, user_id=user.id))

    def remove_person(self, by: Actor, user: User) -> None:
        """Take an operator out of the ticket's participants."""
        row = db.session.get(TicketPerson, (self.id, user.id))
        if row is None:
            return
        with self.changing(by, PeopleChanged(user.id, added=False)):
            db.session.delete(row)

    def _set(self, by: Actor, column: str, value: object, before: str | None, after: str | None) -> None:
        if getattr(self, column) == value:
            return
        with self.changing(by, FieldChanged(column.removesuffix("_id"), before, after)):
            setattr(self, column, value)


def tag_id(name: str) -> int:
    """The tag's id, made where it is new; somebody else may be making it at this moment."""
    db.session.execute(insert(Tag).values(name=name).on_conflict_do_nothing())
    return db.session.execute(select(Tag.id).where(Tag.name == name)).scalar_one()
