"""What the timetable does with promises: warn, record the breach, count anew. Other changes keep them by themselves."""

from datetime import datetime

from helpdesk import clock
from helpdesk.models.event import Event
from helpdesk.models.promise import TicketPromise, book
from helpdesk.models.promise_facts import PromiseWarned
from helpdesk.models.ticket.core import TicketCore
from helpdesk.models.ticket.keeping import Keeper, break_promise, promises_of, show_due, stand_of


class Promised(TicketCore):
    """Verbs of the times that were promised."""

    @property
    def promises(self) -> list[TicketPromise]:
        """All promises of the ticket, oldest first, ended ones too."""
        return promises_of(self)

    def review_promises(self) -> None:
        """Count open promises anew by the targets and calendars of today; what changed is recorded."""
        with self.changing(None):
            Keeper(self, stand_of(self), False, book()).keep()

    def watch_promises(self) -> list[tuple[TicketPromise, Event]]:
        """Record the warnings and breaches that are due; each comes once. Returns the promises and their events."""
        now = clock.now()
        happened: list[tuple[TicketPromise, Event]] = []
        with self.changing(None):
            for row in self.promises:
                if not row.is_open or row.breached_at is not None:
                    continue
                if row.due_at is not None and row.due_at <= now:
                    happened.append((row, break_promise(self, row)))
                elif row.warned_at is None and row.warn_at is not None and row.warn_at <= now:
                    happened.append((row, self._warn(row, now)))
            show_due(self, self.promises)
        return happened

    def _warn(self, row: TicketPromise, now: datetime) -> Event:
        row.warned_at = now
        due = row.due_at.isoformat() if row.due_at else ""
        return self.record(None, PromiseWarned(row.kind, row.asked_at.isoformat(), now.isoformat(), due))
