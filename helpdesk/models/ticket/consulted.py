"""Colleagues who are called in: each may be added, told something, or both. Customers never see any of it."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from flask_babel import gettext as _

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.message import Attachment, Message, MessageKind
from helpdesk.models.notice import tell_people
from helpdesk.models.task import STARTS_IN, TaskKind, make_task
from helpdesk.models.ticket.described import Described, TicketPerson
from helpdesk.models.ticket.spoken import Spoken
from helpdesk.models.user import User
from helpdesk.models.writing import lock_conversation, make_findable, say

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

# Facts of a note or a system line: who was named in its text, and who was added with it.
MENTIONS = "mentions"
ADDED = "added"

MOST_PEOPLE = 20


class Consulted(Spoken, Described):
    """Verbs about colleagues on a ticket."""

    def consult(
        self,
        by: User,
        people: Collection[User],
        words: str = "",
        files: list[Attachment] | None = None,
        mentions: list[dict[str, Any]] | None = None,
        also_told: Collection[User] = (),
    ) -> Message:
        """Call `people` in, leave `words` for colleagues, or both in one note. Returns the note, or the line without.

        Whoever is new on the ticket may see it from now on and has a task that begins in five minutes. `mentions` are
        the names in the text, each {"user" or "group": id, "name": as written}. `also_told` are told and nothing else.
        Raises Refused without either, and for more than 20 people.
        """
        called = {one.id: one for one in people if one.id != by.id}
        if not called and not words.strip() and not files:
            raise Refused(_("Choose a colleague, write a comment, or both."))
        if len(called) > MOST_PEOPLE:
            raise Refused(_("At most %(count)s colleagues can be added at once.", count=MOST_PEOPLE))
        gone = next((one for one in called.values() if not one.active or one.system), None)
        if gone is not None:
            raise Refused(_("%(name)s does not work here any more.", name=gone.name))
        added = [one for one in called.values() if not self.has_colleague(one)]
        message = self.note(by, words, files) if words.strip() or files else self._added_line(by, added)
        message.facts = (message.facts or {}) | {
            name: value
            for name, value in ((MENTIONS, mentions), (ADDED, [{"user": one.id, "name": one.name} for one in added]))
            if value
        }
        due_at = clock.now() + STARTS_IN
        for one in added:
            self.add_person(by, one, message.id)
            make_task(by, one, self.title, due_at, cast("Ticket", self), kind=TaskKind.ADDED)
        told = {"name": by.name, "message_id": message.id}
        kind = "colleague.mentioned" if words.strip() else "colleague.added"
        tell_people([one.id for one in added], kind, self.id, **told, task_at=due_at.isoformat())
        others = {one.id for one in (*called.values(), *also_told)} - {one.id for one in added} - {by.id}
        tell_people(others, kind, self.id, **told)
        return message

    def call_in(self, by: User, people: Collection[User]) -> None:
        """Add those of `people` who do not take part yet, without words: colleagues are told, oneself needs nothing."""
        new = [one for one in people if not self.has_colleague(one)]
        if by in new:
            self.add_person(by, by)
        if others := [one for one in new if one.id != by.id]:
            self.consult(by, others)

    def has_colleague(self, user: User) -> bool:
        """Whether the ticket is theirs already: as its owner, or as somebody who takes part."""
        return self.owner_id == user.id or db.session.get(TicketPerson, (self.id, user.id)) is not None

    def _added_line(self, by: User, added: list[User]) -> Message:
        """The line for operators that says who was added; its sentence is made for each reader."""
        if not added:
            raise Refused(_("They take part already. Write a comment to tell them something."))
        names = ", ".join(one.name for one in added)
        message = say(lock_conversation(self.conversation_id), MessageKind.SYSTEM, by, names, "", self)
        make_findable(message, self.shown_on_id or self.id)
        return message
