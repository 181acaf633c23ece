"""Requests that are sent again: with the header `Idempotency-Key` a repeated POST is one act and has one answer.

The key is reserved in the transaction of the act: a second request waits for the first one's end. Refusals are not
kept; whoever was refused may try again with the same key. Answers are kept sealed: some hold a secret that is shown
once.
"""

import base64
import hashlib
import re
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk.api.problems import Invalid
from helpdesk.db import db
from helpdesk.keyring import keyring
from helpdesk.models import IdempotencyKey, User

HEADER = "Idempotency-Key"
SEALED = "sealed"
PATTERN = r"^[!-~]{1,100}$"

_KEY = re.compile(PATTERN, re.ASCII)


def wanted_key() -> str | None:
    """The key of the present request, None without one. Raises Invalid for what is none."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise _fault(_("A key has 1 to 100 visible ASCII characters."))
    return key


def earlier(user: User, key: str) -> dict[str, Any] | None:
    """What the first request with this key was answered; None for the first one, which reserves the key.

    Raises Invalid when the first one asked for something else.
    """
    row = {"user_id": user.id, "key": _stored(key), "request_hash": _asked()}
    reserve = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.user_id)
    if db.session.scalar(reserve) is not None:
        return None
    first = db.session.execute(
        select(IdempotencyKey.request_hash, IdempotencyKey.answer).where(
            IdempotencyKey.user_id == user.id, IdempotencyKey.key == _stored(key)
        )
    ).first()
    if first is None or bytes(first.request_hash or b"") != row["request_hash"]:
        raise _fault(_("This key was used for another request. Use a new one for each act."))
    answer: dict[str, Any] = keyring().open_json(base64.b64decode(first.answer[SEALED]), _scope(user, key))
    return answer


def remember(user: User, key: str, answer: dict[str, Any]) -> None:
    """Keep what was answered."""
    sealed = base64.b64encode(keyring().seal_json(answer, _scope(user, key))).decode()
    mine = (IdempotencyKey.user_id == user.id, IdempotencyKey.key == _stored(key))
    statement = update(IdempotencyKey).where(*mine).values(answer={SEALED: sealed})
    db.session.execute(statement.execution_options(synchronize_session=False))


def _scope(user: User, key: str) -> str:
    return f"api-answer:{user.id}:{key}"


def _stored(key: str) -> str:
    return f"api:{key}"  # keys of pages are others


def _asked() -> bytes:
    """The request as a hash: method, address and body."""
    return hashlib.sha256(f"{request.method} {request.full_path}\n".encode() + request.get_data()).digest()


def _fault(detail: str) -> Invalid:
    return Invalid(detail, [{"in": "header", "pointer": f"/{HEADER}", "detail": detail}])
