"""Who works on a ticket: claim, give back, hand over, move to another queue."""

from datetime import datetime

from flask_babel import gettext as _

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.event import Claimed, HandedOver, Moved, Promoted, Released, StateChanged
from helpdesk.models.queue import Queue
from helpdesk.models.ticket.core import Actor, TicketCore
from helpdesk.models.ticket.states import Kind, State
from helpdesk.models.user import User


class Owned(TicketCore):
    """Verbs of ownership. Rights and limits are the caller's (`queues.fifo`); the rules of the ticket are here."""

    def claim(
        self,
        by: User,
        reason: str | None = None,
        passed_over: int | None = None,
        full_kinds: list[str] | None = None,
    ) -> None:
        """`by` becomes the owner. Raises Conflict with the owner's name when somebody has it already.

        `full_kinds` are the kinds of channel that `by` could take no more of, so whose tickets were left standing.
        """
        if self.owner_id is not None and self.owner_id != by.id:
            name = self.owner.name if self.owner else ""
            raise Conflict(_("%(name)s took this ticket already.", name=name), owner_id=self.owner_id, owner=name)
        if self.kind == Kind.FINISHED:
            raise Refused(_("This ticket is finished; there is nothing to take."))
        if self.owner_id == by.id:
            return
        now = clock.now()
        waited = int((now - self.line_at).total_seconds())
        state_before = self.state
        with self.changing(by, Claimed(by.id, max(waited, 0), reason, passed_over, full_kinds or None)):
            self._belong_to(by, now)
            if self.state == State.NEW:
                self.state = State.OPEN
        if state_before == State.NEW:
            self.record(by, StateChanged(State.NEW, State.OPEN, cause="claim"))

    def release(self, by: Actor, cause: str | None = None, away_since: datetime | None = None) -> None:
        """Give the ticket back to its queue, where it keeps its place. `cause` says why, see `Released`."""
        if self.owner_id is None:
            raise Conflict(_("Nobody has this ticket; it is waiting in its queue."))
        if self.kind == Kind.FINISHED:
            raise Refused(_("This ticket is finished and stays with its owner."))
        with self.changing(by, Released(self.owner_id, cause, away_since.isoformat() if away_since else None)):
            self._belong_to(None)

    def hand_over(
        self,
        by: Actor,
        to: User,
        reason: str | None = None,
        passed_over: int | None = None,
        cause: str | None = None,
    ) -> None:
        """Make `to` the owner, without asking them. Rights of `to` in the queue are the caller's to check.

        `cause` says why the system did it, see `HandedOver`.
        """
        if not to.active:
            raise Refused(_("%(name)s does not work here any more.", name=to.name))
        if self.kind == Kind.FINISHED:
            raise Refused(_("This ticket is finished and stays with its owner."))
        if to.id == self.owner_id:
            return
        with self.changing(by, HandedOver(self.owner_id, to.id, reason, passed_over, cause)):
            self._belong_to(to, clock.now())
            if self.state == State.NEW:
                self.state = State.OPEN

    def move(self, by: Actor, to: Queue) -> None:
        """Put the ticket into another queue of the same project, unowned; its clocks go with it."""
        if to.id == self.queue_id:
            return
        if not to.active:
            raise Refused(_("That queue is closed; choose another one."))
        if to.project_id != self.project_id:
            raise Refused(_("That queue belongs to another project."))
        with self.changing(by, Moved(self.queue_id, to.id)):
            self.queue = to
            self.queue_id = to.id
            self.line_class = self.priority if to.by_priority else 0
            if self.kind != Kind.FINISHED:
                self._belong_to(None)

    def promote(self) -> None:
        """Let a ticket that was passed over as long as its queue allows go before all classes."""
        with self.changing(None, Promoted()):
            self.line_class = 0
        db.session.flush()

    def _belong_to(self, owner: User | None, since: datetime | None = None) -> None:
        self.owner = owner
        self.owner_id = owner.id if owner else None
        self.owned_since = since
        if owner is None:
            self.attention_at = None  # the line's own clock speaks from now on
