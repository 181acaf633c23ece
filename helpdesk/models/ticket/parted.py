"""Splitting: chosen messages of a ticket become a ticket of their own; and the way back.

In mail the new ticket begins a thread of its own, so that both can be worked on. Where the customer sees one lasting
conversation, only one of its tickets can be active: then the new one waits, or the old one does.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.db import db, new_id
from helpdesk.errors import Conflict, Refused
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.event import Split, StateKept, Unsplit
from helpdesk.models.message import Message, MessageKind
from helpdesk.models.queue import Queue
from helpdesk.models.ticket.answered import last_heard, read_clocks
from helpdesk.models.ticket.described import TicketLink
from helpdesk.models.ticket.joins import SPLIT, TicketJoin
from helpdesk.models.ticket.locking import show_documents
from helpdesk.models.ticket.merged import CLOCKS, Joined
from helpdesk.models.ticket.states import KIND, Kind, State
from helpdesk.models.ticket.tied import SPLIT_OFF, Tied
from helpdesk.models.unread import recount_unread
from helpdesk.models.user import User
from helpdesk.models.writing import can

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MOST_WORDS_OF_TITLE = 80


class Place(StrEnum):
    """Where a ticket that is split off is talked about."""

    OWN = "own"
    WAIT = "wait"
    SWAP = "swap"


class Parted(Joined, Tied):
    """Verbs of splitting. Who calls them holds what `lock_for_joining` locks."""

    def places(self) -> list[Place]:
        """The ways in which a ticket can be split off, the best first."""
        if can(self.conversation.channel).has_subject:
            return [Place.OWN, Place.WAIT]
        rival = self.kind == Kind.ACTIVE or self.rival_id() is not None
        return [Place.WAIT, Place.SWAP] if rival and self.kind == Kind.ACTIVE else [Place.WAIT]

    def split(
        self, by: User, messages: Sequence[Message], queue: Queue, title: str = "", place: Place | None = None
    ) -> "Ticket":
        """Make a new ticket of `messages`, in `queue`, for the same customer. An empty title takes the message's words.

        With `Place.OWN` it begins a conversation of its own and is active; with WAIT it stays in this one and waits
        while another ticket is active there, with SWAP this one waits instead. Raises Refused for messages that are
        not this ticket's own, or all of them.
        """
        self._check_split(messages, queue)
        place = place or self.places()[0]
        if place not in self.places():
            raise Refused(_("In this channel the customer sees one conversation; a ticket cannot begin another one."))
        join = TicketJoin(what=SPLIT, from_id=self.id, by_id=by.id, at=clock.now())
        join.newest_id = db.session.scalar(select(func.max(Message.id)).where(Message.ticket_id == self.id)) or 0
        join.kept = {"messages": [message.id for message in messages], "from": self._snapshot()}
        if place == Place.SWAP and self.kind == Kind.ACTIVE:
            self.pause(by)
            db.session.flush()
        fresh = self._open_beside(by, messages, queue, title or words_of(messages[0]), place)
        join.to_id = fresh.id
        db.session.add(join)
        db.session.add(TicketLink(from_ticket=fresh, to_ticket=self, how=SPLIT_OFF))
        self._move_messages(messages, fresh)
        with self.changing(by, Split(fresh.id, len(messages), is_new=False)):
            self._read_clocks_anew()
        with fresh.changing(by, Split(self.id, len(messages), is_new=True)):
            fresh._read_clocks_anew()
        if fresh.kind == Kind.PAUSED:
            fresh.record(by, StateKept(State.OPEN, "split"))
        elif self.owner_id == by.id and fresh.queue_id == self.queue_id:
            fresh.claim(by)  # whoever works on the one has the other in hand
        join.kept = join.kept | {"after": self._snapshot()}
        db.session.flush()
        return fresh

    def split_from(self) -> TicketJoin | None:
        """The split by which this ticket began, as long as it is not undone."""
        here = (TicketJoin.what == SPLIT, TicketJoin.to_id == self.id, TicketJoin.undone_at.is_(None))
        return db.session.scalar(select(TicketJoin).where(*here))

    def unsplit(self, by: User) -> "Ticket":
        """Undo the split by which this ticket began: its messages are back on the first ticket, which is returned.

        What was said on it since is shown there too, and its number leads there. Raises Conflict where it is undone.
        """
        join = self.split_from()
        if join is None:
            raise Conflict(_("This split was undone already."))
        first = join.from_ticket
        if self.merged_into_id is not None or first.merged_into_id is not None:
            raise Refused(_("One of the two tickets was merged. Undo that merge first."))
        if refusal := self.why_not_merge(first):
            raise Refused(refusal)
        join.undone_at, join.undone_by_id = clock.now(), by.id
        moved = select(Message).where(Message.id.in_(join.kept["messages"]), Message.ticket_id == self.id)
        messages = list(db.session.scalars(moved))
        untouched = all(first._snapshot()[name] == join.kept["after"][name] for name in CLOCKS)
        self._move_messages(messages, first)
        own = (TicketLink.from_id == self.id, TicketLink.to_id == first.id, TicketLink.how == SPLIT_OFF)
        for link in db.session.scalars(select(TicketLink).where(*own)):
            db.session.delete(link)
        with self.changing(by, Unsplit(first.id, len(messages), is_new=True)):
            self._read_clocks_anew()
        self.merge_into(by, first)
        merge = self.active_merge()
        if merge is not None:
            merge.kept = merge.kept | {"split": join.id}
        self._give_back_clocks(by, first, join.kept, len(messages), untouched)
        db.session.flush()
        return first

    def _check_split(self, messages: Sequence[Message], queue: Queue) -> None:
        if self.merged_into_id is not None:
            raise Refused(_("This ticket was merged. Split the ticket that it leads to."))
        if not messages:
            raise Refused(_("Choose at least one message."))
        if any(message.ticket_id != self.id or message.kind == MessageKind.SYSTEM for message in messages):
            raise Refused(_("Only messages of this very ticket can be split off; undo a merge to part merged ones."))
        if queue.project_id != self.project_id:
            raise Refused(_("That queue belongs to another project."))
        if not queue.active:
            raise Refused(_("That queue is closed; choose another one."))
        chosen = [message.id for message in messages]
        rest = select(Message.id).where(Message.ticket_id == self.id, Message.id.not_in(chosen))
        if db.session.scalar(rest.where(Message.kind != MessageKind.SYSTEM).limit(1)) is None:
            raise Refused(_("These are all its messages. Leave one, or move the whole ticket instead."))

    def _open_beside(self, by: User, messages: Sequence[Message], queue: Queue, title: str, place: Place) -> "Ticket":
        conversation = self._own_conversation() if place == Place.OWN else self.conversation
        table = cast("type[Ticket]", type(self))
        taken = place == Place.WAIT and (self.kind == Kind.ACTIVE or self.rival_id() is not None)
        return table.open(
            conversation,
            queue,
            " ".join(title.split())[:500],
            min(message.at for message in messages),
            by=by,
            priority=self.priority,
            state=State.WAITING if taken else State.NEW,
        )

    def _own_conversation(self) -> Conversation:
        here = self.conversation
        id_ = new_id(Conversation)
        fresh = Conversation(
            id=id_,
            project_id=here.project_id,
            channel_id=here.channel_id,
            channel=here.channel,
            customer_id=here.customer_id,
            customer=here.customer,
            key=f"split:{id_}",
            subject=here.subject,
            last_seq=0,
        )
        db.session.add(fresh)
        for part in here.participants:
            copy: dict[str, Any] = {"address": part.address, "name": part.name, "role": part.role}
            db.session.add(Participant(conversation=fresh, removed=part.removed, **copy))
        db.session.flush()
        return fresh

    def _move_messages(self, messages: Sequence[Message], to: "Parted") -> None:
        for message in messages:
            message.ticket, message.ticket_id = to, to.id  # type: ignore[assignment]  # a trait of Ticket
        db.session.flush()
        show_documents([to.id], to.shown_on_id or to.id)
        recount_unread([self.id, to.id])

    def _read_clocks_anew(self) -> None:
        self.last_customer_at = last_heard(self)
        self.last_reply_at, unanswered_at = read_clocks(self)
        self.first_unanswered_at = unanswered_at if self.kind != Kind.FINISHED else None

    def _give_back_clocks(self, by: User, first: "Ticket", kept: dict[str, Any], count: int, untouched: bool) -> None:
        before, after = kept["from"], kept["after"]
        same_state = first.state == after["state"] and first.kind != Kind.FINISHED
        occupied = KIND[State(before["state"])] == Kind.ACTIVE != first.kind and first.rival_id() is not None
        with first.changing(by, Unsplit(self.id, count, is_new=False)):
            if same_state and before["state"] != after["state"] and not occupied:
                first._stand_as(before)
            if untouched and db.session.scalar(select(Message.id).where(Message.ticket_id == self.id).limit(1)) is None:
                first._set_clocks(before)
        if same_state and occupied:
            first.record(by, StateKept(State(before["state"]), "unsplit"))


def words_of(message: Message) -> str:
    """The first words of a message, as a title."""
    words = " ".join((message.visible_text or message.text or message.subject).split())
    if len(words) <= MOST_WORDS_OF_TITLE:
        return words or message.subject
    return words[:MOST_WORDS_OF_TITLE].rsplit(" ", 1)[0] + "…"
