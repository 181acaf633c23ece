"""What administrators do with people and groups. Every change is written into the history, with who made it."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import aliased

from helpdesk import invitations, live, totp
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.availability import Availability, Cause, change
from helpdesk.models.definitions import definitions_changed
from helpdesk.models.event import record_change
from helpdesk.models.queue import Queue
from helpdesk.models.ready import CannedReply, CannedReplyGroup
from helpdesk.models.session import end_sessions, revoke_links
from helpdesk.models.ticket import Kind, Ticket, lock_conversations
from helpdesk.models.user import Group, Membership, QueueRight, Right, Role, User
from helpdesk.sign_in import user_by_email

EVERYONE = "Everyone"


def apply(row: Any, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set columns of `row`. Returns what changed: column to [before, after]."""
    changes = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [before, value]
            setattr(row, name, value)
    return changes


def everyone() -> Group | None:
    """The group that new people join and that new queues are opened to, while the installation has one."""
    return db.session.scalar(select(Group).where(Group.everyone))


def invite_person(
    by: User, email: str, name: str, role: Role, groups: Iterable[Group], language: str
) -> tuple[User, str]:
    """A new user, invited by mail. Returns them and the link, for `by` to pass on.

    Raises Refused when somebody has the address.
    """
    _check_email(email, None)
    user = User(email=email, name=name, role=role, language=language, time_zone=by.time_zone)
    user.groups = list(groups)
    db.session.add(user)
    db.session.flush()
    named = sorted(group.name for group in user.groups)
    record_change(by.id, "person", user.id, name, {"invited": email, "role": role, "groups": named})
    return user, invitations.invite(user, by)


def invite_again(by: User, user: User) -> str:
    """A fresh link for somebody who lost theirs, or their password. Returns it; the former ones work no more."""
    if not user.active:
        raise Refused(_("%(name)s is deactivated. Activate the account first.", name=user.name))
    record_change(by.id, "person", user.id, user.name, {"link": "sent"})
    return invitations.invite(user, by) if user.password_hash is None else invitations.send_reset(user)


def change_person(by: User, user: User, values: Mapping[str, Any], groups: Iterable[Group]) -> None:
    """Change name, address, role, limit and groups. Another role or address signs the person out everywhere.

    Raises Refused for an address that somebody else has, and when nobody would be left to administer.
    """
    _check_email(values["email"], user)
    if values["role"] != Role.ADMINISTRATOR:
        _check_not_last(user)
    changes: dict[str, Any] = apply(user, values)
    before, after = {g.name for g in user.groups}, {g.name for g in groups}
    if before != after:
        changes["groups"] = [sorted(before), sorted(after)]
        user.groups = list(groups)
    if not changes:
        return
    record_change(by.id, "person", user.id, user.name, changes)
    if {"role", "groups", "permissions"} & changes.keys():
        touch_rights([user.id])
    if {"role", "email"} & changes.keys():
        end_sessions(user)
        revoke_links(user)


def deactivate(by: User, user: User, give_back: bool) -> int:
    """Shut somebody out at once. Returns how many of their tickets went back to the line (if `give_back`).

    Locks in the one order of all: the queues whose lines get tickets back, people, conversations, tickets.
    """
    if user.id == by.id:
        raise Refused(_("You cannot deactivate yourself. Another administrator can."))
    if give_back:
        queues = open_tickets(user).order_by(None).with_only_columns(Ticket.queue_id)
        lock = select(Queue.id).where(Queue.id.in_(queues)).order_by(Queue.id).with_for_update(key_share=True)
        db.session.execute(lock)
    _check_not_last(user)
    user.active = False
    change(user, Availability.OFFLINE, by=by, cause=Cause.DEACTIVATED)
    end_sessions(user)
    revoke_links(user)
    touch_rights([user.id])
    given_back = 0
    if give_back:
        lock_conversations(list(db.session.scalars(open_tickets(user).with_only_columns(Ticket.conversation_id))))
        mine = open_tickets(user).with_for_update(of=Ticket, key_share=True).execution_options(populate_existing=True)
        for ticket in db.session.scalars(mine).all():
            ticket.release(by, "by supervisor")
            given_back += 1
    record_change(by.id, "person", user.id, user.name, {"active": [True, False], "tickets given back": given_back})
    return given_back


def activate(by: User, user: User) -> None:
    """Let somebody in again, with the password that they had."""
    user.active = True
    touch_rights([user.id])
    record_change(by.id, "person", user.id, user.name, {"active": [False, True]})


def remove_totp(by: User, user: User) -> None:
    """Take the second step off for somebody who lost telephone and codes; they are signed out everywhere."""
    totp.disable(user)
    end_sessions(user)
    record_change(by.id, "person", user.id, user.name, {"second step": ["on", "off"]})


