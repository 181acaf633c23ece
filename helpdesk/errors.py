"""Errors that people read: each says what was wrong and what to do, and knows its HTTP status."""

from typing import Any


class StartError(Exception):
    """The program cannot start; the text is one clear sentence for the terminal."""


class HelpdeskError(Exception):
    """A refusal that a person can act upon. Rolls the transaction back.

    `status` is the HTTP status of the answer; `details` are JSON-safe facts for the page or the caller.
    """

    status = 400

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Refused(HelpdeskError):
    """The request is understood and breaks a rule."""

    status = 422


class NotFound(HelpdeskError):
    """The thing is absent, or this user may not know of it: both look alike."""

    status = 404


class Forbidden(HelpdeskError):
    """The user may see the thing but not do this to it."""

    status = 403


class Conflict(HelpdeskError):
    """Somebody was faster, or the thing changed since it was last seen."""

    status = 409


class TooMany(HelpdeskError):
    """A limit was reached; try again later."""

    status = 429
