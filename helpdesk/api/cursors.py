"""Cursors: where a page of a list ended, signed, so that nobody needs to know or can invent what is inside."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from flask import request

from helpdesk.api.problems import Invalid
from helpdesk.keyring import keyring


class _Numbered(Protocol):
    """A row that a list is ordered by."""

    id: Any


Row = TypeVar("Row", bound=_Numbered)

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


def after_id(cursor: str | None) -> int | None:
    """The id after which a list in the order of its ids goes on, None from the beginning. Raises Invalid."""
    place = read(cursor)
    return int(place[0]) if place is not None else None


def cut(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
    """A page of rows in the order of ids, and the cursor of the next one: `found` has one row more if there is one."""
    page = found[:limit]
    return page, write([page[-1].id]) if len(found) > limit else None


def _asked() -> str:
    """The list and its filters: all of the address but the cursor and the size of a page."""
    filters = sorted((name, value) for name, value in request.args.items(multi=True) if name not in {"cursor", "limit"})
    return json.dumps([request.path, filters])
