"""Who calls: a token in the header `Authorization`, never a cookie. And how often it may."""

import re
import time
from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog
from flask import g, request
from flask_babel import gettext as _
from sqlalchemy import update

from helpdesk import live
from helpdesk.api.problems import Unauthorised
from helpdesk.auth import owes_totp
from helpdesk.clock import SQL_NOW
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.errors import Forbidden, TooMany
from helpdesk.models import ApiToken, Scope, User

log = structlog.get_logger(__name__)

USED_STEP = timedelta(minutes=1)
WINDOW = 60  # seconds

_BEARER = re.compile(r"bearer +(hd_[A-Za-z0-9_-]{20,100})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """A program: its token, and the user as whom it acts."""

    token: ApiToken
    user: User

    def needs(self, scope: Scope) -> None:
        """Raises Forbidden when the token was not made for this."""
        if scope not in self.token.scopes:
            raise Forbidden(_("This token has no scope “%(scope)s”.", scope=scope.value), scope=scope.value)


@dataclass(frozen=True)
class Allowance:
    """What a token may still ask for within the present minute: requests, and seconds until the next one begins."""

    most: int
    left: int
    seconds: int


def identify() -> Caller:
    """The caller of the present request. Raises Unauthorised without a living token, TooMany over its limit."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", "").strip())
    known = ApiToken.find(found[1]) if found is not None else None
    if known is None:
        raise Unauthorised(_("Send a valid token in the header Authorization: Bearer hd_…"))
    token, user, now = known
    if not user.system and (user.password_is_one_time or owes_totp(user)):
        raise Forbidden(_("The owner of this token has to sign in and finish setting up the account first."))
    g._login_user = user  # language and time zone of what people read
    _spend(token)
    if token.last_used_at is None or now - token.last_used_at > USED_STEP:
        db.session.execute(
            update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=SQL_NOW),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()  # at once: no request shall wait for another one of the same token
    return Caller(token, user)


def _spend(token: ApiToken) -> None:
    """Count one request. Without Redis nobody counts: a limit that fails must not stop the work."""
    most = settings().api_requests_per_minute
    now = int(time.time())
    key = f"api-requests:{token.id}:{now // WINDOW}"
    try:
        pipe = live.connection().pipeline(transaction=False)
        pipe.incr(key)
        pipe.expire(key, WINDOW * 2)
        count = int(pipe.execute()[0])
    except redis.RedisError as error:
        log.warning("requests of a token are not counted", token=token.id, error=str(error))
        return
    seconds = WINDOW - now % WINDOW
    g.api_allowance = Allowance(most, max(0, most - count), seconds)
    if count > most:
        raise TooMany(_("This token may ask %(count)s times a minute. Wait a little.", count=most), seconds=seconds)
