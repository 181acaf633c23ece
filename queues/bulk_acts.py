"""What can be done to many tickets at once. Each act is the ordinary verb on one ticket, with what is said about it
before (why it would not change this one) and what takes it back.

`why_not` reads and locks nothing: it is for the preview. `do` and `undo` lock in the usual order (queue, operator,
conversation, ticket) and leave the commit to the caller; they raise what the verb raises.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from flask_babel import gettext as _

from helpdesk import clock, permissions
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models import Queue, Right, State, Ticket, User
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.line import position
from queues import fifo

MOST_REASON = 300

Before = dict[str, Any]


class Act:
    """One act with its settings."""

    code: ClassVar[str]

    def why_not(self, user: User, ticket: Ticket) -> str:
        """Why the ticket would stay as it is, as a sentence; "" when it would change."""
        raise NotImplementedError

    def do(self, user: User, ticket_id: int) -> Before:
        """Change the ticket. Returns what `undo` needs."""
        raise NotImplementedError

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        """Put the ticket back, unless somebody changed it meanwhile."""
        raise NotImplementedError


@dataclass(frozen=True)
class Assign(Act):
    """Give the tickets to somebody. Those in `free` were nobody's in the preview: they are taken from nobody."""

    to: User
    reason: str
    free: frozenset[int] = frozenset()
    code: ClassVar[str] = "assign"

    def why_not(self, user: User, ticket: Ticket) -> str:
        if ticket.kind == Kind.FINISHED:
            return finished()
        if ticket.owner_id == self.to.id:
            return _("%(name)s has it already", name=self.to.name)
        if Right.WORK not in permissions.rights(self.to, ticket.queue_id):
            return _("%(name)s may not work in its queue", name=self.to.name)
        if ticket.queue.strict and not self.reason and (position(ticket) or 1) > 1:
            return _("others wait longer in its queue: say why this one goes first")
        return ""

    def do(self, user: User, ticket_id: int) -> Before:
        seen = standing(user, ticket_id)
        owner_id = seen.owner_id
        if owner_id == self.to.id:
            raise Conflict(_("%(name)s has it already", name=self.to.name))
        if seen.owner is not None and ticket_id in self.free:
            raise Conflict(_("%(name)s took it meanwhile", name=seen.owner.name))
        fifo.hand_over(user, ticket_id, self.to, self.reason)
        return {"owner_id": owner_id, "set": self.to.id}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = held(user, ticket_id)
        unchanged(ticket.owner_id == before["set"])
        give_back(user, ticket, before["owner_id"])


@dataclass(frozen=True)
class Release(Act):
    """Take the tickets back to their queues."""

    code: ClassVar[str] = "release"

    def why_not(self, user: User, ticket: Ticket) -> str:
        if ticket.kind == Kind.FINISHED:
            return finished()
        if ticket.owner_id is None:
            return _("waits in its queue already")
        if ticket.owner_id != user.id and Right.SUPERVISE not in permissions.rights(user, ticket.queue_id):
            return _("only its owner or a supervisor can give it back")
        return ""

    def do(self, user: User, ticket_id: int) -> Before:
        owner_id = standing(user, ticket_id).owner_id
        fifo.release(user, ticket_id)
        return {"owner_id": owner_id}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = held(user, ticket_id)
        unchanged(ticket.owner_id is None)
        give_back(user, ticket, before["owner_id"])


