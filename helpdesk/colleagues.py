"""Colleagues on a ticket: whom one may choose, who was named in a note, and what they are told.

A name in a note counts by what is stored with the note, never by what the text looks like when it is read.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape
from sqlalchemy import func, or_, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Attachment, Group, Message, QueueRight, Right, Role, Ticket, TicketPerson, User
from helpdesk.models.absence import Absence, running
from helpdesk.models.ticket.consulted import MOST_PEOPLE
from helpdesk.models.user import Membership

MOST_MEMBERS = 50
MOST_OFFERED = 500


@dataclass(frozen=True)
class Named:
    """Somebody whose name stands in a text after an @: `kind` is user or group."""

    kind: str
    id: int
    name: str


def offered(ticket: Ticket, by: User) -> list[tuple[User, bool]]:
    """The colleagues whom `by` may add, each with whether they may work on the ticket already; those come first."""
    workers = _workers(ticket.queue_id)
    query = select(User, workers.label("works")).where(User.active, ~User.system, User.id != by.id)
    rows = db.session.execute(query.order_by(workers.desc(), func.sort_key(User.name), User.id).limit(MOST_OFFERED))
    return [(user, works) for user, works in rows]


def everybody_but(user: User) -> list[User]:
    """All others who work here, in alphabetical order."""
    query = select(User).where(User.active, ~User.system, User.id != user.id)
    return list(db.session.scalars(query.order_by(func.sort_key(User.name), User.id).limit(MOST_OFFERED)))


def groups() -> list[Group]:
    """The teams that can be named, in alphabetical order."""
    return list(db.session.scalars(select(Group).order_by(func.sort_key(Group.name), Group.id).limit(MOST_OFFERED)))


def absences_of(people: Iterable[User]) -> dict[int, Absence]:
    """Who of these people is out of office now, by their ids."""
    return running([user.id for user in people])


def say_to_colleagues(
    ticket: Ticket,
    by: User,
    words: str,
    files: list[Attachment] | None = None,
    chosen: Collection[Named] = (),
    people: Collection[User] = (),
) -> Message:
    """Leave a note; whoever is named in it, and `people`, are added and told. The ticket's row is locked by the caller.

    `chosen` are names that were picked from the list; other names count where they are somebody's whole name. Raises
    Refused for a name that two people bear, and for a team of more than 50.
    """
    named = find_named(words, chosen)
    by_id = {user.id: user for user in people}
    ids = {one.id for one in named if one.kind == "user"} - by_id.keys()
    if ids:
        by_id |= {user.id: user for user in db.session.scalars(select(User).where(User.id.in_(ids), User.active))}
    members = _members([one for one in named if one.kind == "group"])
    for user in _strangers(ticket, members):
        ticket.add_person(by, user)
    mentions = [{one.kind: one.id, "name": one.name} for one in named]
    return ticket.consult(by, list(by_id.values()), words, files, mentions, also_told=members)


def find_named(words: str, chosen: Collection[Named] = ()) -> list[Named]:
    """Who is named in `words` by @ and their whole name, each once, in the order of the text.

    Of several names that fit at one place the longest counts. Raises Refused where two people bear it and none of them
    was `chosen`.
    """
    places = [at for at, letter in enumerate(words) if letter == "@" and not (at and words[at - 1].isalnum())]
    if not places:
        return []
    known = _everybody()
    picked = {(one.kind, one.id) for one in chosen}
    found: dict[tuple[str, int], Named] = {}
    for at in places:
        fitting = [one for one in known if _stands_at(one.name, words, at + 1)]
        longest = max((len(one.name) for one in fitting), default=0)
        same = [one for one in fitting if len(one.name) == longest]
        meant = [one for one in same if (one.kind, one.id) in picked] or same
        if len(same) > 1 and len(meant) > 1 and not picked.issuperset((one.kind, one.id) for one in meant):
            raise Refused(
                _("%(name)s is the name of several colleagues. Choose one from the list.", name=meant[0].name)
            )
        found.update({(one.kind, one.id): one for one in meant})
    return list(found.values())


def marked(text: str, mentions: Iterable[dict[str, Any]]) -> Markup:
    """The text of a note with the names that were stored with it set off; all else is escaped."""
    names = sorted({str(one["name"]) for one in mentions}, key=len, reverse=True)
    done, rest = Markup(), text
    while names and "@" in rest:
        before, _at, after = rest.partition("@")
        name = next((one for one in names if after[: len(one)].casefold() == one.casefold()), "")
        done += escape(before)
        done += Markup('<b class="mention">@{}</b>').format(after[: len(name)]) if name else Markup("@")
        rest = after[len(name) :]
    return done + escape(rest)


def added_sentence(author: str, added: Collection[dict[str, Any]]) -> str:
    """ "Ann added Bob and Carl", in the reader's language; empty when nobody was added."""
    if not added:
        return ""
    names = ", ".join(str(one["name"]) for one in added)
    return ngettext("%(author)s added %(names)s", "%(author)s added %(names)s", len(added), author=author, names=names)


def _workers(queue_id: int) -> Any:
    """The condition on `User` that they may work in the queue."""
    members = (
        select(Membership.user_id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(QueueRight.queue_id == queue_id, QueueRight.right.in_([Right.WORK, Right.SUPERVISE]))
    )
    return or_(User.id.in_(members), User.role == Role.ADMINISTRATOR)


def _everybody() -> list[Named]:
    people = db.session.execute(select(User.id, User.name).where(User.active, ~User.system))
    teams = db.session.execute(select(Group.id, Group.name))
    return [Named("user", *row) for row in people.tuples()] + [Named("group", *row) for row in teams.tuples()]


def _stands_at(name: str, words: str, at: int) -> bool:
    end = at + len(name)
    if not name or words[at:end].casefold() != name.casefold():
        return False
    return not words[end : end + 1].isalnum()


def _members(teams: list[Named]) -> list[User]:
    if not teams:
        return []
    query = select(User).join(Membership, Membership.user_id == User.id).distinct()
    found = list(
        db.session.scalars(query.where(Membership.group_id.in_([one.id for one in teams]), User.active, ~User.system))
    )
    if len(found) > MOST_MEMBERS:
        raise Refused(_("%(count)s people are too many to call at once. Name those who are meant.", count=len(found)))
    return found


def _strangers(ticket: Ticket, people: list[User]) -> list[User]:
    """Those of `people` who may not see the ticket yet."""
    if not people:
        return []
    here = (
        select(Membership.user_id)
        .join(QueueRight, QueueRight.group_id == Membership.group_id)
        .where(QueueRight.queue_id == ticket.queue_id)
    )
    part = select(TicketPerson.user_id).where(TicketPerson.ticket_id == ticket.id)
    ids = [user.id for user in people]
    sees = or_(User.id.in_(here), User.id.in_(part), User.role == Role.ADMINISTRATOR)
    seeing = set(db.session.scalars(select(User.id).where(User.id.in_(ids), sees)))
    return [user for user in people if user.id not in seeing]


__all__ = [
    "MOST_MEMBERS",
    "MOST_PEOPLE",
    "Named",
    "absences_of",
    "added_sentence",
    "everybody_but",
    "find_named",
    "groups",
    "marked",
    "offered",
    "say_to_colleagues",
]
