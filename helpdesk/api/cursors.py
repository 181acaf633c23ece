"""Cursors: where a page of a list ended, signed, so that nobody needs to know or can invent what is inside."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from flask import request

from helpdesk.api.problems import Invalid
from helpdesk.keyring import keyring

FAULT = "is not a cursor of this list. Begin without one."


def write(place: Sequence[str | int]) -> str:
    """A cursor that continues after `place` in the list of the present request, with the same filters."""
    payload = base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")
    return f"{payload}.{keyring().sign('cursor', payload, _asked())}"


def read(cursor: str | None) -> list[Any] | None:
    """The place that a cursor names, None without one. Raises Invalid for what `write` did not make for this list."""
    if cursor is None:
        return None
    payload, _dot, signature = cursor.partition(".")
    try:
        if not keyring().verify(signature, "cursor", payload, _asked()):
            raise ValueError(cursor)
        place: list[Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error) as error:
        raise Invalid("The cursor cannot be used.", [{"in": "query", "pointer": "/cursor", "detail": FAULT}]) from error
    return place


def _asked() -> str:
    """The list and its filters: all of the address but the cursor and the size of a page."""
    filters = sorted((name, value) for name, value in request.args.items(multi=True) if name not in {"cursor", "limit"})
    return json.dumps([request.path, filters])