@dataclass(frozen=True)
class Move(Act):
    """Put the tickets into another queue."""

    queue: Queue
    code: ClassVar[str] = "move"

    def why_not(self, user: User, ticket: Ticket) -> str:
        if ticket.queue_id == self.queue.id:
            return _("is in that queue already")
        if ticket.project_id != self.queue.project_id:
            return _("belongs to another project")
        return ""

    def do(self, user: User, ticket_id: int) -> Before:
        seen = standing(user, ticket_id, self.queue.id)
        before = {"queue_id": seen.queue_id, "owner_id": seen.owner_id, "set": self.queue.id}
        if seen.queue_id == self.queue.id:
            raise Conflict(_("is in that queue already"))
        fifo.move(user, ticket_id, self.queue)
        return before

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        fifo.lock_queues([before["queue_id"], before["set"]])
        ticket = locked_undo(user, ticket_id)
        unchanged(ticket.queue_id == before["set"] and (ticket.owner_id is None or ticket.kind == Kind.FINISHED))
        ticket.move(user, db.session.get_one(Queue, before["queue_id"]))
        if ticket.kind != Kind.FINISHED:
            give_back(user, ticket, before["owner_id"])


@dataclass(frozen=True)
class Tag(Act):
    """Add tags, and take some off."""

    add: tuple[str, ...]
    remove: tuple[str, ...]
    code: ClassVar[str] = "tag"

    def why_not(self, user: User, ticket: Ticket) -> str:
        present = set(ticket.tags)
        return _("has these tags already") if self._after(present) == present else ""

    def do(self, user: User, ticket_id: int) -> Before:
        ticket = locked(user, ticket_id)
        before = ticket.tags
        ticket.retag(user, sorted(self._after(set(before))))
        after = ticket.tags
        if after == before:
            raise Conflict(_("has these tags already"))
        return {"added": sorted(set(after) - set(before)), "removed": sorted(set(before) - set(after))}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = locked(user, ticket_id)
        ticket.retag(user, sorted((set(ticket.tags) - set(before["added"])) | set(before["removed"])))

    def _after(self, present: set[str]) -> set[str]:
        return (present | set(self.add)) - set(self.remove)


@dataclass(frozen=True)
class Prioritise(Act):
    """Change the priority."""

    priority: int
    code: ClassVar[str] = "priority"

    def why_not(self, user: User, ticket: Ticket) -> str:
        return _("has this priority already") if ticket.priority == self.priority else ""

    def do(self, user: User, ticket_id: int) -> Before:
        ticket = locked(user, ticket_id)
        before = ticket.priority
        if before == self.priority:
            raise Conflict(_("has this priority already"))
        ticket.prioritise(user, self.priority)
        return {"priority": before, "set": self.priority}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = locked(user, ticket_id)
        unchanged(ticket.priority == before["set"])
        ticket.prioritise(user, before["priority"])


@dataclass(frozen=True)
class Snooze(Act):
    """Let the tickets wait: until a moment, or (None) until the customer writes."""

    until: datetime | None
    code: ClassVar[str] = "snooze"

    def why_not(self, user: User, ticket: Ticket) -> str:
        return finished() if ticket.kind == Kind.FINISHED else ""

    def do(self, user: User, ticket_id: int) -> Before:
        ticket = locked(user, ticket_id)
        before = paused_until(ticket)
        ticket.pause(user, self.until)
        return before

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = locked(user, ticket_id)
        unchanged(ticket.kind == Kind.PAUSED)
        if before["kind"] == Kind.PAUSED:
            pause_again(user, ticket, before)
        elif not ticket.wake(user, "by hand"):
            raise Refused(_("Another ticket of this conversation is active. Finish or pause that one first."))


@dataclass(frozen=True)
class Finish(Act):
    """Close the tickets as solved or not solved."""

    state: State
    reason: str
    despite_children: bool = False
    code: ClassVar[str] = "finish"

    def why_not(self, user: User, ticket: Ticket) -> str:
        if ticket.kind == Kind.FINISHED:
            return finished()
        return ticket.why_not_finish(self.state, self.despite_children)

    def do(self, user: User, ticket_id: int) -> Before:
        ticket = locked(user, ticket_id)
        before = paused_until(ticket)
        if self.state == State.SPAM:
            ticket.file_as_spam(user)
        else:
            ticket.finish(user, self.state, self.reason or None, self.despite_children)
        return before | {"set": self.state.value}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = locked(user, ticket_id)
        unchanged(ticket.state == before["set"])
        if ticket.state == State.SPAM:
            ticket.rescue(user)
        else:
            ticket.reopen(user, "by hand")
        if before["kind"] == Kind.PAUSED:
            db.session.flush()
            pause_again(user, ticket, before)


