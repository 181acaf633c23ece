"""Requests that no hand made take turns, so that people and doors come first.

When something happens, hundreds of open pages ask again in the same second. If all of them were answered at once, each
would wait for all others and hold a database connection meanwhile, and so would whoever has just pressed a key, and
every message at a door. Only a few are therefore worked on at a time in each process; the others wait and hold nothing.
A page asks again only when it was answered, so under load it simply asks less often.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ONCE = 3  # in each process: while one computes, the others wait for the database


class Turns:
    """A WSGI application around another: of reading requests with `X-Background`, and of event streams that begin,
    `at_once` are worked on at a time. What an answer streams afterwards is not counted."""

    def __init__(self, app: "WSGIApplication", at_once: int = AT_ONCE) -> None:
        self._app = app
        self._free = threading.BoundedSemaphore(at_once)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer, now or when it is this request's turn."""
        if not can_wait(environ):
            return self._app(environ, start_response)
        with self._free:
            return self._app(environ, start_response)


def can_wait(environ: "WSGIEnvironment") -> bool:
    """Whether nobody waits for this answer with a finger on a key; only of requests that have no body to wait for."""
    by_itself = "HTTP_X_BACKGROUND" in environ or "text/event-stream" in environ.get("HTTP_ACCEPT", "")
    return by_itself and environ["REQUEST_METHOD"] == "GET" and environ.get("CONTENT_LENGTH") in {None, "", "0"}
