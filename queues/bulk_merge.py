"""Several chosen tickets become one: each is merged into the same other by the ordinary verb, and undone by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Row

from helpdesk import joining
from helpdesk.db import db
from helpdesk.models import Ticket, User
from helpdesk.models.ticket.states import Kind
from helpdesk.permissions import visible
from helpdesk.queries.lists import rows as ticket_rows
from queues.bulk_acts import Act, Before, locked_undo, unchanged

MOST_TOLD = 10  # tickets of which the preview says what merging them does


@dataclass(frozen=True)
class Merge(Act):
    """Merge the tickets into `into`, which is none of them."""

    into: Ticket
    code: ClassVar[str] = "merge"

    def why_not(self, user: User, ticket: Ticket) -> str:
        return ticket.why_not_merge(self.into).rstrip(".")

    def do(self, user: User, ticket_id: int) -> Before:
        ticket, target = joining.hold_both(user, ticket_id, self.into.id)
        return {"join_id": ticket.merge_into(user, target).id}

    @staticmethod
    def undo(user: User, ticket_id: int, before: Before) -> None:
        merged_into_id = locked_undo(user, ticket_id).merged_into_id
        unchanged(merged_into_id is not None)
        ticket, _target = joining.hold_both(user, ticket_id, int(merged_into_id or 0))
        join = ticket.active_merge()
        unchanged(join is not None and join.id == before["join_id"])
        ticket.unmerge(user)


def offers(user: User, ids: Sequence[int]) -> list[Row[Any]]:
    """The chosen tickets as rows of a list, those that go on before finished ones, then the oldest first."""
    found = db.session.execute(ticket_rows().where(Ticket.id.in_(ids), visible(user)))
    return sorted(found, key=lambda row: (row.kind == Kind.FINISHED, row.id))


def told(user: User, act: Merge, ids: Sequence[int]) -> list[joining.Sentence]:
    """What merging these tickets does: of a single one everything, of several what may surprise, each thing once."""
    said: dict[str, joining.Sentence] = {}
    for ticket_id in ids[:MOST_TOLD]:
        ticket = db.session.get_one(Ticket, ticket_id)
        said |= {one.text: one for one in joining.preview(user, ticket, act.into) if one.warns or len(ids) == 1}
    return list(said.values())
