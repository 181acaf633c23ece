"""Verbs of following a ticket."""

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk import live
from helpdesk.db import db
from helpdesk.models.ticket.core import TicketCore
from helpdesk.models.ticket.watchers import TicketWatcher
from helpdesk.models.user import User


class Watched(TicketCore):
    """Nothing of the ticket changes by it, so its history keeps silent."""

    def watch(self, user: User) -> None:
        """Let `user` be told what happens on the ticket from now on."""
        row = insert(TicketWatcher).values(ticket_id=self.id, user_id=user.id)
        db.session.execute(row.on_conflict_do_nothing())
        self.watched = True
        live.touch(f"ticket:{self.id}")

    def unwatch(self, user: User) -> None:
        """Tell `user` no more; nothing happens where they do not follow the ticket."""
        row = db.session.get(TicketWatcher, (self.id, user.id))
        if row is not None:
            db.session.delete(row)
            db.session.flush()
            self.watched = db.session.scalar(select(exists().where(TicketWatcher.ticket_id == self.id))) or False
            live.touch(f"ticket:{self.id}")

    def is_watched_by(self, user: User) -> bool:
        """Whether `user` is told what happens; asks the database only where somebody follows the ticket."""
        return self.watched and db.session.get(TicketWatcher, (self.id, user.id)) is not None
