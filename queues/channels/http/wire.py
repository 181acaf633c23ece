"""Reading a posted body strictly: UTF-8, JSON without surprises, a known type, the right fields.

Two programs that read one text differently are a way in, so what JSON leaves open (RFC 8259: duplicate names, numbers
beyond all bounds, lone surrogates) is refused.
"""

import json
import math
import re
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from queues.channels.http.events import EVENTS, Event

DEEPEST = 12
_SURROGATE = re.compile("[\ud800-\udfff]")


class Fault(Exception):
    """A body cannot be taken. `code` is for programs, `words` for programmers, `field` the path of what is wrong."""

    def __init__(self, code: str, words: str, field: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.field = field


def read(body: bytes, types: Collection[str]) -> Event:
    """The event in a body. Raises Fault: `not_json` where the text is no (safe) JSON, `schema` for all else."""
    data = _read_json(body)
    if not isinstance(data, dict):
        raise Fault("schema", "The body has to be one JSON object.")
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in types:
        raise Fault("schema", f"type has to be one of: {', '.join(sorted(types))}.", "type")
    try:
        return EVENTS[kind].model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in fault["loc"])
        raise Fault("schema", _words(fault["msg"]), path) from error


def _words(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].upper() + message[1:300] + ("" if message.endswith(".") else ".")


def _read_json(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("not_json", f"The body is not UTF-8 (byte {error.start}).") from error
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise Fault("not_json", "The body is nested too deeply.") from error
    except ValueError as error:
        raise Fault("not_json", f"The body is not JSON: {str(error)[:200]}.") from error
    _look_through(data)
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")


def _look_through(data: Any) -> None:
    """Refuse what cannot be stored as it is: depth without end, NUL, halves of characters, endless numbers."""
    level = [data]
    for _depth in range(DEEPEST):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                deeper += value
            elif isinstance(value, str) and ("\0" in value or _SURROGATE.search(value)):
                raise Fault("not_json", "The body holds a character that cannot be stored (NUL or half of one).")
            elif isinstance(value, float) and not math.isfinite(value):
                raise Fault("not_json", "The body holds a number beyond all bounds.")
        if not deeper:
            return
        level = deeper
    raise Fault("not_json", "The body is nested too deeply.")
