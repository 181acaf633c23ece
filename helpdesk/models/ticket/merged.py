"""Merging: one ticket becomes a pointer to another, where its messages are shown from then on; and the way back.

Nothing of the merged ticket is moved or thrown away: its messages, drafts and history stay its own, so undoing puts
both back as they were. What holds while it is merged:

| of the merged ticket | while merged |
|---|---|
| number, addresses that we signed, replies to its mails | lead to the other ticket |
| state | finished as merged; nothing is promised on it, nobody is asked to work on it |
| oldest unanswered message | gives the other ticket its place in line, if it is older |
| messages that wait to be sent | leave as they were written |
| tags, colleagues, followers, addresses in copy | join those of the other ticket |

Locks: all conversations that are touched by their ids, then the tickets by theirs (`locking.lock_for_joining`).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from sqlalchemy import exists, func, select

from helpdesk import clock, live
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.event import Merged, StateChanged, StateKept, Unmerged
from helpdesk.models.message import Draft, Message, MessageKind
from helpdesk.models.ticket.accompanied import Accompanied
from helpdesk.models.ticket.answered import last_heard, read_clocks
from helpdesk.models.ticket.described import TicketPerson
from helpdesk.models.ticket.joins import MERGE, TicketJoin
from helpdesk.models.ticket.keeping import kept_promises, resume_promises
from helpdesk.models.ticket.locking import show_documents
from helpdesk.models.ticket.owned import Owned
from helpdesk.models.ticket.stateful import Stateful
from helpdesk.models.ticket.states import KIND, Kind, State
from helpdesk.models.ticket.watched import Watched
from helpdesk.models.ticket.watchers import TicketWatcher
from helpdesk.models.unread import recount_unread
from helpdesk.models.user import User
from helpdesk.models.writing import join as take_part
from helpdesk.models.writing import lock_conversation

if TYPE_CHECKING:
    from helpdesk.models.ticket import Ticket

MEANT_FOR = "meant_for"  # in a message's facts: the merged ticket whose address or number it named

CLOCKS = ("first_unanswered_at", "last_customer_at", "last_reply_at")
STANDING = ("state", "pending_until", "finished_at", "closing_reason", "attention_at", "line_class")


class Joined(Stateful, Owned, Accompanied, Watched):
    """Verbs of merging. Who calls them holds what `lock_for_joining` locks."""

    def why_not_merge(self, target: "Joined") -> str:
        """Why this ticket cannot be merged into `target`, as a sentence; empty when it can."""
        if self.id == target.id:
            return _("A ticket cannot be merged into itself. Choose another one.")
        for ticket in (self, target):
            if ticket.merged_into_id is not None:
                return _("Ticket %(number)s was merged into another one already.", number=ticket.number)
            if ticket.state == State.SPAM:
                return _("Ticket %(number)s is marked as spam. Rescue it first.", number=ticket.number)
        if self.project_id != target.project_id:
            return _("These tickets belong to different projects, whose customers must not see each other’s mail.")
        if self.customer.as_merged().id != target.customer.as_merged().id:
            return _(
                "These tickets are of different customers: %(first)s and %(second)s. An answer would reach the wrong "
                "one. If they are one person, merge the customers first; else link the tickets as duplicates.",
                first=self.customer.name,
                second=target.customer.name,
            )
        if target.kind == Kind.FINISHED and self.kind != Kind.FINISHED:
            return _("Ticket %(number)s is finished. Reopen it first, or merge the other way.", number=target.number)
        if self._wakes(target) and target.rival_id() not in {None, self.id}:
            return _(
                "Ticket %(number)s is paused, and another ticket of its conversation is active. Merge into that one.",
                number=target.number,
            )
        return ""

    def merge_into(self, by: User, target: "Ticket") -> TicketJoin:
        """Become a pointer to `target`, where this ticket's messages are shown from now on.

        Raises Refused where that makes no sense, and Conflict when one of the two was merged meanwhile.
        """
        if refusal := self.why_not_merge(target):
            merged = self.merged_into_id is not None or target.merged_into_id is not None
            raise (Conflict if merged else Refused)(refusal)
        join = TicketJoin(what=MERGE, from_id=self.id, to_id=target.id, by_id=by.id, at=clock.now())
        join.newest_id = _newest_id([*self.family, *target.family])
        join.kept = {
            "from": self._snapshot(),
            "to": target._snapshot(),
            "joined": self._share_with(by, target),
            "drafts": self._hand_drafts_to(target),
        }
        db.session.add(join)
        db.session.flush()
        goes_on = self._goes_on(by, target, by.id)
        wakes, waits_since = self._wakes(target), self.first_unanswered_at
        heard, answered = self.last_customer_at, self.last_reply_at
        self._point_to(by, target, join)
        db.session.flush()  # the place in the conversation is free before the other one may take it
        target.has_merged = True
        with target.changing(by, Merged(self.id, join.id, into=False)):
            target.first_unanswered_at = _earlier(target.first_unanswered_at, waits_since)
            target.last_customer_at = _later(target.last_customer_at, heard)
            target.last_reply_at = _later(target.last_reply_at, answered)
            if wakes:
                target.state, target.pending_until = State.OPEN, None
                target.attention_at = clock.now()
        if goes_on:
            target.claim(by)
            join.kept = join.kept | {"claimed": True}
        join.kept = join.kept | {"after": target._snapshot()}
        db.session.flush()
        show_documents([self.id, *self._pointing_here()], target.shown_on_id or target.id)
        return join

    def active_merge(self) -> TicketJoin | None:
        """The merge by which this ticket is a pointer now, None when it is none."""
        if self.merged_into_id is None:
            return None
        here = (TicketJoin.what == MERGE, TicketJoin.from_id == self.id, TicketJoin.undone_at.is_(None))
        return db.session.scalar(select(TicketJoin).where(*here))

    def said_since_merge(self) -> "list[tuple[Message, bool | None]]":
        """What was said where this merged ticket is shown, since it was merged, oldest first.

        With each message whether it is this ticket's own: True or False where that is clear, None where a person
        chooses. It is clear where it came into a conversation of only one of the two, or named the number or address
        of one.
        """
        join = self.active_merge()
        if join is None:
            return []
        path, own = self._path(join), {self.id, *self._pointing_here()}
        others = set(db.session.scalars(select(type(self).conversation_id).where(type(self).id.in_(path))))
        query = select(Message).where(Message.ticket_id.in_(path), Message.id > join.newest_id).order_by(Message.id)
        return [(message, self._is_own(message, own, others)) for message in db.session.scalars(query)]

    def unmerge(self, by: User, own_ids: Collection[int] = ()) -> None:
        """Undo the merge of this ticket: both are as they were before, with what was said since.

        `own_ids` are messages among those that `said_since_merge` is not sure of that go to this ticket; the others
        stay. Raises Conflict when the ticket is not merged any more. Where another ticket of the conversation is
        active, this one comes back paused, and its history says so; where its queue was closed, into the other's.
        """
        join = self.active_merge()
        if join is None:
            raise Conflict(_("This ticket is not merged any more."))
        if join.kept.get("split"):
            raise Refused(_("This ticket is what is left of a split that was undone. Split it off again."))
        target, path = join.to_ticket, self._path(join)
        mine = [m for m, own in self.said_since_merge() if own or (own is None and m.id in own_ids)]
        join.undone_at, join.undone_by_id = clock.now(), by.id
        moved_from = {message.ticket_id for message in mine if message.ticket_id is not None}
        for message in mine:
            message.ticket, message.ticket_id = self, self.id  # type: ignore[assignment]  # a trait of Ticket
        self._take_back_drafts(join.kept.get("drafts", []))
        self.merged_into_id = self.shown_on_id = None
        db.session.flush()
        if mine:
            recount_unread([self.id, *moved_from])
        for pointing in self._pointing_tickets():
            pointing.shown_on_id = self.id
        for ticket in self._tickets(path):
            ticket.has_merged = ticket._has_pointers()
        db.session.flush()
        target._part_from(by, self, join)
        for ticket in self._tickets(path[1:]):
            ticket._wait_without(by, self, join)
        db.session.flush()
        self._come_back(by, join, bool(mine))
        db.session.flush()
        if self.kind != Kind.FINISHED and not self.queue.active:
            self.move(by, target.queue)  # nobody works in its own any more
        show_documents([self.id, *self._pointing_here()], self.id)
        live.touch(f"ticket:{target.shown_on_id or target.id}")

    def _goes_on(self, by: User, target: "Joined", user_id: int) -> bool:
        """Whether `user_id` is who merges their own ticket into one that nobody has: they work on as its owner."""
        free = target.owner_id is None and target.kind != Kind.FINISHED
        return free and user_id == by.id == self.owner_id and self.kind != Kind.FINISHED

    def _wakes(self, target: "Joined") -> bool:
        """Whether a customer waits here for an answer that a paused `target` must give then."""
        return target.kind == Kind.PAUSED and self.kind == Kind.ACTIVE and self.first_unanswered_at is not None

    def _point_to(self, by: User, target: "Ticket", join: TicketJoin) -> None:
        root_id = target.shown_on_id or target.id
        for pointing in self._pointing_tickets():
            pointing.shown_on_id = root_id
        with self.changing(by, StateChanged(self.state, State.MERGED)):
            self.state = State.MERGED
            self.merged_into_id, self.shown_on_id = target.id, root_id
            self.pending_until = None
            self.finished_at = clock.now()
            self.closing_reason = None
            self.first_unanswered_at = None
        self.record(by, Merged(target.id, join.id, into=True))

    def _snapshot(self) -> dict[str, Any]:
        """How the ticket stands, as JSON: its state, its clocks, and what is left of its promises."""
        columns = {name: _stored(getattr(self, name)) for name in (*STANDING, *CLOCKS)}
        return columns | {"promises": kept_promises(self)}

    def _share_with(self, by: User, target: "Ticket") -> dict[str, Any]:
        """Tags, colleagues, followers and addresses in copy join those of `target`; returns what was new there."""
        tags = sorted(set(self.tags) - set(target.tags))
        if tags:
            target.retag(by, [*target.tags, *tags])
        people = [id_ for id_ in self._colleague_ids() if id_ != target.owner_id and not self._goes_on(by, target, id_)]
        new_people = [id_ for id_ in people if db.session.get(TicketPerson, (target.id, id_)) is None]
        for user_id in new_people:
            target.add_person(by, db.session.get_one(User, user_id))
        watchers = [id_ for id_ in _watchers(self.id) if id_ not in _watchers(target.id)]
        for user_id in watchers:
            target.watch(db.session.get_one(User, user_id))
        addresses = []
        if self.conversation_id != target.conversation_id:
            there = lock_conversation(target.conversation_id)
            gone = {part.address.lower() for part in there.participants if part.removed}
            for part in lock_conversation(self.conversation_id).participants:
                stays_out = part.removed or part.address.lower() in gone
                if not stays_out and take_part(there, part.address, part.name, part.role):
                    addresses.append(part.address)
        return {"tags": tags, "people": new_people, "watchers": watchers, "addresses": addresses}

    def _colleague_ids(self) -> list[int]:
        """Its owner and those who take part."""
        ids = list(db.session.scalars(select(TicketPerson.user_id).where(TicketPerson.ticket_id == self.id)))
        return sorted({*ids, *([self.owner_id] if self.owner_id is not None else [])})

    def _hand_drafts_to(self, target: "Ticket") -> list[int]:
        """Unfinished answers go where they can be sent; who writes on both keeps both where they are."""
        theirs = select(Draft.user_id).where(Draft.ticket_id == target.id)
        drafts = list(db.session.scalars(select(Draft).where(Draft.ticket_id == self.id, Draft.user_id.not_in(theirs))))
        for draft in drafts:
            draft.ticket_id = target.id
        return [draft.id for draft in drafts]

    def _take_back_drafts(self, ids: list[int]) -> None:
        own = set(db.session.scalars(select(Draft.user_id).where(Draft.ticket_id == self.id)))
        for draft in db.session.scalars(select(Draft).where(Draft.id.in_(ids))):
            if draft.user_id not in own:
                draft.ticket_id = self.id

    def _part_from(self, by: User, other: "Joined", join: TicketJoin) -> None:
        """Be again as before `other` was merged into this ticket, but for what happened here since."""
        before, after, joined = join.kept["to"], join.kept["after"], join.kept["joined"]
        self._unshare(by, joined)
        if join.kept.get("claimed") and self.owner_id == join.by_id and self.kind != Kind.FINISHED:
            self.release(by)
        now = self._snapshot()
        untouched = all(now[name] == after[name] for name in CLOCKS)
        same_state = all(now[name] == after[name] for name in ("state", "pending_until", "finished_at"))
        if self.kind != Kind.FINISHED and untouched:
            resume_promises(self, before["promises"])
        with self.changing(by, Unmerged(other.id, join.id, into=False)):
            if same_state and before["state"] != after["state"]:
                self._stand_as(before)
            if untouched:
                self._set_clocks(before)
            elif self.kind != Kind.FINISHED:
                self._read_clocks()

    def _wait_without(self, by: User, other: "Joined", join: TicketJoin) -> None:
        """Let what waited on `other` count here no more, where it was shown by way of another merged ticket."""
        if self.kind != Kind.FINISHED:
            with self.changing(by, Unmerged(other.id, join.id, into=False)):
                self._read_clocks()

    def _read_clocks(self) -> None:
        self.last_reply_at, self.first_unanswered_at = read_clocks(self)
        self.last_customer_at = last_heard(self)

    def _unshare(self, by: User, joined: dict[str, Any]) -> None:
        if tags := set(joined["tags"]) & set(self.tags):
            self.retag(by, [tag for tag in self.tags if tag not in tags])
        for user_id in joined["people"]:
            self.remove_person(by, db.session.get_one(User, user_id))
        for user_id in joined["watchers"]:
            self.unwatch(db.session.get_one(User, user_id))
        here = {part.address.lower(): part for part in lock_conversation(self.conversation_id).participants}
        for address in joined["addresses"]:
            part = here.get(address.lower())
            if part is not None:
                db.session.delete(part)
        db.session.flush()
        db.session.expire(self.conversation, ["participants"])

    def _come_back(self, by: User, join: TicketJoin, has_more: bool) -> None:
        """Stand as before the merge; where the conversation's place is taken, paused."""
        before = join.kept["from"]
        wanted = State(before["state"])
        resume_promises(self, before["promises"])
        with self.changing(by, Unmerged(join.to_id, join.id, into=True)):
            self._stand_as(before)
            self._set_clocks(before)
            if has_more:
                reply_at, unanswered_at = read_clocks(self)
                self.last_reply_at, self.last_customer_at = reply_at, last_heard(self)
                if self.state not in {State.SOLVED, State.UNSOLVED} or unanswered_at:
                    self.first_unanswered_at = unanswered_at
                if unanswered_at and self.state in {State.SOLVED, State.UNSOLVED}:
                    wanted = self.state = State.OPEN  # somebody waits for an answer: it cannot stay finished
                    self.finished_at = self.closing_reason = None
            elif KIND[wanted] != Kind.FINISHED and self._lost_since(join):
                self._read_clocks()
            occupied = wanted in {State.NEW, State.OPEN} and self.rival_id() is not None
            if occupied:
                self.state, self.pending_until = State.WAITING, None
        self.record(by, StateChanged(State.MERGED, self.state))
        if occupied:
            self.record(by, StateKept(wanted, "unmerged"))
        elif before["line_class"] == 0 and self.queue.by_priority and self.kind == Kind.ACTIVE:
            self.promote()

    def _lost_since(self, join: TicketJoin) -> bool:
        """Whether a ticket that had been merged into this one was parted from it while `join` held."""
        parted = (TicketJoin.to_id == self.id, TicketJoin.what == MERGE, TicketJoin.undone_at >= join.at)
        return db.session.scalar(select(exists().where(*parted))) or False

    def _stand_as(self, before: dict[str, Any]) -> None:
        self.state = before["state"]
        for name in ("pending_until", "finished_at", "attention_at"):
            setattr(self, name, _moment(before[name]))
        self.closing_reason = before["closing_reason"]
        if self.state == State.PENDING and self.pending_until is not None and self.pending_until <= clock.now():
            self.attention_at = clock.now()  # the timetable wakes it with its next look

    def _set_clocks(self, before: dict[str, Any]) -> None:
        for name in CLOCKS:
            setattr(self, name, _moment(before[name]))

    def _is_own(self, message: Message, own: set[int], others: set[int]) -> bool | None:
        if meant := message.facts.get(MEANT_FOR):
            return meant in own
        if self.conversation_id not in others:
            if message.conversation_id == self.conversation_id:
                return True
            if message.conversation_id not in others:
                return False
        if message.kind == MessageKind.SYSTEM:
            return False
        return None

    def _path(self, join: TicketJoin) -> list[int]:
        """Ids of the tickets that this one's messages were shown on by the merge: the other one, and so on."""
        path, ticket = [], join.to_ticket
        while ticket.id not in path:
            path.append(ticket.id)
            if ticket.merged_into_id is None:
                break
            ticket = db.session.get_one(type(ticket), ticket.merged_into_id)
        return path

    def _pointing_here(self) -> list[int]:
        """Ids of the tickets that were merged into this one, and into those, and so on."""
        found: list[int] = []
        level = [self.id]
        while level:
            into = (TicketJoin.to_id.in_(level), TicketJoin.what == MERGE, TicketJoin.undone_at.is_(None))
            level = [id_ for id_ in db.session.scalars(select(TicketJoin.from_id).where(*into)) if id_ not in found]
            found += level
        return found

    def _pointing_tickets(self) -> "list[Joined]":
        return self._tickets(self._pointing_here()) if self.has_merged else []

    def _tickets(self, ids: Iterable[int]) -> "list[Joined]":
        return list(db.session.scalars(select(type(self)).where(type(self).id.in_(list(ids)))))

    def _has_pointers(self) -> bool:
        into = exists().where(TicketJoin.to_id == self.id, TicketJoin.what == MERGE, TicketJoin.undone_at.is_(None))
        return db.session.scalar(select(into)) or False


def _newest_id(ids: Collection[int]) -> int:
    return db.session.scalar(select(func.max(Message.id)).where(Message.ticket_id.in_(ids))) or 0


def _watchers(ticket_id: int) -> list[int]:
    query = select(TicketWatcher.user_id).where(TicketWatcher.ticket_id == ticket_id)
    return list(db.session.scalars(query.order_by(TicketWatcher.user_id)))


def _stored(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
