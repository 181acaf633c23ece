"""What a ticket is waiting for: pause, wake, finish, reopen.

What each event does to each kind of state (rule: at most one active ticket in a conversation):

| event | active | paused | finished |
|---|---|---|---|
| customer's message | stays, clocks run | wakes | queue's policy: new linked, reopen within N days, refuse |
| automatic message, bounce | stays, no clock | stays | recorded; opens nothing unless no ticket exists at all |
| pending time over | - | wakes, or stays with a recorded reason where another ticket is active | - |
| reopen, undo of closing or spam | - | - | active with its clocks, or refused where another ticket is active |
| operator's pause | paused | new time | refused |
| operator's finish | finished | finished | refused |
| merge | merged; wakes the other one where a customer waits | merged | merged, also into a finished one |
| undo of a merge | - | - | as before; paused where another ticket is active meanwhile |
| split | stays; the new one is active in a thread of its own, else paused | stays | stays; the new one is active |
"""

from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.event import StateChanged, StateKept
from helpdesk.models.field_values import check_complete, missing_on_close
from helpdesk.models.ticket.core import Actor, TicketCore
from helpdesk.models.ticket.states import CLOSING, KIND, MOVES, Kind, State
from helpdesk.models.unread import bring_back_unread
from helpdesk.models.user import User


class Stateful(TicketCore):
    """Verbs of the state machine."""

    def pause(self, by: Actor, until: datetime | None = None) -> None:
        """Wait: until a moment (the ticket wakes by itself), or without one until the customer writes."""
        if until is not None and until <= clock.now():
            raise Refused(_("This time is in the past. Choose a later one."))
        after = State.PENDING if until else State.WAITING
        self._move_to(after, by, until=until)

    def wake(self, by: Actor, cause: str) -> bool:
        """Make a paused ticket active. False when another ticket of the conversation is; the reason is recorded."""
        if self.kind != Kind.PAUSED:
            return False
        if self.rival_id() is not None:
            with self.changing(by, StateKept(State.OPEN, cause)):
                self.pending_until = None
                self.state = State.WAITING
            return False
        self._move_to(State.OPEN, by, cause=cause)
        return True

    def finish(self, by: Actor, state: State, reason: str | None = None, despite_children: bool = False) -> None:
        """Close the ticket as solved, unsolved or spam, with an optional reason in words.

        Raises what `check_finish` raises.
        """
        self.check_finish(state, despite_children)
        self._move_to(state, by, reason=reason)

    def check_finish(self, state: State, despite_children: bool = False) -> None:
        """The one place that says what finishing waits for, whoever asks and by whatever way. Spam waits for nothing.

        Raises Refused while a field is empty that closing requires (`details["fields"]`), and while child tickets are
        open (`details["children"]`, how many) unless the caller says that this one is finished anyway.
        """
        if state not in CLOSING:
            raise Refused(_("A ticket is closed as solved, unsolved or spam."))
        if state == State.SPAM:
            return
        check_complete(self.queue_id, self.fields)
        if not despite_children and (count := self.open_children()):
            what = _("Finish those first, or tick that this one is finished anyway.")
            raise Refused(f"{self.children_text()} {what}", children=count)

    def why_not_finish(self, state: State, despite_children: bool = False) -> str:
        """What `check_finish` would refuse, as a clause without a full stop for a list of reasons; "" for nothing."""
        if state == State.SPAM:
            return ""
        if missing := missing_on_close(self.queue_id, self.fields):
            return _("“%(field)s” is empty, and closing requires it", field=missing[0].label)
        return "" if despite_children else self.children_text().rstrip(".")

    def reopen(self, by: Actor, cause: str) -> None:
        """Open a finished ticket again: the queue's follow-up policy, or a person who undoes the closing."""
        if self.kind != Kind.FINISHED:
            raise Refused(_("This ticket is not finished."))
        if self.merged_into_id is not None:
            raise Refused(_("This ticket was merged into another one; undo the merge first."))
        if not self.queue.active:
            raise Refused(_("The queue of this ticket is closed. Move the ticket to another queue first."))
        if self.rival_id() is not None:
            raise Conflict(_("Another ticket of this conversation is active. Finish or pause that one first."))
        finished_at = self.finished_at
        with self.changing(by, StateChanged(self.state, State.OPEN, cause=cause)):
            self.state = State.OPEN
            self.attention_at = None if isinstance(by, User) else clock.now()
            self.finished_at = None
            self.closing_reason = None
            self.spam_cause = None
            if isinstance(by, User):  # who undoes a closing gives the customer their place in line back
                self.wind_back()
                bring_back_unread(self, by, finished_at)

    def rival_id(self) -> int | None:
        """Id of another ticket that is active in this conversation, if there is one."""
        table = type(self)
        return db.session.scalar(
            select(table.id).where(table.occupies == f"conv:{self.conversation_id}", table.id != self.id)
        )

    def _move_to(
        self,
        after: State,
        by: Actor,
        until: datetime | None = None,
        reason: str | None = None,
        cause: str | None = None,
    ) -> None:
        if KIND[after] not in MOVES[Kind(self.kind)]:
            raise Refused(_("This ticket is finished. A new message opens a new one, or reopen it."))
        if KIND[after] == Kind.ACTIVE and self.kind != Kind.ACTIVE and self.rival_id() is not None:
            raise Conflict(_("Another ticket of this conversation is active. Finish or pause that one first."))
        fact = StateChanged(self.state, after, until.isoformat() if until else None, reason, cause)
        with self.changing(by, fact):
            if KIND[after] == Kind.ACTIVE and self.kind != Kind.ACTIVE and not isinstance(by, User):
                self.attention_at = clock.now()
            self.state = after
            self.pending_until = until
            if KIND[after] == Kind.FINISHED:
                self.finished_at = clock.now()
                self.closing_reason = reason
                self.first_unanswered_at = None
