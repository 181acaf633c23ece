"""The second step: time-based codes (RFC 6238: SHA-1, six digits, 30 seconds) and codes for a lost telephone."""

import base64
import hashlib
import secrets
from datetime import datetime

import pyotp
import segno
from sqlalchemy import delete, or_, update

from helpdesk import clock
from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.keyring import keyring
from helpdesk.models.session import RecoveryCode
from helpdesk.models.user import User

ISSUER = "Helpdesk"
STEP = 30  # seconds
DRIFT = 1  # steps that a telephone's clock may be off, either way
RECOVERY_CODES = 10


def new_secret() -> str:
    """A fresh secret of 160 bits in base32, as authenticator programs take it."""
    return pyotp.random_base32()


def seal_setup(user: User, secret: str) -> str:
    """A secret that is not yet in force, sealed for the form that confirms it: nothing waits in the database."""
    return base64.urlsafe_b64encode(keyring().seal_json(secret, f"totp-setup:{user.id}")).decode()


def open_setup(user: User, sealed: str) -> str:
    """The secret that `seal_setup` took. Raises ValueError or StartError when it was not made for this user."""
    return str(keyring().open_json(base64.urlsafe_b64decode(sealed), f"totp-setup:{user.id}"))


def setup_uri(user: User, secret: str) -> str:
    """The otpauth address that authenticator programs read from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


def qr_picture(uri: str) -> str:
    """The address as a QR code: a data: URL of an SVG, dark on white also on a dark page."""
    return str(segno.make(uri, error="m").svg_data_uri(scale=5, border=3, light="#ffffff", dark="#000000"))


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """The time step whose code this is, looking one step to either side of `at`."""
    digits = "".join(c for c in code if c.isascii() and c.isdigit())
    now = int(at.timestamp()) // STEP
    otp = pyotp.TOTP(secret)
    for step in range(now - DRIFT, now + DRIFT + 1):
        if len(digits) == 6 and secrets.compare_digest(otp.generate_otp(step), digits):
            return step
    return None


def enable(user: User, secret: str, step: int) -> list[str]:
    """Ask `user` for a code from now on. Returns fresh recovery codes, which are shown once and kept as hashes."""
    user.totp_secret = keyring().seal_json(secret, f"totp:{user.id}")
    user.totp_last_step = step
    return renew_recovery_codes(user)


def disable(user: User) -> None:
    """No longer ask `user` for a code."""
    user.totp_secret = None
    user.totp_last_step = None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def renew_recovery_codes(user: User) -> list[str]:
    """Ten fresh codes; the former ones are worth nothing any more."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_recovery_code() for _i in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(user_id=user.id, code_hash=_recovery_hash(code)) for code in codes)
    db.session.flush()
    return codes


def accept(user: User, code: str) -> bool:
    """Whether `code` is right for `user` now; it is used up by that, whoever else sends it at the same moment."""
    if user.totp_secret is None:
        return False
    secret = keyring().open_json(user.totp_secret, f"totp:{user.id}")
    step = matching_step(secret, code, clock.now())
    if step is None:
        return _use_recovery_code(user, code)
    used = db.session.scalar(
        update(User)
        .where(User.id == user.id, or_(User.totp_last_step.is_(None), User.totp_last_step < step))
        .values(totp_last_step=step)
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    return used is not None


def _use_recovery_code(user: User, code: str) -> bool:
    used = db.session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == _recovery_hash(code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=SQL_NOW)
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    )
    return used is not None


def _recovery_code() -> str:
    """80 random bits, enough that a plain hash of it cannot be guessed back."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def _recovery_hash(code: str) -> bytes:
    return hashlib.sha256("".join(c for c in code.lower() if c.isalnum()).encode()).digest()
