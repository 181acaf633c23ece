"""Making and revoking tokens of the API. Every change is written into the history; a token's text never is."""

import secrets
from collections.abc import Iterable
from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import ApiToken, Availability, Group, Role, Scope, User
from helpdesk.models.event import record_change

MOST_TOKENS = 20  # living ones of one user
MOST_DAYS = 3650
MOST_SHOWN = 500


def scopes_for(user: User) -> list[Scope]:
    """The scopes that a token of `user` may have."""
    return [scope for scope in Scope if scope != Scope.WEBHOOKS_MANAGE or user.is_administrator]


def make_token(by: User, user: User, name: str, scopes: Iterable[Scope], days: int | None) -> tuple[ApiToken, str]:
    """A token that acts as `user`, for so many days or until it is revoked. Returns it and its text, shown once.

    Raises Refused for one without a name or scope, or one token too many.
    """
    name = " ".join(name.split())
    wanted = [scope for scope in scopes if scope in scopes_for(user)]
    if not 1 <= len(name) <= 100:
        raise Refused(_("Name the token after what will use it, in at most 100 characters."))
    if not wanted:
        raise Refused(_("Choose at least one thing that the token may do."))
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Refused(_("A token lives for 1 to %(count)s days.", count=MOST_DAYS))
    if len(ApiToken.of_user(user)) >= MOST_TOKENS:
        raise Refused(_("There are %(count)s tokens already. Revoke one first.", count=MOST_TOKENS))
    expires = clock.now() + timedelta(days=days) if days else None
    token, text = ApiToken.issue(user, by, name, wanted, expires)
    facts = {"made": token.shown, "for": user.name, "scopes": sorted(wanted), "days": days}
    record_change(by.id, "token", token.id, name, facts)
    return token, text


def make_system_user(by: User, name: str, role: Role, groups: Iterable[Group]) -> User:
    """A user as whom programs act. Nobody can sign in as it. Raises Refused without a name, or when it is taken."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100:
        raise Refused(_("A system user needs a name of at most 100 characters."))
    taken = select(User.id).where(User.system, func.lower(User.name) == name.lower())
    if db.session.scalar(taken) is not None:
        raise Refused(_("There is a system user with that name already."))
    user = User(
        email=f"system-{secrets.token_hex(6)}@system.invalid",  # RFC 2606: no mail ever goes there
        name=name,
        role=role,
        system=True,
        availability=Availability.AVAILABLE,  # a program does not go home
        language=by.language,
        time_zone=by.time_zone,
    )
    user.groups = list(groups)
    db.session.add(user)
    db.session.flush()
    named = sorted(group.name for group in user.groups)
    record_change(by.id, "person", user.id, name, {"system": True, "role": role, "groups": named})
    return user


def revoke(by: User, token: ApiToken) -> None:
    """Make a token worthless. Revoking it twice is once."""
    if token.revoked_at is None:
        token.revoke()
        record_change(by.id, "token", token.id, token.name, {"revoked": token.shown})


def get_token(token_id: int, of: User | None = None) -> ApiToken:
    """A living token, of one user or of anybody. Raises NotFound."""
    token = db.session.get(ApiToken, token_id)
    if token is None or token.revoked_at is not None or (of is not None and token.user_id != of.id):
        raise NotFound(_("There is no such token."))
    return token


def system_users() -> list[User]:
    """The users as whom programs act, in alphabetical order."""
    return list(db.session.scalars(select(User).where(User.system).order_by(func.sort_key(User.name), User.id)))


def all_tokens() -> list[ApiToken]:
    """All tokens that were not revoked: those of system users first."""
    query = select(ApiToken).join(User, User.id == ApiToken.user_id).where(ApiToken.revoked_at.is_(None))
    query = query.order_by(User.system.desc(), func.sort_key(User.name), ApiToken.id).limit(MOST_SHOWN)
    return list(db.session.scalars(query))
