"""Saved views: which ones somebody has, in the order that they like, and how they are made and changed."""

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import joinedload

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.forms import whole
from helpdesk.models import Group, Membership, Order, SavedView, User
from helpdesk.models.saved_view import MOST_CONDITIONS, tidy_view_name
from helpdesk.queries.narrowing import read_narrowing

MOST_VIEWS = 100
ORDER_KEY = "view_order"


def seen_by(user: User) -> ColumnElement[bool]:
    """The condition on `SavedView`: one's own, and what is shared with a group of which one is a member now."""
    return or_(SavedView.user_id == user.id, SavedView.group_id.in_(_my_groups(user)))


def _my_groups(user: User) -> Any:
    return select(Membership.group_id).where(Membership.user_id == user.id)


def views_of(user: User) -> list[SavedView]:
    """The views of `user` in the order that they chose; what they never ordered stands at the end, by name."""
    query = select(SavedView).where(seen_by(user)).order_by(func.sort_key(SavedView.name), SavedView.id)
    found = list(
        db.session.scalars(query.options(joinedload(SavedView.group), joinedload(SavedView.author)).limit(500))
    )
    places = {view_id: place for place, view_id in enumerate(user.preferences.get(ORDER_KEY, []))}
    return sorted(found, key=lambda view: places.get(view.id, len(places)))


def get_view(user: User, view_id: int | str, to_change: bool = False) -> SavedView:
    """The view as `user` may see it; administrators reach all shared ones. Raises NotFound; `to_change` Forbidden."""
    number = view_id if isinstance(view_id, int) else whole(view_id)
    reached = seen_by(user)
    if user.is_administrator:
        reached = or_(reached, SavedView.group_id.is_not(None))
    view = db.session.scalar(select(SavedView).where(SavedView.id == number, reached))
    if view is None:
        raise NotFound(_("There is no such view."))
    if to_change:
        view.check_may_change(user)
    return view


def groups_of(user: User) -> Sequence[Group]:
    """The groups with which `user` may share a view."""
    query = select(Group).order_by(func.sort_key(Group.name), Group.id)
    if not user.is_administrator:
        query = query.where(Group.id.in_(_my_groups(user)))
    return list(db.session.scalars(query))


def save_view(
    user: User, name: str, conditions: str, order: str, group_id: int | None, view: SavedView | None = None
) -> SavedView:
    """Make a view, or give `view` another name, conditions, order and group.

    Raises Refused for what no list understands and for a group that is not one's own, Conflict for a name that one has.
    """
    if order not in list(Order):
        raise Refused(_("A list is ordered by the wait, the newest first, or by when tickets are due."))
    if len(conditions) > MOST_CONDITIONS:
        raise Refused(_("That is too much for one view. Take some conditions away."))
    written = read_narrowing(user, conditions).written
    known = {group.id for group in groups_of(user)} | ({view.group_id} if view else set())
    if group_id is not None and group_id not in known:
        raise Refused(_("You can share a view with a group of your own."))
    name, author_id = tidy_view_name(name), view.user_id if view else user.id
    _check_free(author_id, name, view)
    if view is None:
        view = SavedView(user_id=user.id)
        db.session.add(view)
    else:
        view.changed_at = clock.now()
    view.name, view.conditions, view.ordering, view.group_id = name, written, order, group_id
    db.session.flush()
    return view


def _check_free(author_id: int, name: str, view: SavedView | None) -> None:
    own = select(SavedView.id, SavedView.name).where(SavedView.user_id == author_id).limit(MOST_VIEWS + 1)
    rows = db.session.execute(own).all()
    if any(row.name.lower() == name.lower() and (view is None or row.id != view.id) for row in rows):
        raise Conflict(_("There is a view with this name already. Choose another one."))
    if view is None and len(rows) >= MOST_VIEWS:
        raise Refused(_("You have 100 views. Delete one that you do not need."))


def put_in_order(user: User, view_ids: Sequence[int]) -> None:
    """Keep the order in which `user` wants to see views; it is theirs alone."""
    user.preferences = {**user.preferences, ORDER_KEY: list(dict.fromkeys(view_ids))[: 5 * MOST_VIEWS]}
