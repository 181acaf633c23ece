"""Bodies of requests: read before anything else, within limits of size and time.

A request that takes its time to arrive must hold no database connection, and its place in the web server not for
long; and a form of millions of fields must not be taken apart. Flask's own limits spare forms that are not multipart.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Flask, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from helpdesk.api.problems import is_api
from helpdesk.auth import cookie_name

View = TypeVar("View", bound=Callable[..., Any])

LARGEST_FORM = 3 * 1024 * 1024  # the longest reply, every letter of it escaped
MOST_FIELDS = 2000
LARGEST_OF_STRANGERS = 64 * 1024
PATIENCE = 30.0  # seconds
SLOWEST = 20_000  # bytes a second


def init_app(app: Flask) -> None:
    """Read each body before the parts of the application that come after this one look at the request."""
    app.before_request(read_body)


def read_body() -> None:
    """Read the body and take a form apart. Raises RequestEntityTooLarge or RequestTimeout."""
    if is_read_by_view():
        return
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return
    if is_api() and "Authorization" in request.headers:
        request.max_content_length = LARGEST_FORM
    elif cookie_name() not in request.cookies:
        request.max_content_length = LARGEST_OF_STRANGERS
    elif request.mimetype != "multipart/form-data":
        request.max_content_length = LARGEST_FORM
    size = request.content_length or 0
    with within(PATIENCE + min(size, request.max_content_length or 0) / SLOWEST):
        if request.mimetype == "application/x-www-form-urlencoded" and request.get_data().count(b"&") >= MOST_FIELDS:
            raise RequestEntityTooLarge
        request.form  # noqa: B018 - reads it


def reads_its_body(view: View) -> View:
    """Mark a view that takes no form and reads the body itself, within limits of its own."""
    view.reads_its_body = True  # type: ignore[attr-defined]  # functions may carry what they like
    return view


def is_read_by_view() -> bool:
    """Whether the body of this request is left to its view."""
    return getattr(current_app.view_functions.get(request.endpoint or ""), "reads_its_body", False)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop waiting after so long; where nothing waits (no gevent), nothing is stopped."""
    if "gevent.monkey" not in sys.modules:
        yield
        return
    from gevent import Timeout

    with Timeout(seconds, RequestTimeout()):
        yield