def open_tickets(user: User) -> Any:
    """The tickets that `user` owns and that are not finished, as a select."""
    return select(Ticket).where(Ticket.owner_id == user.id, Ticket.kind != Kind.FINISHED).order_by(Ticket.id)


def save_group(
    by: User, group: Group, values: Mapping[str, Any], members: set[int], rights: Mapping[int, Right | None]
) -> None:
    """Values (name and such), members (ids of active users) and rights (queue id to right) of a group, new or not.

    Deactivated members keep their place. Raises Refused when another group has the name.
    """
    taken = select(Group.id).where(func.lower(Group.name) == values["name"].lower(), Group.id != (group.id or 0))
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a group with that name already."))
    changes: dict[str, Any] = apply(group, values)
    db.session.add(group)
    db.session.flush()
    before = {user.id for user in group.users if user.active}
    if before != members:
        changes["members"] = [sorted(before), sorted(members)]
        kept = [user for user in group.users if not user.active]
        group.users = kept + list(db.session.scalars(select(User).where(User.id.in_(members), User.active)))
    given = set_rights(group.id, rights)
    if given:
        changes["rights"] = given
    if changes:
        db.session.flush()
        record_change(by.id, "group", group.id, group.name, changes)
        touch_rights(before | {user.id for user in group.users})


def remove_group(by: User, group: Group) -> None:
    """Delete a group with its rights.

    Raises Refused while tickets name it, while a ready answer is for nobody else (it would become everybody's), or when
    it is the one that all join.
    """
    if group.everyone:
        raise Refused(_("New people join this group. It cannot be removed; take its rights away instead."))
    if db.session.scalar(select(exists().where(Ticket.group_id == group.id))):
        raise Refused(_("Tickets name this group, so it stays. Take its members and rights away instead."))
    if names := _answers_only_for(group):
        raise Refused(
            _("Ready answers are for this group alone: %(names)s. Give each another group first.", names=names)
        )
    members = [user.id for user in group.users]
    record_change(by.id, "group", group.id, group.name, {"removed": True})
    db.session.delete(group)
    touch_rights(members)


def _answers_only_for(group: Group) -> str:
    """Names of ready answers that have this group and no other."""
    other = aliased(CannedReplyGroup)
    shared = exists().where(other.canned_reply_id == CannedReply.id, other.group_id != group.id)
    query = select(CannedReply.name).join(CannedReplyGroup, CannedReplyGroup.canned_reply_id == CannedReply.id)
    query = query.where(CannedReplyGroup.group_id == group.id, ~shared).order_by(func.sort_key(CannedReply.name))
    return ", ".join(db.session.scalars(query.limit(5)))


def set_rights(group_id: int, rights: Mapping[int, Right | None]) -> dict[str, list[str | None]]:
    """Give the group these rights (queue id to right, None takes it away). Returns the changes by queue name."""
    known = {row.queue_id: row for row in db.session.scalars(select(QueueRight).where(QueueRight.group_id == group_id))}
    names = dict(db.session.execute(select(Queue.id, Queue.name).where(Queue.id.in_(rights))).tuples().all())
    changes: dict[str, list[str | None]] = {}
    for queue_id, right in rights.items():
        before = known[queue_id].right if queue_id in known else None
        if queue_id in names and before != right:
            changes[names[queue_id]] = [before, right]
            set_right(group_id, queue_id, right)
    return changes


def set_right(group_id: int, queue_id: int, right: Right | None) -> None:
    """Give a group its one right in a queue, or take it away."""
    if right is None:
        db.session.execute(delete(QueueRight).where(QueueRight.group_id == group_id, QueueRight.queue_id == queue_id))
    else:
        db.session.merge(QueueRight(group_id=group_id, queue_id=queue_id, right=right))


def members_of(group_ids: Iterable[int]) -> set[int]:
    """Ids of the users in any of the groups."""
    return set(db.session.scalars(select(Membership.user_id).where(Membership.group_id.in_(list(group_ids)))))


def touch_rights(user_ids: Iterable[int]) -> None:
    """Say that what these users may see has changed; their open pages look again."""
    ids = list(user_ids)
    definitions_changed()  # they know who may edit them
    if ids:
        db.session.execute(update(User).where(User.id.in_(ids)).values(rights_version=User.rights_version + 1))
        live.touch(*(f"user:{user_id}" for user_id in ids))


def _check_email(email: str, user: User | None) -> None:
    other = user_by_email(email)
    if other is not None and other is not user:
        raise Refused(_("%(name)s has this address already.", name=other.name))


def _check_not_last(user: User) -> None:
    """Raises Refused when `user` is the only active administrator. Locks them all, so that two cannot leave at once."""
    query = select(User.id).where(User.role == Role.ADMINISTRATOR, User.active).order_by(User.id)
    if list(db.session.scalars(query.with_for_update(key_share=True))) == [user.id]:
        raise Refused(_("This is the only administrator. Make somebody else an administrator first."))
