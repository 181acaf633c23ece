"""The steps of signing in. Whatever is wrong, the answer is the same and as slow: nobody learns who works here."""

import structlog
from sqlalchemy import func, select

from helpdesk import passwords, throttle, totp
from helpdesk.db import db
from helpdesk.models.session import PasswordLink, Purpose, UserSession, end_sessions, revoke_links
from helpdesk.models.user import User

log = structlog.get_logger(__name__)


def user_by_email(email: str) -> User | None:
    """The user with this address, in whatever case it is written."""
    return db.session.scalar(select(User).where(func.lower(User.email) == email.strip().lower()))


def check_password(email: str, password: str, address: str) -> User | None:
    """The active user whose address and password these are, or None.

    `address` is the client's IP. Raises TooMany when it was tried too often from there.
    """
    account = email.strip().lower()[:320]
    tries = (throttle.SIGN_IN, f"{account}@{throttle.network_of(address)}")
    place = (throttle.SIGN_IN_PLACE, throttle.place_of(address))
    user = user_by_email(account)
    user_id, encoded = (user.id, user.password_hash) if user and user.active else (None, None)
    # This commits: no connection is held while the hash takes its turn.
    throttle.count_try(tries, place)
    right = passwords.verify(encoded, password)
    if user_id is None or encoded is None or not right:
        log.warning("sign-in refused", user_id=user_id, address=address)
        return None
    throttle.forget_tries(tries)
    throttle.take_back(*place)
    found = db.session.get_one(User, user_id)
    if passwords.is_outdated(encoded):
        found.password_hash = passwords.hash_password(passwords.normal_form(password))
    return found if found.active else None


def check_code(user: User, code: str) -> bool:
    """Whether the code of the second step is right; it cannot be used again. Raises TooMany."""
    tries = (throttle.CODE, str(user.id))
    throttle.count_try(tries)
    if not totp.accept(user, code):
        log.warning("second step refused", user_id=user.id)
        return False
    throttle.forget_tries(tries)
    return True


def prove(user: User, password: str) -> bool:
    """Whether a signed-in person knows their own password, asked again before something grave. Raises TooMany."""
    tries = (throttle.PROOF, str(user.id))
    encoded = user.password_hash
    throttle.count_try(tries)
    if not passwords.verify(encoded, password):
        log.warning("password not confirmed", user_id=user.id)
        return False
    throttle.forget_tries(tries)
    return True


def set_password(user: User, password: str, keep: UserSession | None = None) -> None:
    """Give `user` a new password of their own choice. Every session but `keep` ends, and every open link with it.

    Raises Refused when the password is not good enough.
    """
    user.password_hash = passwords.hash_password(passwords.check_new(password, user.name, user.email))
    user.password_is_one_time = False
    end_sessions(user, keep)
    revoke_links(user)


def set_one_time_password(user: User) -> str:
    """Give `user` a password that must be changed at the first sign-in, and return it."""
    password = passwords.one_time_password()
    user.password_hash = passwords.hash_password(password)
    user.password_is_one_time = True
    end_sessions(user)
    revoke_links(user)
    return password


def make_link(user: User, purpose: Purpose) -> str:
    """The path of a fresh link by which `user` sets a password; shown or mailed once, stored as a hash."""
    return f"/password/{PasswordLink.issue(user, purpose)}"
