"""Who is asking. A cookie holds a random token, PostgreSQL its session (`helpdesk.models.session`).

The session is looked up anew for every request, so whoever is signed out, deactivated or given another role is out with
the next click. Requests that no hand made (event streams, refreshes by themselves: header `X-Background: 1`) do not
keep a session awake.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import AnonymousUserMixin, LoginManager, current_user, login_required
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import Unauthorized

from helpdesk import clock
from helpdesk.api.problems import is_api
from helpdesk.browsers import browser_name
from helpdesk.clock import SQL_NOW
from helpdesk.config import settings
from helpdesk.connections import begin_reading
from helpdesk.csrf import bind_token
from helpdesk.db import db
from helpdesk.errors import Forbidden
from helpdesk.models import availability
from helpdesk.models.availability import Availability, Cause
from helpdesk.models.project import read_setting
from helpdesk.models.session import Stage, UserSession
from helpdesk.models.user import User
from helpdesk.permissions import edits_dialog_settings, edits_texts, know_rights

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Activity is written down at most this often: a click must not cost a write.
ACTIVITY_STEP = timedelta(minutes=1)
# Setting: administrators must have a second step. Off at first, so that a trial on a laptop is not in the way.
REQUIRE_TOTP = "require_totp_for_administrators"

manager = LoginManager()
manager.session_protection = None  # Flask-Login keeps nothing of its own; see load_user


def cookie_name() -> str:
    """The session cookie: bound to this very host over TLS, a plain one where people use plain http."""
    return "__Host-sid" if settings().secure else "sid"


def init_app(app: Flask) -> None:
    """Teach the application who is signed in, and what everybody has to do before anything else."""
    app.config.update(
        SESSION_COOKIE_NAME="__Host-page" if settings().secure else "page",  # messages and the sign-in form's token
        SESSION_COOKIE_SECURE=settings().secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_SSL_STRICT=False,  # helpdesk.csrf looks at the origin itself, also where no Referer is sent
    )
    manager.init_app(app)
    manager.request_loader(load_user)
    manager.unauthorized_handler(ask_to_sign_in)
    app.before_request(prepare)
    app.after_request(set_cookie)
    app.context_processor(lambda: {"asks_for_totp": asks_for_totp})
    app.jinja_env.filters["browser_name"] = browser_name


def prepare() -> ResponseReturnValue | None:
    """Bind this request's CSRF token to the session, and lead to what cannot wait: a password, a second step."""
    if request.endpoint in {None, "static"}:
        return None
    begin_reading()
    current_user.is_authenticated  # noqa: B018 - looks the session up
    row = half_session()
    if row is not None:
        bind_token(row)
    target = duty()
    return redirect(url_for(target)) if target and not request.path.startswith("/health") else None


def load_user(_request: Request) -> User | None:
    """The user whose living, complete session the cookie names. Flask-Login asks once per request.

    A request to the API shows a token instead (`helpdesk.api.callers`); there a cookie says nothing.
    """
    if is_api():
        return None
    token = request.cookies.get(cookie_name())
    if not token:
        return None
    try:
        found = UserSession.find(token)
    except OperationalError:
        g._login_user = AnonymousUserMixin()  # the page that tells of the outage must not ask again
        raise
    if found is None:
        return None
    row, user, now = found.session, found.user, found.now
    g.user_session = row
    if row.stage != Stage.FULL:
        return None
    if not is_background():
        if now - row.last_active_at > ACTIVITY_STEP:
            _note_activity(row, user)
        if user.availability == Availability.OFFLINE and user.availability_reason == availability.LEFT:
            availability.change(user, Availability.AVAILABLE, by=user, cause=Cause.BACK)
            db.session.commit()
    know_rights(user, found.held)
    if request.method == "GET":
        clock.hold(now)  # a page shows one moment; whoever changes something asks again, behind the locks
    return user


def _note_activity(row: UserSession, user: User) -> None:
    """Committed at once: no page shall wait for another page of the same person."""
    db.session.execute(update(UserSession).where(UserSession.id == row.id).values(last_active_at=SQL_NOW))
    db.session.execute(update(User).where(User.id == user.id).values(last_seen_at=SQL_NOW, present_at=SQL_NOW))
    db.session.commit()


def is_background() -> bool:
    """Whether no hand made this request."""
    return "X-Background" in request.headers or "text/event-stream" in request.headers.get("Accept", "")


def me() -> User:
    """The signed-in user, typed; for views behind `login_required`."""
    return cast(User, current_user._get_current_object())


def half_session() -> UserSession | None:
    """The session of this request, complete or waiting for its code."""
    return cast("UserSession | None", g.get("user_session"))


def current_session() -> UserSession:
    """The session of the signed-in user."""
    row = half_session()
    assert row is not None and row.stage == Stage.FULL
    return row


