"""What went wrong, as a problem document (RFC 9457): one shape for every refusal of the API."""

from collections.abc import Sequence
from typing import Any

from flask import Response, current_app, request
from pydantic import ValidationError

from helpdesk.config import settings
from helpdesk.errors import HelpdeskError

PATH = "/api/v1/"
MEDIA_TYPE = "application/problem+json"

# Status to the last part of `type`, and the title. The titles are the same whoever asks; `detail` is for people.
KINDS = {
    400: ("malformed", "The request cannot be read"),
    401: ("unauthorised", "A valid token is needed"),
    403: ("forbidden", "The token or its user may not do this"),
    404: ("not-found", "There is nothing here, or this user may not see it"),
    405: ("method-not-allowed", "This address does not take that method"),
    408: ("too-slow", "The request took too long to arrive"),
    409: ("conflict", "Somebody was faster, or the thing is in the way of itself"),
    412: ("changed-meanwhile", "The thing was changed since it was read"),
    413: ("too-large", "The request is too large"),
    415: ("not-json", "The body has to be application/json"),
    422: ("refused", "The request breaks a rule"),
    429: ("too-many", "A limit was reached"),
    500: ("fault", "Something went wrong here"),
    503: ("busy", "Not at the moment"),
}


class Unauthorised(HelpdeskError):
    """No token, or one that is not valid (any more)."""

    status = 401


class Malformed(HelpdeskError):
    """The request cannot be read at all."""

    status = 400


class NotJson(HelpdeskError):
    """The body is of another media type."""

    status = 415


class ChangedMeanwhile(HelpdeskError):
    """The version that the caller named is not the present one."""

    status = 412


class Invalid(HelpdeskError):
    """Fields of the request are missing or wrong; each is named."""

    status = 422

    def __init__(self, message: str, faults: Sequence[dict[str, str]]) -> None:
        super().__init__(message)
        self.details = {"errors": list(faults)}


def is_api() -> bool:
    """Whether the present request is one to the API."""
    return request.path.startswith(PATH)


def invalid(error: ValidationError, place: str) -> Invalid:
    """A failed validation as a problem; `place` is body, query or path."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [{"in": place, "pointer": _pointer(one["loc"]), "detail": one["msg"]} for one in found[:50]]
    return Invalid("Some fields are missing or not as expected.", faults)


def _pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def answer(status: int, message: str, details: dict[str, Any]) -> Response:
    """The problem document of a refusal. `details` besides `errors` are given as `facts`."""
    kind, title = KINDS.get(status, ("other", "The request was not done"))
    facts = {name: value for name, value in details.items() if name != "errors"}
    document = {
        "type": f"{settings().public_url}/api/docs#problem-{kind}",
        "title": title,
        "status": status,
        "detail": str(message),
        "errors": details.get("errors", []),
        "facts": facts,
    }
    response = current_app.make_response((current_app.json.dumps(document), status))
    response.mimetype = MEDIA_TYPE
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="helpdesk"'
    if "seconds" in facts:
        response.headers["Retry-After"] = str(facts["seconds"])
    return response