class Spam(Finish):
    """File the tickets as spam."""

    code: ClassVar[str] = "spam"


@dataclass(frozen=True)
class Reopen(Act):
    """Open finished tickets again."""

    code: ClassVar[str] = "reopen"

    def why_not(self, user: User, ticket: Ticket) -> str:
        if ticket.kind != Kind.FINISHED:
            return _("is not finished")
        if ticket.merged_into_id is not None:
            return _("was merged into another one")
        if ticket.rival_id() is not None:
            return _("another ticket of its conversation is active")
        return ""

    def do(self, user: User, ticket_id: int) -> Before:
        ticket = locked(user, ticket_id)
        before = {"state": ticket.state, "reason": ticket.closing_reason}
        if ticket.state == State.SPAM:
            ticket.rescue(user)
        else:
            ticket.reopen(user, "by hand")
        return before

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        ticket = locked(user, ticket_id)
        unchanged(ticket.kind == Kind.ACTIVE)
        if before["state"] == State.SPAM:
            ticket.file_as_spam(user)
        else:
            ticket.finish(user, State(before["state"]), before["reason"], despite_children=True)


def finished() -> str:
    """What is said of a ticket that is closed."""
    return _("is finished already")


def locked(user: User, ticket_id: int) -> Ticket:
    """The ticket, its row held, as `user` may work on it."""
    return permissions.get_ticket(user, ticket_id, Right.WORK, lock=True)


def locked_undo(user: User, ticket_id: int) -> Ticket:
    """The same for who may only see it now: what one moved away oneself can be fetched back."""
    return permissions.get_ticket(user, ticket_id, Right.SEE, lock=True)


def standing(user: User, ticket_id: int, *others: int) -> Ticket:
    """The ticket as it stands with its queue's row held (and those of other queues): nobody claims it meanwhile."""
    ticket = permissions.get_ticket(user, ticket_id, Right.WORK)
    fifo.lock_queues([ticket.queue_id, *others])
    db.session.refresh(ticket)
    return ticket


def held(user: User, ticket_id: int) -> Ticket:
    """The ticket and its queue's row, held: its place in line is going to change."""
    seen = permissions.get_ticket(user, ticket_id, Right.WORK)
    fifo.lock_queues([seen.queue_id])
    ticket = locked(user, ticket_id)
    unchanged(ticket.queue_id == seen.queue_id)
    return ticket


def unchanged(holds: bool) -> None:
    """Raises Conflict when somebody did something else with the ticket meanwhile."""
    if not holds:
        raise Conflict(_("was changed by somebody meanwhile"))


def give_back(user: User, ticket: Ticket, owner_id: int | None) -> None:
    """Make somebody the owner again, or nobody. Queue and ticket are held."""
    former = ticket.owner_id
    if owner_id is None:
        if ticket.owner_id is not None:
            ticket.release(user)
    else:
        owner = db.session.get_one(User, owner_id)
        fifo.check_may_get(owner, ticket.queue_id)
        ticket.hand_over(user, owner)
    fifo.tell_of_change(user, ticket, former)


def paused_until(ticket: Ticket) -> Before:
    """Whether and until when a ticket waits."""
    until = ticket.pending_until
    return {"kind": ticket.kind, "until": until.isoformat() if until else None}


def pause_again(user: User, ticket: Ticket, before: Before) -> None:
    """Let a ticket wait as it did; where that time is over it stays awake."""
    until = datetime.fromisoformat(before["until"]) if before["until"] else None
    if until is None or until > clock.now():
        ticket.pause(user, until)


ACTS: dict[str, type[Act]] = {
    act.code: act for act in (Assign, Release, Move, Tag, Prioritise, Snooze, Finish, Spam, Reopen)
}