def begin_session(user: User, stage: Stage = Stage.FULL) -> None:
    """A new session with a new token for this browser; the one that it had before ends."""
    _delete(half_session())
    row, token = UserSession.begin(user, stage, request.remote_addr or "", request.user_agent.string)
    if stage == Stage.FULL:
        user.last_seen_at = row.created_at
        availability.change(user, Availability.AVAILABLE, by=user, cause=Cause.SIGN_IN)
        log.info("signed in", user_id=user.id, address=row.address)
    session.clear()
    g.user_session, g.session_token = row, token
    bind_token(row)


def renew_session() -> None:
    """A new token for the present session, because its rights changed."""
    g.session_token = current_session().renew()


def end_session() -> None:
    """Sign this browser out; whoever is signed in nowhere else is offline."""
    row = half_session()
    _delete(row)
    if row is not None and row.stage == Stage.FULL and not UserSession.of_user(row.user):
        availability.change(row.user, Availability.OFFLINE, by=row.user, cause=Cause.SIGN_OUT)
    session.clear()
    g.session_token = ""


def _delete(row: UserSession | None) -> None:
    if row is not None:
        db.session.execute(delete(UserSession).where(UserSession.id == row.id))


def set_cookie(response: Response) -> Response:
    """Hand the token of a new session to the browser, or take it away."""
    token = g.get("session_token")
    secure = settings().secure
    if token and response.status_code < 400:
        response.set_cookie(cookie_name(), token, path="/", secure=secure, httponly=True, samesite="Lax")
    elif token == "":
        response.delete_cookie(cookie_name(), path="/", secure=secure, httponly=True, samesite="Lax")
    return response


def ask_to_sign_in() -> ResponseReturnValue:
    """Lead a stranger to the sign-in page and back; whoever was writing keeps the page, and is told."""
    from helpdesk.handlers import wants_json

    if request.method in {"GET", "HEAD"} and "HX-Request" not in request.headers and not wants_json():
        where = request.full_path.rstrip("?")
        return redirect(url_for("sessions.show", next=None if where == "/" else where))
    raise Unauthorized(_("You are signed out. Sign in in another tab, then try again."))


def duty() -> str | None:
    """The endpoint that the signed-in user must visit before anything else, if there is one."""
    if not current_user.is_authenticated or request.endpoint is None:
        return None
    if request.blueprint in {"sessions", "password_links", "health"} or request.endpoint in {
        "preferences.set_language",
        "welcome.own_account",
        "welcome.save_own_account",
    }:
        return None
    if me().password_is_one_time:
        return "welcome.own_account"
    if request.blueprint != "second_step" and owes_totp(me()):
        return "second_step.show"
    return None


def owes_totp(user: User) -> bool:
    """Whether this administrator has to set the second step up, because the installation asks for it."""
    return user.is_administrator and not user.has_totp and bool(read_setting(REQUIRE_TOTP, False))


def asks_for_totp() -> bool:
    """Whether pages urge an administrator to set the second step up: not while only this computer reaches us."""
    if not current_user.is_authenticated or not me().is_administrator or me().has_totp:
        return False
    return urlsplit(settings().public_url).hostname not in {"127.0.0.1", "localhost", "::1"}


def administrators_only(view: Callable[P, R]) -> Callable[P, R]:
    """Only administrators reach this view. Raises Forbidden for other signed-in people."""
    return _only(view, lambda user: user.is_administrator)


def supervisors_only(view: Callable[P, R]) -> Callable[P, R]:
    """Only supervisors and administrators reach this view. Raises Forbidden for other signed-in people."""
    return _only(view, lambda user: user.is_supervisor)


def dialog_settings_only(view: Callable[P, R]) -> Callable[P, R]:
    """Only who may edit dialog settings reaches this view. Raises Forbidden for other signed-in people."""
    return _only(view, edits_dialog_settings)


def texts_only(view: Callable[P, R]) -> Callable[P, R]:
    """Only who may edit ready answers reaches this view. Raises Forbidden for other signed-in people."""
    return _only(view, edits_texts)


def _only(view: Callable[P, R], allows: Callable[[User], bool]) -> Callable[P, R]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not allows(me()):
            log.warning("access refused", user_id=me().id, endpoint=request.endpoint)
            raise Forbidden(_("Your role does not include this page. Ask an administrator."))
        return view(*args, **kwargs)

    return cast("Callable[P, R]", login_required(guarded))


def local_path(target: str | None, otherwise: str = "/") -> str:
    """`target` if it is a path on this very site, else `otherwise`: a link must not lead people elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return otherwise
    if any(ord(c) < 32 or c == "\\" for c in target) or urlsplit(target).netloc:
        return otherwise
    return target


def told(message: str, kind: str = "success") -> None:
    """Leave a sentence for the next page. Kinds: success, info, warning, error."""
    flash(message, kind)
